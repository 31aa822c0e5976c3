"""How strong the strongest step of a steady series looks: the table behind `chance`.

`python -m scripts.study.history_null` prints it. The noise is AR(1) with 0.6, more persistent
than the 0.5 of the goals, so that the chance stated is too high there rather than too low.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from depthprof.history.noise import persistence
from depthprof.history.scan import largest_strength
from scripts.study.history_series import ar1

SEED = 20_260_701
PHI = 0.6
CHANCES = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.003)
ROUNDS = {
    10: 8000,
    14: 8000,
    20: 8000,
    30: 8000,
    45: 8000,
    60: 8000,
    80: 8000,
    120: 8000,
    200: 8000,
    400: 6000,
    800: 4000,
    2000: 2500,
}


def strengths(count: int, rounds: int) -> NDArray[np.float64]:
    """Strongest steps of so many steady series of so many points."""
    random = np.random.default_rng([SEED, count])
    series = (ar1(random, count, PHI) for _ in range(rounds))
    return np.array([largest_strength(values, persistence(values)) for values in series])


def table() -> Iterator[tuple[int, tuple[float, ...]]]:
    """A line a length: strengths that a steady series passes with the chances of `CHANCES`."""
    for count, rounds in ROUNDS.items():
        passed = np.quantile(strengths(count, rounds), [1 - chance for chance in CHANCES])
        yield count, tuple(round(float(value), 3) for value in passed)


if __name__ == "__main__":
    for length, line in table():
        print(f"    {length}: {line},", flush=True)
