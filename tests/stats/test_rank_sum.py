import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from depthprof.stats.rank_sum import _orders, can_decide, fewest_launches, shift

SHARED = 1 - 0.05 / 8


def test_the_fewest_launches_that_could_decide() -> None:
    assert fewest_launches(SHARED) == 6  # 2 / 924; five have 2 / 252
    assert not can_decide(5, 5, SHARED)
    assert can_decide(6, 6, SHARED)
    assert can_decide(3, 20, SHARED)


@pytest.mark.parametrize(("smaller", "larger"), [(1, 1), (3, 5), (6, 6), (8, 12), (20, 40)])
def test_the_rank_sum_distribution_is_scipys(smaller: int, larger: int) -> None:
    ways = _orders(smaller, larger)
    assert ways.sum() == pytest.approx(math.comb(smaller + larger, smaller))
    if smaller > 1:
        pooled = np.arange(smaller + larger, dtype=float)
        low, high = pooled[:smaller], pooled[smaller:]
        found = scipy_stats.mannwhitneyu(low, high, method="exact").pvalue
        assert found == pytest.approx(min(1.0, 2 * ways[0] / ways.sum()))


@given(
    st.integers(6, 14),
    st.integers(6, 14),
    st.integers(0, 10_000),
    st.sampled_from([0.9, 0.95, SHARED]),
)
def test_the_interval_is_what_the_test_does_not_reject(
    n: int, m: int, seed: int, confidence: float
) -> None:
    random = np.random.default_rng(seed)
    a, b = random.normal(size=n), random.normal(0.5, 1, size=m)
    known = shift(a, b, confidence)
    assert known is not None
    assert known.low <= known.value <= known.high
    step = 1e-9

    def rejects(offset: float) -> bool:
        p = scipy_stats.mannwhitneyu(b - offset, a, method="exact").pvalue
        return bool(p <= 1 - confidence)

    assert rejects(known.low - step)
    assert not rejects(known.low + step)
    assert rejects(known.high + step)
    assert not rejects(known.high - step)


def test_too_few_or_not_finite_is_none() -> None:
    assert shift([1.0] * 5, [2.0] * 5, SHARED) is None
    assert shift([], [1.0], SHARED) is None
    assert shift([1.0] * 6, [math.nan] * 6, SHARED) is None


def test_many_values_agree_with_few() -> None:
    random = np.random.default_rng(1)
    a, b = random.normal(size=41), random.normal(1, 1, size=41)
    normal = shift(a, b, 0.99)
    exact = scipy_stats.mannwhitneyu(b - normal.low - 1e-9, a, method="exact").pvalue  # type: ignore[union-attr]
    assert exact == pytest.approx(0.01, rel=0.1)
