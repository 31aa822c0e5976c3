"""What a marked iteration costs above its bare calls, beside other timers around the same calls.

`python -m scripts.overhead [--device cuda] [--json FILE]`. The figure is the same for all of them:
wall time of measuring n calls one by one, less the wall time that the calls made in it take bare,
over n. On a GPU a call waits for the device where the sync stage does, marked or bare.

torch.utils.benchmark is asked for one call a measurement (`timeit(1)`, which makes two more to warm
up; they are taken off), which is what timing every iteration by itself takes; asked for many at
once it adds next to nothing and tells nothing of single iterations. triton.testing.do_bench clears
the L2 cache before every call, which is part of what it adds.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter_ns
from typing import Any

from depthprof.runner.clock import clock_for
from depthprof.runner.iteration import Iteration
from depthprof.runner.process_group import WATCH_FROM_NS

CUDA_GOAL_NS, HOST_GOAL_NS = 40_000, 3_000
WATCHED_GOAL_NS = 0.01 * WATCH_FROM_NS
"""On a CPU: one percent of the shortest iteration that is watched mark by mark."""

OURS, WATCHED = "depthprof", "depthprof, watched mark by mark"
TURNS, CALLS = 30, 50

Run = Callable[[int], tuple[int, int, list[int]]]
"""Measures so many calls; gives how many were made in all, how many were measured, and the time
between first and last mark of each where there are marks."""


@dataclass(frozen=True, slots=True)
class Overhead:
    """What one timer adds to one call, in nanoseconds of the host: median over turns.

    `inside_ns` is the part of it between the first and the last mark; None of other timers.
    """

    timer: str
    pipeline: str
    added_ns: float
    bare_ns: float
    inside_ns: float | None = None


class Empty:
    """A pipeline whose stages hand their input on: what is left is the timer."""

    def preprocess(self, value: Any) -> Any:
        return value

    h2d = forward = postprocess = d2h = deliver = preprocess


class Tiny(Empty):
    """Each device stage launches one tiny kernel, so that marks lie between kernels."""

    def __init__(self, device: str) -> None:
        import torch

        self._value = torch.zeros(1, device=device)

    def _launch(self, value: Any) -> Any:
        self._value.add_(1)
        return value

    h2d = forward = postprocess = d2h = _launch


def bare_call(pipeline: Any, wait: Callable[[Any], Any]) -> Callable[[], Any]:
    """One iteration without any mark; `wait` stands where the sync stage does."""
    p = pipeline

    def call() -> Any:
        depth = p.postprocess(p.forward(p.h2d(p.preprocess("picture"))))
        return p.deliver(p.d2h(wait(depth)))

    return call


def overheads(name: str, pipeline: Any, device: str, turns: int = TURNS) -> list[Overhead]:
    """Measure all timers around one pipeline, in turns with its bare calls."""
    clock = clock_for(device)
    call = bare_call(pipeline, clock.wait)
    iteration = Iteration(pipeline, clock)
    timers: dict[str, Run] = {
        OURS: lambda calls: _ours(iteration, calls),
        WATCHED: lambda calls: _ours(iteration, calls, watch=True),
        "torch.utils.benchmark, timeit(1)": _torch_timer(call),
    }
    if device != "cpu" and find_spec("triton") is not None:
        timers["triton.testing.do_bench"] = _do_bench(call)
    return [_overhead(timer, name, call, run, turns) for timer, run in timers.items()]


def _overhead(timer: str, name: str, call: Callable[[], Any], run: Run, turns: int) -> Overhead:
    run(CALLS)
    added, bare, inside = [], [], []
    for _ in range(turns):
        start = perf_counter_ns()
        for _ in range(CALLS):
            call()
        bare_ns = (perf_counter_ns() - start) / CALLS
        start = perf_counter_ns()
        made, measured, spans = run(CALLS)
        added.append((perf_counter_ns() - start - made * bare_ns) / measured)
        bare.append(bare_ns)
        inside += [span - bare_ns for span in spans]
    return Overhead(timer, name, median(added), median(bare), median(inside) if inside else None)


def _ours(iteration: Iteration, calls: int, *, watch: bool = False) -> tuple[int, int, list[int]]:
    block = iteration.block([["picture"]], calls, watch=watch)
    return calls, calls, [row[-1] - row[0] for row in block.marks_ns]


class Counted:
    """A call that counts how often it is made."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self.made = 0

    def __call__(self) -> None:
        self.made += 1
        self._call()


