"""A copy or a host stage that is far from what the machine can do."""

from collections.abc import Iterator

from depthprof.advice.bounds import HOST_STAGES, LINK_STAGES
from depthprof.advice.facts import Facts, SideFacts, figures
from depthprof.records import Finding, StageFloor
from depthprof.units import binary_size, duration, percent

CODE = "far_from_limit"
ORDER = 38

LINK_RATIO = 0.3
"""A copy that reaches less of the link than this is not bounded by it."""

MEMORY_RATIO = 0.1
"""A host stage that reaches less of one core's memory speed than this makes ten passes, or thinks
about every pixel."""

COPY_WORTH_NS = 10_000
"""Below this above the floor it is latency, which no copy is without."""

HOST_WORTH_RATIO = 0.05
"""A host stage counts if it takes this part of the iteration: less is not worth anybody's while."""

COPY_REMEDY = (
    "one copy through a kept pinned buffer; of no more bytes than needed, not many small ones, and"
    " without a conversion on the way"
)
HOST_REMEDY = "fewer passes over the pixels; in uint8 or float32, into buffers that are kept"
ON_GPU = ", or on the device before or after the copy"


def rule(facts: Facts) -> Iterator[Finding]:
    """A copy reaches under 30 % of the link, or a host stage under 10 % of one core's memory speed.

    It needs no baseline: the floor is what this machine's own limits allow (see `advice.bounds`).
    A copy counts if it takes 10 us above its floor, a host stage if it takes 5 % of the iteration.
    The thresholds are ours: a plain copy reaches more than half of the link from about a megabyte
    on, and a stage that reads and writes its pixels once or twice more than a tenth of memory
    speed. The gain is what the stage takes above its floor.
    """
    for side in facts.sides:
        for stage, floor in side.floors.items():
            gain_ns = side.above_floor_ns(stage)
            if gain_ns is None or not (_slow_copy(floor, gain_ns) or _slow_on_host(side, floor)):
                continue
            took_ns, limit = side.judged_ns[stage], "the link" if stage in LINK_STAGES else "memory"
            yield Finding(
                CODE,
                side.name,
                stage,
                f"{stage} reaches {percent(floor.reached_ratio)} of what {limit} can do"
                f" ({duration(took_ns)})",
                figures(
                    (f"{stage}, measured", duration(took_ns)),
                    ("at best", duration(floor.floor_ns)),
                    ("reached", percent(floor.reached_ratio)),
                    *_sizes(side, stage),
                ),
                gain_ns,
                COPY_REMEDY if stage in LINK_STAGES else _host_remedy(side),
            )


def _host_remedy(side: SideFacts) -> str:
    return HOST_REMEDY + (ON_GPU if side.on_gpu else "")


def _slow_copy(floor: StageFloor, gain_ns: float) -> bool:
    far = floor.reached_ratio < LINK_RATIO
    return floor.stage in LINK_STAGES and far and gain_ns >= COPY_WORTH_NS


def _slow_on_host(side: SideFacts, floor: StageFloor) -> bool:
    took_ns = side.judged_ns[floor.stage]
    worth = took_ns > HOST_WORTH_RATIO * side.total_ns
    return floor.stage in HOST_STAGES and floor.reached_ratio < MEMORY_RATIO and worth


def _sizes(side: SideFacts, stage: str) -> tuple[tuple[str, str], ...]:
    work = side.work(stage)
    if work is None:
        return ()
    return ("given", binary_size(work.read_bytes)), ("handed on", binary_size(work.written_bytes))
