"""What came of a run or of two: its analysis, the decisions, the exit code. Reporters read this."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace

from depthprof.records.digest import Digest
from depthprof.records.finding import Finding
from depthprof.records.judgement import (
    Comparison,
    Policy,
    Reason,
    SkippedSamples,
    StageSummary,
    Status,
    TimerView,
)
from depthprof.records.machine import StageFloor
from depthprof.records.observed import Drilled
from depthprof.records.run import Run
from depthprof.records.telemetry import Activity
from depthprof.units import keep_shown


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision on one stage, or on "total"."""

    stage: str
    status: Status
    reason: Reason


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """A field in which two runs differ, with both values as text."""

    field: str
    baseline: str
    candidate: str


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """All that is computed of one run, once; a profile is the analysis of a run of one side.

    Attributes:
        clocks: by stage, the clock it is timed by, the total last.
        sides: by side, its figures by stage (the total last); a picture's where `per` says so.
        digest: the run without its samples. timers: of each side.
        per: "iteration", or "picture" where the two sides have unlike batches.
        comparison: of both sides; None where there is one.
        activity: of GPU and host; None where nothing is known.
        bounds: hardware bounds of an iteration, by side and stage. findings: known gains first.
    """

    run: Run
    clocks: Mapping[str, str]
    sides: tuple[Mapping[str, StageSummary], ...]
    digest: Digest
    timers: tuple[TimerView, ...]
    skipped: SkippedSamples
    per: str = "iteration"
    comparison: Comparison | None = None
    activity: Activity | None = None
    bounds: tuple[Mapping[str, StageFloor], ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What is decided of a side against another, or why nothing can be.

    Attributes:
        policy: what counts as slower.
        comparison: None where nothing can be compared; then there are no verdicts.
        culprit: the slower stage with the largest absolute difference, or None.
        followers: the other slower stages, largest difference first.
        explained_ratio: the culprit's share of the difference of the whole; None where the
            whole's difference is not certain.
        sentence: one sentence that names the culprit and what it explains.
        exit_code: 0 pass, 1 slower, 2 refused, 3 inconclusive.
        detectable: by stage, the smallest slow-down these data would have shown as SLOWER.
        label: what people call the side.
        differences: fields that forbid the comparison.
        problem: why nothing can be compared, in a sentence; None if something can.
        is_same_code: both sides have the same code and weights, by hash.
        launches: processes of baseline and candidate.
        fewest_launches: on each side, that could decide anything.
        notes: conditions of a run of both, such as why its sides were measured apart.
    """

    policy: Policy
    comparison: Comparison | None = None
    verdicts: tuple[Verdict, ...] = ()
    culprit: str | None = None
    followers: tuple[str, ...] = ()
    explained_ratio: float | None = None
    sentence: str = ""
    exit_code: int = 2
    detectable: tuple[tuple[str, float], ...] = ()
    label: str = ""
    differences: tuple[FieldDifference, ...] = ()
    problem: str | None = None
    is_same_code: bool = False
    launches: tuple[int, int] = (0, 0)
    fewest_launches: int = 0
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        keep_shown(self, "label", "problem")

    def verdict(self, stage: str) -> Verdict:
        """Return the verdict of one stage, or of "total"."""
        return next(verdict for verdict in self.verdicts if verdict.stage == stage)


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """The outcome of `compare`, `profile` or a gate.

    Attributes:
        policy: what counted as slower.
        exit_code: 0 pass, 1 slower, 2 refused, 3 inconclusive.
        sides: a decision for each side that was compared; none of a profile.
        analysis: of the run that was measured; None where two runs without samples were compared.
        drilled: what separate iterations showed of the inside, where that was asked for.
        baseline, candidate: what a gate compared, in words.
        missing: sides of the baseline that the candidate does not have. added: the reverse.
        unasked: sides of the baseline that the user did not ask for.
        is_paired: both were measured in pairs of one run; otherwise processes of two runs are
            compared.
    """

    policy: Policy
    exit_code: int
    sides: tuple[Decision, ...] = ()
    analysis: Analysis | None = None
    drilled: Drilled | None = None
    baseline: str = ""
    candidate: str = ""
    missing: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()
    is_paired: bool = True

    def __post_init__(self) -> None:
        keep_shown(self, "baseline", "candidate", "missing")

    @property
    def measured(self) -> Analysis:
        """The analysis of the run.

        Raises:
            ValueError: two runs without samples were compared.
        """
        if self.analysis is None:
            raise ValueError("runs without samples were compared, so there is no analysis")
        return self.analysis

    @property
    def run(self) -> Run:
        """The run that was measured; see `measured`."""
        return self.measured.run

    @property
    def judgement(self) -> Decision | None:
        """The decision of a run of two sides; None of a profile."""
        return self.sides[0] if self.comparison is not None else None

    @property
    def comparison(self) -> Comparison | None:
        """Both sides stage by stage; None of a profile."""
        return self.sides[0].comparison if len(self.sides) == 1 else None

    @property
    def profile(self) -> SimpleNamespace | None:
        """Deprecated: `measured.sides` has the figures."""
        warnings.warn(
            "Result.profile is now Result.measured.sides", DeprecationWarning, stacklevel=2
        )
        known = self.measured
        if known.run.is_comparison:
            return None
        stages = tuple((name, known.clocks[name], one) for name, one in known.sides[0].items())
        return SimpleNamespace(stages=stages, timers=known.timers, skipped=known.skipped)
