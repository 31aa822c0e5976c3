"""What the rules read: one view of each side, in nanoseconds an iteration."""

from collections.abc import Mapping
from dataclasses import dataclass

from depthprof.advice.bounds import stage_floors
from depthprof.records import (
    DEVICE_STAGES,
    TOTAL,
    Analysis,
    Figure,
    Limits,
    Run,
    Side,
    StageFloor,
    StageSummary,
    StageWork,
    Telemetry,
    TimerView,
    Trait,
)


@dataclass(frozen=True, slots=True)
class SideFacts:
    """One side: medians of an iteration by stage (and "total"), hardware bounds, what was observed.

    Attributes:
        host_ns: by the host's clock, disturbed samples included.
        device_ns: by the device's clock, empty where it has none.
        judged_ns: by the clock of the stage's row in the table.
        floors: hardware bounds by stage, where they are known; one that is beaten is among them.
        timer: what a host timer without sync would have said.
    """

    side: Side
    host_ns: Mapping[str, float]
    device_ns: Mapping[str, float]
    judged_ns: Mapping[str, float]
    floors: Mapping[str, StageFloor]
    timer: TimerView

    @property
    def name(self) -> str:
        """The side's name, "a" or "b"."""
        return self.side.name

    @property
    def on_gpu(self) -> bool:
        """Whether its device works beside the host, which its clock of its own tells."""
        return "forward" in self.device_ns

    @property
    def total_ns(self) -> float:
        """Time of an iteration as the table shows it: disturbed samples are left out."""
        return self.judged_ns.get(TOTAL, 0.0)

    @property
    def busy_ns(self) -> float | None:
        """Time the device works in an iteration, None where it has no clock of its own.

        The spans of its stages together; gaps between the kernels of a stage are part of them, so
        it is at least as busy by this figure as it really is.
        """
        if not self.on_gpu or any(stage not in self.device_ns for stage in DEVICE_STAGES):
            return None
        return sum(self.device_ns[stage] for stage in DEVICE_STAGES)

    def work(self, stage: str) -> StageWork | None:
        """The counted work of a stage, None where nothing is known."""
        return self.side.observed.work_of(stage) if self.side.observed else None

    def traits(self, code: str) -> tuple[Trait, ...]:
        """What was observed under a code, in the order seen."""
        known = self.side.observed.traits if self.side.observed else ()
        return tuple(trait for trait in known if trait.code == code)

    def above_floor_ns(self, stage: str) -> float | None:
        """How much longer than its hardware bound a stage takes.

        None where that is unknown or nothing, or the bound is wrong.
        """
        floor = self.floors.get(stage)
        if floor is None or not floor.holds:
            return None
        return gained(self.judged_ns[stage] - floor.floor_ns)


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a rule may read. Whatever is missing in an older run is None or empty."""

    run: Run
    sides: tuple[SideFacts, ...]

    @property
    def limits(self) -> Limits | None:
        """Best rates of the machine."""
        return self.run.limits

    @property
    def telemetry(self) -> Telemetry | None:
        """What the machine showed beside the measuring."""
        return self.run.telemetry

    def other(self, one: SideFacts) -> SideFacts | None:
        """The other side of a comparison."""
        return next((side for side in self.sides if side is not one), None)


def facts_of(analysis: Analysis) -> Facts:
    """Gather what the rules read from an analysis."""
    run = analysis.run
    by_picture = analysis.per == "picture"
    return Facts(
        run,
        tuple(
            _side(run, side, known, side.workload.batch if by_picture else 1, timer)
            for side, known, timer in zip(run.sides, analysis.sides, analysis.timers, strict=True)
        ),
    )


def gained(nanoseconds: float) -> float | None:
    """A gain as findings carry it: None where nothing is to be gained."""
    return nanoseconds if nanoseconds > 0 else None


def figures(*pairs: tuple[str, str]) -> tuple[Figure, ...]:
    """Evidence from names and values."""
    return tuple(Figure(name, value) for name, value in pairs)


def _side(
    run: Run, side: Side, known: Mapping[str, StageSummary], pictures: int, timer: TimerView
) -> SideFacts:
    """One side's view; `pictures` is by what its figures were divided."""
    judged_ns = {stage: summary.median_ns.value * pictures for stage, summary in known.items()}
    return SideFacts(
        side=side,
        host_ns={stage: summary.host_ns * pictures for stage, summary in known.items()},
        device_ns={
            stage: summary.device_ns * pictures
            for stage, summary in known.items()
            if summary.device_ns is not None
        },
        judged_ns=judged_ns,
        floors={floor.stage: floor for floor in stage_floors(run, side, judged_ns)},
        timer=timer,
    )
