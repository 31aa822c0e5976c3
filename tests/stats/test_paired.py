"""Medians and their intervals against SciPy."""

import pytest
import scipy.stats

from depthprof.records import Estimate
from depthprof.stats import paired


@pytest.mark.parametrize("count", [6, 9, 15, 31, 100, 999, 2_000])
def test_median_interval_agrees_with_the_binomial_distribution(count: int) -> None:
    cut = paired._binomial_cut(count, 0.95)
    below = scipy.stats.binom.cdf(cut, count, 0.5)
    above = scipy.stats.binom.cdf(cut + 1, count, 0.5)
    assert below <= 0.025 * (1 + 1e-6) or count > 1_000
    assert above > 0.025 * (1 - 1e-2)


def test_too_few_values_give_the_whole_range_and_the_confidence_it_has() -> None:
    estimate = paired.median_interval([3.0, 1.0, 2.0], 0.99375)
    assert (estimate.value, estimate.low, estimate.high) == (2.0, 1.0, 3.0)
    assert estimate.confidence == 0.75
    assert paired.median_interval([3.0], 0.95).confidence == 0.0
    with pytest.raises(ValueError, match="at least one"):
        paired.median_interval([], 0.95)


def test_a_ratio_is_the_exponential_of_its_logarithm() -> None:
    assert paired.exponential(None) is None
    assert paired.exponential(Estimate(0.0, 0.0, 0.0, 0.9)) == Estimate(1.0, 1.0, 1.0, 0.9)
