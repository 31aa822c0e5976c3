"""Runs on a GPU with readings of telemetry, made up for tests."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from depthprof.records import WARM_UP_TURN, GpuActivity, Run, Workload
from depthprof.verdict.activity import activity
from tests.records.gpu import telemetry
from tests.runs import recorder_of, with_samples

MS = 1_000_000
S = 1_000_000_000
SPANS_MS = np.array([10, 5, 5, 5, 70, 5, 0])
"""An iteration of 100 ms on the host; of it 80 ms on the device, by DEVICE_MS."""
DEVICE_MS = np.array([0, 5, 65, 5, 0, 5, 20])


def gpu_run(blocks: Sequence[tuple[int, float, float]], iteration_ms: int = 100) -> Run:
    """Blocks (side, begin in s, length in s) of iterations, -1 as a side is warm-up of side 0."""
    places, rows = [], []
    for number, (side, begin_s, length_s) in enumerate(blocks):
        for k in range(round(length_s * 1_000 / iteration_ms)):
            start_ns = round(begin_s * S) + k * iteration_ms * MS
            turn = WARM_UP_TURN if side < 0 else number // 2
            places.append((0, turn, number, max(side, 0), start_ns))
            rows.append(SPANS_MS * MS * iteration_ms // 100)
    run = with_samples(recorder_of([Workload(), Workload()]).run(1.0, "budget"), places, rows)
    device_ns = np.tile(DEVICE_MS * MS * iteration_ms // 100, (len(rows), 1))
    sides = tuple(replace(side, device="cuda:0") for side in run.sides)
    return replace(run, sides=sides, samples=replace(run.samples, device_ns=device_ns))


def with_readings(run: Run, at_s: Sequence[float], **columns: Any) -> Run:
    at_ns = [round(moment * S) for moment in at_s]
    values = {name: list(np.broadcast_to(value, len(at_ns))) for name, value in columns.items()}
    return replace(run, telemetry=telemetry(len(at_ns), at_ns=at_ns, **values))


def gpu(run: Run, side: int) -> GpuActivity:
    known = activity(run)
    assert known is not None
    found = known.sides[side]
    assert found is not None
    return found


LONG = [(0, 1.0, 3.0), (1, 5.0, 3.0)]
"""Blocks long enough for what looks back a second."""

EVERY_100_MS = [0.05 + 0.1 * k for k in range(90)]
