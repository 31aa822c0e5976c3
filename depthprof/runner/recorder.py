"""What has been measured so far, block by block, and the Run it makes at any moment."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from depthprof.errors import (
    BadPicture,
    DepthprofError,
    OutOfMemory,
    PipelineError,
    WorkerLost,
)
from depthprof.records import (
    STAGES,
    UNKNOWN,
    WARM_UP_TURN,
    WITNESSES,
    BlockConditions,
    Environment,
    Failure,
    Interruptions,
    Launch,
    LeftOut,
    Picture,
    Run,
    Samples,
    Side,
    Telemetry,
    Weights,
    Workload,
    built,
)
from depthprof.runner.observation import Observation
from depthprof.runner.plan import Plan, SidePlan

FAILURE_CODES: dict[type[DepthprofError], str] = {
    OutOfMemory: "out_of_memory",
    WorkerLost: "worker_lost",
    PipelineError: "stage_failed",
}
WIDTHS = (5, len(STAGES), len(STAGES), 2, 3 * len(STAGES))
"""Columns of a sample: where it was taken, host spans, device spans, context switches of the
iteration; CPU time and both kinds of switches by stage."""

ENDS = np.cumsum(WIDTHS)


class Described(Protocol):
    """A process, which can say at any moment how far it came."""

    def described(self) -> Launch:
        """The process as far as it came."""


class Recorder:
    """Grows while measuring; `run` freezes a copy. The schedule alone writes to it.

    Attributes:
        pairs, blocks: taken so far.
        gpus: fields of a GpuAddress, by name of a side that is on a GPU.
        telemetry, observation: set at the end.
    """

    def __init__(self, plan: Plan) -> None:
        self.pairs = 0
        self.gpus: dict[str, dict[str, Any]] = {}
        self.telemetry: Telemetry | None = None
        self.observation = Observation()
        self._plan = plan
        self._created = datetime.now(UTC).isoformat(timespec="seconds")
        self._sides: tuple[Side, ...] = ()
        self._environment: Environment | None = None
        self._pictures: tuple[Picture, ...] = ()
        self._left_out: tuple[LeftOut, ...] = ()
        self._processes: list[Described] = []
        self._failures: list[Failure] = []
        self._blocks: list[tuple[NDArray[np.int64], tuple[int, ...]]] = []
        self._threads: defaultdict[int, Counter[tuple[int, int]]] = defaultdict(Counter)

    @property
    def blocks(self) -> int:
        """Blocks so far, those of warm-up included."""
        return len(self._blocks)

    @property
    def has_pairs(self) -> bool:
        """Whether a block was measured that is not warm-up."""
        return any(samples[0, 1] != WARM_UP_TURN for samples, _ in self._blocks)

    def loaded(self, answers: Mapping[str, dict[str, Any]], environment: dict[str, Any]) -> None:
        """Note what the sides really are, as the workers of the first process answered.

        Raises:
            BadPicture: two sides, or an earlier process and this one, read unlike pictures.
        """
        pictures = [tuple(Picture(**one) for one in side["pictures"]) for side in answers.values()]
        if any(others != (self._pictures if self._sides else pictures[0]) for others in pictures):
            raise BadPicture(
                "the pictures changed while measuring: a file was added, removed or written anew"
            )
        if self._sides:
            return
        self._sides = tuple(_side(plan, answers[plan.name]) for plan in self._plan.sides)
        self.gpus = {name: side["gpu"] for name, side in answers.items() if side.get("gpu")}
        self._pictures = pictures[0]
        first = answers[self._plan.sides[0].name]
        self._left_out = tuple(LeftOut(**one) for one in first.get("left_out", ()))
        self._environment = Environment(**environment)

    def add(self, launch: int, turn: int, block: int, side: int, answer: dict[str, Any]) -> None:
        """Add the iterations of one block, as a worker answers them."""
        marks = np.asarray(answer["marks_ns"], dtype=np.int64)
        samples = np.full((len(marks), ENDS[-1]), UNKNOWN, dtype=np.int64)
        places, host, device, switches, by_stage = np.split(samples, ENDS[:-1], axis=1)
        places[:, :4] = launch, turn, block, side
        places[:, 4] = marks[:, 0]
        host[:] = np.diff(marks, axis=1)
        if answer["device_ns"]:
            device[:] = answer["device_ns"]
        if answer.get("switches"):
            switches[:] = answer["switches"]
        if answer.get("witness"):  # at the marks: [n, marks, 3]
            spent = np.diff(np.asarray(answer["witness"], dtype=np.int64), axis=1)
            by_stage[:] = spent.transpose(0, 2, 1).reshape(len(marks), -1)
        conditions = answer.get("conditions") or (UNKNOWN,) * len(WITNESSES)
        self._blocks.append((samples, (launch, block, *conditions)))
        if turn != WARM_UP_TURN and "threads" in answer:
            torch_threads, opencv_threads = answer["threads"]
            self._threads[side][torch_threads, opencv_threads] += 1

    def started(self, process: Described) -> None:
        """Note a process; every run that is made describes it as far as it came by then."""
        self._processes.append(process)

    def failed(self, error: DepthprofError, launch: int) -> None:
        """Note what ended the run early, and in which process."""
        side, stage = getattr(error, "side", None), getattr(error, "stage", None)
        code = FAILURE_CODES.get(type(error), "refused")
        self._failures.append(Failure(side, stage, launch, code, str(error)))

    def run(self, elapsed_s: float, ended: str) -> Run:
        """Freeze what there is into a Run.

        Raises:
            ValueError: nothing was loaded yet.
        """
        if self._environment is None:
            raise ValueError("there is no run before a worker has loaded its sides")
        conditions = np.asarray([row for _, row in self._blocks], dtype=np.int64)
        return Run(
            created=self._created,
            sides=tuple(self._described(place, side) for place, side in enumerate(self._sides)),
            environment=self._environment,
            pictures=self._pictures,
            launches=tuple(process.described() for process in self._processes),
            samples=self._samples(),
            budget_s=self._plan.budget_s,
            elapsed_s=round(elapsed_s, 3),
            ended=ended,
            shared=self._plan.shared,
            seed=self._plan.seed,
            failures=tuple(self._failures),
            command=self._plan.command,
            conditions=BlockConditions(*conditions.reshape(-1, 2 + len(WITNESSES)).T),
            telemetry=self.telemetry,
            limits=self.observation.limits,
            left_out=self._left_out,
        )

    def _described(self, place: int, side: Side) -> Side:
        """The side with the threads in force, what was observed of it, and notes on both."""
        notes = [*side.notes]
        if self._plan.separate_because is not None:
            notes.insert(0, f"measured in separate processes: {self._plan.separate_because}")
        missing = self.observation.missing.get(side.name)
        if missing is not None:
            notes.append(f"{side.label}: {missing}")
        threads = side.threads
        if seen := self._threads.get(place):
            ((threads, _), _), *_ = seen.most_common()
            note = _threads_note(seen, self._plan.sides[place].workload.threads)
            notes += [] if note is None else [f"{side.label}: {note}"]
        observed = self.observation.observed.get(side.name)
        return replace(side, threads=threads, observed=observed, notes=tuple(notes))

    def _samples(self) -> Samples:
        empty = np.empty((0, ENDS[-1]), dtype=np.int64)
        samples = np.concatenate([empty, *(block for block, _ in self._blocks)])
        places, host, device, switches, by_stage = np.split(samples, ENDS[:-1], axis=1)
        launch, turn, block, side, start_ns = places.T
        return Samples(
            launch=launch,
            turn=turn,
            block=block,
            side=side,
            start_ns=start_ns,
            host_ns=host,
            device_ns=device if (device >= 0).any() else None,
            interruptions=Interruptions(*switches.T, *np.split(by_stage, 3, axis=1)),
        )


def _side(plan: SidePlan, answer: dict[str, Any]) -> Side:
    weights = answer["weights"]
    return Side(
        name=plan.name,
        label=plan.label,
        variant=plan.variant,
        workload=built(Workload, answer["workload"]),
        device=answer["device"],
        device_name=answer["device_name"],
        threads=answer["threads"],
        weights=None if weights is None else Weights(**weights),
        input_shapes=tuple(tuple(shape) for shape in answer["input_shapes"]),
        notes=tuple(answer["notes"]),
        code_sha256=answer.get("code_sha256"),
    )


def _threads_note(seen: Counter[tuple[int, int]], asked: int | None) -> str | None:
    """A line where the threads in force are not those asked for, or not always the same."""
    found = " or ".join(f"torch {ours}, OpenCV {cv}" for (ours, cv), _ in seen.most_common())
    if asked is not None and set(seen) != {(asked, asked)}:
        return f"{asked} threads were asked for; in its iterations there were: {found}"
    if len(seen) > 1:
        return f"the threads changed while it was measured: {found}"
    return None
