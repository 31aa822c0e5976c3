"""A series of logarithms to its levels: steps found, placed, pruned, and their sizes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depthprof.history.drift import Ramp, likeliest_ramp, ramp_instead
from depthprof.history.noise import (
    Noise,
    calm,
    careful,
    fit_shapes,
    level_of,
    noise_of,
    persistence,
)
from depthprof.history.scan import (
    FEWEST_LEVEL_POINTS,
    SHORTEST_INTERVAL,
    Step,
    chance,
    slope_strength,
    steps,
    strongest_step,
)

Floats = NDArray[np.float64]

FEWEST_POINTS = SHORTEST_INTERVAL
"""Of fewer points nothing is said."""


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


@dataclass(frozen=True, slots=True)
class Change:
    """A step from one log level to another.

    Attributes:
        place: where. before, after: the log levels. deviation: standard error of their difference.
        chance: that the strongest step of a steady series is as strong.
    """

    place: Place
    before: float
    after: float
    deviation: float
    chance: float


@dataclass(frozen=True, slots=True)
class Levels:
    """What a series consists of: steps, perhaps one ramp in place of some, and noise.

    `ramp_chance` is the least of what speaks for the ramp: the steps it stands for, the slope.
    """

    changes: tuple[Change, ...]
    ramp: Ramp | None
    ramp_chance: float
    noise: Noise


def levels(values: Floats, false_alarm_ratio: float) -> Levels:
    """Find where a series changed its level.

    Args:
        values: float64 [n], logarithms in order of time; n at least `FEWEST_POINTS`.
        false_alarm_ratio: chance allowed that a steady series seems to have any change at all.
    """
    phi = persistence(values)
    pool = steps(values, phi)
    found = _first_found(pool, len(values), false_alarm_ratio)
    if found:  # the noise is told better beside the levels, and smaller steps are seen
        phi = min(phi, persistence(_deviations(values, found)))
        pool = steps(values, phi)
        found = _first_found(pool, len(values), false_alarm_ratio)
    noise = noise_of(_deviations(values, found), phi)
    places = _placed(values, found, noise)
    chances = _chances(values, places, pool, phi)
    while chances and max(chances) > false_alarm_ratio:
        weakest = chances.index(max(chances))
        kept = [each.index for number, each in enumerate(places) if number != weakest]
        places = _placed(values, kept, noise)
        chances = _chances(values, places, pool, phi)
    whole = chance(slope_strength(values, phi), len(values))
    return _described(values, places, chances, phi, whole if whole <= false_alarm_ratio else 1.0)


def _first_found(pool: Sequence[Step], count: int, false_alarm_ratio: float) -> list[int]:
    """Take the strongest step, leave out the intervals it lies in, and so on."""
    found: list[int] = []
    for step in pool:
        if chance(step.strength, count) > false_alarm_ratio:
            break
        if not any(step.start < index < step.end for index in found):
            found.append(step.index)
    return sorted(found)


def _deviations(values: Floats, indices: Sequence[int]) -> Floats:
    """Values beside their levels, float64 [n]."""
    parts = np.split(values, list(indices))
    return np.concatenate([part - level_of(part) for part in parts])


def _placed(values: Floats, indices: Sequence[int], noise: Noise) -> list[Place]:
    """Place every step anew between its neighbours, twice since neighbours move."""
    at = list(indices)
    places: list[Place] = []
    for _ in range(2):
        bounds = [0, *at, len(values)]
        places = [
            place(values, bounds[i], bounds[i + 2], bounds[i + 1], noise) for i in range(len(at))
        ]
        moved = sorted({each.index for each in places})
        if len(moved) < len(places):  # two met: one of them is none
            return _placed(values, moved, noise)
        at = moved
    return places


def _chances(
    values: Floats, places: Sequence[Place], pool: Sequence[Step], phi: float
) -> list[float]:
    """Chance of each step, by the strongest interval between its neighbours."""
    bounds = [0, *(each.index for each in places), len(values)]
    told = []
    for start, end in zip(bounds, bounds[2:], strict=False):
        within = (step for step in pool if start <= step.start and step.end <= end)
        own = strongest_step(values, start, end, phi)
        strengths = [step.strength for step in (next(within, None), own) if step is not None]
        told.append(chance(max(strengths, default=0.0), len(values)))
    return told


def _described(
    values: Floats, places: Sequence[Place], chances: Sequence[float], phi: float, whole: float
) -> Levels:
    indices = [each.index for each in places]
    parts = np.split(values, indices)
    centres = [level_of(part) for part in parts]
    noise = noise_of(_deviations(values, indices), phi)
    lasting = noise.deviation / (1 - careful(phi, len(values)))
    changes = [
        Change(
            at,
            centres[i],
            centres[i + 1],
            lasting * math.sqrt(1 / len(parts[i]) + 1 / len(parts[i + 1])),
            chances[i],
        )
        for i, at in enumerate(places)
    ]
    return _with_ramp(values, changes, noise, whole)


def _with_ramp(values: Floats, changes: list[Change], noise: Noise, whole: float) -> Levels:
    """Put a ramp in place of steps, or of nothing where only the whole slope tells of a change."""
    if not changes and whole < 1.0:
        ramp = likeliest_ramp(calm(values), 0, len(values), noise)
        return Levels((), ramp, whole, noise)
    rises = [change.after - change.before for change in changes]
    found = ramp_instead(values, [change.place.index for change in changes], rises, noise)
    if found is None:
        return Levels(tuple(changes), None, 1.0, noise)
    ramp, run = found
    least = min(min(changes[number].chance for number in run), whole)
    kept = tuple(change for number, change in enumerate(changes) if number not in run)
    return Levels(kept, ramp, least, noise)


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
        first, chances = _chances_of_places(stretch, quiet, guess, noise)
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


def _chances_of_places(
    stretch: Floats, quiet: Floats, guess: int, noise: Noise
) -> tuple[int, Floats]:
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
