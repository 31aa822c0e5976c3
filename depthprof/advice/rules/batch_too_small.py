"""A device that idles through much of the iteration."""

from collections.abc import Iterator

from depthprof.advice.facts import Facts, SideFacts, figures
from depthprof.records import Finding
from depthprof.units import duration, percent

CODE = "batch_too_small"
ORDER = 20

BUSY_RATIO = 0.8
"""Below this part of the iteration the device idles more than one can leave it to."""


def rule(facts: Facts) -> Iterator[Finding]:
    """On a GPU, the device works in less than 80 % of the iteration's wall time.

    The share is the sum of the device's spans over the host's wall time, so gaps inside a stage
    count as work and the true share is lower still. A larger batch pays for launches, waits and
    small copies once for more pictures, but what the host does to each picture grows with it: where
    that is most of the idle time, overlapping it comes first. The gain is unknown, because a larger
    batch also fills every kernel better, which one batch size cannot tell.
    """
    for side in facts.sides:
        busy_ns, wall_ns = side.busy_ns, side.total_ns
        if busy_ns is None or not 0 <= busy_ns < BUSY_RATIO * wall_ns:
            continue
        host_ns = _host_ns(side)
        yield Finding(
            CODE,
            side.name,
            None,
            f"the device works in {percent(busy_ns / wall_ns)} of the iteration"
            f" ({duration(busy_ns)} of {duration(wall_ns)})",
            figures(
                ("device busy", duration(busy_ns)),
                ("iteration", duration(wall_ns)),
                ("preprocess and return, host", duration(host_ns)),
                ("batch", str(side.side.workload.batch)),
            ),
            None,
            _remedy(host_ns, wall_ns - busy_ns),
        )


def _host_ns(side: SideFacts) -> float:
    return sum(side.judged_ns.get(stage, 0.0) for stage in ("preprocess", "return"))


def _remedy(host_ns: float, idle_ns: float) -> str:
    if host_ns >= idle_ns / 2:
        return (
            "prepare pictures while the device works, then raise --batch; preprocess and return"
            " are most of its idle time and grow with the batch"
        )
    return "raise --batch until the device is busy; what an iteration pays once is shared out"
