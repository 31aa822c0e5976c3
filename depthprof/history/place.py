"""Where between two levels the step lies: by likelihood, and how surely."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depthprof.history.noise import Noise, calm, fit_shapes
from depthprof.history.scan import FEWEST_LEVEL_POINTS

Floats = NDArray[np.float64]

TOLERANCE_POINTS = 2
"""The place is chosen so that it is most likely within two points of the truth."""

SLACK = 0.02
"""Places whose neighbourhoods are equally likely but for this: the likeliest itself is chosen."""

REACH_POINTS = 25
"""Places tried on either side of the guess."""

ROUNDS = 3
SURENESS = 0.95


@dataclass(frozen=True, slots=True)
class Place:
    """First point at the new level, and the span it lies in with 95 %."""

    index: int
    earliest: int
    latest: int


def place(values: Floats, start: int, end: int, index: int, noise: Noise) -> Place:
    """Place the one step of [start, end) anew, beginning with a guess.

    The chance of each place follows from the likelihood of its innovations, with the levels that
    suit it best and no place preferred beforehand (Smith, Biometrika 62 (1975) 407-416). Chosen is
    the likeliest of those whose neighbourhood of five places is as likely as any.

    Args:
        values: float64 [n]. start, end: the neighbouring changes. index: the guess.
    """
    stretch, guess = values[start:end], index - start
    quiet = calm(stretch)
    for _ in range(ROUNDS):
        first, chances = _chances(stretch, quiet, guess, noise)
        window = np.convolve(chances, np.ones(2 * TOLERANCE_POINTS + 1), mode="full")
        window = window[TOLERANCE_POINTS:-TOLERANCE_POINTS]
        likely = np.where(window >= window.max() - SLACK, chances, -1.0)
        chosen = first + int(likely.argmax())
        if chosen == guess:
            break
        guess = chosen
    tail = (1 - SURENESS) / 2
    ends = first + np.searchsorted(np.cumsum(chances), [tail, 1 - tail])
    latest = min(int(ends[1]), first + len(chances) - 1)
    return Place(start + guess, start + min(int(ends[0]), guess), start + max(latest, guess))


def _chances(stretch: Floats, quiet: Floats, guess: int, noise: Noise) -> tuple[int, Floats]:
    """Chance of each point about the guess to be the first at the new level; they add up to 1.

    Levels are fitted to `quiet`, outliers cut back; the likelihood is that of `stretch` itself.
    """
    count = len(stretch)
    low = min(max(FEWEST_LEVEL_POINTS, guess - REACH_POINTS), count - FEWEST_LEVEL_POINTS)
    high = max(low, min(count - FEWEST_LEVEL_POINTS, guess + REACH_POINTS))
    after = (np.arange(count) >= np.arange(low, high + 1)[:, None]).astype(np.float64)
    shapes, flat = noise.innovations(after), noise.innovations(np.ones(count))
    before, rises, _ = fit_shapes(noise.innovations(quiet), flat, shapes)
    rest = noise.innovations(stretch) - before[:, None] * flat - rises[:, None] * shapes
    fits = noise.log_likelihood(rest).sum(axis=1)
    chances = np.exp(fits - fits.max())
    return low, np.asarray(chances / chances.sum())
