"""What has been measured so far, row by row, and the Run it makes at any moment."""

import itertools
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from depthprof.errors import BadPicture
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
    Limits,
    Observed,
    Picture,
    Run,
    Samples,
    Side,
    Telemetry,
    Weights,
    workload_from,
)
from depthprof.runner.plan import Plan, SidePlan

_UNASKED = [UNKNOWN] * len(STAGES)
_UNSEEN = (UNKNOWN,) * len(WITNESSES)


@dataclass(slots=True)
class Ledger:
    """Grows while measuring; `run` freezes a copy of it."""

    plan: Plan
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    sides: tuple[Side, ...] = ()
    environment: Environment | None = None
    pictures: tuple[Picture, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    launches: list[Launch] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    places: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    host_ns: list[list[int]] = field(default_factory=list)
    switches: list[tuple[int, int]] = field(default_factory=list)
    witness: list[tuple[list[int], list[int], list[int]]] = field(default_factory=list)
    conditions: list[tuple[int, ...]] = field(default_factory=list)
    device_ns: list[list[int]] = field(default_factory=list)
    telemetry: Telemetry | None = None
    gpus: dict[str, dict[str, Any]] = field(default_factory=dict)
    pairs: int = 0
    blocks: int = 0
    observed: dict[str, Observed] = field(default_factory=dict)
    unseen: dict[str, str] = field(default_factory=dict)
    limits: Limits | None = None
    threads: dict[int, Counter[tuple[int, int]]] = field(default_factory=dict)

    def loaded(self, answers: dict[str, dict[str, Any]], environment: dict[str, Any]) -> None:
        """Note what the sides really are, as the first launch's workers told.

        Raises:
            BadPicture: two sides, or an earlier launch and this one, read unlike pictures.
        """
        pictures = [tuple(Picture(**one) for one in told["pictures"]) for told in answers.values()]
        if any(others != (self.pictures if self.sides else pictures[0]) for others in pictures):
            raise BadPicture(
                "the pictures changed while measuring: a file was added, removed or written anew"
            )
        if self.sides:
            return
        self.sides = tuple(_side(plan, answers[plan.name]) for plan in self.plan.sides)
        self.gpus = {name: told["gpu"] for name, told in answers.items() if told.get("gpu")}
        first = answers[self.plan.sides[0].name]
        self.pictures = pictures[0]
        self.left_out = tuple(LeftOut(**one) for one in first.get("left_out", ()))
        self.environment = Environment(**environment)

    def add(self, launch: int, turn: int, block: int, side: int, answer: dict[str, Any]) -> None:
        """Add the iterations of one block, as a worker answers them."""
        count = len(answer["marks_ns"])
        device = answer["device_ns"] or [_UNASKED] * count
        fates = answer.get("switches") or [(UNKNOWN, UNKNOWN)] * count
        witness = answer.get("witness") or [None] * count
        self.conditions.append((launch, block, *(answer.get("conditions") or _UNSEEN)))
        for marks, spans, fate, seen in zip(
            answer["marks_ns"], device, fates, witness, strict=True
        ):
            self.places.append((launch, turn, block, side, marks[0]))
            self.host_ns.append([then - first for first, then in itertools.pairwise(marks)])
            self.switches.append(fate)
            self.witness.append(_by_stage(seen))
            self.device_ns.append(spans)
        self.blocks += 1
        if turn != WARM_UP_TURN and "threads" in answer:
            torch_threads, opencv_threads = answer["threads"]
            seen = self.threads.setdefault(side, Counter())
            seen[torch_threads, opencv_threads] += 1

    @property
    def judged_samples(self) -> int:
        """Iterations measured in turns, warm-up left out."""
        return sum(1 for place in self.places if place[1] != WARM_UP_TURN)

    def run(self, elapsed_s: float, ended: str) -> Run:
        """Freeze what there is into a Run.

        Raises:
            ValueError: nothing was loaded yet.
        """
        if self.environment is None:
            raise ValueError("there is no run before a worker has loaded its sides")
        return Run(
            created=self.created,
            sides=tuple(
                self._with_threads(place, self._looked_at(side))
                for place, side in enumerate(self.sides)
            ),
            environment=self.environment,
            pictures=self.pictures,
            launches=tuple(self.launches),
            samples=self._samples(),
            budget_s=self.plan.budget_s,
            elapsed_s=round(elapsed_s, 3),
            ended=ended,
            shared=self.plan.shared,
            seed=self.plan.seed,
            failures=tuple(self.failures),
            command=self.plan.command,
            conditions=self._conditions(),
            telemetry=self.telemetry,
            limits=self.limits,
            left_out=self.left_out,
            may_grow=self.plan.most_launches > self.plan.launch_count,
        )

    def _looked_at(self, side: Side) -> Side:
        """The side with what was seen of it after its turns, or why nothing was."""
        why = self.unseen.get(side.name)
        notes = side.notes if why is None else (*side.notes, f"{side.label}: {why}")
        if self.plan.separate_because is not None:
            notes = (f"measured in separate processes: {self.plan.separate_because}", *notes)
        return replace(side, observed=self.observed.get(side.name), notes=notes)

    def _with_threads(self, place: int, side: Side) -> Side:
        """The side with the threads that were in force in its iterations, and what was asked."""
        seen = self.threads.get(place)
        if not seen:
            return side
        (in_force, _), _ = seen.most_common(1)[0]  # of torch
        asked = self.plan.sides[place].workload.threads
        note = _threads_note(seen, asked)
        notes = side.notes if note is None else (*side.notes, f"{side.label}: {note}")
        return replace(side, threads=in_force, notes=notes)

    def _conditions(self) -> BlockConditions:
        rows = np.asarray(self.conditions, dtype=np.int64).reshape(-1, 2 + len(WITNESSES))
        return BlockConditions(*(rows[:, column] for column in range(rows.shape[1])))

    def _samples(self) -> Samples:
        whole = len(self.device_ns)  # Ctrl-C may have come between two columns of a row
        places = np.asarray(self.places[:whole], dtype=np.int64).reshape(-1, 5)
        host = np.asarray(self.host_ns[:whole], dtype=np.int64).reshape(-1, len(STAGES))
        device = np.asarray(self.device_ns, dtype=np.int64).reshape(-1, len(STAGES))
        switches = np.asarray(self.switches[:whole], dtype=np.int64).reshape(-1, 2)
        seen = np.asarray(self.witness[:whole], dtype=np.int64).reshape(-1, 3, len(STAGES))
        launch, turn, block, side, start_ns = (places[:, column] for column in range(5))
        return Samples(
            launch=launch,
            turn=turn,
            block=block,
            side=side,
            start_ns=start_ns,
            host_ns=host,
            device_ns=device if (device >= 0).any() else None,
            interruptions=Interruptions(
                switches[:, 0], switches[:, 1], seen[:, 0], seen[:, 1], seen[:, 2]
            ),
        )


def _side(plan: SidePlan, answer: dict[str, Any]) -> Side:
    weights = answer["weights"]
    return Side(
        name=plan.name,
        label=plan.label,
        variant=plan.variant,
        workload=workload_from(answer["workload"]),
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
    told = " or ".join(f"torch {ours}, OpenCV {theirs}" for (ours, theirs), _ in seen.most_common())
    if asked is not None and set(seen) != {(asked, asked)}:
        return f"{asked} threads were asked for; in its iterations there were: {told}"
    if len(seen) > 1:
        return f"the threads changed while it was measured: {told}"
    return None


def _by_stage(marks: list[list[int]] | None) -> tuple[list[int], list[int], list[int]]:
    """Turn readings at the marks (CPU time, forced and own switches) into differences by stage."""
    if marks is None:
        return _UNASKED, _UNASKED, _UNASKED
    cpu, forced, own = (
        [then[kind] - first[kind] for first, then in itertools.pairwise(marks)] for kind in range(3)
    )
    return cpu, forced, own
