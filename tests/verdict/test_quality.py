"""Which samples are left out: what the machine did decides, the value never does."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from depthprof.records import (
    STAGES,
    UNKNOWN,
    WITNESSES,
    BlockConditions,
    Interruptions,
    Policy,
    Run,
    Status,
)
from depthprof.verdict import compare, quality
from depthprof.verdict.decision import judge
from depthprof.verdict.quality import OFF_CORE, PREEMPTED, STOLEN, THROTTLED
from tests.runs import simulated

FORWARD = STAGES.index("forward")


def watched(run: Run, *, forced: Any = 0, own: Any = 0, lost_ns: Any = 0) -> Run:
    """The same run, each stage watched; arguments are broadcast to [n, stages]."""
    shape = run.samples.host_ns.shape
    forced, own, lost = (np.broadcast_to(x, shape).astype(np.int64) for x in (forced, own, lost_ns))
    seen = Interruptions(
        forced.sum(axis=1), own.sum(axis=1), run.samples.host_ns - lost, forced, own
    )
    return replace(run, samples=replace(run.samples, interruptions=seen))


def in_blocks(run: Run, **known: Any) -> Run:
    """The same run with conditions of its blocks; UNKNOWN where not given."""
    keys = np.unique(np.stack([run.samples.launch, run.samples.block]), axis=1)
    count = keys.shape[1]
    columns = {name: np.full(count, UNKNOWN) for name in WITNESSES}
    columns |= {n: np.broadcast_to(v, count).astype(np.int64) for n, v in known.items()}
    return replace(run, conditions=BlockConditions(keys[0], keys[1], **columns))


def threaded(run: Run) -> Run:
    return replace(run, sides=tuple(replace(side, threads=4) for side in run.sides))


def some(run: Run, stage: int, every: int) -> np.ndarray[Any, Any]:
    rows = np.zeros(run.samples.host_ns.shape, dtype=np.int64)
    rows[::every, stage] = 1
    return rows


def found(run: Run) -> quality.Soundness:
    return quality.soundness(run)


def test_nothing_is_rejected_where_nobody_asked_or_nothing_happened() -> None:
    run = simulated(turns=5)
    assert not found(run).rejected.any()
    assert not found(watched(run)).rejected.any()
    assert found(watched(run)).by_rule == {}


def test_a_preempted_stage_is_left_out_alone_and_the_whole_with_it() -> None:
    run = simulated(turns=5)
    hit = some(run, FORWARD, 3)
    sound = found(watched(run, forced=hit, lost_ns=hit * 4_000_000))
    assert sound.rejected[:, FORWARD].tolist() == hit[:, FORWARD].astype(bool).tolist()
    assert (sound.rejected[:, -1] == sound.rejected[:, FORWARD]).all()
    assert not sound.rejected[:, 0].any()
    assert sound.by_rule == {PREEMPTED: int(hit.sum())}


def test_a_switch_that_cost_nothing_rejects_nothing() -> None:
    run = simulated(turns=5)
    assert not found(watched(run, forced=1, lost_ns=0)).rejected.any()


def test_a_stage_that_waits_of_its_own_accord_is_not_rejected_by_waiting() -> None:
    run = simulated(turns=5)
    hit = some(run, FORWARD, 1)
    sound = found(watched(run, forced=hit, own=hit, lost_ns=hit * 50_000_000))
    assert not sound.rejected.any()
    assert not sound.by_cpu(FORWARD)


def test_an_unwatched_iteration_is_rejected_as_a_whole() -> None:
    run = simulated(turns=5)
    count = len(run.samples)
    unknown = np.full(run.samples.host_ns.shape, UNKNOWN)
    forced = np.arange(count) % 4 == 0
    seen = Interruptions(forced.astype(np.int64), np.zeros(count, np.int64), *[unknown] * 3)
    sound = found(replace(run, samples=replace(run.samples, interruptions=seen)))
    assert (sound.rejected == forced[:, None]).all()
    assert sound.cpu_ns is None


def test_other_threads_matter_only_where_there_are_several() -> None:
    run = simulated(turns=4, launches=1)
    busy = {"others_involuntary": 3, "pressure_ns": 9_000_000, "wall_ns": 30_000_000}
    assert not found(in_blocks(run, **busy)).rejected.any()
    assert found(in_blocks(threaded(run), **busy)).rejected.all()


def test_what_happens_to_a_block_rejects_the_block() -> None:
    run = threaded(simulated(turns=4, launches=1))
    hit = np.arange(8) == 5
    for rule, known in {
        STOLEN: {"stolen_ns": hit * 10_000_000},
        THROTTLED: {"throttled": hit * 8},
        OFF_CORE: {
            "others_involuntary": hit * 3,
            "pressure_ns": hit * 9_000_000,
            "wall_ns": 30_000_000,
        },
    }.items():
        sound = found(in_blocks(run, **known))
        assert sound.by_rule == {rule: 1}
        assert sound.rejected.all(axis=1).sum() == 1
        assert sound.rejected.any(axis=1).sum() == 1
    calm = {"others_involuntary": hit * 3, "pressure_ns": 1_000, "wall_ns": 30_000_000}
    assert not found(in_blocks(run, **calm)).rejected.any()


def test_one_stolen_tick_rejects_a_short_block_and_not_a_long_one() -> None:
    run = simulated(turns=4, launches=1)
    tick = {"stolen_ns": 10_000_000}
    assert found(in_blocks(run, wall_ns=30_000_000, **tick)).rejected.all()
    assert not found(in_blocks(run, wall_ns=2_500_000_000, **tick)).rejected.any()


def test_a_slow_pipeline_beside_a_neighbour_keeps_its_pairs() -> None:
    run = simulated(turns=4, launches=3, noise=0.002, change={"return": 6.0})
    hit = some(run, FORWARD, 3)  # a third of the forwards lost time: 4 of 12 pairs would go
    lost = hit * 300_000_000
    slow = replace(run, samples=replace(run.samples, host_ns=run.samples.host_ns + lost))
    comparison = judge(watched(slow, forced=hit, lost_ns=lost), Policy()).comparison
    assert comparison is not None
    assert comparison.stage("forward").clock == "cpu"
    assert comparison.stage("forward").pairs == 12
    assert comparison.stage("return").pairs == 12


def test_a_block_whose_gpu_clock_dropped_is_rejected_by_its_own_sides_clock() -> None:
    run = simulated(turns=8, launches=1)
    side = np.arange(16) % 2
    clocks = np.where(side == 0, 1_900, 1_500)  # the heavier side always runs slower: no fault
    assert not found(in_blocks(run, sm_clock_mhz=clocks)).rejected.any()
    clocks[6] = 1_200
    sound = found(in_blocks(run, sm_clock_mhz=clocks))
    assert sound.by_rule == {quality.DROPPED: 1}


def test_mostly_preempted_stages_are_judged_by_cpu_time_on_one_thread() -> None:
    run = simulated(turns=12, change={"forward": 1.2})
    noise = np.random.default_rng(0).exponential(20e6, len(run.samples))
    hit = some(run, FORWARD, 1)
    lost = hit * noise[:, None].astype(np.int64)
    true_ns = run.samples.host_ns
    slowed = replace(run, samples=replace(run.samples, host_ns=true_ns + lost))
    disturbed = watched(slowed, forced=hit, lost_ns=lost)
    judged = judge(disturbed, Policy())
    assert judged.comparison is not None
    assert judged.judgement is not None
    row = judged.comparison.stage("forward")
    assert row.clock == "cpu"
    assert row.rejected_ratio > 0.9
    assert row.ratio is not None
    assert row.ratio.value == pytest.approx(1.2, rel=0.02)
    assert judged.judgement.culprit == "forward"
    assert judged.comparison.stage("preprocess").clock == "host"


def test_too_many_rejected_are_inconclusive_and_the_background_load_is_named() -> None:
    run = threaded(simulated(turns=20, change={"forward": 1.5}))
    hit = some(run, FORWARD, 1)
    run = watched(run, forced=hit, lost_ns=hit * 4_000_000)
    run = replace(run, environment=replace(run.environment, cpu_cores=2))
    run = in_blocks(run, wall_ns=100, cpu_ns=100, busy_ns=180)
    judged = judge(run, Policy())
    assert judged.judgement is not None
    verdict = judged.judgement.verdict("forward")
    assert verdict.status is Status.INCONCLUSIVE
    assert verdict.reason.code == "spoilt"
    assert "100 % of a side's samples were rejected" in verdict.reason.text
    assert "other processes used 40 % of the CPU" in verdict.reason.text


def test_one_side_that_is_mostly_rejected_is_not_made_good_by_the_other() -> None:
    layouts = [0.8, 1.2, 0.9, 1.1, 1.0, 1.0]
    run = threaded(simulated(turns=20, change={"forward": 1.5}, launch_change=layouts))
    assert compare(run, Policy()).stage("forward").grounds.unit == "process"
    of_candidate = np.asarray([block % 2 == 1 and block > 4 for block in range(40)] * 6)
    run = in_blocks(run, wall_ns=100, throttled=of_candidate)
    assert found(run).rejected.mean() < quality.MOST_REJECTED_RATIO
    judged = judge(run, Policy())
    assert judged.judgement is not None
    assert judged.judgement.verdict("forward").reason.code == "spoilt"


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100))
@example(4803739, 0.03125)
def test_the_rules_never_look_at_the_value(seed: int, factor: float) -> None:
    # Every length and every time lost scaled alike is the same machine: the same samples go.
    run = simulated(turns=6)
    random = np.random.default_rng(seed)
    forced = random.integers(0, 2, run.samples.host_ns.shape)
    lost = (run.samples.host_ns * random.uniform(0, 0.9, forced.shape)).astype(np.int64) * forced
    larger = replace(
        run,
        samples=replace(run.samples, host_ns=(run.samples.host_ns * factor).astype(np.int64)),
    )
    one = found(watched(run, forced=forced, lost_ns=lost)).rejected
    other = found(watched(larger, forced=forced, lost_ns=(lost * factor).astype(np.int64))).rejected
    # Of the shortest, and of what lost just as much as is allowed, rounding to nanoseconds decides.
    long = run.samples.host_ns > 100_000
    plain = np.abs(lost / run.samples.host_ns - quality.LOST_RATIO) > 0.003
    assert (one[:, :-1] == other[:, :-1])[long & plain].all()


def test_shares_of_the_machine_are_unknown_where_the_system_is_silent() -> None:
    run = simulated(turns=2)
    assert quality.background_load_ratio(run) is None
    assert quality.background_load_ratio(in_blocks(run)) is None
    assert compare(run, Policy()).background_load_ratio is None
