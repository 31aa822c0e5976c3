"""A forward that the host launches hardly faster than the device works."""

from collections.abc import Iterator

from depthprof.advice.bounds import least_times_ns
from depthprof.advice.facts import Facts, SideFacts, figures, gained
from depthprof.records import Finding
from depthprof.units import duration, percent

CODE = "launch_bound"
ORDER = 31

HOST_RATIO = 0.8
"""Host time of launching over the device's time, from which on launching is what holds it up."""

REMEDY = (
    "CUDA graphs, or torch.compile(mode='reduce-overhead'); a larger batch or fewer, larger"
    " operators also share the launches out. If forward waits for the device somewhere (.item(),"
    " .cpu()), take that out first: it looks the same"
)


def rule(facts: Facts) -> Iterator[Finding]:
    """Launching forward takes the host 0.8 or more of the time the device spends in it.

    Then the device waits for the host between kernels. The threshold is that of trtexec, which
    warns "Throughput may be bound by Enqueue Time rather than GPU Compute" where the median enqueue
    time is above 0.8 of the median GPU time (NVIDIA TensorRT, samples/common/sampleReporting.cpp).
    At most all of the device's time above what arithmetic and memory need is gained.
    """
    for side in facts.sides:
        host_ns, device_ns = side.host_ns.get("forward", 0.0), side.device_ns.get("forward", 0.0)
        if not (side.on_gpu and device_ns > 0 and host_ns >= HOST_RATIO * device_ns):
            continue
        work = side.work("forward")
        yield Finding(
            CODE,
            side.name,
            "forward",
            f"launching forward takes {percent(host_ns / device_ns)} of its device time"
            f" ({duration(host_ns)} of {duration(device_ns)})",
            figures(
                ("forward, host (launching)", duration(host_ns)),
                ("forward, device", duration(device_ns)),
                ("operators", str(work.ops) if work else "not counted"),
            ),
            _gain_ns(facts, side),
            REMEDY,
        )


def _gain_ns(facts: Facts, side: SideFacts) -> float | None:
    work = side.work("forward")
    if facts.limits is None or work is None:
        return None
    times = least_times_ns(facts.limits, side.side, work)
    needed = [times[name] for name in ("arithmetic", "memory") if name in times]
    return gained(side.device_ns["forward"] - max(needed)) if needed else None
