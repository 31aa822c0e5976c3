"""What a gate found: a later run against an earlier one, side by side and stage by stage."""

from dataclasses import dataclass

from depthprof.records.judgement import Comparison, Judgement, Policy
from depthprof.units import keep_shown


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """A field in which two runs differ, with both values as text."""

    field: str
    baseline: str
    candidate: str


@dataclass(frozen=True, slots=True)
class SideGate:
    """One side of the later run against the same side of the earlier one.

    Attributes:
        label: what people call it. policy: what counts as slower for it.
        differences: fields that forbid the comparison; then there is no verdict.
        problem: why nothing can be compared, in a sentence; None if something can.
        is_same_code: both sides have the same code and weights, by hash.
        notes: conditions of a run of both, such as why its sides were measured apart.
        launches: of baseline and candidate.
        fewest_launches: on each side, that could decide anything.
        detectable: by stage, the smallest slow-down these data would have shown as SLOWER.
        comparison, judgement: None where nothing can be compared.
    """

    label: str
    policy: Policy
    differences: tuple[FieldDifference, ...] = ()
    problem: str | None = None
    is_same_code: bool = False
    launches: tuple[int, int] = (0, 0)
    fewest_launches: int = 0
    detectable: tuple[tuple[str, float], ...] = ()
    comparison: Comparison | None = None
    judgement: Judgement | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        keep_shown(self, "label", "problem")


@dataclass(frozen=True, slots=True)
class Gated:
    """The outcome of a gate.

    Attributes:
        baseline, candidate: what was compared, in words.
        sides: one a side. missing: sides of the baseline that the candidate does not have.
        added: sides of the candidate that the baseline does not have.
        unasked: sides of the baseline that the user did not ask for.
        is_paired: both were measured now, in turns; otherwise launches of two times are compared.
        exit_code: 0 pass, 1 slower, 2 refused, 3 inconclusive.
    """

    baseline: str
    candidate: str
    sides: tuple[SideGate, ...]
    missing: tuple[str, ...]
    is_paired: bool
    exit_code: int
    added: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        keep_shown(self, "baseline", "candidate", "missing")
