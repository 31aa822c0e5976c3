"""One comparison of the study, measured and judged as a user's would be."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import numpy as np

from depthprof.records import TOTAL, Comparison, Estimate, Policy, Result, Run, Workload
from depthprof.runner import Plan, Progress, SidePlan, measure
from depthprof.runner.plan import WORKER
from depthprof.runner.process_group import ProcessGroup
from depthprof.stats.interim import Until
from depthprof.storage.child_processes import child_environment
from depthprof.system.machine import usable_cores
from depthprof.verdict.decision import judge
from depthprof.verdict.evidence import evidence
from depthprof.verdict.pairing import pair_blocks
from depthprof.verdict.stopping import may_end
from scripts.study.cells import DOUBLED, GENERATION, Cell
from scripts.study.injection import kept_work, shared_work
from scripts.study.virtual import virtual_run

LIGHT_WORKER = "scripts.study.light_worker"
REAL_INPUT_PIXELS = 98
POLICY = Policy()
"""The default policy: what is calibrated is what users get."""

NEIGHBOUR = """
import os, sys
while os.getppid() == int(sys.argv[1]):
    for _ in range(1_000_000):
        pass
"""
"""Works for as long as the study does, and not after it was killed."""


@contextmanager
def neighbours(condition: str) -> Iterator[None]:
    """Keep every core busy with somebody else's work, where the condition says so."""
    count = usable_cores() if condition == "loaded" else 0
    command = [sys.executable, "-c", NEIGHBOUR, str(os.getpid())]
    busy = [subprocess.Popen(command, env=child_environment()) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def take(cell: Cell, budget_s: float) -> tuple[Result, dict[str, Any]]:
    """Measure and judge one cell.

    Returns:
        The judged run, and the row of the results that stands for it.
    """
    first_turn: list[float] = []

    def on_progress(progress: Progress) -> None:
        if progress.phase == "measuring" and not first_turn:
            first_turn.append(monotonic())  # told after the first block, which is added below

    with shared_work() as file:
        if cell.injection is not None and cell.world != "virtual":
            _rehearse(plan_of(cell, budget_s))
        started = monotonic()
        if cell.world == "virtual":
            run = virtual_run(cell, POLICY)
        else:
            until = until_of(cell)
            run = measure(
                plan_of(cell, budget_s), on_progress, lambda run: may_end(run, POLICY, until)
            )
        ended = monotonic()
        work = kept_work(file)
    judged = judge(run, POLICY)
    row = row_of(cell, judged)
    row["note"] = "" if work is None else work.described()
    row["elapsed_s"] = round(ended - started, 3)
    row["measured_s"] = round(_measured_s(run, ended - first_turn[0]), 3) if first_turn else None
    return judged, row


def until_of(cell: Cell) -> Until:
    """What a cell is measured for: a doubled stage for the clear culprit, as with `--fast`."""
    injection = cell.injection
    is_doubled = injection is not None and injection.ratio == 1.0 and injection.stage in DOUBLED
    return "culprit" if is_doubled else "decided"


def _rehearse(plan: Plan) -> None:
    """Load the sides once: what is injected is known then, and no process has to find it out."""
    with ProcessGroup(plan, 0) as group:
        group.start()
        group.load()


def plan_of(cell: Cell, budget_s: float) -> Plan:
    """What a cell measures: the same subject on both sides, but for the arm's difference."""
    work = Workload(device="cpu", threads=1, seed=cell.seed, input_size=REAL_INPUT_PIXELS)
    baseline, candidate = variants(cell)
    return Plan(
        sides=(
            SidePlan("a", "baseline", baseline, work),
            SidePlan("b", "candidate", candidate, work),
        ),
        budget_s=budget_s,
        seed=cell.seed,
        worker=LIGHT_WORKER if cell.world == "light" else WORKER,
    )


def variants(cell: Cell) -> tuple[str, str]:
    """Variants of baseline and candidate in the words of the world's worker."""
    if cell.world == "real":
        module = "scripts.study.injected:"
        shuffled = "shuffled_" if cell.condition == "shuffled" else ""
        changed = str(cell.injection or cell.arm).replace("-", "_")
        return f"{module}{shuffled}aa", f"{module}{shuffled}{changed}"
    shuffled = ":shuffled" if cell.condition == "shuffled" else ""
    changed = {"aa": "", "placebo": ":placebo"}.get(cell.arm, f":{cell.injection}")
    return f"light{shuffled}", f"light{shuffled}{changed}"


def row_of(cell: Cell, judged: Result) -> dict[str, Any]:
    """What the study keeps of a comparison: verdicts with their intervals, not the samples."""
    comparison, judgement = judged.comparison, judged.judgement
    if comparison is None or judgement is None:
        raise ValueError("a cell compares two sides")
    injection = cell.injection
    return {
        "name": cell.name,
        "world": cell.world,
        "condition": cell.condition,
        "arm": cell.arm,
        "injected": None if injection is None else injection.stage,
        "kind": None if injection is None else injection.kind,
        "added_ratio": None if injection is None else injection.ratio,
        "created": judged.run.created,
        "generation": GENERATION,
        "depthprof": judged.run.environment.commit,
        "dirty": judged.run.environment.dirty,
        "machine": f"{judged.run.environment.cpu}, {judged.run.environment.cpu_cores} cores,"
        f" Python {judged.run.environment.python}",
        "budget_s": judged.run.budget_s,
        "ended": judged.run.ended,
        "analysis": comparison.analysis,
        "turns": comparison.stage(TOTAL).pairs,
        "neighbours_ratio": comparison.background_load_ratio,
        "left_out": comparison.skipped.by_rule,
        "culprit": judgement.culprit,
        "followers": list(judgement.followers),
        "exit_code": judgement.exit_code,
        "places": _places(judged.run),
        "stages": _stage_rows(comparison, judged),
    }


def _places(run: Run) -> list[list[int]]:
    """Process and memory layout of each pair, as numbers from 0 on."""
    pairs = pair_blocks(evidence(run))
    return [np.unique(one, return_inverse=True)[1].tolist() for one in (pairs.launch, pairs.layout)]


def _log_ratios(run: Run) -> list[list[float | None]]:
    """By stage, the log ratio of each pair; None where a block is rejected or took no time."""
    baseline, candidate = pair_blocks(evidence(run)).judged_ns
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(candidate / baseline)
    return [[round(float(x), 5) if np.isfinite(x) else None for x in one] for one in logs.T]


def _stage_rows(comparison: Comparison, judged: Result) -> dict[str, Any]:
    if judged.judgement is None:
        raise ValueError("a cell compares two sides")
    rows = {}
    for row, logs in zip(comparison.stages, _log_ratios(judged.run), strict=True):
        verdict = judged.judgement.verdict(row.stage)
        rows[row.stage] = {
            "status": verdict.status.value,
            "code": verdict.reason.code,
            "clock": row.clock,
            "pairs": row.pairs,
            "ratio": _three(row.ratio, 5),
            "difference_ns": _three(row.difference_ns, 0),
            "baseline_ns": round(row.baseline.median_ns.value),
            "spoilt_ratio": round(row.rejected_ratio, 4),
            "launches": [round(ratio, 5) for ratio in row.process_ratios],
            "unit": [row.grounds.unit, row.grounds.units],
            "log_ratios": logs,
        }
    return rows


def _three(estimate: Estimate | None, digits: int) -> list[float] | None:
    if estimate is None:
        return None
    return [round(value, digits) for value in (estimate.low, estimate.value, estimate.high)]


def _measured_s(run: Run, after_first_block_s: float) -> float:
    """Seconds from the beginning of the first measured turn to the verdict."""
    conditions = run.conditions
    if conditions is None or not len(conditions):
        return after_first_block_s
    return after_first_block_s + float(conditions.wall_ns[-1]) / 1e9
