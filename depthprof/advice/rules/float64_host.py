"""Pictures or depth computed in float64 on the host."""

from collections.abc import Iterator

from depthprof.advice.facts import Facts, figures, gained
from depthprof.records import Finding
from depthprof.units import binary_size, duration

CODE = "float64_host"
ORDER = 34

WORTH_BYTES = 65_536
"""A smaller array stays in a core's first caches and costs next to nothing."""

REMEDY = (
    "compute in float32, or in uint8 as long as it goes; a picture has 8 bits a channel and the"
    " network takes float32, so float64 adds nothing but bytes"
)


def rule(facts: Facts) -> Iterator[Finding]:
    """A host stage works on an array of 64 KiB or more in float64.

    Memory and vector units move so many bytes a cycle, and float64 has twice those of float32: such
    a loop takes twice as long at worst. So at most half of the stage is gained by float32 alone;
    fewer passes over the pixels may give more.
    """
    for side in facts.sides:
        for stage in ("preprocess", "return"):
            seen = [one for one in side.traits(CODE) if one.stage == stage]
            worth = [one for one in seen if one.unit == "B" and one.amount >= WORTH_BYTES]
            if not worth:
                continue
            largest = max(worth, key=lambda one: one.amount)
            took_ns = side.judged_ns.get(stage, 0.0)
            where = f" ({largest.where})" if largest.where else ""
            yield Finding(
                CODE,
                side.name,
                stage,
                f"{stage} computes {binary_size(largest.amount)} in float64{where}",
                figures(
                    (f"{stage}, measured", duration(took_ns)),
                    *((one.where or "float64", binary_size(one.amount)) for one in worth),
                ),
                gained(took_ns / 2),
                REMEDY,
            )
