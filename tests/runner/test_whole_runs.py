"""Whole runs in real processes, with a worker that is not torch: budget, losses, hanging."""

from collections import Counter

import pytest

from depthprof import errors
from depthprof.records import WARM_UP_TURN, Policy
from depthprof.runner import process_group
from depthprof.verdict.decision import judge
from tests.runner.test_schedule import measured, plan


def test_a_run_measures_in_every_process_and_spends_its_budget() -> None:
    run, told = measured(plan("ms:2", "ms:4"))
    assert run.ended == "budget"
    assert [item.index for item in run.launches] == [0, 1, 2]
    assert len({item.padding_bytes for item in run.launches}) == 3
    judged = run.samples.turn != WARM_UP_TURN
    blocks = Counter(zip(run.samples.launch[judged], run.samples.turn[judged], strict=True))
    per_block = {item.index: item.iterations_per_block for item in run.launches}
    assert all(count == 2 * per_block[int(where[0])] for where, count in blocks.items())
    spent_s = run.samples.host_ns[judged].sum() / 1e9
    assert 0.1 <= spent_s <= 1.2
    assert all(item.segments and item.new_layouts for item in run.launches)
    assert {item.phase for item in told} == {"starting", "warming up", "measuring"}
    assert told[-1].pairs == len(blocks) - 1  # told after each block, the last turn not yet over
    assert told[-1].left_s < told[0].left_s <= 0.6


@pytest.mark.parametrize(
    ("variant", "code", "said"),
    [
        ("exit@6", "worker_lost", "exit code 7"),
        ("kill@6", "worker_lost", "memory ran out"),
    ],
)
def test_a_lost_worker_is_a_finding_and_what_was_measured_stays(
    variant: str, code: str, said: str
) -> None:
    run, _ = measured(plan("ms:1", variant, budget_s=5))
    assert run.ended == "failed"
    assert [(item.code, item.side) for item in run.failures] == [(code, "b")]
    assert said in run.failures[0].text
    assert (run.samples.turn != WARM_UP_TURN).any()
    assert judge(run, Policy()).exit_code == 2


def test_a_worker_lost_before_anything_was_measured_is_a_refusal() -> None:
    with pytest.raises(errors.WorkerLost):
        measured(plan("ms:1", "exit@load"))


def test_a_hanging_side_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_group, "BLOCK_LIMIT_S", 1.0)
    run, _ = measured(plan("ms:1", "hang@6", budget_s=5))
    assert [(item.code, item.side) for item in run.failures] == [("worker_lost", "b")]
    assert "no answer within 1 s" in run.failures[0].text
