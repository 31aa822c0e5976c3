"""Series of known truth for the tests."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from depthprof.records import Point, Series

BASE_NS = 5_000_000.0


def series(
    logs: Sequence[float] | np.ndarray, stage: str = "forward", label: str = "v2 small 518"
) -> Series:
    first = datetime(2026, 9, 1, tzinfo=UTC)
    points = []
    for number, log in enumerate(logs):
        median_ns = BASE_NS * float(np.exp(log))
        created = (first + timedelta(days=number)).isoformat()
        commit = f"{7919 * (number + 1):07x}"
        points.append(
            Point(f"run-{number}", created, commit, median_ns, 0.98 * median_ns, 1.02 * median_ns)
        )
    return Series("bench-1", label, stage, "host", tuple(points))


def noise(count: int, seed: int = 1, ratio: float = 0.02) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, ratio, count)
