"""Colours made on the host."""

from collections.abc import Iterator

from depthprof.advice.facts import Facts, SideFacts, figures, gained
from depthprof.records import Finding, Trait
from depthprof.units import duration, percent

CODE = "colour_map_host"
ORDER = 33

FLOAT64_MAKERS = ("matplotlib",)
"""These look colours up as four float64 a pixel, 32 bytes where three are needed."""

WORTH_RATIO = 0.05
"""A table of bytes on the host is worth a word from this part of the iteration on."""

SLOW_REMEDY = "look colours up in a uint8 table of 256 rows; by indexing or cv2.applyColorMap"
ON_GPU = ", or on the device before the copy"
FAST_REMEDY = (
    "look colours up on the device, by indexing a table of 256 rows; the copy then carries three"
    " bytes a pixel in place of four"
)


def rule(facts: Facts) -> Iterator[Finding]:
    """The product is an image and the host gives it its colours.

    matplotlib's colour maps give float64 RGBA, 32 bytes a pixel (matplotlib.colors.Colormap,
    "bytes=False"), which then are scaled and cut to three bytes: always reported. A table of bytes
    (cv2.applyColorMap) is cheap: reported only on a GPU, which can do it before the copy, and where
    return takes 5 % of the iteration or more.
    The gain is measured where the other side colours pictures of the same size without float64;
    else it is at most what return takes above its floor.
    """
    for side in facts.sides:
        seen = [one for one in side.traits(CODE) if one.stage == "return"]
        if not seen or side.side.workload.product != "image":
            continue
        trait = next((one for one in seen if _in_float64(one)), seen[0])
        took_ns = side.judged_ns.get("return", 0.0)
        share_ratio = took_ns / side.total_ns if side.total_ns > 0 else 0.0
        if not _in_float64(trait) and (share_ratio < WORTH_RATIO or not side.on_gpu):
            continue
        slow = " in float64" if _in_float64(trait) else ""
        yield Finding(
            CODE,
            side.name,
            "return",
            f"return makes colours{slow} on the host ({trait.where or 'unknown'},"
            f" {duration(took_ns)})",
            figures(
                ("return, measured", duration(took_ns)),
                ("share of the iteration", percent(share_ratio)),
                *((one.where or "colour map", f"{one.amount} {one.unit}") for one in seen),
                *_beside(facts, side),
            ),
            _gain_ns(facts, side, trait),
            (SLOW_REMEDY + (ON_GPU if side.on_gpu else "")) if slow else FAST_REMEDY,
        )


def _in_float64(trait: Trait) -> bool:
    return trait.where.startswith(FLOAT64_MAKERS)


def _cheaper(facts: Facts, side: SideFacts) -> SideFacts | None:
    """The other side, where it gives as many colours without float64."""
    other = facts.other(side)
    if other is None or not other.traits(CODE) or any(map(_in_float64, other.traits(CODE))):
        return None
    works = (side.side.workload, other.side.workload)
    alike = len({(work.product, work.batch) for work in works}) == 1
    return other if alike else None


def _beside(facts: Facts, side: SideFacts) -> tuple[tuple[str, str], ...]:
    other = _cheaper(facts, side)
    if other is None:
        return ()
    return ((f"return of {other.side.label}", duration(other.judged_ns.get("return", 0.0))),)


def _gain_ns(facts: Facts, side: SideFacts, trait: Trait) -> float | None:
    other = _cheaper(facts, side)
    if other is None or not _in_float64(trait):
        return side.above_floor_ns("return")
    return gained(side.judged_ns.get("return", 0.0) - other.judged_ns.get("return", 0.0))
