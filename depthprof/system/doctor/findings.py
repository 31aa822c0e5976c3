"""One thing that the doctor examined."""

from dataclasses import dataclass

OK, WARNING, UNKNOWN = "ok", "warning", "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found, why it matters, and what to do.

    `status` is "ok", "warning", or "unknown" where the system hides it. A warning always has
    reason and advice; what is fine or unknown has them where it is worth knowing all the same.
    """

    name: str
    status: str
    what: str
    why: str = ""
    advice: str = ""

    def __post_init__(self) -> None:
        if self.status not in (OK, WARNING, UNKNOWN):
            raise ValueError(f"no such status: {self.status!r}")
        if self.status == WARNING and not (self.why and self.advice):
            raise ValueError(f"the warning {self.name!r} says not why, or not what to do")


def unknown(name: str, reason: str, why: str = "", advice: str = "") -> Finding:
    """Say for which reason something is not known, why it matters and what to do."""
    return Finding(name, UNKNOWN, reason, why, advice)
