"""A copy that takes longer than the forward."""

from collections.abc import Iterator

from depthprof.advice.facts import Facts, figures
from depthprof.records import Finding
from depthprof.units import duration, times

CODE = "transfer_bound"
ORDER = 32

REMEDY = (
    "copy fewer bytes, through pinned memory, while the next forward runs; a stream of its own for"
    " the copy lets both go on at once"
)


def rule(facts: Facts) -> Iterator[Finding]:
    """On the device's clock h2d or d2h takes longer than forward.

    Then the link decides how many pictures a second there are, even where copies and arithmetic
    overlap. The rule is that of trtexec, which warns that throughput may be bound by transfers
    where their median is above the GPU's (NVIDIA TensorRT, samples/common/sampleReporting.cpp).
    The gain is what the copy takes above its floor, None where that is unknown.
    """
    for side in facts.sides:
        forward_ns = side.device_ns.get("forward", 0.0)
        for stage in ("h2d", "d2h"):
            copy_ns = side.device_ns.get(stage, 0.0)
            if not 0 < forward_ns < copy_ns:
                continue
            yield Finding(
                CODE,
                side.name,
                stage,
                f"{stage} takes longer than forward ({duration(copy_ns)} against"
                f" {duration(forward_ns)})",
                figures(
                    (f"{stage}, device", duration(copy_ns)),
                    ("forward, device", duration(forward_ns)),
                    ("ratio", times(copy_ns / forward_ns)),
                ),
                side.above_floor_ns(stage),
                REMEDY,
            )