def _torch_timer(call: Callable[[], Any]) -> Run:
    from torch.utils.benchmark import Timer

    counted = Counted(call)
    timer = Timer("call()", globals={"call": counted})

    def run(calls: int) -> tuple[int, int, list[int]]:
        before = counted.made
        for _ in range(calls):
            timer.timeit(1)
        return counted.made - before, calls, []

    return run


def _do_bench(call: Callable[[], Any]) -> Run:
    """Triton's timer. It decides itself how often it calls; all its calls count as measured."""
    from triton.testing import do_bench

    counted = Counted(call)

    def run(_: int) -> tuple[int, int, list[int]]:
        before = counted.made
        do_bench(counted, warmup=1, rep=5)
        return counted.made - before, counted.made - before, []

    return run


def verdicts(found: list[Overhead], device: str) -> list[tuple[str, str, bool]]:
    """The goals: at most so much, and less than every other timer around the same calls.

    On a GPU the goal counts all that is added to an iteration; on a CPU what is added between its
    marks, and so lands in some stage (`scripts.figures` measures the same by another way). Watched
    marks ask more than a timer does, so on a CPU they are not held against other timers.
    """
    host_goals_ns = {OURS: HOST_GOAL_NS, WATCHED: WATCHED_GOAL_NS}
    lines = []
    for ours in (one for one in found if one.timer in host_goals_ns):
        goal_ns = host_goals_ns[ours.timer] if device == "cpu" else CUDA_GOAL_NS
        mode = f"{ours.pipeline} stages{ours.timer.removeprefix(OURS)}"
        inside_ns = ours.added_ns if ours.inside_ns is None else ours.inside_ns
        goals = {"between its marks": inside_ns, "to an iteration": ours.added_ns}
        for where, ns in goals.items():
            if device != "cpu" or where == "between its marks":
                name = f"{mode}: added {where}, us (<= {goal_ns / 1_000:g})"
                lines.append((name, f"{ns / 1_000:.2f}", ns <= goal_ns))
        others = [
            one
            for one in found
            if one.timer not in host_goals_ns and one.pipeline == ours.pipeline
            if device != "cpu" or ours.timer == OURS
        ]
        for other in others:
            name = f"{mode}: {other.timer} adds, us (> {ours.added_ns / 1_000:.2f})"
            value = f"{other.added_ns / 1_000:.2f}"
            lines.append((name, value, other.added_ns > ours.added_ns))
    return lines


def main() -> int:
    """Print every figure with its goal; exit with 1 if one is missed."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N")
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    from depthprof import Workload
    from depthprof.pipelines.device import resolve_device

    device = resolve_device(Workload(device=arguments.device)).device
    found = overheads("empty", Empty(), device, arguments.turns)
    found += overheads("tiny", Tiny(device), device, arguments.turns) if device != "cpu" else []
    if device != "cpu" and find_spec("triton") is None:
        print("triton is not installed: do_bench was not asked")
    lines = verdicts(found, device)
    for name, value, reached in lines:
        print(f"{'ok  ' if reached else 'MISS'} {name:80} {value}")
    if arguments.json:
        document = {"device": device, "overheads": [asdict(one) for one in found]}
        arguments.json.write_text(json.dumps(document, indent=2) + "\n")
    return 0 if all(reached for _, _, reached in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
