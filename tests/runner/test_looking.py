"""After the turns: what was seen is on the run, what failed is noted, limits are kept."""

from pathlib import Path

import pytest

from depthprof import api
from depthprof.records import Policy, Run, Workload
from depthprof.runner import Plan, Progress, SidePlan, measure, process_group
from depthprof.storage import machine_files
from depthprof.storage.machine_files import LIMITS_FOLDER, kept_limits, write_limits
from depthprof.verdict.decision import judge
from tests.records.gpu import LIMITS, OBSERVED

FAKE = "tests.runner.fake_worker"


def plan(a: str, b: str, observe: bool = True, **options: object) -> Plan:
    sides = tuple(SidePlan(n, v, v, Workload()) for n, v in zip("ab", (a, b), strict=True))
    known: dict[str, object] = {"launches": 1, "budget_s": 0.3, **options}
    return Plan(sides, worker=FAKE, observe=observe, **known)  # type: ignore[arg-type]


def measured(of: Plan, known: bool = False) -> tuple[Run, list[Progress]]:
    told: list[Progress] = []
    limits = {"ab12": LIMITS} if known else {}
    return measure(of, told.append, lambda _: False, limits), told


@pytest.mark.parametrize("separate", [False, True])
def test_both_sides_and_the_machine_are_on_the_run(separate: bool) -> None:
    run, told = measured(plan("ms:1", "ms:2", separate=separate))
    assert run.ended == "budget"
    assert [side.observed for side in run.sides] == [OBSERVED, OBSERVED]
    assert run.limits == LIMITS
    assert [side.notes for side in run.sides] == [(), ()]
    assert [one.launch for one in told if one.phase == "observing"] == [1]  # once, of the first


@pytest.mark.usefixtures("virtual_time")
def test_limits_that_fail_are_noted() -> None:
    run, _ = measured(plan("ms:1", "raise@limits"))
    assert run.limits is None
    assert run.sides[0].notes == ("ms:1: no limits: raise it did",)
    assert run.sides[1].observed == OBSERVED


@pytest.mark.usefixtures("virtual_time")
def test_limits_that_are_known_are_not_measured_again() -> None:
    run, _ = measured(plan("ms:1", "ms:1"), known=True)
    assert run.limits is LIMITS  # the very ones that were handed in


@pytest.mark.usefixtures("virtual_time")
def test_nobody_looks_where_that_was_not_asked_for() -> None:
    run, told = measured(plan("exit@observe", "exit@limits", observe=False))
    assert [side.observed for side in run.sides] == [None, None]
    assert run.limits is None
    assert "observing" not in {one.phase for one in told}


@pytest.mark.usefixtures("virtual_time")
def test_a_side_that_fails_while_looked_at_is_noted_and_the_run_stays() -> None:
    run, _ = measured(plan("ms:1", "raise@observe"))
    assert run.ended == "budget"
    assert not run.failures
    assert run.sides[0].observed == OBSERVED
    assert run.sides[1].observed is None
    assert run.sides[1].notes == ("raise@observe: not observed: raise it did",)
    assert run.limits == LIMITS
    assert judge(run, Policy()).judgement is not None


@pytest.mark.parametrize("variant", ["exit@observe", "hang@observe"])
def test_a_worker_that_is_lost_is_not_asked_again(
    variant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_group, "LOOK_LIMIT_S", 0.5)
    run, _ = measured(plan(variant, "ms:1"))
    assert run.ended == "budget"
    assert not run.failures
    assert [side.observed for side in run.sides] == [None, None]
    assert all("not observed: the worker" in side.notes[0] for side in run.sides)
    assert run.limits is None


def test_with_workers_of_their_own_the_other_side_is_still_looked_at() -> None:
    run, _ = measured(plan("ms:1", "exit@observe", separate=True))
    assert run.sides[0].observed == OBSERVED
    assert run.sides[1].observed is None
    assert run.limits == LIMITS


@pytest.mark.usefixtures("virtual_time")
def test_a_run_that_ended_before_its_time_is_not_looked_at() -> None:
    run, _ = measured(plan("ms:1", "raise@6", budget_s=5))
    assert run.ended == "failed"
    assert run.sides[0].observed is None

    def interrupt(progress: Progress) -> None:
        if progress.pairs == 3:
            raise KeyboardInterrupt

    run = measure(plan("ms:1", "ms:1", budget_s=30), interrupt, lambda _: False)
    assert run.ended == "interrupted"
    assert run.sides[0].observed is None
    assert run.limits is None


@pytest.fixture
def here(virtual_time: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    del virtual_time
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(api, "check_plan", lambda _: None)
    return tmp_path


@pytest.mark.usefixtures("here")
def test_limits_a_run_measured_are_kept_and_known_to_the_next() -> None:
    judged = api.carry_out(plan("ms:1", "ms:1"), Policy())
    assert judged.run.limits == LIMITS
    assert kept_limits(LIMITS_FOLDER) == {"ab12": LIMITS}
    asked: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine_files, "write_limits", asked.append)
        assert api.carry_out(plan("ms:1", "ms:1"), Policy()).run.limits == LIMITS
    assert not asked


@pytest.mark.usefixtures("here")
def test_a_broken_file_is_refused_before_anything_is_measured() -> None:
    write_limits(LIMITS, LIMITS_FOLDER).write_text("{")
    with pytest.raises(ValueError, match="does not hold whole limits"):
        api.carry_out(plan("exit@load", "ms:1"), Policy())
    judged = api.carry_out(plan("ms:1", "ms:1", observe=False), Policy())
    assert judged.run.limits is None  # who looks at nothing needs no limits, broken or not


def test_a_folder_that_cannot_be_written_costs_nothing_but_the_limits(here: Path) -> None:
    (here / ".depthprof").mkdir()
    (here / ".depthprof" / "limits").write_text("in the way")
    assert api.carry_out(plan("ms:1", "ms:1"), Policy()).run.limits == LIMITS
