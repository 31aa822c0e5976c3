"""The hardware bound of each stage: work over peak rate, traffic over bandwidth.

The roofline of Williams, Waterman and Patterson (CACM 52 (2009) 65-76): of the times that
arithmetic, memory and the link need on their own, the largest is a bound, for at best they overlap.
"""

import math
from collections.abc import Mapping

import numpy as np

from depthprof.records import Limits, Run, Side, StageFloor, StageWork
from depthprof.units import NS_PER_S

LINK_STAGES = ("h2d", "d2h")
HOST_STAGES = ("preprocess", "return")

NOT_MOVED_RATIO = 10
"""No cache moves bytes ten times as fast as the best that was measured for so many."""


def stage_floors(run: Run, side: Side, medians_ns: Mapping[str, float]) -> tuple[StageFloor, ...]:
    """Hardware bounds of one side's stages, in their order; a stage without one is left out.

    On a GPU a copy is bounded by the link, `forward` and `postprocess` by arithmetic, by the
    device's memory, or by launching their operators one by one; on a CPU by the CPU's own rates,
    and a copy that copies nothing there has no bound. Host stages read and write their bytes once.
    `sync` does nothing and has none. A bound that a stage beats is kept and marked: it is wrong.

    Args:
        run: its limits hold for one device. side: its work was counted.
        medians_ns: by stage, an iteration's measured medians, by the clock that judges the stage.

    Returns:
        Nothing where the limits or the work are not known.
    """
    if run.limits is None or side.observed is None:
        return ()
    floors = (
        _floor(run.limits, side, work, medians_ns.get(work.stage, 0.0))
        for work in side.observed.work
    )
    return tuple(floor for floor in floors if floor is not None)


def pinned_bytes_per_s(limits: Limits, direction: str, size_bytes: float) -> float | None:
    """Best rate of the link for a copy of this size out of or into pinned memory.

    A copy takes a latency and a time by its size, so between two measured sizes its time is on the
    straight line through theirs, and never longer than that of a larger copy. Below the measured
    sizes the smallest one's rate holds, beyond them the best of all, in no less time than the
    largest took.

    Args:
        direction: "h2d" or "d2h".

    Returns:
        None where nothing was measured.
    """
    times: dict[int, float] = {}
    for rate in limits.copies:
        if (rate.direction, rate.memory) == (direction, "pinned") and rate.bytes_per_s > 0:
            took_s = rate.size_bytes / rate.bytes_per_s
            times[rate.size_bytes] = min(took_s, times.get(rate.size_bytes, math.inf))
    if not times or size_bytes <= 0:
        return None
    sizes = np.array(sorted(times))
    least_s = np.minimum.accumulate([times[size] for size in sizes[::-1]])[::-1]
    if size_bytes <= sizes[0]:
        return float(sizes[0] / least_s[0])
    if size_bytes >= sizes[-1]:
        at_best_s = size_bytes / float((sizes / least_s).max())
        return size_bytes / max(at_best_s, float(least_s[-1]))
    return float(size_bytes / np.interp(size_bytes, sizes, least_s))


def least_times_ns(limits: Limits, side: Side, work: StageWork) -> dict[str, float]:
    """What each resource needs for a stage on its own, by the name of what bounds it."""
    if work.stage in HOST_STAGES:
        times = {"memory": _ns(_traffic_bytes(work), _host_bytes_per_s(limits, side, work))}
    elif not limits_hold_for(limits, side):
        times = {}
    elif work.stage in LINK_STAGES:
        # What is converted on the way crosses the link at its smaller size, at best.
        crossing = min(work.read_bytes, work.written_bytes)
        times = {"link": _ns(crossing, pinned_bytes_per_s(limits, work.stage, crossing))}
    elif work.stage in ("forward", "postprocess"):
        times = {
            "arithmetic": _arithmetic_ns(limits, side.workload.dtype, work),
            "memory": _memory_ns(limits, work),
            "launches": work.ops * limits.launch_ns,
        }
    else:
        times = {}
    return {name: ns for name, ns in times.items() if ns > 0}


def _floor(limits: Limits, side: Side, work: StageWork, median_ns: float) -> StageFloor | None:
    times = least_times_ns(limits, side, work)
    if not median_ns > 0:
        return None
    if times.get("launches", 0.0) > median_ns:
        del times["launches"]  # then they were not launched one by one, but as a graph or compiled
    if not times:
        return None
    bound_by = max(times, key=lambda name: times[name])
    if work.stage in HOST_STAGES and times[bound_by] > NOT_MOVED_RATIO * median_ns:
        return None  # then the bytes were not moved: a view was handed on
    arithmetic_ns = times.get("arithmetic")
    return StageFloor(
        stage=work.stage,
        floor_ns=times[bound_by],
        bound_by=bound_by,
        reached_ratio=times[bound_by] / median_ns,
        flops_ratio=None if arithmetic_ns is None else arithmetic_ns / median_ns,
        holds=times[bound_by] <= median_ns,
    )


def _arithmetic_ns(limits: Limits, dtype: str, work: StageWork) -> float:
    """What the counted operations of forward need, each at the best rate it may use; 0: unknown.

    Products and attention use that of the dtype. cuDNN's convolutions take TF32 for float32, which
    products do not by default (PyTorch, CUDA semantics: torch.backends.cudnn.allow_tf32 is True,
    torch.backends.cuda.matmul.allow_tf32 is not).
    """
    rate = limits.bound_flops_per_s(dtype)
    if work.stage != "forward" or rate is None:
        return 0.0
    convolving = max(rate, limits.bound_flops_per_s("tf32") or 0.0) if dtype == "fp32" else rate
    products = work.flops - work.convolution_flops
    return _ns(products, rate) + _ns(work.convolution_flops, convolving)


def _memory_ns(limits: Limits, work: StageWork) -> float:
    moved_bytes = _traffic_bytes(work)
    return _ns(moved_bytes, limits.bound_bytes_per_s("device", moved_bytes))


def _host_bytes_per_s(limits: Limits, side: Side, work: StageWork) -> float:
    """Rate of the host's memory; a side with more threads than were measured may reach more."""
    rate = limits.bound_bytes_per_s("host", _traffic_bytes(work))
    return rate * max(1.0, side.threads / limits.threads) if limits.memory else rate


def limits_hold_for(limits: Limits, side: Side) -> bool:
    """Whether the device's peak rates are those of this side; a CPU's hold for one thread count.

    GPUs of one name on one machine are numbered anew by CUDA_VISIBLE_DEVICES, so the name counts.
    """
    if "cpu" in (limits.device, side.device):
        return limits.device == side.device and limits.threads == side.threads
    return limits.device_name == side.device_name


def _traffic_bytes(work: StageWork) -> int:
    return work.read_bytes + work.written_bytes


def _ns(amount: float, per_s: float | None) -> float:
    """Time for an amount at a rate, 0 where there is none of either."""
    return amount / per_s * NS_PER_S if per_s and per_s > 0 and amount > 0 else 0.0
