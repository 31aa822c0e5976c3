"""The position embedding made anew in every iteration."""

from collections.abc import Iterator

from depthprof.advice.facts import Facts, figures
from depthprof.records import Finding
from depthprof.units import duration

CODE = "positions_interpolated"
ORDER = 40

REMEDY = (
    "interpolate once for each input size and keep it; at one fixed input size it can be done when"
    " the network is loaded"
)


def rule(facts: Facts) -> Iterator[Finding]:
    """The forward was seen to interpolate the position embedding.

    DINOv2 learned it for one size and resizes it bicubically to the input's grid in every forward
    (dinov2/models/vision_transformer.py, interpolate_pos_encoding), although it depends on nothing
    but the size. No threshold. The gain is unknown: it is a small part of forward and was not timed
    by itself.
    """
    for side in facts.sides:
        seen = side.traits(CODE)
        if not seen:
            continue
        calls = sum(one.amount for one in seen)
        yield Finding(
            CODE,
            side.name,
            "forward",
            "forward interpolates the position embedding in every iteration",
            figures(
                ("calls an iteration", str(calls)),
                ("by", ", ".join(dict.fromkeys(one.where for one in seen if one.where)) or "-"),
                ("forward, measured", duration(side.judged_ns.get("forward", 0.0))),
            ),
            None,
            REMEDY,
        )
