"""Intervals of a series, each with the strongest step in it, and how likely that is by chance.

Which intervals: seeded ones, geometrically shorter and evenly shifted (Kovacs, Buhlmann, Li and
Munk, Biometrika 110 (2023) 249-256), so that every change is alone in one of them. Which
statistic: the correlation of the innovations' normal scores with the shape that a step has among
innovations. Ranks know neither tails nor outliers; normal scores lose nothing against the t test
(Chernoff and Savage, Ann. Math. Stat. 29 (1958) 972-994).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SHORTEST_INTERVAL = 10
"""Points of the shortest interval looked at, and so of the shortest series."""

FEWEST_LEVEL_POINTS = 3
"""Points on either side of a step within its interval."""

POWERLESS = 1e-9
"""Sum of squared scores of a constant stretch, but for rounding."""

SAME_DIGITS = 10
"""Log values that agree to so many decimals are equal: rounding makes no order."""


CHANCES = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.003)

STRENGTHS = {
    # points: strengths that the strongest step of a steady series passes with these chances
    10: (1.602, 2.081, 2.28, 2.427, 2.566, 2.654, 2.699),
    14: (1.863, 2.329, 2.549, 2.684, 2.843, 2.956, 3.088),
    20: (2.293, 2.675, 2.868, 3.013, 3.164, 3.292, 3.437),
    30: (2.585, 2.922, 3.119, 3.287, 3.5, 3.614, 3.801),
    45: (2.774, 3.139, 3.353, 3.544, 3.791, 3.991, 4.211),
    60: (2.912, 3.275, 3.511, 3.706, 3.988, 4.177, 4.443),
    80: (3.031, 3.411, 3.637, 3.855, 4.117, 4.305, 4.574),
    120: (3.15, 3.534, 3.775, 3.981, 4.25, 4.47, 4.73),
    200: (3.312, 3.691, 3.933, 4.154, 4.438, 4.646, 4.982),
    400: (3.485, 3.859, 4.091, 4.301, 4.586, 4.746, 5.08),
    800: (3.646, 3.98, 4.203, 4.415, 4.624, 4.79, 5.092),
    2000: (3.856, 4.152, 4.349, 4.526, 4.766, 4.893, 5.117),
}
"""Simulated, with AR(1) noise of 0.6 whose persistence was estimated as that of any series is:
`python -m scripts.study.history_null` makes the table again from its seed."""

SMALLEST = 1e-6
"""The tail beyond the table is extended, not simulated: no smaller chance is stated."""


@dataclass(frozen=True, slots=True)
class Step:
    """The strongest step of one interval [start, end): its first new point, and how strong."""

    start: int
    end: int
    index: int
    strength: float


def steps(values: Floats, phi: float) -> list[Step]:
    """Find the strongest step of every seeded interval; the strongest of all comes first.

    Args:
        values: float64 [n], logarithms. phi: what the noise keeps from point to point.
    """
    found = []
    for size, starts in _intervals(len(values)):
        at, strength = _strongest(values[starts[:, None] + np.arange(size)], phi)
        columns = (starts.tolist(), (starts + at).tolist(), strength.tolist())
        found += [Step(s, s + size, i, z) for s, i, z in zip(*columns, strict=True)]
    return sorted(found, key=lambda step: -step.strength)


def strongest_step(values: Floats, start: int, end: int, phi: float) -> Step | None:
    """Find the strongest step of one interval; None where it is too short for one."""
    if end - start < SHORTEST_INTERVAL:
        return None
    at, strength = _strongest(values[None, start:end], phi)
    return Step(start, end, start + int(at[0]), float(strength[0]))


def slope_strength(values: Floats, phi: float) -> float:
    """Strength of a steady slope over the whole series, told as that of a step is."""
    scores = _normal_scores(_innovations(values[None], phi))[0]
    line = np.arange(len(values)) - (len(values) - 1) / 2
    power = float((scores**2).sum() * (line**2).sum())
    told = abs(float(scores @ line)) / math.sqrt(power) if power > POWERLESS else 0.0
    return told * math.sqrt(len(values) - 1)


def largest_strength(values: Floats, phi: float) -> float:
    """Strength of the strongest step of all seeded intervals, or of the slope if that is more."""
    layers = (
        _strongest(values[starts[:, None] + np.arange(size)], phi)[1].max()
        for size, starts in _intervals(len(values))
    )
    return max(slope_strength(values, phi), *map(float, layers))


def _intervals(count: int) -> Iterator[tuple[int, Integers]]:
    """Layers of intervals of like length: the length and where they start."""
    length = float(count)
    while length >= SHORTEST_INTERVAL:
        size = math.ceil(length)
        number = 2 * math.ceil(count / length) - 1
        yield size, np.unique(np.round(np.linspace(0, count - size, number)).astype(np.int64))
        length /= math.sqrt(2.0)


def _strongest(rows: Floats, phi: float) -> tuple[Integers, Floats]:
    """Of each row [rows, n], where the strongest step begins and its strength."""
    size, least = rows.shape[1], FEWEST_LEVEL_POINTS
    strength = np.abs(_correlations(_normal_scores(_innovations(rows, phi)), phi))
    inside = strength[:, least - 1 : size - least] * math.sqrt(size - 1)
    at = inside.argmax(axis=1)
    return at + least, inside[np.arange(len(at)), at]


def _innovations(rows: Floats, phi: float) -> Floats:
    """What each point adds to what it keeps of the last (Prais and Winsten, 1954), by row."""
    rest = rows - np.median(rows, axis=1, keepdims=True)
    added = np.empty_like(rest)
    added[:, 0] = math.sqrt(1 - phi**2) * rest[:, 0]
    added[:, 1:] = rest[:, 1:] - phi * rest[:, :-1]
    return np.round(added, SAME_DIGITS)


def _normal_scores(rows: Floats) -> Floats:
    """Replace values by the normal quantiles of their ranks within the row; ties share a mean."""
    number, size = rows.shape
    order = np.argsort(rows, axis=1, kind="stable")
    fresh = np.ones((number, size), dtype=bool)
    fresh[:, 1:] = np.diff(np.take_along_axis(rows, order, axis=1), axis=1) > 0
    group = np.cumsum(fresh.ravel()) - 1
    means = np.bincount(group, np.tile(_quantiles(size), number)) / np.bincount(group)
    scores = np.empty_like(rows)
    np.put_along_axis(scores, order, means[group].reshape(number, size), axis=1)
    return scores


@lru_cache(maxsize=256)
def _quantiles(size: int) -> Floats:
    """Normal quantiles of the ranks 1 to n, at rank / (n + 1) (van der Waerden, 1952)."""
    inverse = NormalDist().inv_cdf
    lower = [inverse((rank + 1) / (size + 1)) for rank in range(size // 2)]
    return np.array([*lower, *[0.0] * (size % 2), *(-value for value in reversed(lower))])


def _correlations(scores: Floats, phi: float) -> Floats:
    """Correlate each row with a step at 1, 2, ..., n - 1: float64 [rows, n - 1].

    A step of height 1 adds 1 to the first innovation at the new level and 1 - phi to those after.
    """
    size = scores.shape[1]
    from_here = np.cumsum(scores[:, ::-1], axis=1)[:, ::-1]
    sums = phi * scores[:, 1:] + (1 - phi) * from_here[:, 1:]
    later = np.arange(size - 2, -1, -1.0)
    mean = (1 + (1 - phi) * later) / size
    spread = 1 + (1 - phi) ** 2 * later - size * mean**2
    power = (scores**2).sum(axis=1, keepdims=True)
    found: Floats = np.divide(
        sums, np.sqrt(spread * power), out=np.zeros_like(sums), where=power > POWERLESS
    )
    return found


def chance(strength: float, count: int) -> float:
    """Return the chance that a steady series of `count` points has a step as strong.

    Between the lengths of the table the squared strengths are interpolated over the logarithm of
    the length; beyond its chances the logarithm of the chance falls on linearly in the squared
    strength, as the tail of a largest normal deviate does.
    """
    squares = _squares(count)
    logs = [0.0, *(math.log(each) for each in CHANCES)]
    told = strength**2
    if told <= squares[-1]:
        return math.exp(float(np.interp(told, [0.0, *squares], logs)))
    slope = (logs[-1] - logs[4]) / (squares[-1] - squares[3])
    return max(SMALLEST, math.exp(logs[-1] + slope * (told - squares[-1])))


def _squares(count: int) -> list[float]:
    """Squared strengths by chance, for one length."""
    lengths = sorted(STRENGTHS)
    upper = min(max(1, int(np.searchsorted(lengths, count))), len(lengths) - 1)
    short, long = lengths[upper - 1], lengths[upper]
    share = math.log(max(count, lengths[0]) / short) / math.log(long / short)
    pairs = zip(STRENGTHS[short], STRENGTHS[long], strict=True)
    return [(1 - share) * a**2 + share * b**2 for a, b in pairs]
