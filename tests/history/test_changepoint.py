import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depthprof.history import levels
from depthprof.history.noise import calm, noise_of, persistence
from depthprof.history.scan import CHANCES, STRENGTHS, chance, largest_strength, steps
from scripts.study.history_series import NOISES, ar1
from tests.history.series import noise


def found(values: np.ndarray) -> list[int]:
    return [change.place.index for change in levels(values, 0.05).changes]


@pytest.mark.parametrize("name", NOISES)
@pytest.mark.parametrize("rise", [0.1, -0.1])
def test_a_step_is_found_where_it_is(name: str, rise: float) -> None:
    values = NOISES[name](np.random.default_rng(3), 120) + rise * (np.arange(120) >= 70)
    told = levels(values, 0.05)
    (change,) = told.changes
    assert abs(change.place.index - 70) <= 2
    assert change.place.earliest <= 70 <= change.place.latest
    assert abs(change.after - change.before - rise) < 0.03
    assert told.ramp is None


def test_several_steps_up_and_down() -> None:
    places = np.arange(200)
    rise = 0.1 * (places >= 50) - 0.15 * (places >= 90) + 0.1 * (places >= 150)
    assert found(noise(200) + rise) == pytest.approx([50, 90, 150], abs=2)


def test_a_step_without_noise() -> None:
    assert found(np.where(np.arange(40) < 25, 1.0, 1.2)) == [25]


@pytest.mark.parametrize("count", [10, 11, 60, 500])
def test_a_constant_series_is_steady(count: int) -> None:
    told = levels(np.full(count, 15.3), 0.05)
    assert told.changes == ()
    assert told.ramp is None


def test_a_slow_drift_is_not_silent_and_not_a_staircase() -> None:
    places = np.arange(120.0)
    told = levels(noise(120) + 0.01 * np.clip(places - 50, 0, 20), 0.05)
    assert told.changes == ()
    assert told.ramp is not None
    assert told.ramp.rise == pytest.approx(0.2, abs=0.03)
    assert told.ramp_chance < 0.01


def test_twenty_drifting_points_alone_are_not_silent() -> None:
    told = levels(noise(20) + 0.01 * np.arange(20), 0.05)
    assert told.changes or told.ramp


def test_a_single_outlier_is_no_change() -> None:
    values = noise(60)
    values[30] += 2.0
    assert found(values) == []


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(0.1, 1e12), min_size=10, max_size=80), st.floats(-3, 3))
def test_any_series_is_judged_and_shifts_change_nothing(medians: list[float], by: float) -> None:
    values = np.round(np.log(medians), 6)
    indices = found(values)
    assert indices == sorted(set(indices))
    assert all(0 < index < len(values) for index in indices)
    assert all(0 < change.chance <= 0.05 for change in levels(values, 0.05).changes)
    assert len(found(values + round(by, 3))) == len(indices)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_up_is_as_strong_as_down(seed: int) -> None:
    values = noise(50, seed)
    assert largest_strength(values, 0.3) == pytest.approx(largest_strength(-values, 0.3))


def test_steps_come_strongest_first_and_inside_their_intervals() -> None:
    pool = steps(noise(90), 0.2)
    strengths = [step.strength for step in pool]
    assert strengths == sorted(strengths, reverse=True)
    assert all(step.start + 3 <= step.index <= step.end - 3 for step in pool)


def test_ranks_know_no_tails() -> None:
    values = noise(40)
    assert largest_strength(values, 0.0) == largest_strength(np.sinh(40 * values), 0.0)


@pytest.mark.parametrize("count", STRENGTHS)
def test_the_chance_is_the_table_s(count: int) -> None:
    for share, strength in zip(CHANCES, STRENGTHS[count], strict=True):
        assert chance(strength, count) == pytest.approx(share)


@given(st.floats(0, 9), st.floats(0, 9), st.integers(10, 5000))
def test_a_stronger_step_is_less_likely(one: float, other: float, count: int) -> None:
    low, high = sorted((one, other))
    assert 1 >= chance(low, count) >= chance(high, count) > 0


@pytest.mark.parametrize(("phi", "low", "high"), [(0.0, -0.01, 0.1), (0.5, 0.4, 0.6)])
def test_persistence_is_told_from_long_series(phi: float, low: float, high: float) -> None:
    values = ar1(np.random.default_rng(5), 2000, phi)
    values[1000:] += 0.3  # a step is not persistence
    assert low < persistence(values) < high


def test_heavy_tails_are_seen() -> None:
    random = np.random.default_rng(2)
    assert noise_of(random.standard_t(3, 2000), 0.0).degrees < 6
    assert noise_of(random.normal(size=2000), 0.0).degrees > 9


def test_calm_keeps_steps_and_cuts_outliers() -> None:
    values = noise(60) + (np.arange(60) >= 30)
    values[10] += 5
    quiet = calm(values)
    assert abs(quiet[10]) < 0.2
    assert np.abs(quiet - values)[np.arange(60) != 10].max() < 0.1


def test_likelihood_is_student_s() -> None:
    told = noise_of(noise(500), 0.0)
    at = told.log_likelihood(np.array([0.0, told.scale]))
    nu = told.degrees
    assert at[0] == 0
    assert at[1] == pytest.approx(-(nu + 1) / 2 * math.log(1 + 1 / nu))
