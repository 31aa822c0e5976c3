"""Series of known truth: steady, with a step, with a drift; in three kinds of noise."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NOISE_RATIO = 0.02
"""Standard deviation of a point's logarithm, in every kind of noise."""

POINTS = 120
PERSISTENCE = 0.5
DEGREES = 3.0


def ar1(random: np.random.Generator, count: int, phi: float) -> Floats:
    """AR(1) noise of standard deviation 0.02 from its first point on, float64 [count]."""
    added = random.normal(0.0, NOISE_RATIO * float(np.sqrt(1 - phi**2)), count)
    added[0] /= np.sqrt(1 - phi**2)
    for place in range(1, count):
        added[place] += phi * added[place - 1]
    return added


def normal(random: np.random.Generator, count: int) -> Floats:
    """Independent normal noise of standard deviation 0.02, float64 [count]."""
    return random.normal(0.0, NOISE_RATIO, count)


def heavy_tailed(random: np.random.Generator, count: int) -> Floats:
    """Independent noise of Student's t with 3 degrees, scaled to standard deviation 0.02."""
    scale = NOISE_RATIO / float(np.sqrt(DEGREES / (DEGREES - 2)))
    return random.standard_t(DEGREES, count) * scale


def persistent(random: np.random.Generator, count: int) -> Floats:
    """AR(1) noise that keeps half of each deviation."""
    return ar1(random, count, PERSISTENCE)


Draw = Callable[[np.random.Generator, int], Floats]

NOISES: dict[str, Draw] = {
    "normal": normal,
    "heavy-tailed": heavy_tailed,
    "autocorrelated": persistent,
}


@dataclass(frozen=True, slots=True)
class Truth:
    """Log values without noise, float64 [n], and the first point of each new level."""

    logs: Floats
    changes: tuple[int, ...]


def steady(_: np.random.Generator) -> Truth:
    """120 points of one level."""
    return Truth(np.zeros(POINTS), ())


def step_of(ratio: float) -> Callable[[np.random.Generator], Truth]:
    """120 points with one step up or down, drawn evenly from the 20th to the 100th."""

    def draw(random: np.random.Generator) -> Truth:
        at = int(random.integers(20, 101))
        rise = float(np.log1p(ratio)) * random.choice([-1, 1])
        return Truth(rise * (np.arange(POINTS) >= at), (at,))

    return draw


def two_steps(_: np.random.Generator) -> Truth:
    """Up by 5 % at 40, down again at 80."""
    places = np.arange(POINTS)
    return Truth(np.log(1.05) * ((places >= 40) & (places < 80)), (40, 80))


def drift_alone(_: np.random.Generator) -> Truth:
    """20 points, each 1 % longer than the last."""
    return Truth(np.log(1.01) * np.arange(20.0), ())


def drift_between(_: np.random.Generator) -> Truth:
    """50 steady points, 20 that drift by 1 % each, 50 steady ones."""
    return Truth(np.log(1.01) * np.clip(np.arange(float(POINTS)) - 49, 0, 20), ())


TRUTHS: dict[str, Callable[[np.random.Generator], Truth]] = {
    "steady": steady,
    "step of 5 %": step_of(0.05),
    "up and down by 5 %": two_steps,
    "drift of 1 % a point, 20 points": drift_alone,
    "the same among 100 steady ones": drift_between,
}
