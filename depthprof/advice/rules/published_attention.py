"""Attention written out where torch has it in one call."""

from collections.abc import Iterator

from depthprof.advice.facts import Facts, SideFacts, figures, gained
from depthprof.records import Finding
from depthprof.units import duration

CODE = "published_attention"
ORDER = 41

ALIKE = ("model", "input_size", "batch", "fixed_size", "dtype", "device")
"""Fields in which two sides must agree for their forwards to tell what attention costs."""

REMEDY = (
    "try --attention sdpa (torch's fused call); on a CPU and for short sequences it is not always"
    " faster, so compare the two"
)


def rule(facts: Facts) -> Iterator[Finding]:
    """The forward writes attention out as two products and a softmax, and nowhere uses sdpa.

    That writes the whole matrix of weights to memory and reads it again, which a fused call avoids
    (Dao et al., FlashAttention, NeurIPS 2022). It need not be slower, so the gain is unknown unless
    the other side runs the same network with sdpa: then it is the difference of the forwards, and
    nothing is reported where there is none.
    """
    for side in facts.sides:
        seen = side.traits(CODE)
        if not seen or side.traits("sdpa_attention"):
            continue
        fused = _fused(facts, side)
        took_ns = side.judged_ns.get("forward", 0.0)
        gain_ns = gained(took_ns - fused.judged_ns.get("forward", 0.0)) if fused else None
        if fused and gain_ns is None:
            continue
        calls = sum(one.amount for one in seen)
        yield Finding(
            CODE,
            side.name,
            "forward",
            f"forward writes attention out ({calls} calls) where sdpa is there",
            figures(
                ("calls an iteration", str(calls)),
                ("forward, measured", duration(took_ns)),
                *(((f"forward of {fused.side.label}", _forward(fused)),) if fused else ()),
            ),
            gain_ns,
            REMEDY,
        )


def _forward(side: SideFacts) -> str:
    return duration(side.judged_ns.get("forward", 0.0))


def _fused(facts: Facts, side: SideFacts) -> SideFacts | None:
    """The other side, where it runs the same network with sdpa."""
    other = facts.other(side)
    if other is None or not other.traits("sdpa_attention"):
        return None
    works = (side.side.workload, other.side.workload)
    alike = all(getattr(works[0], name) == getattr(works[1], name) for name in ALIKE)
    return other if alike and side.side.threads == other.side.threads else None
