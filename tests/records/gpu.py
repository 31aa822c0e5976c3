"""Limits, telemetry and what was observed, made up for tests."""

import numpy as np

from depthprof.records import (
    STAGES,
    TELEMETRY_COLUMNS,
    CopyRate,
    Limits,
    MatrixRate,
    Memory,
    Observed,
    StageWork,
    Telemetry,
    TelemetryColumns,
    Trait,
)

LIMITS = Limits(
    fingerprint="ab12",
    created="2026-01-01T00:00:00+00:00",
    device="cuda:0",
    device_name="test",
    cpu="test",
    threads=4,
    copies=(
        CopyRate("h2d", "pageable", 1 << 20, 5e9),
        CopyRate("h2d", "pinned", 1 << 20, 25e9),
        CopyRate("d2h", "pageable", 1 << 20, 4e9),
        CopyRate("d2h", "pinned", 1 << 20, 24e9),
    ),
    matrix=(MatrixRate("fp32", 50e12), MatrixRate("fp16", 400e12)),
    memory_bytes_per_s=3e12,
    launch_ns=4_000.0,
    host_copy_bytes_per_s=12e9,
    core_bytes_per_s=8e9,
)

OBSERVED = Observed(
    work=tuple(StageWork(stage, 10**9, 10**6, 10**5, 12) for stage in STAGES),
    memory=Memory(2 << 30, 99_000_000, 500_000_000, 600_000_000),
    traits=(Trait("pageable_copy", "d2h", 1_228_800, "B", "d2h"),),
)


def telemetry(count: int = 3, **columns: list[int]) -> Telemetry:
    """Readings that know nothing but what a test gives, 100 ms apart."""
    known = {name: np.full(count, -1, dtype=np.int64) for name in TELEMETRY_COLUMNS}
    known["at_ns"] = np.arange(count, dtype=np.int64) * 100_000_000
    known |= {name: np.asarray(values, dtype=np.int64) for name, values in columns.items()}
    return Telemetry("GPU-test", 0.1, TelemetryColumns(**known), ("power is not offered",))
