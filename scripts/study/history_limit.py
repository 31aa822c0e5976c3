"""How well a step can be placed at all: by who knows the noise, and perhaps the levels, exactly."""

import numpy as np
from numpy.typing import NDArray

from depthprof.history.noise import Noise, fit_shapes
from scripts.study.history_series import DEGREES, NOISE_RATIO, PERSISTENCE

Floats = NDArray[np.float64]

FEWEST_LEVEL_POINTS = 3
INFINITE = 1e6
TRUE = {
    "normal": Noise(0.0, NOISE_RATIO, INFINITE, NOISE_RATIO),
    "heavy-tailed": Noise(0.0, NOISE_RATIO / 3**0.5, DEGREES, NOISE_RATIO),
    "autocorrelated": Noise(
        PERSISTENCE, NOISE_RATIO * (1 - PERSISTENCE**2) ** 0.5, INFINITE, NOISE_RATIO
    ),
}


def likeliest_place(values: Floats, before: float, after: float, noise: str) -> int:
    """First point of the new level, as Bayes' rule has it when all but the place is known.

    Of all rules this one is most often within two points, the place having been drawn evenly.

    Args:
        values: float64 [n], logarithms with one step. before, after: the true levels.
        noise: its name in `NOISES`.
    """
    known, new = TRUE[noise], _new(len(values))
    rest = known.innovations(values - np.where(new, after, before))
    return _middle_of_likeliest(known.log_likelihood(rest).sum(axis=1))


def likeliest_place_alone(values: Floats, noise: str) -> int:
    """As `likeliest_place`, the levels being unknown; for normal noises (least squares)."""
    known = TRUE[noise]
    shapes = known.innovations(_new(len(values)).astype(np.float64))
    flat, wanted = known.innovations(np.ones(len(values))), known.innovations(values)
    _, multiples, power = fit_shapes(wanted, flat, shapes)
    return _middle_of_likeliest(multiples**2 * power / (2 * known.scale**2))


def _new(count: int) -> NDArray[np.bool_]:
    places = np.arange(FEWEST_LEVEL_POINTS, count - FEWEST_LEVEL_POINTS + 1)
    return np.asarray(np.arange(count) >= places[:, None])


def _middle_of_likeliest(fits: Floats) -> int:
    """Middle of the five neighbouring places that are likeliest together."""
    window = np.convolve(np.exp(fits - fits.max()), np.ones(5), mode="same")
    return FEWEST_LEVEL_POINTS + int(window.argmax())
