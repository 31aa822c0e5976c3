"""A slow-down of known size in one stage of a pipeline: busy work, extra copies, or a sleep.

A real slow-down is the same work in every launch. So the first launch of a comparison rehearses
what is added, and the others add the same: it is kept in the file that `KEPT_VARIABLE` names.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

KINDS = ("busy", "copies", "sleep")
METHODS = {
    "preprocess": "preprocess",
    "h2d": "h2d",
    "forward": "forward",
    "postprocess": "postprocess",
    "d2h": "d2h",
    "return": "deliver",
}
"""Method of a pipeline by stage; `sync` belongs to the clock and cannot be slowed down."""

COPY_BYTES = 100_000
"""A copy is a few microseconds long, so that small injections can be made of whole ones."""

SPINS = 200
"""Rounds of an empty loop at a time: Python keeps integers so small ready-made."""

KEPT_VARIABLE = "DEPTHPROF_STUDY_INJECTION"
"""Names the file in which the launches of one comparison share what is injected."""

REHEARSAL_NS = 3_000_000_000
"""CPU time of a rehearsal; one of 15 iterations knew what +5 % adds to half of it only."""

FEWEST_REHEARSALS = 15
TRIALS = 4
GOOD_RATIO = 0.1
"""A trial that adds what was asked within this part of it is good enough."""

WARM_UP_NS = 100_000_000


@dataclass(frozen=True, slots=True)
class Injection:
    """What to add: a stage, how, and how much of the stage's own length (0.05 is +5 %)."""

    stage: str
    kind: str
    ratio: float

    def __str__(self) -> str:
        return f"{self.stage}-{self.kind}-{round(100 * self.ratio)}"

    @classmethod
    def named(cls, text: str) -> "Injection":
        """Read what `str` wrote: "forward-busy-5".

        Raises:
            ValueError: no such stage or kind.
        """
        stage, kind, percent = text.split("-")
        if stage not in METHODS or kind not in KINDS:
            raise ValueError(f"no such injection: {text!r}")
        return cls(stage, kind, int(percent) / 100)


@dataclass(frozen=True, slots=True)
class Work:
    """A fixed amount of work, counted out, and what it was found to take.

    Attributes:
        injection: as text. rounds, rest: whole units of busy work or copies, and the part of one.
        sleep_ns: of a sleep. stage_ns: length of the stage it is added to.
        asked_ns: what should be added to each call. added_ns: what the rehearsal found; of a sleep
            both are the same.
    """

    injection: str
    rounds: int
    rest: int
    sleep_ns: float
    stage_ns: float
    asked_ns: float
    added_ns: float

    def made(self) -> Callable[[], None]:
        """The work as a function."""
        kind = Injection.named(self.injection).kind
        if kind == "sleep":
            return lambda: time.sleep(self.sleep_ns / 1e9)
        rounds, rest = self.rounds, self.rest
        return _copies(rounds, rest) if kind == "copies" else lambda: _spins(rounds, rest)

    def described(self) -> str:
        """What was added, for the results."""
        added, stage, asked = (
            f"{ns:.0f} ns" for ns in (self.added_ns, self.stage_ns, self.asked_ns)
        )
        return f"{added} added to {stage}, asked {asked}"


class Slowed:
    """A pipeline with an injection. Every other stage is the pipeline's own, untouched.

    The length of the stage is rehearsed on this pipeline itself, in CPU time of the thread, so
    that a neighbour does not change the truth. What is added costs more in its place than by
    itself (the call is cold after each stage, and costs some microseconds), so the slowed stage is
    rehearsed too, and the work made smaller by the excess; the best of some trials is kept. Where
    another launch of the same comparison has done that, its work is taken.
    """

    def __init__(self, pipeline: Any, injection: Injection, picture: Any) -> None:
        for method in METHODS.values():
            setattr(self, method, getattr(pipeline, method))
        method = METHODS[injection.stage]
        stage = getattr(pipeline, method)
        self.weights = getattr(pipeline, "weights", None)
        known = _kept(injection)
        if known is None:
            known = self._rehearsed(pipeline, injection, picture)
            _keep(known)
        self.work = known
        setattr(self, method, _after(stage, known.made()))

    def _rehearsed(self, pipeline: Any, injection: Injection, picture: Any) -> Work:
        method = METHODS[injection.stage]
        stage = getattr(pipeline, method)
        _warm_up()
        stage_ns, _ = _rehearsed_ns((pipeline, self), method, picture)
        asked_ns = work_ns = injection.ratio * stage_ns
        if injection.kind == "sleep":
            return Work(str(injection), 0, 0, work_ns, stage_ns, asked_ns, asked_ns)
        tried = []
        for _ in range(TRIALS):
            counted = _counted(work_ns, injection.kind)
            work = Work(str(injection), *counted, 0.0, stage_ns, asked_ns, 0.0)
            setattr(self, method, _after(stage, work.made()))
            _, added_ns = _rehearsed_ns((pipeline, self), method, picture)
            excess_ns = added_ns - asked_ns
            tried.append((abs(excess_ns), replace(work, added_ns=added_ns)))
            if abs(excess_ns) <= GOOD_RATIO * asked_ns:
                break
            work_ns = max(0.0, work_ns - excess_ns)
        return min(tried, key=lambda trial: trial[0])[1]


