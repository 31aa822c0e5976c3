"""A copy between host and device through pageable memory."""

from collections.abc import Iterator

from depthprof.advice.bounds import pinned_bytes_per_s
from depthprof.advice.facts import Facts, figures
from depthprof.records import Finding
from depthprof.units import NS_PER_S, binary_size, byte_rate, duration

CODE = "pageable_copy"
ORDER = 30

REMEDY = (
    "copy through a kept pinned buffer; with non_blocking=True, and wait before a copy to the host"
    " is read; pinning anew each time costs more than it saves"
)


def rule(facts: Facts) -> Iterator[Finding]:
    """A stage was seen to copy through pageable memory.

    The driver first copies such memory into a pinned buffer of its own, which the device can
    reach, so the copy takes longer and the host waits for it (NVIDIA, CUDA C++ Best Practices
    Guide, "Pinned Memory"; PyTorch, "A guide on good usage of non_blocking and pin_memory()", also
    on why pinning anew each time is no remedy). No threshold: what is not worth it has a small
    gain, which is what the copy takes above the pinned link's time for its bytes.
    """
    for side in facts.sides:
        for trait in side.traits(CODE):
            stage, took_ns = trait.stage, side.judged_ns.get(trait.stage, 0.0)
            if not (side.on_gpu and took_ns > 0 and trait.amount > 0):
                continue
            reached = trait.amount / took_ns * NS_PER_S
            best = _best(facts, stage, trait.amount)
            size = binary_size(trait.amount)
            yield Finding(
                CODE,
                side.name,
                stage,
                f"{stage} copies {size} through pageable memory at {byte_rate(reached)}",
                figures(
                    ("bytes", size),
                    (f"{stage}, measured", duration(took_ns)),
                    ("rate, measured", byte_rate(reached)),
                    ("rate of the link, pinned", _link(best, reached)),
                ),
                side.above_floor_ns(stage),
                REMEDY,
            )


def _best(facts: Facts, stage: str, size_bytes: float) -> float | None:
    limits = facts.limits
    return None if limits is None else pinned_bytes_per_s(limits, stage, size_bytes)


def _link(best: float | None, reached: float) -> str:
    if best is None:
        return "not measured"
    return f"{byte_rate(best)}{', which this copy beats' if reached > best else ''}"
