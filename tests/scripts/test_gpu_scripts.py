"""The scripts for machines with a GPU, tried where there is none."""

import json
import sys
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from depthprof.records import STAGES, Run
from scripts import gpu_acceptance, gpu_same, overhead, telemetry_cost
from scripts.gpu_acceptance import NOT_RUN, TIMED_OUT, Outcome, keep_reports, readme, run_check
from scripts.gpu_checks import ROOT, TOTAL_S, Check, checks, described
from tests.runs import simulated


def test_the_time_table_of_a_whole_run_adds_up_to_less_than_nine_minutes(tmp_path: Path) -> None:
    listed = checks("cuda", False, tmp_path, tmp_path)
    assert 400 < sum(check.limit_s for check in listed) < TOTAL_S < 540
    assert len({check.name for check in listed}) == len(listed)
    assert [check.takes_rest for check in listed] == [False] * (len(listed) - 1) + [True]
    assert all(check.limit_s > 0 for check in listed)


@pytest.mark.parametrize("quick", [False, True])
def test_every_check_runs_something_that_is_there_or_is_left_out_by_its_path(
    quick: bool, tmp_path: Path
) -> None:
    for check in checks("cuda", quick, tmp_path, tmp_path):
        assert check.words[0] == "-m"
        if check.words[1].startswith("scripts."):
            assert check.needs or (ROOT / "scripts" / f"{check.words[1][8:]}.py").exists()
        assert all((ROOT / word).exists() for word in check.words if word.endswith(".py"))
        assert str(tmp_path) not in described(check.words, tmp_path)


def check(code: str, limit_s: float = 30.0, **more: Any) -> Check:
    return Check("tried", ("-c", code), limit_s, **more)


def test_a_check_passes_fails_or_is_stopped_and_its_text_is_kept(tmp_path: Path) -> None:
    found = run_check(check("print('said')"), 100, tmp_path, 70)
    assert (found.passed, found.code, found.limit_s) == (True, 0, 30)
    assert (tmp_path / "tried.txt").read_text() == "said\n"
    found = run_check(check("raise SystemExit(3)"), 100, tmp_path)
    assert (found.passed, found.code) == (False, 3)
    assert run_check(check("raise SystemExit(3)", allowed=(0, 3)), 100, tmp_path).passed
    found = run_check(check("import time; time.sleep(60)", limit_s=0.2), 100, tmp_path, 99.8)
    assert (found.passed, found.code) == (False, TIMED_OUT)
    assert "stopped after" in found.note


def test_a_check_for_which_no_time_is_left_is_not_begun(tmp_path: Path) -> None:
    found = run_check(check("open('there', 'w')"), 3, tmp_path)
    assert (found.passed, found.code, found.note) == (False, NOT_RUN, "no time was left")
    assert list(tmp_path.iterdir()) == []


def test_a_check_may_take_longer_where_others_took_less(tmp_path: Path) -> None:
    slow = check("import time; time.sleep(1)", limit_s=0.1)
    assert run_check(slow, 40, tmp_path, owed_s=30).passed
    assert run_check(slow, 40, tmp_path, owed_s=39.9).code == TIMED_OUT


def test_later_checks_keep_their_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = [check("", limit_s=limit_s) for limit_s in (50, 200, 30)]
    owed = []

    def run(one: Check, left_s: float, _: Path, owed_s: float) -> Outcome:
        owed.append(owed_s)
        return Outcome(one.name, "", 0, 0.0, left_s, True)

    monkeypatch.setattr(gpu_acceptance, "checks", lambda *_: listed)
    monkeypatch.setattr(gpu_acceptance, "environment", lambda _: {"gpu": "none"})
    monkeypatch.setattr(gpu_acceptance, "run_check", run)
    monkeypatch.setattr(gpu_acceptance, "readme", lambda *_: "")
    assert gpu_acceptance.accept("cpu", True, tmp_path) == 0
    assert owed == [230, 30, 0]


@pytest.mark.parametrize(
    ("low", "high", "code"), [(0.999, 1.004, 0), (0.99, 1.02, 4), (1.006, 1.02, 1)]
)
def test_a_cost_is_held_missed_or_open(low: float, high: float, code: int) -> None:
    assert telemetry_cost.exit_code({"low": low, "value": 1.0, "high": high}) == code


