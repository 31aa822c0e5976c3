"""Medians, scatter and ratios. Pure functions that know nothing of stages, sides or thresholds."""

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from depthprof.records import Estimate

Floats = NDArray[np.float64]


def shared_confidence(confidence: float, statements: int) -> float:
    """Confidence each of several intervals needs so that all hold at once (Bonferroni, 1936)."""
    return 1 - (1 - confidence) / max(1, statements)


def by_group(values: Floats, group: NDArray[np.int64]) -> list[Floats]:
    """The values of each group, groups in order, values in the order they had."""
    order = np.argsort(group, kind="stable")
    ends = np.flatnonzero(np.diff(group[order])) + 1
    return np.split(values[order], ends) if len(values) else []


def median_interval(values: Sequence[float] | Floats, confidence: float) -> Estimate:
    """Median with the interval between two order statistics, whatever the distribution.

    The interval [x_(k), x_(n+1-k)] covers the median with probability 1 - 2 P(Bin(n, 1/2) < k).
    Source: Hollander, Wolfe and Chicken, section 3.6. With too few values it is the whole range,
    and the estimate carries the confidence that the range really has.

    Raises:
        ValueError: no values.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    count = len(ordered)
    if not count:
        raise ValueError("a median needs at least one value")
    cut = _binomial_cut(count, confidence)
    if cut < 0:
        reached = 1 - 2 ** (1 - count)
        return Estimate(float(np.median(ordered)), float(ordered[0]), float(ordered[-1]), reached)
    low, high = float(ordered[cut]), float(ordered[count - 1 - cut])
    return Estimate(float(np.median(ordered)), low, high, confidence)


def exponential(estimate: Estimate | None) -> Estimate | None:
    """From the logarithm of a ratio to the ratio, with its interval."""
    if estimate is None:
        return None
    value, low, high = (math.exp(x) for x in (estimate.value, estimate.low, estimate.high))
    return Estimate(value, low, high, estimate.confidence)


@lru_cache(maxsize=512)
def _binomial_cut(count: int, confidence: float) -> int:
    """Order statistics to leave out at each end, or -1 where even the whole range is too narrow."""
    tail = (1 - confidence) / 2
    if count > 1_000:
        centre, deviation = count / 2, math.sqrt(count) / 2
        return math.floor(centre + NormalDist().inv_cdf(tail) * deviation - 0.5)
    reached = 0.0
    for cut in range(count):
        reached += math.comb(count, cut) / 2**count
        if reached > tail:
            return cut - 1
    return count - 1
