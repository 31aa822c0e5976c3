"""The rule of the verdict on simulated ratios: how often it errs, and how often it decides.

    python -m scripts.study.rule [--runs 1000] [--seed 0]

A run has processes, segments (each a memory layout) and pairs; log ratios are normal with a
standard deviation for each. It grows segment by segment over the processes, is analysed as a real
one is (depthprof.stats.interim) and ends at the first decision, or at its last segment. The stage
takes long enough for floors not to matter.
"""

import argparse
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from depthprof.records import Estimate, Policy, StageComparison, StageSummary, Status
from depthprof.stats.interim import (
    ANALYSED_PROCESSES,
    LAST,
    analysis_number,
    is_analysis,
)
from depthprof.stats.layouts import unit_mean
from depthprof.stats.paired import exponential
from depthprof.verdict.decision import decide_stage
from depthprof.verdict.grounds import Rule

POLICY = Policy()
ONE = Estimate(1e9, 1e9, 1e9, 0.95)
SUMMARY = StageSummary(ONE, (1e9, 1e9), 0.5, 1e9, None)
CHANGES = (1.0, 1.03, 1.05, 1.1, 2.0)


@dataclass(frozen=True, slots=True)
class Case:
    """Standard deviations of pairs, layouts and processes; how many of each; pairs a layout."""

    name: str
    pair_sd: float
    layout_sd: float
    process_sd: float
    processes: int
    layouts: int
    pairs: int


CASES = (
    Case("real at 98, forward", 0.09, 0.02, 0.005, 10, 160, 2),
    Case("real at 98, return", 0.11, 0.012, 0.02, 10, 160, 2),
    Case("real at 98, preprocess", 0.13, 0.036, 0.007, 10, 160, 2),
    Case("real at 518, forward, quiet", 0.02, 0.003, 0.002, 6, 16, 1),
    Case("real at 518, forward, loaded", 0.06, 0.01, 0.005, 6, 16, 1),
    Case("light in 3 s, forward", 0.03, 0.01, 0.002, 6, 12, 4),
    Case("light in 60 s, forward", 0.12, 0.04, 0.0, 10, 120, 8),
    Case("layouts renew nothing", 0.044, 0.0, 0.044, 10, 60, 4),
    Case("layouts renew half", 0.044, 0.031, 0.031, 10, 60, 4),
    Case("layouts renew nothing, 6 processes", 0.044, 0.0, 0.044, 6, 60, 4),
)


def grown(case: Case, random: np.random.Generator, change: float) -> Iterator[StageComparison]:
    """The row at each analysis of one run, the last one at its planned end."""
    moved = random.normal(0, case.process_sd, case.processes)
    values, layout, process = [], [], []
    for segment in range(case.layouts):
        owner = segment % case.processes
        level = moved[owner] + random.normal(0, case.layout_sd) + math.log(change)
        values += (level + random.normal(0, case.pair_sd, case.pairs)).tolist()
        layout += [segment] * case.pairs
        process += [owner] * case.pairs
        measured, is_end = segment + 1, segment + 1 == case.layouts
        if is_end or (is_analysis(measured) and measured >= ANALYSED_PROCESSES):
            number = LAST if is_end else analysis_number(measured)
            yield row(np.asarray(values), np.asarray(layout), np.asarray(process), number)


def row(
    values: np.ndarray, layout: np.ndarray, process: np.ndarray, analysis: int
) -> StageComparison:
    """A row as `verdict.comparison` makes it of these pairs."""
    mean = unit_mean(values, layout, process)
    if mean is None:
        raise ValueError("too few pairs")
    shown = exponential(mean.interval(0.95))
    grounds = Rule(0.95, analysis, mean.processes, shared=True).grounds(mean, None)
    return StageComparison(
        "forward", "host", SUMMARY, SUMMARY, shown, ONE, (), len(values), grounds
    )


def simulate(case: Case, change: float, runs: int, seed: int) -> tuple[Counter[Status], float]:
    """Verdicts of so many runs, and the part whose shown interval holds the truth at the end."""
    found: Counter[Status] = Counter()
    held = 0
    for number in range(runs):
        random = np.random.default_rng([seed, number])
        for one in grown(case, random, change):
            status, _ = decide_stage(one, POLICY)
            if status is not Status.INCONCLUSIVE:
                break
        found[status] += 1
        held += one.ratio is not None and one.ratio.low <= change <= one.ratio.high
    return found, held / runs


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000, help="of each cell [1000]")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    print(
        "| case (processes x layouts x pairs) | identical: changed | undecided | 95 % holds |"
        " +3 %: SAME | +5 %: SAME | SLOWER | +10 %: SLOWER | +100 % |"
    )
    print("|" + " --- |" * 9)
    for case in CASES:
        cells = {one: simulate(case, one, asked.runs, asked.seed) for one in CHANGES}
        rate = {
            (change, status): found[status] / asked.runs
            for change, (found, _) in cells.items()
            for status in Status
        }
        alarms = rate[1.0, Status.SLOWER] + rate[1.0, Status.FASTER]
        shape = f"{case.processes} x {case.layouts // case.processes} x {case.pairs}"
        print(
            f"| {case.name} ({shape}) | {alarms:.2%} | {rate[1.0, Status.INCONCLUSIVE]:.0%} |"
            f" {cells[1.0][1]:.1%} | {rate[1.03, Status.SAME]:.1%} | {rate[1.05, Status.SAME]:.1%}"
            f" | {rate[1.05, Status.SLOWER]:.0%} | {rate[1.1, Status.SLOWER]:.0%} |"
            f" {rate[2.0, Status.SLOWER]:.0%} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
