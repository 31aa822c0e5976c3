"""One side's figures by stage: median with interval, quartiles, share of the iteration."""

import numpy as np

from depthprof.comparison.pairing import Floats, device_spans, with_total
from depthprof.records import (
    DEVICE_STAGES,
    TOTAL,
    WARM_UP_TURN,
    Estimate,
    Run,
    StageSummary,
)
from depthprof.stats import median_interval


def summaries(run: Run, side: int, confidence: float, batch: int = 1) -> tuple[StageSummary, ...]:
    """Summarise one side by stage, the total last, each figure divided by `batch`.

    A side of which nothing but warm-up was measured (an early Ctrl-C) is summarised from that.
    """
    samples = run.samples
    mine = (samples.side == side) & (samples.turn != WARM_UP_TURN)
    if not mine.any():
        mine = samples.side == side
    host = with_total(samples.host_ns[mine]) / batch
    device = np.full_like(host, np.nan)
    if samples.device_ns is not None:
        device = device_spans(samples.device_ns[mine]) / batch
    names = (*samples.stages, TOTAL)
    if not len(host):
        return tuple(_nothing() for _ in names)
    whole_ns = float(np.median(host, axis=0)[:-1].sum())
    return tuple(
        _summary(name, host[:, column], device[:, column], confidence, whole_ns)
        for column, name in enumerate(names)
    )


def clock_of(stage: str, sides: tuple[StageSummary, ...]) -> str:
    """Name the clock a stage is judged by: "host", "device", or "unlike" where the sides differ."""
    timed = [summary.device_ns is not None for summary in sides]
    if stage not in DEVICE_STAGES or not any(timed):
        return "host"
    return "device" if all(timed) else "unlike"


def _summary(
    stage: str, host_ns: Floats, device_ns: Floats, confidence: float, whole_ns: float
) -> StageSummary:
    on_device = not np.isnan(device_ns).any()
    judged_ns = device_ns if on_device and stage in DEVICE_STAGES else host_ns
    median = median_interval(judged_ns, confidence)
    low, high = np.quantile(judged_ns, [0.25, 0.75])
    return StageSummary(
        median_ns=median,
        quartiles_ns=(float(low), float(high)),
        share_ratio=1.0 if stage == TOTAL else median.value / whole_ns if whole_ns else 0.0,
        host_ns=float(np.median(host_ns)),
        device_ns=float(np.median(device_ns)) if on_device else None,
    )


def _nothing() -> StageSummary:
    return StageSummary(Estimate(0.0, 0.0, 0.0, 0.0), (0.0, 0.0), 0.0, 0.0, None)
