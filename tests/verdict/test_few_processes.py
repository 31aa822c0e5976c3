"""Verdicts from few processes: identical code is never called slower, however few are asked for.

What a process does to its times is drawn with a heavy tail here: some per cent as a rule, and now
and then a stall that makes all its iterations several times as long (seen once: x14.6).
"""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depthprof.records import STAGES, TOTAL, Policy, Result, Run, Status, Workload
from depthprof.stats.interim import PROCESSES
from depthprof.verdict import compare
from depthprof.verdict.decision import judge
from depthprof.verdict.grounds import FEWEST_SEPARATE
from depthprof.verdict.stopping import may_end
from tests.runs import TYPICAL_NS, processes_of, recorder_of, with_samples

POLICY = Policy(threshold_ratio=0.05)
CHANGED = (Status.SLOWER, Status.FASTER)
TAILS = ("stalls", "two levels", "cauchy", "each stage alone")


def effects(random: np.random.Generator, tail: str, processes: int) -> Any:
    """What each process multiplies its stages by: float64 [processes, 2, stages]."""
    shape = (processes, 2, 1)
    if tail == "each stage alone":
        tail, shape = "stalls", (processes, 2, len(STAGES))
    known = np.exp(random.normal(0, 0.05, (processes, 2, len(STAGES))))
    if tail == "stalls":
        stalled = random.random(shape) < 0.25
        return known * np.where(stalled, random.uniform(1.5, 20, shape), 1.0)
    if tail == "calm":
        return known**0.2
    if tail == "two levels":
        return known**0.01 * np.where(random.random(shape) < 0.5, 1.0, 2.0)
    return known * np.exp(np.clip(0.1 * random.standard_cauchy(shape), -3, 3))


def separate(
    seed: int, processes: int, tail: str = "stalls", change: float = 1.0, turns: int = 6
) -> Run:
    """A run of identical code (but for `change` of the candidate) in separate processes."""
    random = np.random.default_rng(seed)
    factors = effects(random, tail, processes)
    factors[:, 1] *= change
    noise = random.lognormal(0, 0.01, (processes, turns, 2, len(STAGES)))
    rows = np.asarray(TYPICAL_NS) * factors[:, None] * noise
    blocks = product(range(processes), range(turns), (0, 1))
    places = [(process, turn, 2 * turn + side, side, 0) for process, turn, side in blocks]
    run = recorder_of([Workload(), Workload()]).run(1.0, "budget")
    run = with_samples(run, places, rows.reshape(-1, len(STAGES)))
    return replace(run, shared=False, launches=processes_of(processes, range(turns)))


def statuses(judged: Result) -> set[Status]:
    assert judged.judgement is not None
    return {verdict.status for verdict in judged.judgement.verdicts}


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, FEWEST_SEPARATE - 1),
    st.sampled_from(TAILS),
    st.sampled_from([0.05, 1.0, 1.3, 20.0]),
)
def test_fewer_separate_processes_than_six_decide_nothing(
    seed: int, processes: int, tail: str, change: float
) -> None:
    judged = judge(separate(seed, processes, tail, change, turns=24 // processes), POLICY)
    assert statuses(judged) == {Status.INCONCLUSIVE}
    assert judged.exit_code == 3
    assert judged.judgement is not None
    assert "--processes 10" in judged.judgement.sentence
    for verdict in judged.judgement.verdicts:
        assert verdict.reason.code == "too_few_processes"
        assert f"at least {FEWEST_SEPARATE}" in verdict.reason.text


@pytest.mark.parametrize("tail", TAILS)
def test_identical_code_in_processes_with_heavy_tails_is_not_slower(tail: str) -> None:
    for seed, processes in product(range(6), (FEWEST_SEPARATE, PROCESSES)):
        assert not statuses(judge(separate(seed, processes, tail), POLICY)) & set(CHANGED)


def test_levels_that_overlap_are_no_change_however_many_pairs_agree() -> None:
    # Every process of the candidate is slower than its partner, by 1.6 to 9; but each is as fast
    # as some of the baseline: one of 64 runs of identical code looks so.
    run = separate(0, FEWEST_SEPARATE, "calm", turns=8)
    samples, host_ns = run.samples, run.samples.host_ns.astype(float)
    for process, (a, b) in enumerate([(1, 1.6), (1, 9), (2, 4), (1.2, 3), (3, 6), (1, 2)]):
        for side, level in enumerate((a, b)):
            host_ns[(samples.launch == process) & (samples.side == side)] *= level
    found = replace(run, samples=replace(samples, host_ns=host_ns.astype(np.int64)))
    assert statuses(judge(found, POLICY)) <= {
        Status.INCONCLUSIVE,
        Status.SAME,
        Status.NEGLIGIBLE,
    }
    assert judge(found, POLICY).judgement.verdict(TOTAL).status is Status.INCONCLUSIVE


def test_one_process_that_stalls_does_not_make_the_code_slower() -> None:
    run = separate(1, PROCESSES, "two levels")
    samples = run.samples
    host_ns = samples.host_ns.copy()
    host_ns[(samples.launch == 3) & (samples.side == 1)] *= 14
    judged = judge(replace(run, samples=replace(samples, host_ns=host_ns)), POLICY)
    assert not statuses(judged) & set(CHANGED)


@pytest.mark.parametrize("processes", [FEWEST_SEPARATE, PROCESSES])
def test_a_change_that_every_process_shows_is_found(processes: int) -> None:
    found = judge(separate(3, processes, "each stage alone", change=100.0), POLICY)
    assert found.judgement is not None
    assert found.judgement.verdict(TOTAL).status is Status.SLOWER
    calm = judge(separate(3, processes, "calm", change=1.5), POLICY).judgement
    assert calm is not None
    assert calm.verdict("forward").status is Status.SLOWER


def test_separate_processes_are_the_units_however_many_layouts_each_has() -> None:
    for processes in (FEWEST_SEPARATE, PROCESSES):
        rows = compare(separate(0, processes, "calm"), POLICY).stages
        assert {(row.grounds.unit, row.grounds.units) for row in rows} == {("process", processes)}
        assert {row.grounds.only_large for row in rows} == {processes == FEWEST_SEPARATE}


def test_one_process_for_both_asks_for_layouts_alone() -> None:
    few = replace(separate(0, 2, "two levels", turns=20), shared=True)
    codes = {row.problem and row.problem.code for row in compare(few, POLICY).stages}
    assert "too_few_processes" not in codes


def test_processes_heard_one_after_another_do_not_end_a_run_before_they_can_decide() -> None:
    run = replace(separate(0, 2, "calm", change=2.0, turns=6), ended="decided")
    assert not may_end(run, POLICY, "culprit")
    assert statuses(judge(run, POLICY)) == {Status.INCONCLUSIVE}
