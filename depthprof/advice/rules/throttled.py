"""A GPU that lowered its clocks because of heat or power."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from depthprof.advice.facts import Facts, figures
from depthprof.records import UNKNOWN, Finding, Telemetry
from depthprof.units import percent

CODE = "throttled"
ORDER = 11

WORTH_RATIO = 0.05
"""Part of the readings, or of the blocks, from which on it is more than a moment."""

REASONS = {
    0x08: "hardware slowdown",
    0x20: "heat, by the driver",
    0x40: "heat, by the hardware",
    0x80: "power brake",
}
"""NVML's clocks event reasons that are faults (nvml.h, nvmlClocksEventReason*)."""

POWER_CAP = 0x04
"""NVML's reason for keeping within the power limit: what a busy GPU normally does, so no fault."""

REMEDY = (
    "cool the GPU or lock its clocks (nvidia-smi --lock-gpu-clocks), then measure again; figures of"
    " throttled blocks are left out, those beside them may be slow too"
)


def rule(facts: Facts) -> Iterator[Finding]:
    """NVML named heat, a power brake or a hardware slowdown in 5 % of the readings or more.

    Of the readings beside the measuring, or where there are none of the blocks. A power cap alone
    is normal and not reported (NVIDIA, NVML API Reference, clocks event reasons). The gain is
    unknown: throttled blocks are left out of the judgement already.
    """
    reasons = _reasons(facts)
    if not len(reasons) or all(side.side.device == "cpu" for side in facts.sides):
        return
    throttled = (reasons & sum(REASONS)) != 0
    share_ratio = float(throttled.mean())
    if share_ratio < WORTH_RATIO:
        return
    seen = int(np.bitwise_or.reduce(reasons))
    words = [word for bit, word in REASONS.items() if seen & bit]
    yield Finding(
        CODE,
        None,
        None,
        f"the GPU was throttled in {percent(share_ratio)} of {len(reasons)} readings ({words[0]})",
        figures(
            ("readings", str(len(reasons))),
            ("throttled", f"{int(throttled.sum())} ({percent(share_ratio)})"),
            ("why", ", ".join(words)),
            ("kept within its power limit", percent(float(((reasons & POWER_CAP) != 0).mean()))),
            *(_extremes(facts.telemetry) if facts.telemetry else ()),
        ),
        None,
        REMEDY,
    )


def _reasons(facts: Facts) -> NDArray[np.int64]:
    """Known reasons, int64 [n]: the readings', else the blocks'."""
    beside, blocks = facts.telemetry, facts.run.conditions
    known = [] if beside is None else [beside.columns.throttle_reasons]
    known += [] if blocks is None else [blocks.throttled]
    told = [seen[seen != UNKNOWN] for seen in known if (seen != UNKNOWN).any()]
    return told[0] if told else np.empty(0, dtype=np.int64)


def _extremes(telemetry: Telemetry) -> Iterator[tuple[str, str]]:
    clocks = telemetry.columns.sm_clock_mhz
    if (clocks > 0).any():
        known = clocks[clocks > 0]
        yield "SM clock", f"{known.min()} to {known.max()} MHz"
    heat = telemetry.columns.temperature_c
    if (heat != UNKNOWN).any():
        yield "hottest", f"{heat.max()} degrees Celsius"
