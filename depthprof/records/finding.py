"""What is worth changing, as the rules found it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One piece of evidence: a name and a value with its unit, ready to be read."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a rule saw.

    Attributes:
        code: the rule's, such as "pageable_copy".
        side: "a" or "b"; None where it holds for both or for the run.
        stage: where, None where it holds for the whole.
        text: what was seen, one sentence with the figures that matter.
        evidence: all figures the rule looked at.
        gain_ns: time an iteration would be shorter at most, None where it cannot be told.
        remedy: what to change.
    """

    code: str
    side: str | None
    stage: str | None
    text: str
    evidence: tuple[Figure, ...]
    gain_ns: float | None
    remedy: str
