"""The mean over layouts against SciPy, and against truths that were simulated."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from depthprof.stats.layouts import UnitMean, centre, processes_differ, student_quantile, unit_mean

FINITE = st.floats(-1e6, 1e6, allow_nan=False, allow_infinity=False, width=32)


def places(processes: int, layouts: int, pairs: int) -> tuple[np.ndarray, np.ndarray]:
    layout = np.repeat(np.arange(processes * layouts), pairs)
    return layout, layout // layouts


def nested(
    random: np.random.Generator, shape: tuple[int, int, int], sds: tuple[float, float, float]
) -> np.ndarray:
    """Values of processes, layouts and pairs, by the standard deviation of each."""
    values = random.normal(0, sds[0], (shape[0], 1, 1)) + random.normal(0, sds[1], (*shape[:2], 1))
    return np.asarray((values + random.normal(0, sds[2], shape)).ravel())


def mean_of(values: np.ndarray, shape: tuple[int, int, int]) -> UnitMean:
    found = unit_mean(values, *places(*shape))
    assert found is not None
    return found


@pytest.mark.parametrize("freedom", [*range(1, 12), 15, 19, 30])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99375, 0.99969, 1 - 1e-6])
def test_student_s_quantile_is_scipys(freedom: int, confidence: float) -> None:
    theirs = scipy.stats.t.ppf((1 + confidence) / 2, freedom)
    assert student_quantile(freedom, confidence) == pytest.approx(theirs, rel=1e-6)


def test_the_interval_is_student_s_over_the_layouts_centres() -> None:
    random = np.random.default_rng(0)
    values = random.normal(0.01, 0.02, 24)
    found = mean_of(values, (2, 12, 1))
    low, high = scipy.stats.t.interval(0.99, 23, values.mean(), scipy.stats.sem(values))
    interval = found.interval(0.99)
    assert (found.unit, found.units, found.layouts, found.processes) == ("layout", 24, 24, 2)
    assert (interval.low, interval.value, interval.high) == pytest.approx(
        (low, values.mean(), high)
    )


@given(st.lists(FINITE, min_size=1, max_size=40))
def test_the_centre_lies_in_the_data(values: list[float]) -> None:
    assert min(values) <= centre(values) <= max(values)


@given(st.lists(FINITE, min_size=1, max_size=30), st.floats(-100, 100, width=32))
def test_the_centre_moves_with_the_data_and_turns_with_the_sign(
    values: list[float], shift: float
) -> None:
    tolerance = 1e-6 * (1 + max(map(abs, values)))
    assert centre([value + shift for value in values]) == pytest.approx(
        centre(values) + shift, abs=tolerance
    )
    assert centre([-value for value in values]) == pytest.approx(-centre(values), abs=tolerance)


def test_an_outlier_hardly_moves_the_centre_of_a_layout() -> None:
    assert centre([0.0, 0.1, -0.1, 0.05, 50.0]) < 0.2
    assert centre(np.r_[np.zeros(1_000), [1e9]]) == 0.0  # and a long series is cut into parts


@pytest.mark.parametrize("shape", [(6, 5, 1), (6, 5, 4), (10, 3, 2), (10, 8, 5)])
@pytest.mark.parametrize("layout_sd", [0.0, 0.05])
def test_the_interval_holds_the_truth_as_often_as_it_says(
    shape: tuple[int, int, int], layout_sd: float
) -> None:
    random = np.random.default_rng(3)
    held = 0
    for _ in range(1_000):
        found = mean_of(nested(random, shape, (0.0, layout_sd, 0.05)), shape).interval(0.95)
        held += found.low <= 0 <= found.high
    assert 935 <= held <= 985  # the guard makes it a little wider than it need be


def test_processes_that_differ_are_the_units() -> None:
    # Layouts that renew nothing: 100 runs, and an interval of 99.8 % that must hold in all but 2.
    random = np.random.default_rng(4)
    shape, missed, by_process = (10, 6, 2), 0, 0
    for _ in range(100):
        found = mean_of(nested(random, shape, (0.05, 0.0, 0.02)), shape)
        interval = found.interval(0.998)
        missed += not interval.low <= 0 <= interval.high
        by_process += found.unit == "process" and found.units == 10
    assert missed <= 2
    assert by_process >= 95


def test_processes_alike_are_not_the_units() -> None:
    random = np.random.default_rng(5)
    shape = (10, 6, 2)
    found = [mean_of(nested(random, shape, (0.0, 0.02, 0.05)), shape).unit for _ in range(200)]
    assert found.count("layout") >= 180
    assert not processes_differ(np.zeros(12), np.repeat(np.arange(6), 2))
    assert not processes_differ(np.arange(4.0), np.arange(4))  # one layout each tells nothing


def test_one_layout_a_process_makes_the_process_the_unit() -> None:
    found = mean_of(np.random.default_rng(6).normal(0, 1, 40), (10, 1, 4))
    assert (found.unit, found.units) == ("process", 10)
    layout, process = places(6, 4, 2)
    forced = unit_mean(np.random.default_rng(7).normal(0, 1, 48), layout, process, by_process=True)
    assert forced is not None
    assert (forced.unit, forced.units) == ("process", 6)


def test_too_few_layouts_leave_the_scatter_of_pairs() -> None:
    values = np.random.default_rng(8).normal(0, 1, 20)
    found = mean_of(values, (1, 2, 10))
    assert (found.unit, found.units, found.layouts) == ("pair", 20, 2)
    assert found.standard_error == pytest.approx(float(scipy.stats.sem(values)))


@pytest.mark.parametrize("values", [[], [1.0], [1.0, math.nan, 2.0], [1.0, math.inf, 2.0]])
def test_nothing_is_said_where_nothing_can_be(values: list[float]) -> None:
    count = np.arange(len(values))
    assert unit_mean(np.asarray(values), count, count) is None
