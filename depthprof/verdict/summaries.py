"""One side's figures by stage: median with interval, quartiles, share of the iteration.

The median is that of the blocks' medians, since iterations inside a block are not independent; its
interval is Student's over memory layouts (or processes), since blocks of a layout share it.
"""

import numpy as np

from depthprof.records import DEVICE_STAGES, TOTAL, Estimate, StageSummary
from depthprof.stats.layouts import unit_mean
from depthprof.stats.paired import median_interval
from depthprof.verdict.evidence import Evidence, device_spans, with_total
from depthprof.verdict.pairing import SideBlocks, side_blocks
from depthprof.verdict.quality import Flags, Floats


def summaries(
    known: Evidence, side: int, confidence: float, batch: int = 1
) -> tuple[StageSummary, ...]:
    """Summarise one side by stage, the total last, each figure divided by `batch`.

    A side of which nothing but warm-up was measured (an early Ctrl-C) is summarised from that; a
    stage without a sound sample from its rejected ones.
    """
    run, names = known.run, known.names
    mine = known.side == side
    blocks = side_blocks(known, side)
    judged, host, device = known.judged_ns[mine], known.host_ns[mine], known.device_ns[mine]
    if not mine.any():
        warm = run.samples.side == side
        if not warm.any():
            return tuple(_nothing() for _ in names)
        judged = host = with_total(run.samples.host_ns[warm])
        device = np.full_like(host, np.nan)
        if run.samples.device_ns is not None:
            device = device_spans(run.samples.device_ns[warm])
            judged = np.where(_by_device(names, device), device, host)
    by_cpu = [clock == "cpu" for clock in known.clocks]
    parts = np.nan_to_num(np.where(by_cpu, judged, host))
    whole_ns = float(np.median(parts, axis=0)[:-1].sum()) / batch
    return tuple(
        _summary(
            name,
            known.clocks[column],
            judged[:, column] / batch,
            host[:, column] / batch,
            device[:, column] / batch,
            _centre(blocks, column, batch, confidence),
            whole_ns,
        )
        for column, name in enumerate(names)
    )


def _by_device(names: tuple[str, ...], device: Floats) -> Flags:
    on_device = np.asarray([name in DEVICE_STAGES for name in names])
    return np.asarray(on_device & ~np.isnan(device).any(axis=0), dtype=np.bool_)


def _summary(
    stage: str,
    clock: str,
    judged_ns: Floats,
    host_ns: Floats,
    device_ns: Floats,
    centre: Estimate | None,
    whole_ns: float,
) -> StageSummary:
    sound_ns = judged_ns[~np.isnan(judged_ns)]
    if clock == "unlike" and not np.isnan(device_ns).any():
        sound_ns, centre = device_ns, None  # of this side; the other one has no such clock
    if not len(sound_ns):
        sound_ns, centre = host_ns[~np.isnan(host_ns)], None
    if not len(sound_ns):
        return _nothing()
    on_device = not np.isnan(device_ns).any()
    median = centre or _range(sound_ns)
    low, high = np.quantile(sound_ns, [0.25, 0.75])
    return StageSummary(
        median_ns=median,
        quartiles_ns=(float(low), float(high)),
        share_ratio=1.0 if stage == TOTAL else median.value / whole_ns if whole_ns else 0.0,
        host_ns=float(np.nanmedian(host_ns)),
        device_ns=float(np.median(device_ns)) if on_device else None,
    )


def _centre(blocks: SideBlocks, column: int, batch: int, confidence: float) -> Estimate | None:
    """Median of the blocks' medians; None where no block is sound in this stage."""
    values = blocks.median_ns[:, column] / batch
    known = ~np.isnan(values)
    if not known.any():
        return None
    sound_ns = values[known]
    mean = unit_mean(sound_ns, blocks.layout[known], blocks.launch[known])
    if mean is None or mean.unit == "pair":
        return median_interval(sound_ns, confidence)
    interval = mean.interval(confidence)
    half_ns = (interval.high - interval.low) / 2
    median_ns = float(np.median(sound_ns))
    low_ns = max(0.0, median_ns - half_ns)  # no stage takes less than nothing
    return Estimate(median_ns, low_ns, median_ns + half_ns, confidence)


def _range(values: Floats) -> Estimate:
    """Median of figures that are no evidence, with their whole range."""
    return Estimate(float(np.median(values)), float(values.min()), float(values.max()), 0.0)


def _nothing() -> StageSummary:
    return StageSummary(Estimate(0.0, 0.0, 0.0, 0.0), (0.0, 0.0), 0.0, 0.0, None)
