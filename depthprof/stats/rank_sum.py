"""Arithmetic of two independent sets of launches. Pure functions, as in `stats`.

Runs of different times have no pairs; what can be compared is the spread of their launches.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from depthprof.records import Estimate

EXACT_VALUES = 40
"""Up to so many values on either side the rank-sum distribution is exact, beyond it is normal."""

Floats = NDArray[np.float64]


def fewest_launches(confidence: float) -> int:
    """Return the fewest launches a side (as many on both) that could decide at a confidence.

    The most extreme of the C(2 n, n) orders has the two-sided probability 2 / C(2 n, n). Source:
    Hollander, Wolfe and Chicken, Nonparametric Statistical Methods, 3rd ed., section 4.1.
    """
    count = 1
    while 2 / math.comb(2 * count, count) > 1 - confidence + 1e-12:
        count += 1
    return count


def can_decide(first: int, second: int, confidence: float) -> bool:
    """Whether sets of these sizes could decide anything at a confidence."""
    return 2 / math.comb(first + second, first) <= 1 - confidence + 1e-12


def shift(
    first: Sequence[float] | Floats, second: Sequence[float] | Floats, confidence: float
) -> Estimate | None:
    """Shift from the first set to the second with its rank-sum interval.

    The estimate is the median of all differences second_j - first_i; the interval lies between two
    of them. Source: Hodges and Lehmann, Ann. Math. Stat. 34 (1963) 598-611; the interval is
    Moses's, in Hollander, Wolfe and Chicken, section 4.3. It assumes that both sets have the same
    shape, and nothing else of it.

    Returns:
        The estimate, or None where there are too few values or one is not finite.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if not len(a) or not len(b) or not can_decide(len(a), len(b), confidence):
        return None
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return None
    differences = np.sort((b[:, None] - a[None, :]).ravel())
    cut = _rank_sum_cut(*sorted((len(a), len(b))), confidence)
    low, high = differences[cut], differences[-1 - cut]
    return Estimate(float(np.median(differences)), float(low), float(high), confidence)


@lru_cache(maxsize=512)
def _rank_sum_cut(smaller: int, larger: int, confidence: float) -> int:
    """Differences to leave out at each end: the largest c with P(U <= c) <= alpha / 2."""
    tail = (1 - confidence) / 2
    if larger > EXACT_VALUES:
        mean = smaller * larger / 2
        deviation = math.sqrt(smaller * larger * (smaller + larger + 1) / 12)
        return max(0, math.floor(mean + NormalDist().inv_cdf(tail) * deviation - 0.5))
    reached = np.cumsum(_orders(smaller, larger)) / math.comb(smaller + larger, smaller)
    return int(np.searchsorted(reached, tail * (1 + 1e-12), side="right")) - 1


def _orders(smaller: int, larger: int) -> Floats:
    """Ways to reach each value of U, 0 to smaller * larger (Mann and Whitney 1947).

    The Gaussian binomial: the product of (1 - x^(larger + i)) / (1 - x^i), i = 1 .. smaller.
    """
    size = smaller * larger + 1
    ways = np.zeros(size)
    ways[0] = 1
    for i in range(1, smaller + 1):
        top = larger + i
        for place in range(size - 1, top - 1, -1):
            ways[place] -= ways[place - top]
        for place in range(i, size):
            ways[place] += ways[place - i]
    return ways
