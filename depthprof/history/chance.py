"""How likely a steady series is to have a step as strong as the strongest found."""

import math

import numpy as np

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