@contextmanager
def shared_work() -> Iterator[Path]:
    """Let all launches that are started meanwhile share what the first one rehearses.

    Yields:
        The file it is kept in, for `kept_work`.
    """
    before = os.environ.get(KEPT_VARIABLE)
    with TemporaryDirectory(prefix="depthprof-") as folder:
        file = Path(folder, "injection.json")
        os.environ[KEPT_VARIABLE] = str(file)
        try:
            yield file
        finally:
            del os.environ[KEPT_VARIABLE]
            if before is not None:
                os.environ[KEPT_VARIABLE] = before


def kept_work(file: Path) -> Work | None:
    """What a launch rehearsed and kept in a file, None if none did."""
    return Work(**json.loads(file.read_text(encoding="utf-8"))) if file.exists() else None


def _kept(injection: Injection) -> Work | None:
    path = os.environ.get(KEPT_VARIABLE)
    known = None if path is None else kept_work(Path(path))
    return known if known is not None and known.injection == str(injection) else None


def _keep(work: Work) -> None:
    if (path := os.environ.get(KEPT_VARIABLE)) is not None:
        Path(path).write_text(json.dumps(asdict(work)), encoding="utf-8")


def _counted(ns: float, kind: str) -> tuple[int, int]:
    """Units of work that take so many nanoseconds: whole ones, and the part of one that is left.

    They are counted out beforehand, in CPU time, so that they are a fixed amount of work as a real
    slow-down is, not a wait for a clock.
    """
    unit, work = (SPINS, _spin) if kind == "busy" else (COPY_BYTES, _copies(1, 0))
    times = ns / _cost_ns(work)
    return int(times), round((times - int(times)) * unit)


def _copies(rounds: int, rest: int) -> Callable[[], None]:
    source = np.ones(COPY_BYTES, dtype=np.uint8)
    target = np.empty_like(source)

    def copy() -> None:
        for _ in range(rounds):
            np.copyto(target, source)
        target[:rest] = source[:rest]

    return copy


def _after(stage: Callable[[Any], Any], add: Callable[[], None]) -> Callable[[Any], Any]:
    def slowed(value: Any) -> Any:
        value = stage(value)
        add()
        return value

    return slowed


def _warm_up() -> None:
    start = time.thread_time_ns()
    while time.thread_time_ns() - start < WARM_UP_NS:  # cores start slow
        _spin()


def _rehearsed_ns(pipelines: tuple[Any, Any], wanted: str, picture: Any) -> tuple[float, float]:
    """CPU time of one stage of two pipelines that take turns, after some iterations of both.

    Returns:
        The first one's median, and the median of what the second one takes more, turn by turn.
    """
    turns: list[list[int]] = []
    begun = time.thread_time_ns()
    while len(turns) < FEWEST_REHEARSALS or time.thread_time_ns() - begun < REHEARSAL_NS:
        turns.append([])
        for pipeline in pipelines:
            value: Any = [picture]
            for method in METHODS.values():
                start = time.thread_time_ns()
                value = getattr(pipeline, method)(value)
                if method == wanted:
                    turns[-1].append(time.thread_time_ns() - start)
    settled = turns[len(turns) // 4 :]
    return median(first for first, _ in settled), median(then - first for first, then in settled)


def _spin(rounds: int = SPINS) -> None:
    for _ in range(rounds):
        pass


def _spins(rounds: int, rest: int) -> None:
    for _ in range(rounds):
        _spin()
    _spin(rest)


def _cost_ns(work: Callable[[], object]) -> float:
    """CPU time of some work, the median of many takes."""
    costs = []
    for _ in range(50):
        start = time.thread_time_ns()
        for _ in range(10):
            work()
        costs.append((time.thread_time_ns() - start) / 10)
    return median(costs)
