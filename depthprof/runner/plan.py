"""What is to be measured, before anything is started; and how a side is written: "v2@fp16"."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from depthprof.errors import BadInput, nearest
from depthprof.records import ATTENTIONS, DTYPES, PRODUCTS, SIZE_ALIASES, SIZES, Run, Workload
from depthprof.stats.interim import ANALYSED_PROCESSES, FEWEST_PROCESSES, PROCESSES, Until

WORKER = "depthprof.runner.worker"

OPTIONS = {
    **dict.fromkeys(("model", "device", "dtype", "attention", "product"), str),
    **dict.fromkeys(("input-size", "batch", "threads", "seed"), int),
    "max-depth": float,
    "fixed-size": None,
}
"""What may follow a variant's @, and its type; None: it takes no value."""

_WORDS = {
    **dict.fromkeys((*SIZES, *SIZE_ALIASES), "model"),
    **dict.fromkeys(DTYPES, "dtype"),
    **dict.fromkeys(ATTENTIONS, "attention"),
    **dict.fromkeys(PRODUCTS, "product"),
}

DEFAULT_BUDGET_S = 90.0
"""Seconds a run may take where a command does not say."""

TELEMETRY_S = 0.1
"""Seconds between two readings of telemetry, where a command asks for it."""

SETUP_RATIO, MOST_SETUP_RATIO = 0.3, 0.35
"""More processes than the fewest are started while starting all takes no more than the first part
of the budget; fewer, if those would take more than the second. (It was 0.5. Then three processes of
5 s an iteration took half of 90 s to start, and the six pairs that were left decided nothing.)"""

SLOW_PROCESSES = ANALYSED_PROCESSES
"""Where even these take more than that to start, there are no fewer if they fit at all. Separate
processes of a side are never fewer than can decide anything, however long they take."""


