"""A model on one device and its input on another."""

from collections.abc import Iterator

from depthprof.advice.facts import Facts, figures
from depthprof.records import Finding
from depthprof.units import duration

CODE = "devices_differ"
ORDER = 13

REMEDY = (
    "move the input in h2d and the model when it is loaded; what forward moves is charged to"
    " forward, and moved again in every iteration"
)


def rule(facts: Facts) -> Iterator[Finding]:
    """The forward's weights were seen on one device and its input on another.

    Then the forward moves one of them itself, every time. No threshold; "cuda" and "cuda:0" are
    one device. The gain is unknown.
    """
    for side in facts.sides:
        weights = sorted({_device(one.where) for one in side.traits("weights_on") if one.where})
        inputs = sorted({_device(one.where) for one in side.traits("input_on") if one.where})
        if not weights or not inputs or set(inputs) <= set(weights):
            continue
        on, given = ", ".join(weights), ", ".join(inputs)
        yield Finding(
            CODE,
            side.name,
            "forward",
            f"forward has its weights on {on} and its input on {given}",
            figures(
                ("weights on", on),
                ("input on", given),
                ("forward, measured", duration(side.judged_ns.get("forward", 0.0))),
            ),
            None,
            REMEDY,
        )


def _device(name: str) -> str:
    return "cuda:0" if name == "cuda" else name
