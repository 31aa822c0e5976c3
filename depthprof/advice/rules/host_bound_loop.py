"""A host stage that takes longer than all of the device's work."""

from collections.abc import Iterator

from depthprof.advice.facts import Facts, figures, gained
from depthprof.records import Finding
from depthprof.units import duration

CODE = "host_bound_loop"
ORDER = 36

REMEDY = (
    "run it beside the device's work; in threads or processes, so that the longer of the two"
    " decides and not their sum, and shorten it as well"
)


def rule(facts: Facts) -> Iterator[Finding]:
    """On a GPU, preprocess or return takes the host longer than the device works in an iteration.

    No threshold but that: then the host decides how many pictures a second there are, however fast
    the network gets. Run side by side, host and device take the longer of their times instead of
    the sum (Amdahl's argument for overlap; PyTorch, Performance Tuning Guide, "Enable asynchronous
    data loading"), so the device's work is what is gained at most.
    """
    for side in facts.sides:
        busy_ns = side.busy_ns
        for stage in ("preprocess", "return"):
            host_ns = side.judged_ns.get(stage, 0.0)
            if busy_ns is None or host_ns <= busy_ns:
                continue
            yield Finding(
                CODE,
                side.name,
                stage,
                f"{stage} takes longer than all device work ({duration(host_ns)} against"
                f" {duration(busy_ns)})",
                figures(
                    (f"{stage}, host", duration(host_ns)),
                    ("device busy", duration(busy_ns)),
                    ("iteration", duration(side.total_ns)),
                ),
                gained(busy_ns),
                REMEDY,
            )