@dataclass(frozen=True, slots=True)
class SidePlan:
    """One side as asked for. `name` is "a" or "b"; `label` is what people read.

    Attributes:
        placebo: load it under another name and behind a padding; it does the same work.
        folder: where its worker starts, so that modules are found there first; None: here.
        instead_of: the folder whose code the side must not run, being an earlier state of it.
        tree: the folder with all files of the side, where it is known; a worker of its own starts
            there.
        allow: kinds of faulty outputs that are measured all the same (records.OUTPUT_FAULTS).
    """

    name: str
    label: str
    variant: str
    workload: Workload
    checkpoint: Path | None = None
    placebo: bool = False
    folder: Path | None = None
    instead_of: Path | None = None
    allow: tuple[str, ...] = ()
    tree: Path | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """One or two sides, and how long to measure them.

    Attributes:
        sides: baseline first.
        images: pictures and folders; empty means the default photograph.
        strict: refuse a folder with a picture that cannot be read, instead of leaving it out.
        budget_s: seconds the run may take once the first process has its imports: loading,
            warm-up, pairs and observing, over all processes.
        launches: processes to start; None takes as many as starting them leaves time for.
        separate: give each side a process of its own even if they could share one.
        separate_because: why, where it was not asked for.
        seed: of the memory layouts and of the order of blocks.
        command: how the user asked for it, kept with the run.
        observe: observe one more iteration of each side, untimed, and measure the peak rates.
        worker: module that is run as the worker; the study and the tests have their own.
        telemetry_s: seconds between two readings of GPU and host; None takes none.
        until: what it is measured for; the schedule leaves that to its interim analysis.
    """

    sides: tuple[SidePlan, ...]
    images: tuple[Path, ...] = ()
    budget_s: float = DEFAULT_BUDGET_S
    launches: int | None = None
    separate: bool = False
    separate_because: str | None = None
    seed: int = 0
    command: str = ""
    observe: bool = False
    worker: str = WORKER
    telemetry_s: float | None = None
    strict: bool = False
    until: Until = "decided"

    @property
    def shared(self) -> bool:
        """Whether all sides live in one process: they agree on threads, device and folder."""
        wants = {(side.workload.threads, side.workload.device, side.folder) for side in self.sides}
        return not self.separate and len(wants) == 1

    @property
    def fewest_processes(self) -> int:
        """How many processes it begins with, unless starting them takes most of the budget."""
        return self.launches or (FEWEST_PROCESSES if self.shared else PROCESSES)

    @property
    def most_processes(self) -> int:
        """How many it may have: a number that was asked for is kept to."""
        return self.launches or PROCESSES

    def first_processes(self, startup_s: float) -> int:
        """How many processes to begin with, where each takes so many seconds to start."""
        if self.launches is not None:
            return self.launches
        fit = self.budget_s / max(startup_s, 1e-9)
        least = max(1, min(SLOW_PROCESSES, int(fit))) if self.shared else FEWEST_PROCESSES
        return min(self.fewest_processes, max(least, int(MOST_SETUP_RATIO * fit)))

    def all_processes(self, startup_s: float) -> int:
        """How many there may be in the end, where each takes so many seconds to start."""
        fit = SETUP_RATIO * self.budget_s / max(startup_s, 1e-9)
        return min(self.most_processes, int(fit))

    def apart(self, reason: str) -> "Plan":
        """The same with a process for each side, since one cannot hold both."""
        sides = tuple(
            replace(side, folder=side.tree) if side.instead_of else side for side in self.sides
        )
        return replace(self, sides=sides, separate=True, separate_because=reason)

    def load_command(self, sides: Iterable[SidePlan]) -> dict[str, Any]:
        """The command to load some sides, in this order; paths are absolute, for any folder."""
        return {
            "command": "load",
            "sides": [
                {
                    "name": side.name,
                    "variant": side.variant,
                    "workload": asdict(side.workload),
                    "checkpoint": _text(side.checkpoint and side.checkpoint.resolve()),
                    "allow": list(side.allow),
                    "placebo": side.placebo,
                    "instead_of": _text(side.instead_of),
                    "tree": _text(side.tree),
                }
                for side in sides
            ],
            "images": [str(image.absolute()) for image in self.images],
            "strict": self.strict,
        }


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands: for the live display.

    `phase` is "starting", "warming up", "measuring" or "observing" (the untimed iteration, after
    the measured pairs); `left_s` are the seconds left of the whole budget.
    """

    phase: str
    launch: int
    launches: int
    blocks: int
    pairs: int
    elapsed_s: float
    left_s: float


OnProgress = Callable[[Progress], None]


MayEnd = Callable[[Run], bool]
"""The interim analysis of what was measured so far: whether measuring may end now."""


def first_order(names: tuple[str, ...], random: Random) -> tuple[str, ...]:
    """Draw which side begins in a process, by the toss of a coin."""
    return names if random.random() < 0.5 else tuple(reversed(names))


def pair_order(first: tuple[str, ...], pair: int) -> tuple[str, ...]:
    """The order of sides in a pair of a process: A B, B A, A B, B A, ...

    So a slow drift of the machine falls on both sides alike, and both blocks of a pair come after
    the same side: A (A B) (B A) (A B). That matters, because what an iteration leaves behind
    (freed memory, cold caches) slows the next one, whosever it is. The order never changes within
    a process, since a change would break that symmetry. One side alone is a block a pair.
    """
    return first if pair % 2 == 0 else tuple(reversed(first))


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def split_side(text: str) -> tuple[str, dict[str, Any]]:
    """Split "v2@fp16,batch=8" into the variant and the fields its options set.

    Raises:
        BadInput: an option that does not exist or a value of the wrong kind.
    """
    variant, at, options = text.rpartition("@")
    if not at or "/" in options or ".py:" in options:
        return text, {}  # the @ is part of a path
    fields: dict[str, Any] = {}
    for option in options.split(","):
        name, value = _option(option.strip(), text)
        fields[name.replace("-", "_")] = value
    return variant, fields


def _option(option: str, text: str) -> tuple[str, Any]:
    key, equals, value = option.partition("=")
    key = key.replace("_", "-")
    if not equals:
        return _word(option, text)
    kind = OPTIONS.get(key)
    if kind is None:
        known = [name for name, of in OPTIONS.items() if of is not None]
        raise BadInput(f'"{text}" has the unknown option "{key}"; {nearest(key, known)}')
    if kind is int and not value.lstrip("-").isdecimal():
        raise BadInput(f'"{text}" gives {key} the value "{value}", which is not a whole number')
    try:
        return key, kind(value)
    except ValueError:
        raise BadInput(f'"{text}" gives {key} the value "{value}", which is no number') from None


def _word(word: str, text: str) -> tuple[str, Any]:
    if word in _WORDS:
        return _WORDS[word], word
    if word in ("fixed-size", "fixed_size"):
        return "fixed-size", True
    if word.partition(":")[0] in ("auto", "cpu", "cuda"):
        return "device", word
    known = [*_WORDS, "fixed-size", "cpu", "cuda", *(f"{key}=" for key in OPTIONS)]
    raise BadInput(f'"{text}" has the unknown option "{word}"; {nearest(word, known)}')
