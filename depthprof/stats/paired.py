"""Arithmetic of evidence: medians, intervals and how many pairs a decision needs. Pure functions.

Nothing here knows of stages, sides or thresholds. Intervals of pairs and of medians are
distribution-free: they assume pairs that are independent and, for the signed-rank interval,
symmetric about their centre, which the difference of two like measurements is when they are alike.
The launches' interval is Student's: six launches are too few to say anything at such a confidence
without taking their centres for normal.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from depthprof.records import Estimate

EXACT_PAIRS = 300
"""Up to this many pairs the signed-rank distribution is exact, beyond it is normal."""

MAX_PAIRS = 256
"""Beyond this many pairs, neighbours are batched: Walsh averages grow with the square."""

FEWEST_LAUNCHES = 3
"""From so many launches on, their spread is asked."""

FEWEST_SEPARATE = 6
"""Where each side has processes of its own, fewer of them a side decide nothing. What a process
does to all its times has a heavy tail (identical code: x14.6 once), so only the order of the
processes counts: six of one side all beyond six of the other are 1 of 924 orders."""

Floats = NDArray[np.float64]


def fewest_processes(*, shared: bool) -> int:
    """From how many processes on their spread is known: of both sides, or of a side alone."""
    return FEWEST_LAUNCHES if shared else FEWEST_SEPARATE


def lie_apart(first: Sequence[float] | Floats, second: Sequence[float] | Floats) -> bool:
    """Whether all values of one sample lie beyond all of the other; False where one is empty."""
    if not len(first) or not len(second):
        return False
    return bool(np.max(first) < np.min(second) or np.max(second) < np.min(first))


def fewest_pairs(confidence: float) -> int:
    """Return the fewest pairs that could ever decide anything at a confidence.

    The most extreme outcome of n signs has the two-sided probability 2 / 2**n, so n must be at
    least 1 + log2(1 / alpha). Source: Hollander, Wolfe and Chicken, Nonparametric Statistical
    Methods, 3rd ed., section 3.1 (the signed-rank distribution's largest value).
    """
    return math.ceil(1 - math.log2(1 - confidence) - 1e-9)


def shared_confidence(confidence: float, statements: int) -> float:
    """Confidence each of several intervals needs so that all hold at once (Bonferroni, 1936)."""
    return 1 - (1 - confidence) / max(1, statements)


def look_share(number: int) -> float:
    """Share of the error that the k-th look at growing data may spend: 1 / (k (k + 1)).

    The shares of all looks, without end, add up to 1; so intervals made with them hold at every
    look at once (Boole's inequality), and one may stop at any look for any reason. The looks must
    be numbered without regard to the data (depthprof.stats.interim). Source: the union bound over
    geometrically spaced looks goes back to Darling and Robbins, PNAS 58 (1967) 66-68; as time
    uniform confidence sequences: Howard, Ramdas, McAuliffe and Sekhon, Ann. Stat. 49 (2021)
    1055-1080, section 3.1 ("stitching").

    Raises:
        ValueError: looks are numbered from 1.
    """
    if number < 1:
        raise ValueError(f"look {number!r}: looks are numbered from 1")
    return 1 / (number * (number + 1))


def hodges_lehmann(values: Sequence[float] | Floats, confidence: float) -> Estimate | None:
    """Centre of paired differences with its signed-rank interval.

    The centre is the median of the Walsh averages (x_i + x_j) / 2, i <= j; the interval lies
    between two of them. Source: Hodges and Lehmann, Ann. Math. Stat. 34 (1963) 598-611; the
    interval is Tukey's, in Hollander, Wolfe and Chicken, section 3.3.

    Args:
        values: one difference (or log ratio) a pair, length n.
        confidence: of the interval, such as 0.99375.

    Returns:
        The estimate, or None where n is below `fewest_pairs(confidence)` or a value is not finite.
    """
    pairs = np.asarray(values, dtype=np.float64)
    if len(pairs) < fewest_pairs(confidence) or not np.isfinite(pairs).all():
        return None
    upper, lower = np.triu_indices(len(pairs))
    walsh = (pairs[upper] + pairs[lower]) / 2
    walsh.sort()
    cut = _signed_rank_cut(len(pairs), confidence)
    middle = float(np.median(walsh))
    return Estimate(middle, float(walsh[cut]), float(walsh[-1 - cut]), confidence)


LAYOUT_RATIO = 1.5
"""No memory layout is taken to change a stage by more than this. Of 6,400 stages of identical code
on two machines whose pairs agreed on a direction, the one furthest from 1 had a ratio of 1.25
(docs/calibration.md)."""


def launch_interval(centres: Sequence[float] | Floats, confidence: float) -> Estimate | None:
    """Mean of the launches' centres with Student's interval: what another layout would give.

    Pairs of one launch share its memory layout, so they tell nothing of how much layouts differ;
    the launches do (one way random effects: Searle, Casella and McCulloch, Variance Components,
    1992, section 3.5; the launches' centres are one sample of independent values).

    Returns:
        The estimate, or None where there are fewer than `FEWEST_LAUNCHES` or one is not finite.
    """
    values = np.asarray(centres, dtype=np.float64)
    if len(values) < FEWEST_LAUNCHES or not np.isfinite(values).all():
        return None
    mean = float(values.mean())
    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    width = student_quantile(len(values) - 1, confidence) * error
    return Estimate(mean, mean - width, mean + width, confidence)


NOISE_SHARE = 0.36
"""Launches scatter where no more than this part of their centres' variance is their pairs' noise:
were all pairs known, the launches' interval would still be 0.8 times as wide. Where layouts do
nothing, six launches look so in one case of 60."""

MEDIAN_VARIANCE = math.pi / 2
"""Variance of a median of many against the mean's, for normal values."""


def median_variance(count: int) -> float:
    """Variance of the median of so many normal values, as a part of one value's.

    It tends to pi / (2 n). The constant beside 2 n was fitted, for odd and even numbers, to
    simulated medians of 3 to 20 values, which it meets within 2 % (the simulation is in
    tests/stats/test_paired.py); the median of one value or two is their mean.
    """
    if count < 3:
        return 1 / count
    return math.pi / (2 * count + (0.9 if count % 2 else 2.7))


def by_group(values: Floats, launch: NDArray[np.int64]) -> list[Floats]:
    """The values of each launch, launches in order, values in the order they had."""
    return [values[launch == one] for one in np.unique(launch)]


def pair_scatter(groups: Sequence[Floats], apart: int = 1) -> float | None:
    """Standard deviation from pair to pair within launches, whatever the launches' levels are.

    It is that of differences of pairs so many `apart`, by their median absolute value (times
    1.4826 / sqrt(2), normal consistency: Rousseeuw and Croux, JASA 88 (1993) 1273-1283), which a
    slow drift hardly touches, and which launches of two or three pairs do not shrink as distances
    from their own median would. Neighbours have their sides in opposite orders, so what the place
    in a turn does counts among their differences; it does not where they are two apart.

    Args:
        groups: the pairs' values of each launch in the order taken. apart: 1 for neighbours.

    Returns:
        The standard deviation, or None where no launch has so many pairs.
    """
    steps = [np.abs(group[apart:] - group[:-apart]) for group in groups if len(group) > apart]
    return 1.4826 * float(np.median(np.concatenate(steps))) / math.sqrt(2) if steps else None


def launches_scatter(values: Floats, launch: NDArray[np.int64]) -> bool:
    """Whether launches differ by more than their pairs' noise explains.

    A launch's centre, a median, is taken to have MEDIAN_VARIANCE / n of the pairs' variance
    (`pair_scatter`), which is on the safe side where n is small.

    Args:
        values: float64 [n], a log ratio a pair in the order taken. launch: int64 [n].
    """
    groups = by_group(values, launch)
    scatter = pair_scatter(groups)
    if len(groups) < FEWEST_LAUNCHES or scatter is None:
        return False
    centres = np.asarray([np.median(group) for group in groups])
    noise = MEDIAN_VARIANCE * scatter**2 * float(np.mean([1 / len(group) for group in groups]))
    spread = float(centres.var(ddof=1))
    return spread > 0 and noise <= NOISE_SHARE * spread


@lru_cache(maxsize=512)
def student_quantile(freedom: int, confidence: float) -> float:
    """Half-width of Student's two-sided interval in standard errors.

    The distribution for whole degrees of freedom is a finite sum (Abramowitz and Stegun, Handbook
    of Mathematical Functions, 1964, 26.7.3 and 26.7.4); it is inverted by bisection.
    """
    low, high = 0.0, 1.0
    while _student_within(high, freedom) < confidence:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if _student_within(middle, freedom) < confidence:
            low = middle
        else:
            high = middle
    return high


def _student_within(t: float, freedom: int) -> float:
    """Probability that |T| is at most t."""
    angle = math.atan(t / math.sqrt(freedom))
    square = math.cos(angle) ** 2
    odd = freedom % 2 == 1
    term = total = 1.0
    for k in range(2 if odd else 1, freedom - 1, 2):
        term *= square * k / (k + 1)
        total += term
    if not odd:
        return math.sin(angle) * total
    rest = math.sin(angle) * math.cos(angle) * total if freedom > 1 else 0.0
    return 2 / math.pi * (angle + rest)


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


def batched(values: Floats, groups: NDArray[np.int64], limit: int = MAX_PAIRS) -> Floats:
    """Reduce a long series to at most about `limit` medians of neighbours within a group.

    Batches also absorb correlation between neighbouring pairs (batch means: Fishman, Management
    Science 24 (1978) 510-521; the median is used for its robustness). Groups are launches: no
    batch spans two of them. A series within the limit is returned as it is.

    Args:
        values: float64 [n] in the order taken. groups: int64 [n], the launch of each.
    """
    if len(values) <= limit:
        return values
    width = math.ceil(len(values) / limit)
    batches = []
    for group in np.unique(groups):
        members = values[groups == group]
        batches += [np.median(members[i : i + width]) for i in range(0, len(members), width)]
    return np.asarray(batches, dtype=np.float64)


@lru_cache(maxsize=512)
def _signed_rank_cut(count: int, confidence: float) -> int:
    """Walsh averages to leave out at each end: the largest c with P(T+ <= c) <= alpha / 2."""
    tail = (1 - confidence) / 2
    if count > EXACT_PAIRS:
        mean = count * (count + 1) / 4
        deviation = math.sqrt(count * (count + 1) * (2 * count + 1) / 24)
        return max(0, math.floor(mean + NormalDist().inv_cdf(tail) * deviation - 0.5))
    ways = np.ones(1)
    for rank in range(1, count + 1):  # ways to reach each rank sum: the product of (1 + x**rank)
        ways = np.pad(ways, (0, rank)) + np.pad(ways, (rank, 0))
    reached = np.cumsum(ways) / 2.0**count
    return int(np.searchsorted(reached, tail * (1 + 1e-12), side="right")) - 1


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
