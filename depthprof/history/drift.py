"""Whether steps of one direction are rather one slow slope: flat, then a ramp, then flat."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from depthprof.history.noise import Noise, calm, fit_shapes

Floats = NDArray[np.float64]

SHORTEST_RAMP = 8
"""Points between the old level and the new one; a shorter ramp is a step."""

KNOTS = 17
"""Places tried for either end of a ramp, at first; then as many about the best."""

MARGIN = 4.0
"""By so much, in natural logarithms, a ramp must be likelier than steps, beyond its price."""

RAMP_FIGURES = 4
"""Fitted: two levels, two ends. Steps cost one figure each, and one a level."""

LONGEST_RUN = 8
"""Steps that one ramp may stand for; found longer drifts are a staircase of fewer anyway."""


@dataclass(frozen=True, slots=True)
class Ramp:
    """A slope in log values from the last point of the old level to the first of the new.

    Attributes:
        first, last: these points. before: the old log level. rise: log(after / before).
        deviation: standard error of the rise.
        fit: log likelihood of the stretch it was fitted to.
    """

    first: int
    last: int
    before: float
    rise: float
    deviation: float
    fit: float


def likeliest_ramp(values: Floats, start: int, end: int, noise: Noise) -> Ramp | None:
    """Fit a ramp to the stretch [start, end); None where it has too few points for one.

    Args:
        values: float64 [n], logarithms, outliers cut back (`noise.calm`).
    """
    places = np.linspace(start, end - 1, KNOTS).round().astype(int).tolist()
    best = _best_of(values, start, end, combinations(places, 2), noise)
    if best is None:
        return None
    near = (end - start) / KNOTS
    firsts, lasts = (
        np.linspace(max(start, at - near), min(end - 1, at + near), KNOTS // 2).round().astype(int)
        for at in (best.first, best.last)
    )
    finer = [(int(first), int(last)) for first in firsts for last in lasts]
    return _best_of(values, start, end, [*finer, (best.first, best.last)], noise)


def ramp_instead(
    values: Floats, changes: Sequence[int], rises: Sequence[float], noise: Noise
) -> tuple[Ramp, range] | None:
    """Return the ramp that says more than a run of steps of one direction, and which; or None.

    Compared by likelihood less half the logarithm of the points for each figure fitted (Schwarz,
    Ann. Stat. 6 (1978) 461-464), and `MARGIN` beyond.

    Args:
        values: float64 [n], logarithms. changes: first points of new levels, in order.
        rises: of the log level at each.
    """
    quiet = calm(values)
    bounds = [0, *changes, len(values)]
    best, most = None, MARGIN
    for run in _runs(rises):
        around = bounds[run.start : run.stop + 2]
        ramp = likeliest_ramp(quiet, around[0], around[-1], noise)
        if ramp is None or ramp.rise * rises[run.start] <= 0:
            continue
        saved = 2 * len(run) + 1 - RAMP_FIGURES
        price = 0.5 * math.log(around[-1] - around[0])
        gain = ramp.fit - _steps_fit(quiet, around, noise) + price * saved
        if gain > most:
            best, most = (ramp, run), gain
    return best


def _runs(rises: Sequence[float]) -> Iterator[range]:
    """Every run of neighbouring steps that all go the same way."""
    for start in range(len(rises)):
        for end in range(start, min(len(rises), start + LONGEST_RUN)):
            if rises[end] * rises[start] <= 0:
                break
            yield range(start, end + 1)


def _steps_fit(values: Floats, bounds: Sequence[int], noise: Noise) -> float:
    """Log likelihood of a stretch with a level of its own between all neighbouring bounds."""
    points = np.arange(bounds[0], bounds[-1])
    shapes = [((points >= a) & (points < b)).astype(np.float64) for a, b in pairwise(bounds)]
    given = noise.innovations(np.stack(shapes))
    wanted = noise.innovations(values[bounds[0] : bounds[-1]])
    weights = np.linalg.lstsq(given.T, wanted, rcond=None)[0]
    return float(noise.log_likelihood(wanted - weights @ given).sum())


def _best_of(
    values: Floats, start: int, end: int, knots: Iterable[tuple[int, int]], noise: Noise
) -> Ramp | None:
    """The likeliest of the ramps between these pairs of points, by least squares each."""
    allowed = np.array([(u, v) for u, v in knots if v - u >= SHORTEST_RAMP])
    if not len(allowed):
        return None
    first, last = allowed[:, :1], allowed[:, 1:]
    slopes = noise.innovations(np.clip((np.arange(start, end) - first) / (last - first), 0.0, 1.0))
    flat = noise.innovations(np.ones(end - start))
    wanted = noise.innovations(values[start:end])
    before, rises, power = fit_shapes(wanted, flat, slopes)
    at = int((rises**2 * power).argmax())  # what the slope takes off the squares
    rest = wanted - before[at] * flat - rises[at] * slopes[at]
    fit = float(noise.log_likelihood(rest).sum())
    first_point, last_point = allowed[at].tolist()
    error = noise.deviation / math.sqrt(power[at])
    return Ramp(first_point, last_point, float(before[at]), float(rises[at]), error, fit)
