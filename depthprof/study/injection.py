"""A slow-down of known size in one stage of a pipeline: busy work, extra copies, or a sleep."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
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

REHEARSALS = 15
TRIALS = 2
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


class Slowed:
    """A pipeline with an injection. Every other stage is the pipeline's own, untouched.

    The length of the stage is rehearsed on this pipeline itself, in CPU time of the thread, so
    that a neighbour does not change the truth. What is added costs more in its place than by
    itself (the call is cold after each stage, and costs some microseconds), so the slowed stage is
    rehearsed too, and the work made smaller by the excess; the best of some trials is kept.
    `asked_ns` is what should be added to each call, `added_ns` what the rehearsal found; of a sleep
    both are the same.
    """

    def __init__(self, pipeline: Any, injection: Injection, picture: Any) -> None:
        for method in METHODS.values():
            setattr(self, method, getattr(pipeline, method))
        method = METHODS[injection.stage]
        stage = getattr(pipeline, method)
        self.weights = getattr(pipeline, "weights", None)
        _warm_up()
        self.stage_ns, _ = _rehearsed_ns((pipeline, self), method, picture)
        self.asked_ns = self.added_ns = work_ns = injection.ratio * self.stage_ns
        if injection.kind == "sleep":
            setattr(self, method, _after(stage, adder("sleep", work_ns)))
            return
        tried = []
        for _ in range(TRIALS):
            setattr(self, method, _after(stage, adder(injection.kind, work_ns)))
            plain_ns, slowed_ns = _rehearsed_ns((pipeline, self), method, picture)
            excess_ns = slowed_ns - plain_ns - self.asked_ns
            tried.append((abs(excess_ns), slowed_ns - plain_ns, getattr(self, method)))
            work_ns = max(0.0, work_ns - excess_ns)
        _, self.added_ns, best = min(tried, key=lambda trial: trial[0])
        setattr(self, method, best)


def adder(kind: str, ns: float) -> Callable[[], None]:
    """Return a function that takes about so many nanoseconds, in the manner of `kind`.

    Busy work and copies are counted out beforehand, in CPU time, so that they are a fixed amount
    of work as a real slow-down is, not a wait for a clock.
    """
    if kind == "sleep":
        return lambda: time.sleep(ns / 1e9)
    if kind == "busy":
        rounds, rest = _counted(ns / _cost_ns(_spin), SPINS)
        return lambda: _spins(rounds, rest)
    source = np.ones(COPY_BYTES, dtype=np.uint8)
    target = np.empty_like(source)
    rounds, rest = _counted(ns / _cost_ns(lambda: np.copyto(target, source)), COPY_BYTES)

    def copy() -> None:
        for _ in range(rounds):
            np.copyto(target, source)
        target[:rest] = source[:rest]

    return copy


def _counted(times: float, unit: int) -> tuple[int, int]:
    """Whole units of work, and the part of one that is left."""
    return int(times), round((times - int(times)) * unit)


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
    """CPU time of one stage of two pipelines that take turns, after some iterations of both."""
    lengths: tuple[list[int], list[int]] = ([], [])
    for _ in range(REHEARSALS):
        for pipeline, taken in zip(pipelines, lengths, strict=True):
            value: Any = [picture]
            for method in METHODS.values():
                start = time.thread_time_ns()
                value = getattr(pipeline, method)(value)
                if method == wanted:
                    taken.append(time.thread_time_ns() - start)
    first, then = (median(taken[REHEARSALS // 4 :]) for taken in lengths)
    return first, then


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
