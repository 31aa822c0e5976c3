"""Data that are odd, each by its name: the verdict says what is wrong, and nothing raises."""

from dataclasses import replace
from time import process_time

import numpy as np
import pytest

from depthprof.records import (
    STAGES,
    TOTAL,
    WARM_UP_TURN,
    Estimate,
    Policy,
    Result,
    Run,
    Status,
)
from depthprof.report.summary import summary
from depthprof.verdict.decision import decide_stage, judge
from depthprof.verdict.stopping import may_end
from tests.runs import TYPICAL_NS, places_of, simulated, with_samples

POLICY = Policy()


def judged(run: Run) -> Result:
    found = judge(run, POLICY)
    assert summary(found)["exit_code"] == found.exit_code  # and it can be told
    return found


def status(found: Result, stage: str) -> tuple[Status, str]:
    assert found.judgement is not None
    verdict = found.judgement.verdict(stage)
    assert verdict.reason.text
    return verdict.status, verdict.reason.code


def constant(factor: float = 1.0, turns: int = 20) -> Run:
    run = simulated(turns=turns)
    rows = [np.asarray(TYPICAL_NS) * (factor if side else 1) for side in run.samples.side]
    return with_samples(run, places_of(run), rows)


def changed(run: Run, side: int, stage: str, value: int) -> Run:
    host = run.samples.host_ns.copy()
    host[run.samples.side == side, STAGES.index(stage)] = value
    return replace(run, samples=replace(run.samples, host_ns=host))


def test_constant_samples_have_intervals_of_no_width() -> None:
    assert judged(constant()).exit_code == 0
    found = judged(constant(2.0))
    assert status(found, "forward") == (Status.SLOWER, "above_threshold")
    assert found.judgement is not None
    assert found.judgement.culprit == "forward"


def test_one_sample_decides_nothing() -> None:
    run = simulated(turns=1, launches=1)
    assert status(judged(run), "forward") == (Status.INCONCLUSIVE, "too_few_pairs")
    first = with_samples(run, places_of(run)[:1], run.samples.host_ns[:1])
    assert status(judged(first), "forward") == (Status.INCONCLUSIVE, "too_few_pairs")


def test_unequal_counts_are_paired_as_far_as_they_go() -> None:
    run = simulated(turns=30, iterations=3)
    random = np.random.default_rng(0)
    keep = (random.random(len(run.samples)) > 0.3) | (run.samples.side == 0)
    places = [place for place, kept in zip(places_of(run), keep, strict=True) if kept]
    found = judged(with_samples(run, places, run.samples.host_ns[keep]))
    assert found.exit_code == 0
    half = [p for p in places_of(run) if p[3] == 0 or p[1] < 15]
    rows = [r for p, r in zip(places_of(run), run.samples.host_ns, strict=True) if p in half]
    found = judged(with_samples(run, half, rows))
    assert found.comparison is not None
    assert found.comparison.stage("forward").pairs == 6 * 15
    assert found.comparison.skipped.by_rule == {"block without its partner": 6 * 15 * 3}


def test_stages_of_no_length_have_no_ratio_but_a_difference() -> None:
    run = simulated(turns=20)
    both = changed(changed(run, 0, "sync", 0), 1, "sync", 0)
    assert status(judged(both), "sync") == (Status.SAME, "within_floor")
    one = changed(changed(run, 0, "h2d", 0), 1, "h2d", 5_000_000)
    assert status(judged(one), "h2d") == (Status.INCONCLUSIVE, "zero_length")


def test_a_stage_that_one_side_lacks_is_incomparable() -> None:
    found = judged(changed(simulated(turns=20), 1, "d2h", -1))
    assert status(found, "d2h") == (Status.INCOMPARABLE, "absent_stage")
    assert status(found, "forward")[0] is Status.SAME
    assert status(found, TOTAL) == (Status.INCOMPARABLE, "absent_stage")
    assert found.judgement is not None
    assert "faster" not in found.judgement.sentence


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_intervals_without_bounds_are_inconclusive(broken: float) -> None:
    row = judge(simulated(turns=20), POLICY).comparison
    assert row is not None
    forward = row.stage("forward")
    for odd in (
        replace(forward, ratio=Estimate(1.0, broken, broken, 0.99)),
        replace(forward, grounds=replace(forward.grounds, same_ns=Estimate(broken, 0, 0, 0.99))),
        replace(forward, grounds=replace(forward.grounds, change=Estimate(broken, 0, 0, 0.99))),
    ):
        found, reason = decide_stage(odd, POLICY)
        assert (found, reason.code) == (Status.INCONCLUSIVE, "not_finite")


def test_nothing_but_warm_up_is_inconclusive() -> None:
    run = simulated(turns=3)
    places = [[p[0], WARM_UP_TURN, *p[2:]] for p in places_of(run)]
    found = judged(with_samples(run, places, run.samples.host_ns))
    assert status(found, "forward") == (Status.INCONCLUSIVE, "too_few_pairs")


def first_turns(run: Run, turns: int) -> Run:
    """A run as it was after so many turns of each launch."""
    kept = np.flatnonzero(run.samples.turn < turns)
    places = places_of(run)
    return with_samples(run, [places[row] for row in kept], run.samples.host_ns[kept])


def test_stopping_at_the_first_pleasing_look_keeps_the_promise() -> None:
    # Identical code, judged again and again as it grows and stopped at the first decision other
    # than SAME: without a threshold to help, at most 0.2 % of rows may ever say SLOWER or FASTER,
    # which is one of 60 runs; three have a chance of 6 %.
    policy = Policy(threshold_ratio=1e-9, floor_ns=0)
    alarms = 0
    for seed in range(60):
        run = simulated(turns=9, noise=0.05, seed=seed)
        for turns in (1, 2, 3, 6, 9):
            ended = "budget" if turns == 9 else "decided"
            found = judge(replace(first_turns(run, turns), ended=ended), policy)
            assert found.judgement is not None
            if {Status.SLOWER, Status.FASTER} & {v.status for v in found.judgement.verdicts}:
                alarms += 1
                break
    assert alarms <= 2


def test_judging_8_stages_of_10000_samples_takes_no_longer_than_a_second() -> None:
    run = simulated(turns=417, launches=3, iterations=4)
    assert len(run.samples) > 10_000
    start = process_time()  # CPU time: neighbours do not count
    judge(run, POLICY)
    assert process_time() - start <= 1.0
    start = process_time()
    may_end(replace(run, ended="decided"), POLICY)
    assert process_time() - start <= 1.0