def test_what_takes_the_rest_is_told_how_much_that_is(tmp_path: Path) -> None:
    told = check("import sys; print(sys.argv[1:])", limit_s=0, takes_rest=True)
    assert run_check(told, 65, tmp_path).passed
    assert (tmp_path / "tried.txt").read_text() == "['--seconds', '60']\n"
    needs_more = check("", limit_s=70, takes_rest=True)
    assert run_check(needs_more, 65, tmp_path).note == "no time was left"


def test_reports_are_flattened_and_runs_packed(tmp_path: Path) -> None:
    work, out = tmp_path / "work", tmp_path / "out"
    for name in ("first", "second"):
        folder = work / name / "20260101-v1"
        folder.mkdir(parents=True)
        for file in ("run.json", "report.html", "report.md", "waterfall.png", "waterfall.svg"):
            (folder / file).write_text(name)
    out.mkdir()
    keep_reports(work, out)
    assert (out / "first.html").read_text() == "first"
    assert (out / "plots" / "second-waterfall.png").read_text() == "second"
    with tarfile.open(out / "runs.tar.gz") as archive:
        assert archive.getnames() == ["first/run.json", "second/run.json"]
    assert all(len(path.relative_to(out).parts) <= 2 for path in out.rglob("*"))


def test_the_page_says_what_failed_with_its_text(tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text("fine")
    (tmp_path / "bad.txt").write_text("it broke ```here")
    outcomes = [
        Outcome("good", "python -m good", 0, 1.0, 10.0, True),
        Outcome("bad", "python -m bad", 7, 2.0, 10.0, False),
        Outcome("late", "python -m late", NOT_RUN, 0.0, 10.0, False, "no time was left"),
    ]
    page = readme(outcomes, set(), {"gpu": "NVIDIA H200", "commit": None}, tmp_path)
    assert page.startswith("# GPU acceptance: failed: bad, late\n")
    assert "| late | NO | no time was left |" in page
    assert "it broke '''here" in page
    assert "fine" not in page
    assert "| gpu | NVIDIA H200 |" in page
    assert "commit" not in page
    assert "fine" in readme(outcomes[:1], {"good"}, {}, tmp_path)
    assert readme(outcomes[:1], set(), {}, tmp_path).startswith(
        "# GPU acceptance: 1 checks ran, none failed"
    )


def test_everything_is_written_even_where_checks_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = [check("raise SystemExit(9)"), Check("missing", ("-c", ""), 1, needs="scripts/no.py")]
    monkeypatch.setattr(gpu_acceptance, "checks", lambda *_: listed)
    monkeypatch.setattr(gpu_acceptance, "environment", lambda _: {"gpu": "none"})
    assert gpu_acceptance.accept("cpu", True, tmp_path / "out") == 1
    document = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert document["passed"] is False
    assert [(one["check"], one["code"]) for one in document["checks"]] == [("tried", 9)]
    assert "failed: tried" in capsys.readouterr().out
    monkeypatch.setattr(gpu_acceptance, "environment", lambda _: None)
    assert gpu_acceptance.accept("cuda", False, tmp_path / "none") == 2
    assert not (tmp_path / "none").exists()


@given(st.integers(0, 3_000), st.integers(0, 3_000))
def test_the_interval_is_wilsons(hits: int, more: int) -> None:
    trials = hits + more
    low, high = gpu_same.wilson(hits, trials)
    if not trials:
        assert (low, high) == (0.0, 1.0)
        return
    theirs = binomtest(hits, trials).proportion_ci(0.95, method="wilson")
    assert low == pytest.approx(theirs.low, abs=1e-6)
    assert high == pytest.approx(theirs.high, abs=1e-6)


def turned(turns: int, launches: int = 3) -> Run:
    """A run of identical code whose launches say how many turns they took."""
    run = simulated(turns=turns, launches=launches)
    return replace(run, launches=tuple(replace(one, turns=turns) for one in run.launches))


@settings(max_examples=20)
@given(st.integers(1, 17), st.integers(1, 6))
def test_a_run_is_cut_into_whole_comparisons_without_overlap(taken: int, turns: int) -> None:
    run = turned(taken)
    pieces = gpu_same.cut(run, turns)
    assert len(pieces) == taken // turns
    seen = [set(np.unique(piece.samples.turn)) for piece in pieces]
    assert all(len(turns_of) == turns for turns_of in seen)
    assert len(set().union(*seen)) == turns * len(pieces)
    for piece in pieces:
        assert len(piece.samples) == turns * 3 * 2
        assert piece.samples.host_ns.shape[1] == len(STAGES)


def test_sets_are_counted_until_another_would_not_fit() -> None:
    now = [0.0]
    taken: list[tuple[int, str]] = []

    def take(number: int, way: str) -> Run:
        taken.append((number, way))
        now[0] += 10
        return turned(8)

    found = gpu_same.count("shared", 35, take, 4, lambda: now[0])
    assert taken == [(0, "shared"), (1, "shared"), (2, "shared")]
    assert (found.sets, found.comparisons, found.trials) == (3, 6, 48)
    assert found.alarms == 0
    assert gpu_same.reached(found) is None  # too few to say
    assert "0 false alarms in 48 stage comparisons" in gpu_same.line(found)
    assert gpu_same.count("shared", 1, take, 4, lambda: now[0]).sets == 1
    nothing = gpu_same.count("shared", 1, take, 9, lambda: now[0])
    assert nothing.trials == 0
    assert gpu_same.reached(nothing) is False


def test_alarms_are_counted_by_stage_and_held_against_the_goal() -> None:
    def take(number: int, way: str) -> Run:
        del number, way
        run = turned(8)
        slowed = run.samples.host_ns.copy()
        slowed[run.samples.side == 1, STAGES.index("forward")] *= 2
        samples = type(run.samples)(
            *(getattr(run.samples, n) for n in ("launch", "turn", "block", "side", "start_ns")),
            host_ns=slowed,
        )
        values = {name: getattr(run, name) for name in Run.__dataclass_fields__}
        return Run(**{**values, "samples": samples})

    found = gpu_same.count("separate", 0, take, 4)
    assert found.by_stage == {"forward": 2, "total": 2}
    assert found.alarms == 4
    assert gpu_same.reached(found) is False


@pytest.mark.parametrize("way", gpu_same.WAYS)
def test_both_sides_of_a_set_are_the_same_code(way: str) -> None:
    plans = [gpu_same.plan_of(number, way, "cuda", 5, None) for number in range(4)]
    for plan in plans:
        first, second = plan.sides
        assert (first.variant, first.workload) == (second.variant, second.workload)
        assert plan.shared == (way == "shared")
    subjects = {(plan.sides[0].variant, plan.sides[0].workload.input_size) for plan in plans}
    assert len(subjects) == 4


def test_marks_add_less_than_another_timer_around_the_same_calls() -> None:
    ours, watched, theirs = overhead.overheads("empty", overhead.Empty(), "cpu", turns=5)
    assert (ours.timer, watched.timer) == (overhead.OURS, overhead.WATCHED)
    assert ours.added_ns < min(watched.added_ns, theirs.added_ns)
    lines = overhead.verdicts([ours, theirs], "cpu")
    assert lines[-1][2]
    assert ours.inside_ns is not None
    assert 0 < ours.inside_ns <= ours.added_ns + ours.bare_ns


def test_an_overhead_above_its_goal_or_another_timer_is_a_miss() -> None:
    ours = overhead.Overhead("depthprof", "tiny", 41_000, 1)
    less = overhead.Overhead("torch.utils.benchmark", "tiny", 40_000, 1)
    slow = overhead.Overhead("torch.utils.benchmark", "empty", 40_000, 1)
    more = overhead.Overhead("triton", "tiny", 42_000, 1)
    reached = [ok for _, _, ok in overhead.verdicts([ours, less, more], "cuda:0")]
    assert reached == [False, False, False, True]
    inside = overhead.Overhead("depthprof", "empty", 4_000, 1, 2_000)
    assert [ok for _, _, ok in overhead.verdicts([inside, slow], "cpu")] == [True, True]
    watched = overhead.Overhead(overhead.WATCHED, "empty", 12_000, 1, 9_000)
    assert [ok for _, _, ok in overhead.verdicts([watched, slow], "cpu")] == [True]
    assert [ok for _, _, ok in overhead.verdicts([watched, slow], "cuda:0")] == [True, True, True]


def test_the_interpreter_is_the_one_that_runs_this() -> None:
    from scripts.gpu_checks import interpreter

    assert interpreter() == sys.executable
