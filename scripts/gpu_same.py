"""False alarms on identical code, counted: `python -m scripts.gpu_same --seconds 120`.

Runs a published pipeline against itself, with both sides in one worker (`shared`) and in a worker
each (`separate`), on the same schedule as `compare`. Starting workers takes most of the time, so a
set of processes is measured for longer than it needs and its segments are cut into short
comparisons, each with a few segments of every process, and each judged by itself. Comparisons of
one set share their processes: what one of them does to a stage it does in all of them. So sets are
counted too, and the interval, which takes the comparisons for independent, is narrower than the
truth.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from depthprof.records import Policy, Run, Samples, Workload
from depthprof.runner import Plan, SidePlan, measure
from depthprof.units import percent
from depthprof.verdict.decision import judge
from scripts.gpu_checks import OPEN

ALARMS = ("SLOWER", "FASTER")
GOAL_RATIO = 0.005
ENOUGH = 600
"""Stage comparisons from which on the goal is held against the figure."""

WAYS = ("shared", "separate")
INPUTS_PIXELS = (98, 196)
VARIANTS = ("v1", "v2")
Z_95 = 1.959964


@dataclass(frozen=True, slots=True)
class Counted:
    """Stage comparisons of one way: how many, how many alarms, how many were left undecided."""

    way: str
    sets: int
    comparisons: int
    trials: int
    alarms: int
    inconclusive: int
    seconds: float
    by_stage: dict[str, int]

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the rate of alarms."""
        return wilson(self.alarms, self.trials)


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """95 % score interval of a rate (Wilson, J. Am. Stat. Assoc. 22 (1927) 209-212)."""
    if not trials:
        return 0.0, 1.0
    rate, z2 = hits / trials, Z_95**2 / trials
    middle = rate + z2 / 2
    half = Z_95 * math.sqrt(rate * (1 - rate) / trials + z2 / (4 * trials))
    low, high = (middle - half) / (1 + z2), (middle + half) / (1 + z2)
    return (max(0.0, low) if hits else 0.0), (min(1.0, high) if hits < trials else 1.0)


def cut(run: Run, segments: int) -> list[Run]:
    """Cut a run into comparisons of so many segments of each process; what is left is dropped."""
    bounds = {one.index: [*(one.segments or range(one.turns)), one.turns] for one in run.launches}
    fewest = min((len(mine) - 1 for mine in bounds.values()), default=0)
    return [
        replace(run, samples=_of_segments(run.samples, bounds, start, start + segments))
        for start in range(0, fewest - segments + 1, segments)
    ]


def _of_segments(
    samples: Samples, bounds: Mapping[int, Sequence[int]], start: int, end: int
) -> Samples:
    kept = np.zeros(len(samples), dtype=bool)
    for process, mine in bounds.items():
        pairs = (samples.turn >= mine[start]) & (samples.turn < mine[end])
        kept |= (samples.launch == process) & pairs
    return replace(_masked(samples, kept), interruptions=_masked(samples.interruptions, kept))


def _masked(columns: Any, kept: Any) -> Any:
    """Keep some rows of every column; what is no column stays."""
    if columns is None:
        return None
    held = {field.name: getattr(columns, field.name) for field in fields(columns)}
    rows = {name: v[kept] for name, v in held.items() if isinstance(v, np.ndarray)}
    return replace(columns, **rows)


