"""What a host timer without a sync stage would have said, beside what happened.

Such a timer has no place for the wait, so it falls into the first call that blocks, the copy to
the host. The wait is the last part of the device's work, so it is owed to the stages from the
last one backwards.
"""

import numpy as np
from numpy.typing import NDArray

from depthprof.records import WARM_UP_TURN, Run, TimerView

_OWNERS = ("postprocess", "forward", "h2d")


def timer_view(run: Run, side: int) -> TimerView:
    """Tell what a host timer without a sync stage shows for one side.

    Where nothing is asynchronous nothing waits: the wait is 0 and both views agree.
    """
    samples = run.samples
    mine = (samples.side == side) & (samples.turn != WARM_UP_TURN)
    if not mine.any():
        mine = samples.side == side
    if not mine.any():
        return TimerView({}, 0.0, 0.0, {})
    host = _medians(samples.stages, samples.host_ns[mine])
    wait_ns = host.pop("sync", 0.0)  # on a CPU the time of looking at the clock, not of waiting
    wait_ns = wait_ns if is_asynchronous(run, side) else 0.0
    shown = {**host, "d2h": host.get("d2h", 0.0) + wait_ns}
    device: dict[str, float] = {}
    if samples.device_ns is not None and (samples.device_ns[mine] >= 0).all():
        device = _medians(samples.stages, samples.device_ns[mine])
    return TimerView(shown, shown["d2h"], wait_ns, _owners(wait_ns, device))


def is_asynchronous(run: Run, side: int) -> bool:
    """Whether a side's device works beside the host: it is no CPU, or has a clock of its own."""
    if run.sides[side].device.partition(":")[0] != "cpu":
        return True
    device_ns = run.samples.device_ns
    return device_ns is not None and bool((device_ns[run.samples.side == side] >= 0).any())


def _owners(wait_ns: float, device_ns: dict[str, float]) -> dict[str, float]:
    """Share the wait out over the device's work, the last stage first."""
    owed: dict[str, float] = {}
    left = wait_ns
    for stage in _OWNERS:
        part = min(left, device_ns.get(stage, 0.0))
        if part > 0:
            owed[stage] = part
            left -= part
    return dict(sorted(owed.items(), key=lambda item: -item[1]))


def _medians(stages: tuple[str, ...], spans_ns: NDArray[np.int64]) -> dict[str, float]:
    return dict(zip(stages, np.median(spans_ns, axis=0).tolist(), strict=True))
