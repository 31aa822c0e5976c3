"""Runs made by hand: of blocks the harness measured, or of figures a test chooses."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from depthprof.records import STAGES, Launch, Result, Run, Samples, Workload
from depthprof.runner import Plan, SidePlan
from depthprof.runner.iteration import Block
from depthprof.runner.recorder import Recorder

ENVIRONMENT: dict[str, Any] = {
    "depthprof": "0",
    "python": "3",
    "torch": "2",
    "numpy": "2",
    "opencv": "4",
    "platform": "test",
    "cpu": "test",
    "cpu_cores": 1,
    "memory_bytes": 1,
}
FACTS: dict[str, Any] = {
    "device": "cpu",
    "device_name": "test",
    "threads": 1,
    "weights": None,
    "checked_ns": 1e6,
    "input_shapes": [[1, 3, 98, 98]],
    "notes": [],
    "pictures": [],
}
TYPICAL_NS = (7_200_000, 2_000, 56_000_000, 300_000, 100, 1_000, 420_000)
"""Stages of a small model at a small input on a CPU."""


def run_of_blocks(*blocks: Block, workloads: Sequence[Workload] = (Workload(), Workload())) -> Run:
    """A run of one turn: the first block is side a's, a second one side b's."""
    recorder = recorder_of(workloads[: len(blocks)])
    for side, block in enumerate(blocks):
        recorder.add(0, 0, side, side, {"marks_ns": block.marks_ns, "device_ns": block.device_ns})
    return recorder.run(1.0, "budget")


def recorder_of(workloads: Sequence[Workload]) -> Recorder:
    names = "ab"[: len(workloads)]
    sides = tuple(
        SidePlan(name, f"v{number}", f"v{number}", workload)
        for number, (name, workload) in enumerate(zip(names, workloads, strict=True), 1)
    )
    recorder = Recorder(Plan(sides))
    facts = {side.name: {**FACTS, "workload": vars_of(side.workload)} for side in sides}
    recorder.loaded(facts, ENVIRONMENT)
    return recorder


def vars_of(workload: Workload) -> dict[str, Any]:
    return {name: getattr(workload, name) for name in Workload.__dataclass_fields__}


Change = Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]


def simulated(
    *,
    turns: int = 4,
    launches: int = 6,
    iterations: int = 1,
    noise: float = 0.01,
    change: dict[str, float] | None = None,
    launch_change: Sequence[float] | None = None,
    seed: int = 0,
    batches: tuple[int, int] = (1, 1),
    pairs_per_segment: int | None = 1,
    layout_noise: float = 0.0,
    ended: str = "budget",
) -> Run:
    """A run of two sides; `change` multiplies stages of side b, `launch_change` all by process.

    Each segment of a process is a memory layout, whose effect on side b has the standard deviation
    `layout_noise`; without segments a process is one layout.
    """
    random = np.random.default_rng(seed)
    factors = np.asarray([(change or {}).get(stage, 1.0) for stage in STAGES])
    rows, places = [], []
    effects = np.random.default_rng([seed, 1]).lognormal(0, layout_noise, (launches, turns))
    for launch in range(launches):
        for turn in range(turns):
            for side in (0, 1):
                for _ in range(iterations):
                    spans = np.asarray(TYPICAL_NS) * random.lognormal(0, noise, len(STAGES))
                    by_launch = launch_change[launch] if launch_change and side else 1.0
                    by_layout = effects[launch, turn // (pairs_per_segment or turns)] ** side
                    rows.append(spans * by_launch * by_layout * factors**side * batches[side])
                    places.append((launch, turn, 2 * turn + side, side, 0))
    workloads = [Workload(batch=batch) for batch in batches]
    run = with_samples(recorder_of(workloads).run(1.0, ended), places, rows)
    if pairs_per_segment is None:
        return run
    return replace(run, launches=processes_of(launches, range(0, turns, pairs_per_segment)))


def processes_of(count: int, segments: Iterable[int]) -> tuple[Launch, ...]:
    """So many processes with segments that begin at these pairs, each in a new layout."""
    one = Launch(0, (0,), 0.1, 0.1, (1, 1), "settled", 1, 1, tuple(segments), new_layouts=True)
    return tuple(replace(one, index=index) for index in range(count))


def places_of(run: Run) -> list[list[int]]:
    """Where each sample of a run was taken, as `with_samples` wants it."""
    samples = run.samples
    columns = (samples.launch, samples.turn, samples.block, samples.side, samples.start_ns)
    return [list(map(int, place)) for place in zip(*columns, strict=True)]


def with_samples(run: Run, places: Sequence[Sequence[int]], rows: Sequence[Any]) -> Run:
    columns = np.asarray(places, dtype=np.int64).reshape(-1, 5)
    spans = np.asarray(rows).astype(np.int64).reshape(-1, len(STAGES))
    samples = Samples(*(columns[:, i] for i in range(5)), host_ns=spans)
    values = {name: getattr(run, name) for name in Run.__dataclass_fields__}
    return Run(**{**values, "samples": samples})


def with_run(result: Result, run: Run) -> Result:
    """The same result of another run."""
    return replace(result, analysis=replace(result.measured, run=run))