def plan_of(
    number: int,
    way: str,
    device: str,
    budget_s: float,
    launches: int | None,
    inputs_pixels: Sequence[int] = INPUTS_PIXELS,
) -> Plan:
    """The same code on both sides; variant and input size alternate from set to set."""
    variant = VARIANTS[number % 2]
    pixels = inputs_pixels[number // 2 % len(inputs_pixels)]
    work = Workload(input_size=pixels, device=device, threads=1 if device == "cpu" else None)
    sides = (
        SidePlan("a", f"{variant} (a)", variant, work),
        SidePlan("b", f"{variant} (b)", variant, work),
    )
    return Plan(sides, (), budget_s, launches, separate=way == "separate", seed=number)


def count(
    way: str, seconds: float, take: Callable[[int, str], Run], segments: int, clock: Any = monotonic
) -> Counted:
    """Take sets until another one would not fit into the time; at least one.

    Args:
        way: "shared" or "separate". seconds: for all sets. take: gives the run of a set.
        segments: of each process in a comparison. clock: tells the time in seconds.
    """
    started = begun = clock()
    sets = comparisons = trials = alarms = inconclusive = 0
    longest_s = 0.0
    by_stage: dict[str, int] = {}
    while not sets or clock() - started + longest_s <= seconds:
        begun = clock()
        for one in cut(take(sets, way), segments):
            judgement = judge(one, Policy()).judgement
            if judgement is None:
                raise ValueError("a set compares two sides")
            comparisons += 1
            for verdict in judgement.verdicts:
                trials += 1
                inconclusive += verdict.status == "INCONCLUSIVE"
                if verdict.status in ALARMS:
                    alarms += 1
                    by_stage[verdict.stage] = by_stage.get(verdict.stage, 0) + 1
        sets += 1
        longest_s = max(longest_s, clock() - begun)
    elapsed = round(clock() - started, 1)
    return Counted(way, sets, comparisons, trials, alarms, inconclusive, elapsed, by_stage)


def line(found: Counted) -> str:
    """What was counted, in one line."""
    low, high = found.interval
    stages = ", ".join(f"{stage} {n}" for stage, n in found.by_stage.items())
    rate = percent(found.alarms / found.trials) if found.trials else "n/a"
    return (
        f"{found.way}: {found.alarms} false alarms in {found.trials} stage comparisons ({rate},"
        f" 95 % interval {percent(low)} to {percent(high)}){f': {stages}' if stages else ''};"
        f" {found.inconclusive} undecided; {found.comparisons} comparisons from {found.sets} sets"
        f" of processes in {found.seconds:.0f} s"
    )


def reached(found: Counted) -> bool | None:
    """Whether the goal of at most 0.5 % is held; None where there are too few to say.

    Where nothing was compared at all, because no process had enough segments, it is missed.
    """
    low, _ = found.interval
    if low > GOAL_RATIO or not found.trials:
        return False
    return found.alarms <= GOAL_RATIO * found.trials if found.trials >= ENOUGH else None


def main() -> int:
    """Count for some time; exit with 0 where the goal holds, 1 where it is missed, 4 where open."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="for all ways together")
    parser.add_argument("--ways", default=",".join(WAYS), help="shared, separate, or both")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--launches", type=int, help="of a set; the usual number unless given")
    parser.add_argument("--segments", type=int, default=3, help="of each process in a comparison")
    parser.add_argument("--set-budget", type=float, default=24.0, help="measured seconds of a set")
    parser.add_argument("--input-sizes", default=",".join(map(str, INPUTS_PIXELS)))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    inputs_pixels = [int(word) for word in arguments.input_sizes.split(",")]
    ways = arguments.ways.split(",")
    if not set(ways) <= set(WAYS):
        parser.error(f"--ways is {arguments.ways}, but knows {', '.join(WAYS)}")

    def take(number: int, way: str) -> Run:
        plan = plan_of(
            number,
            way,
            arguments.device,
            arguments.set_budget,
            arguments.launches,
            inputs_pixels,
        )
        return measure(plan, lambda _: None, lambda _: False)

    found: list[Counted] = []
    end = monotonic() + arguments.seconds
    for place, way in enumerate(ways):
        left_s = end - monotonic()
        if any(left_s < one.seconds / one.sets for one in found):
            print(f"few  {way}: not begun, because no time was left")
            continue
        found.append(count(way, left_s / (len(ways) - place), take, arguments.segments))
        goal = {True: "ok   ", False: "MISS ", None: "few  "}[reached(found[-1])]
        print(goal + line(found[-1]), flush=True)
        if arguments.json:
            document = [asdict(one) | {"interval": one.interval} for one in found]
            arguments.json.write_text(json.dumps(document, indent=2) + "\n")
    held = [reached(one) for one in found]
    if False in held:
        return 1
    return 0 if len(held) == len(ways) and None not in held else OPEN


if __name__ == "__main__":
    sys.exit(main())
