"""What is to be measured, before anything is started."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from depthprof.records import Run, Workload
from depthprof.stats.interim import MORE_LAUNCHES, Look, first_launches

WORKER = "depthprof.runner.worker"

TELEMETRY_S = 0.1
"""Seconds between two readings of telemetry where a door asks for it."""


@dataclass(frozen=True, slots=True)
class SidePlan:
    """One side as asked for. `name` is "a" or "b"; `label` is what people read.

    A `placebo` is loaded under another name and behind a padding, and does the same work. `folder`
    is where its worker starts, so that modules are found there first; None is where we are.
    `instead_of` is the folder whose code the side must not run, being an earlier state of it, and
    `tree` the folder with all files of the side where these are known; in a worker of its own it
    starts there. `allow` are the kinds of outputs that are no depth and are measured all the same
    (records.OUTPUT_FAULTS).
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
        budget_s: seconds of measured turns over all launches; set-up and warm-up come on top.
        launches: starts of a worker; None takes the usual number, and more where they scatter.
        separate: give each side a worker of its own even if they could share.
        separate_because: why, where it was not asked for.
        seed: of the layouts and of the order of turns.
        command: how the user asked for it, kept with the run.
        observe: look at one more iteration of each side, untimed, and measure the limits.
        worker: module that is run as the worker; the study and the tests have their own.
        telemetry_s: seconds between two readings of GPU and host; None: none are taken.
    """

    sides: tuple[SidePlan, ...]
    images: tuple[Path, ...] = ()
    budget_s: float = 60.0
    launches: int | None = None
    separate: bool = False
    separate_because: str | None = None
    seed: int = 0
    command: str = ""
    observe: bool = False
    worker: str = WORKER
    telemetry_s: float | None = None
    strict: bool = False

    @property
    def asked_pictures(self) -> dict[str, Any]:
        """What a worker is told of the pictures: it may start in another folder."""
        images = [str(image.absolute()) for image in self.images]
        return {"images": images, "strict": self.strict}

    @property
    def shared(self) -> bool:
        """Whether all sides live in one worker: they agree on threads, device and folder."""
        wants = {(side.workload.threads, side.workload.device, side.folder) for side in self.sides}
        return not self.separate and len(wants) == 1

    def apart(self, reason: str) -> "Plan":
        """The same with a process for each side, since one cannot hold both."""
        sides = tuple(
            replace(side, folder=side.tree) if side.instead_of else side for side in self.sides
        )
        return replace(self, sides=sides, separate=True, separate_because=reason)

    @property
    def launch_count(self) -> int:
        """How many launches the run begins with."""
        return self.launches or first_launches(self.shared)

    @property
    def most_launches(self) -> int:
        """How many it may have: a number that was asked for is kept to."""
        return self.launches or first_launches(self.shared) + MORE_LAUNCHES


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands: for the live display.

    `phase` is "starting", "warming up", "measuring" or "looking" (at what a side does, after its
    turns); `left_s` counts measured turns only.
    """

    phase: str
    launch: int
    launches: int
    blocks: int
    pairs: int
    elapsed_s: float
    left_s: float


OnProgress = Callable[[Progress], None]
LookAt = Callable[[Run, bool], Look]
"""Is given what was measured so far, and whether the run may have more launches."""


def first_order(names: tuple[str, ...], random: Random) -> tuple[str, ...]:
    """Draw which side begins a launch, by the toss of a coin."""
    return names if random.random() < 0.5 else tuple(reversed(names))


def turn_order(first: tuple[str, ...], turn: int) -> tuple[str, ...]:
    """Return the order of sides in a turn of a launch: A B, B A, A B, B A, ...

    So a slow drift of the machine falls on both sides alike, and both blocks of a pair come after
    the same side: A (A B) (B A) (A B). That matters, because what an iteration leaves behind
    (freed memory, cold caches) slows the next one, whosever it is. The order never changes within
    a launch, since a change would break that symmetry. With one side a turn is that side alone.
    """
    return first if turn % 2 == 0 else tuple(reversed(first))
