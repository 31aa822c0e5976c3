"""What telemetry costs the code it watches: `python -m scripts.telemetry_cost`.

One worker runs blocks without a break; the parent's sampler is on and off in alternation (on off,
off on, ...), so that a drift of the machine falls on both alike. Each pair of windows gives one
ratio of median latencies, with the sampler over without, and one of the median CPU times of the
measuring thread, which neighbours of the machine hardly touch. `--reading-ms` has each reading keep
the parent's thread busy for longer, as a slow NVML would: to see what would be seen.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import numpy as np

from depthprof.records import Estimate, Telemetry, Workload
from depthprof.runner.plan import TELEMETRY_S, WORKER
from depthprof.runner.process import Layout, WorkerProcess
from depthprof.runner.telemetry import Sampler, host_row
from depthprof.stats.layouts import unit_mean
from depthprof.stats.paired import exponential
from depthprof.system.nvml import GpuAddress
from scripts.gpu_checks import OPEN
from scripts.study.taking import LIGHT_WORKER

GOAL_RATIO = 0.005
CONFIDENCE = 0.95
ANSWER_LIMIT_S = 900.0


def window_ns(worker: WorkerProcess, seconds: float, iterations: int) -> tuple[float, float]:
    """Run blocks for so long; median wall time and median CPU time of an iteration."""
    command = {"command": "block", "side": "a", "first": 0, "iterations": iterations, "watch": True}
    walls: list[int] = []
    cpus: list[int] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = worker.ask(command, ANSWER_LIMIT_S)
        walls += [marks[-1] - marks[0] for marks in answer["marks_ns"]]
        cpus += [seen[-1][0] - seen[0][0] for seen in answer["witness"]]
    return median(walls), median(cpus) if cpus else math.nan


def pair(
    worker: WorkerProcess, seconds: float, iterations: int, sampler: Sampler, on_first: bool
) -> tuple[float, float, Telemetry]:
    """Log ratios of one window with the sampler and one without: of wall times, of CPU times."""
    medians: dict[bool, tuple[float, float]] = {}
    telemetry: Telemetry | None = None
    for is_on in (on_first, not on_first):
        if is_on:
            sampler.start()
        medians[is_on] = window_ns(worker, seconds, iterations)
        if is_on:
            telemetry = sampler.stop()
    assert telemetry is not None
    wall, cpu = (math.log(on / off) for on, off in zip(medians[True], medians[False], strict=True))
    return wall, cpu, telemetry


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Take all pairs of one worker."""
    work = Workload(device=asked.device, threads=1, input_size=asked.input_size)
    side = {
        "name": "a",
        "variant": asked.variant,
        "workload": asdict(work),
        "checkpoint": None,
        "placebo": False,
        "instead_of": None,
    }
    module = LIGHT_WORKER if asked.variant == "light" else WORKER
    with WorkerProcess(Layout.drawn(Random(0)), module) as worker:
        load = {"command": "load", "sides": [side], "images": []}
        told = worker.ask(load, ANSWER_LIMIT_S)["sides"]["a"]
        gpu = None if told.get("gpu") is None else GpuAddress(**told["gpu"])
        window_ns(worker, asked.window, asked.iterations)  # warm-up
        taken = []
        for number in range(asked.pairs):
            sampler = Sampler(asked.interval, gpu, host=_host(asked.reading_ms))
            of_pair = (worker, asked.window, asked.iterations, sampler, number % 2 == 0)
            taken.append(pair(*of_pair))
    return _told(asked, taken)


def _host(reading_ms: float) -> Callable[[], dict[str, int]]:
    def slow() -> dict[str, int]:
        end = time.perf_counter() + reading_ms / 1e3
        while time.perf_counter() < end:
            pass
        return host_row()

    return slow if reading_ms else host_row


def _ratio(logs: list[float]) -> Estimate | None:
    """The ratio with its interval, every pair by itself."""
    place = np.arange(len(logs))
    mean = unit_mean(np.asarray(logs), place, np.zeros_like(place))
    return None if mean is None else exponential(mean.interval(CONFIDENCE))


def _told(asked: argparse.Namespace, taken: list[tuple[float, float, Telemetry]]) -> dict[str, Any]:
    estimates = {
        name: _ratio([one[place] for one in taken])
        for place, name in enumerate(("ratio", "cpu_ratio"))
    }
    costs_ns = [cost for _, _, telemetry in taken for cost in telemetry.columns.cost_ns.tolist()]
    return {
        "variant": asked.variant,
        "device": asked.device,
        "interval_s": asked.interval,
        "pairs": len(taken),
        "readings": len(costs_ns),
        "reading_ms": round(median(costs_ns) / 1e6, 3),
        **{name: None if one is None else asdict(one) for name, one in estimates.items()},
        "notes": sorted({note for _, _, telemetry in taken for note in telemetry.notes}),
    }


def main(arguments: list[str] | None = None) -> int:
    """Print the effect; see `exit_code`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", default="light", help="light, v1, v2, FILE:NAME [light]")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--input-size", type=int, default=98, metavar="PIXELS")
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--window", type=float, default=0.5, metavar="SECONDS")
    parser.add_argument("--iterations", type=int, default=5, help="of a block")
    parser.add_argument("--interval", type=float, default=TELEMETRY_S, metavar="SECONDS")
    parser.add_argument("--reading-ms", type=float, default=0.0, help="busy time in each reading")
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args(arguments)
    told = measure(asked)
    if asked.json is not None:
        asked.json.write_text(json.dumps(told, indent=2) + "\n")
    ratio = told["ratio"]
    if ratio is None:
        print(f"telemetry_cost: {told['pairs']} pairs are too few for an interval", file=sys.stderr)
        return 2
    print(
        f"telemetry every {told['interval_s']:g} s changes the median latency of"
        f" {told['variant']} ({told['device']}) by {_percent(ratio)}:"
        f" {told['pairs']} pairs, {told['readings']} readings of {told['reading_ms']} ms"
    )
    if told["cpu_ratio"] is not None:
        print(f"and the CPU time of the measuring thread by {_percent(told['cpu_ratio'])}")
    for note in told["notes"]:
        print(f"- {note}")
    code = exit_code(ratio)
    if code == OPEN:
        print(f"open: {told['pairs']} pairs do not tell whether it is below {GOAL_RATIO:.1%}")
    return code


def exit_code(ratio: dict[str, float]) -> int:
    """0 where the effect is surely below the goal, 1 where surely not, OPEN between."""
    if ratio["high"] < 1 + GOAL_RATIO:
        return 0
    return 1 if ratio["low"] >= 1 + GOAL_RATIO else OPEN


def _percent(ratio: dict[str, float]) -> str:
    effect, low, high = (100 * (ratio[name] - 1) for name in ("value", "low", "high"))
    return f"{effect:+.2f} % ({low:+.2f} to {high:+.2f})"


if __name__ == "__main__":
    sys.exit(main())
