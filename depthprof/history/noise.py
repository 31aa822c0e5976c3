"""What the noise of a series is like: what it keeps from point to point, how wide, how tailed.

All of it is told from differences of neighbours, or from what is left beside the levels, so that
a step in the series is not taken for noise.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CLIP_DEVIATIONS = 3.0
"""Differences beyond so many robust standard deviations are steps or outliers: cut back to it."""

MOST_PERSISTENCE = 0.9
"""Noise that keeps more than this from point to point cannot be told from changes."""

EXPECTED_PERSISTENCE = 0.4
EXPECTED_POINTS = 80
"""A short series cannot tell its persistence: it is pulled to 0.4, as by 80 points that had it."""

NORMAL_QUARTILE = 0.6744897501960817
QUARTILES = {3.0: 0.7648923, 5.0: 0.7266868, 10.0: 0.6998121, 40.0: 0.6806673}
"""Upper quartile of Student's t by degrees of freedom: from them the scale, by the median."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Noise of log values beside their levels, as AR(1) with Student-t innovations.

    Attributes:
        persistence: share of a deviation that the next point keeps.
        scale: scale of the innovations' t distribution. degrees: its degrees of freedom.
        deviation: robust standard deviation of an innovation.
    """

    persistence: float
    scale: float
    degrees: float
    deviation: float

    def log_likelihood(self, innovations: Floats) -> Floats:
        """Log density of each innovation, but for a constant; any shape."""
        squares = (innovations / self.scale) ** 2 / self.degrees
        return -(self.degrees + 1) / 2 * np.log1p(squares)

    def innovations(self, deviations: Floats) -> Floats:
        """What each point adds to what it keeps; along the last axis, of any length from 1."""
        added = np.array(deviations, dtype=np.float64)
        added[..., 1:] -= self.persistence * deviations[..., :-1]
        added[..., 0] *= math.sqrt(1 - self.persistence**2)
        return added


def persistence(values: Floats) -> float:
    """Share of a deviation that the next point keeps: phi of an AR(1) process, from 0 to 0.9.

    Mean squares of differences at lags 1 and h give (1 - phi) / (1 - phi^h); a step touches few of
    them. The idea is Chakar, Lebarbier, Levy-Leduc and Robin's, Bernoulli 23 (2017) 1408-1447,
    section 2 (lags 1 and 2, medians). Clipped squares and a longer lag halve the error here. The
    outcome is pulled to 0.4, the less so the longer the series is.

    Args:
        values: float64 [n], n at least 6, logarithms of medians.
    """
    count = len(values)
    lag = 4 if count >= 60 else 3 if count >= 30 else 2
    near, far = _clipped_square(values, 1), _clipped_square(values, lag)
    phis = np.linspace(-0.5, 0.95, 146)
    falling = (1 - phis) / (1 - phis**lag)
    told = float(np.interp(-near / far, -falling, phis)) if far > 0 else 0.0
    pulled = (count * told + EXPECTED_POINTS * EXPECTED_PERSISTENCE) / (count + EXPECTED_POINTS)
    return float(np.clip(pulled, 0.0, MOST_PERSISTENCE))


def careful(phi: float, count: int) -> float:
    """State a persistence too high by its standard error, for intervals that must not be narrow."""
    return min(MOST_PERSISTENCE, phi + math.sqrt((1 - phi**2) / count))


def noise_of(deviations: Floats, phi: float) -> Noise:
    """Fit scale and tail to what is left beside the levels, float64 [n]."""
    added = Noise(phi, 1.0, 1.0, 1.0).innovations(deviations)
    middle = max(float(np.median(np.abs(added))), 1e-12)
    wide = middle / NORMAL_QUARTILE
    candidates = [Noise(phi, middle / q, degrees, wide) for degrees, q in QUARTILES.items()]
    return max(candidates, key=lambda noise: _evidence(noise, added))


def calm(values: Floats, width: int = 7) -> Floats:
    """Cut values back to their running median by three deviations; float64 [n] to the same."""
    half = width // 2
    padded = np.pad(values, half, mode="edge")
    middle = np.median(np.lib.stride_tricks.sliding_window_view(padded, width), axis=1)
    rest = values - middle
    limit = CLIP_DEVIATIONS / NORMAL_QUARTILE * float(np.median(np.abs(rest)))
    return np.asarray(middle + np.clip(rest, -limit, limit))


def fit_shapes(wanted: Floats, flat: Floats, shapes: Floats) -> tuple[Floats, Floats, Floats]:
    """Fit a level and one shape, by least squares, for each of several shapes.

    Args:
        wanted: float64 [n]. flat: float64 [n], a level of 1. shapes: float64 [shapes, n]. All three
            are innovations.

    Returns:
        Levels, multiples of the shapes, and the squares a multiple of 1 takes, each [shapes].
    """
    level = float(flat @ flat)
    share = shapes @ flat / level
    power = np.einsum("rn,rn->r", shapes, shapes) - share**2 * level
    multiples = (shapes @ wanted - share * (flat @ wanted)) / power
    return flat @ wanted / level - multiples * share, multiples, power


def level_of(values: Floats) -> float:
    """Mean of values cut back to their median by two robust deviations (one step of Huber's)."""
    middle = float(np.median(values))
    limit = 2 / NORMAL_QUARTILE * float(np.median(np.abs(values - middle)))
    return float(np.mean(np.clip(values, middle - limit, middle + limit)))


def _evidence(noise: Noise, added: Floats) -> float:
    """Log likelihood with the constant that depends on scale and degrees of freedom."""
    half = noise.degrees / 2
    constant = math.lgamma(half + 0.5) - math.lgamma(half) - math.log(noise.scale)
    constant -= 0.5 * math.log(math.pi * noise.degrees)
    return float(noise.log_likelihood(added).sum()) + len(added) * constant


def _clipped_square(values: Floats, lag: int) -> float:
    """Mean square of the differences at a lag, the outlying ones cut back."""
    sizes = np.abs(values[lag:] - values[:-lag])
    limit = CLIP_DEVIATIONS / NORMAL_QUARTILE * float(np.median(sizes))
    return float(np.mean((np.minimum(sizes, limit) if limit else sizes) ** 2))
