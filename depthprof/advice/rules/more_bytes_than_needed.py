"""More bytes copied or handed over than the product has in it."""

from collections.abc import Iterator

from depthprof.advice.facts import Facts, SideFacts, figures, gained
from depthprof.records import Finding, Run
from depthprof.units import binary_size, percent

CODE = "more_bytes_than_needed"
ORDER = 35

WORTH_RATIO = 1.5
"""Bytes over those needed, from which on it is more than a border or an alignment."""

PIXEL_BYTES = {"image": 3, "depth": 4}
"""What the caller gets a pixel: uint8 BGR, or float32."""

LINK_BYTES = {"image": 1, "depth": 4}
"""What must cross the link a pixel: an image's colour is one of 256, so one byte names it."""

COPY_REMEDY = {
    "image": (
        "scale to uint8 on the device and copy that; one byte a pixel is all that a table of 256"
        " colours needs"
    ),
    "depth": "copy float32 [H, W] and nothing beside it; cast and crop on the device",
}
RETURN_REMEDY = {
    "image": "hand over uint8 [H, W, 3] and nothing beside it",
    "depth": "hand over float32 [H, W] and nothing beside it",
}


def rule(facts: Facts) -> Iterator[Finding]:
    """The copy to the host, or the product, has 1.5 times the bytes needed or more.

    Needed are, a pixel of the largest picture and a picture of the batch, 1 byte across the link
    for an image (its colours are a table of 256) and 4 for a depth map; 3 and 4 for what is handed
    over (records.Workload, `product`). A copy's time goes with its bytes, so the copy's gain is the
    part of it that carries what is not needed; on a CPU nothing is copied, so only what is handed
    over is looked at.
    """
    for side in facts.sides:
        product = side.side.workload.product
        pixels = _most_pixels(facts.run) * side.side.workload.batch
        if not pixels:
            continue
        yield from _copied(side, pixels * LINK_BYTES[product], COPY_REMEDY[product])
        yield from _handed_over(side, pixels * PIXEL_BYTES[product], RETURN_REMEDY[product])


def _copied(side: SideFacts, needed_bytes: int, remedy: str) -> Iterator[Finding]:
    work, took_ns = side.work("d2h"), side.judged_ns.get("d2h", 0.0)
    copied_bytes = min(work.read_bytes, work.written_bytes) if work else 0
    if side.on_gpu and copied_bytes >= WORTH_RATIO * needed_bytes:
        gain_ns = gained(took_ns * (1 - needed_bytes / copied_bytes))
        yield _finding(side, "d2h", "copies", (copied_bytes, needed_bytes), gain_ns, remedy)


def _handed_over(side: SideFacts, needed_bytes: int, remedy: str) -> Iterator[Finding]:
    given_bytes = sum(one.amount for one in side.traits("product_bytes"))
    if given_bytes >= WORTH_RATIO * needed_bytes:
        sizes = (given_bytes, needed_bytes)
        yield _finding(side, "return", "hands over", sizes, None, remedy)


def _finding(
    side: SideFacts,
    stage: str,
    verb: str,
    sizes_bytes: tuple[int, int],
    gain_ns: float | None,
    remedy: str,
) -> Finding:
    moved, needed = map(binary_size, sizes_bytes)
    return Finding(
        CODE,
        side.name,
        stage,
        f"{stage} {verb} {moved} where the product needs {needed}",
        figures(
            ("product", side.side.workload.product),
            ("bytes", moved),
            ("needed", needed),
            ("of the bytes needed", percent(sizes_bytes[0] / sizes_bytes[1])),
        ),
        gain_ns,
        remedy,
    )


def _most_pixels(run: Run) -> int:
    return max((picture.height * picture.width for picture in run.pictures), default=0)
