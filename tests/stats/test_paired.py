"""The arithmetic of evidence against SciPy, published tables and simulated truth."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from depthprof.stats import paired
from depthprof.stats.interim import is_look

FINITE = st.floats(-1e6, 1e6, allow_nan=False, allow_infinity=False, width=32)


@pytest.mark.parametrize(
    ("count", "critical"), [(6, 0), (8, 3), (10, 8), (20, 52), (30, 137), (50, 434), (200, 8444)]
)
def test_signed_rank_cut_agrees_with_the_published_table(count: int, critical: int) -> None:
    # Wilcoxon's table, two-sided 5 %: reject where the smaller rank sum is at most `critical`.
    assert paired._signed_rank_cut(count, 0.95) == critical


@given(st.integers(301, 400), st.sampled_from([0.9, 0.95, 0.99375]))
def test_signed_rank_normal_approximation_is_near_the_exact_cut(
    count: int, confidence: float
) -> None:
    exact = exact_cut(count, confidence)
    assert 0.99 * exact <= paired._signed_rank_cut(count, confidence) <= exact + 1


def exact_cut(count: int, confidence: float) -> int:
    ways = np.ones(1)
    for rank in range(1, count + 1):
        ways = (np.pad(ways, (0, rank)) + np.pad(ways, (rank, 0))) / 2
    return int(np.searchsorted(np.cumsum(ways), (1 - confidence) / 2, side="right")) - 1


@pytest.mark.parametrize("count", [6, 9, 15, 31, 100, 999, 2_000])
def test_median_interval_agrees_with_the_binomial_distribution(count: int) -> None:
    cut = paired._binomial_cut(count, 0.95)
    below = scipy.stats.binom.cdf(cut, count, 0.5)
    above = scipy.stats.binom.cdf(cut + 1, count, 0.5)
    assert below <= 0.025 * (1 + 1e-6) or count > 1_000
    assert above > 0.025 * (1 - 1e-2)


@given(st.lists(FINITE, min_size=9, max_size=40))
def test_hodges_lehmann_lies_in_its_interval_and_in_the_data(values: list[float]) -> None:
    estimate = paired.hodges_lehmann(values, 0.99375)
    assert estimate is not None
    assert min(values) <= estimate.low <= estimate.value <= estimate.high <= max(values)


@given(st.lists(FINITE, min_size=9, max_size=30), st.floats(-100, 100, width=32))
def test_hodges_lehmann_moves_with_the_data_and_turns_with_the_sign(
    values: list[float], shift: float
) -> None:
    plain = paired.hodges_lehmann(values, 0.95)
    moved = paired.hodges_lehmann([value + shift for value in values], 0.95)
    turned = paired.hodges_lehmann([-value for value in values], 0.95)
    assert plain is not None
    assert moved is not None
    assert turned is not None
    tolerance = 1e-6 * (1 + max(map(abs, values)))
    assert moved.low == pytest.approx(plain.low + shift, abs=tolerance)
    assert turned.high == pytest.approx(-plain.low, abs=tolerance)


@given(st.floats(0.5, 0.9999), st.integers(2, 60))
def test_fewest_pairs_is_exactly_where_an_interval_begins_to_exist(
    confidence: float, count: int
) -> None:
    can = paired.hodges_lehmann(np.arange(count, dtype=float), confidence) is not None
    assert can == (2 * 0.5**count <= (1 - confidence) * (1 + 1e-6))


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(4)
    tries, missed = 2_000, 0
    for _ in range(tries):
        estimate = paired.hodges_lehmann(random.standard_t(3, 12) + 1.0, 0.95)
        assert estimate is not None
        missed += not estimate.low <= 1.0 <= estimate.high
    assert missed / tries < 0.05 + 3 * math.sqrt(0.05 * 0.95 / tries)


@pytest.mark.parametrize("values", [[1.0] * 8, [float("nan")] * 20, [float("inf")] * 20, []])
def test_hodges_lehmann_says_none_where_nothing_can_be_said(values: list[float]) -> None:
    assert paired.hodges_lehmann(values, 0.99375) is None


def test_constant_values_give_an_interval_of_no_width() -> None:
    estimate = paired.hodges_lehmann([2.5] * 9, 0.99375)
    assert estimate is not None
    assert (estimate.value, estimate.low, estimate.high) == (2.5, 2.5, 2.5)


def test_too_few_values_give_the_whole_range_and_the_confidence_it_has() -> None:
    estimate = paired.median_interval([3.0, 1.0, 2.0], 0.99375)
    assert (estimate.value, estimate.low, estimate.high) == (2.0, 1.0, 3.0)
    assert estimate.confidence == 0.75
    assert paired.median_interval([3.0], 0.95).confidence == 0.0
    with pytest.raises(ValueError, match="at least one"):
        paired.median_interval([], 0.95)


@settings(max_examples=30)
@given(st.integers(0, 2_000), st.integers(1, 4))
def test_batches_stay_within_a_launch_and_keep_the_level(count: int, launches: int) -> None:
    launch = np.sort(np.arange(count) % launches)
    values = launch * 100.0
    reduced = paired.batched(values, launch)
    assert len(reduced) <= paired.MAX_PAIRS + launches
    assert set(reduced) == set(values)  # a batch across launches would make a value in between


@pytest.mark.parametrize("freedom", [*range(1, 12), 15, 19, 30])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99375, 0.99969, 1 - 1e-6])
def test_student_s_quantile_is_scipys(freedom: int, confidence: float) -> None:
    theirs = scipy.stats.t.ppf((1 + confidence) / 2, freedom)
    assert paired.student_quantile(freedom, confidence) == pytest.approx(theirs, rel=1e-6)


def test_the_launches_interval_is_student_s() -> None:
    centres = np.random.default_rng(0).normal(0.01, 0.02, 6)
    found = paired.launch_interval(centres, 0.99)
    assert found is not None
    low, high = scipy.stats.t.interval(0.99, 5, centres.mean(), scipy.stats.sem(centres))
    assert (found.low, found.value, found.high) == pytest.approx((low, centres.mean(), high))
    assert paired.launch_interval(centres[:2], 0.99) is None
    assert paired.launch_interval([0.1, math.nan, 0.2], 0.99) is None


def test_intervals_with_shares_hold_at_all_looks_at_once() -> None:
    # 300 growing series of pairs about 0. At most 5 % may ever have an interval beside it: 15 are
    # expected at most, 24 or more have a chance of 2 %. Without shares it would be some 40.
    random = np.random.default_rng(5)
    looks = [n for n in range(12, 142) if is_look(n)]
    missed = {True: 0, False: 0}
    for _ in range(300):
        pairs = random.normal(0, 1, looks[-1])
        for shares in (True, False):
            for number, count in enumerate(looks, start=1):
                error = 0.05 * (paired.look_share(number) if shares else 1)
                found = paired.hodges_lehmann(pairs[:count], 1 - error)
                if found is not None and not found.low <= 0 <= found.high:
                    missed[shares] += 1
                    break
    assert missed[True] < 24 < missed[False]


@pytest.mark.parametrize(("turns", "launches"), [(2, 6), (7, 6), (40, 6), (4, 16)])
def test_launches_scatter_where_their_noise_does_not_explain_it(turns: int, launches: int) -> None:
    random = np.random.default_rng(8)
    launch = np.repeat(np.arange(launches), turns)
    found = {0.0: 0, 3.0: 0}
    for layouts in found:
        sd = layouts * math.sqrt(paired.MEDIAN_VARIANCE / turns)  # in terms of the noise
        for _ in range(200):
            moved = np.repeat(random.normal(0, sd, launches), turns)
            values = random.standard_t(3, len(launch)) + moved if turns > 7 else moved
            values = values if turns > 7 else values + random.normal(0, 1, len(launch))
            found[layouts] += paired.launches_scatter(values, launch)
    assert found[0.0] <= 20  # one in 60 is expected of many normal pairs, more of few
    assert found[3.0] >= 150
    assert not paired.launches_scatter(np.zeros(4), np.asarray([0, 0, 1, 1]))
    assert not paired.launches_scatter(np.zeros(3), np.arange(3))
    assert not paired.launches_scatter(np.ones(6), np.asarray([0, 0, 1, 1, 2, 2]))


@pytest.mark.parametrize("count", [*range(1, 21), 40])
def test_the_variance_of_a_median_is_that_of_simulated_ones(count: int) -> None:
    random = np.random.default_rng(count)
    medians = np.median(random.normal(size=(60_000, count)), axis=1)
    assert paired.median_variance(count) == pytest.approx(float(medians.var()), rel=0.04)


@pytest.mark.parametrize("pairs", [2, 3, 20])
def test_the_scatter_from_pair_to_pair_is_found_whatever_the_launches_levels(pairs: int) -> None:
    random = np.random.default_rng(pairs)
    groups = [random.normal(level, 0.1, pairs) for level in random.normal(0, 5, 400)]
    assert paired.pair_scatter(groups) == pytest.approx(0.1, rel=0.1)
    assert paired.pair_scatter([np.ones(1), np.ones(1)]) is None


def test_pairs_two_apart_do_not_take_the_place_in_a_turn_for_scatter() -> None:
    random = np.random.default_rng(5)
    place = np.where(np.arange(20) % 2, 0.3, -0.3)  # sides take turns in going first
    groups = [random.normal(0, 0.1, 20) + place for _ in range(50)]
    assert paired.pair_scatter(groups, apart=2) == pytest.approx(0.1, rel=0.1)
    neighbours = paired.pair_scatter(groups)
    assert neighbours is not None
    assert neighbours > 0.5
