"""The study itself: its cells, its injections, its exact device, its tables."""

import json
import time
from collections import Counter
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import pytest

from depthprof.errors import BadInput, BadRunFile
from depthprof.records import STAGES, Policy
from depthprof.verdict.evidence import evidence
from scripts.study import injection as injecting
from scripts.study import tables
from scripts.study.__main__ import SIZES, cells, main
from scripts.study.cells import CONDITIONS, GENERATION, WORLDS, Cell
from scripts.study.findings import write_findings
from scripts.study.goals import goals
from scripts.study.injection import (
    METHODS,
    Injection,
    Slowed,
    Work,
    _counted,
    kept_work,
    shared_work,
)
from scripts.study.light import Light
from scripts.study.store import FILE, Store
from scripts.study.taking import row_of, take, variants
from scripts.study.virtual import DEVICE_NS, DRIFT_RATIO, HOST_NS, virtual_run


@pytest.fixture(autouse=True)
def _short_rehearsals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(injecting, "REHEARSAL_NS", 100_000_000)
    monkeypatch.setattr(injecting, "FEWEST_REHEARSALS", 8)
    monkeypatch.setattr(injecting, "TRIALS", 2)


def virtual(arm: str = "aa", injection: Injection | None = None, condition: str = "quiet") -> Cell:
    return Cell("virtual", condition, arm, injection, 0)


def test_every_cell_has_a_name_of_its_own_and_every_arm_its_share() -> None:
    every = list(cells(WORLDS, CONDITIONS))
    assert len({cell.name for cell in every}) == len(every)
    assert set(SIZES) == {(world, condition) for world in WORLDS for condition in CONDITIONS}
    arms = Counter((cell.world, cell.condition, cell.arm) for cell in every)
    for condition in CONDITIONS:
        same = arms["light", condition, "aa"] + arms["light", condition, "placebo"]
        assert 7 * same >= 1_000  # stage comparisons, without the total
    assert sum(arms[w, c, "injected"] for w in WORLDS for c in CONDITIONS) >= 300
    slowed = {cell.injection.stage for cell in every if cell.injection}
    assert slowed == set(METHODS)
    kinds = {cell.injection.kind for cell in every if cell.injection}
    assert kinds == {"busy", "copies", "sleep"}


def test_an_injection_has_a_name_that_can_be_read_back() -> None:
    injection = Injection("forward", "busy", 0.05)
    assert str(injection) == "forward-busy-5"
    assert Injection.named("forward-busy-5") == injection
    for wrong in ("sync-busy-5", "forward-magic-5"):
        with pytest.raises(ValueError, match="no such injection"):
            Injection.named(wrong)


@pytest.mark.parametrize("kind", ["busy", "copies"])
def test_added_work_grows_with_what_was_asked(kind: str) -> None:
    # CPU time and a ratio within the test: neighbours and the machine's speed cancel out.
    def cpu_ns(ns: float) -> float:
        work = Work(f"return-{kind}-1", *_counted(ns, kind), 0.0, ns, ns, ns).made()
        taken = []
        for _ in range(30):
            start = time.thread_time_ns()
            work()
            taken.append(time.thread_time_ns() - start)
        return median(taken)

    assert 5 <= cpu_ns(2_000_000) / cpu_ns(200_000) <= 20


def test_only_the_slowed_stage_is_touched() -> None:
    picture = np.zeros((600, 512, 3), dtype=np.uint8)
    light = Light()
    tried = [Slowed(light, Injection("return", "busy", 1.0), picture) for _ in range(3)]
    for stage, method in METHODS.items():
        same = getattr(tried[0], method) == getattr(light, method)
        assert same is (stage != "return")
    works = [slowed.work for slowed in tried]
    assert all(work.asked_ns == work.stage_ns > 0 for work in works)
    # As rehearsed in its place; one rehearsal of three may be spoilt by a neighbour.
    assert 0.5 <= median(work.added_ns / work.asked_ns for work in works) <= 2


@pytest.mark.parametrize("kind", ["busy", "copies", "sleep"])
def test_all_launches_of_a_comparison_add_what_the_first_one_rehearsed(kind: str) -> None:
    picture = np.zeros((600, 512, 3), dtype=np.uint8)
    injection = Injection("return", kind, 0.5)
    with shared_work() as file:
        assert kept_work(file) is None
        first, second = (Slowed(Light(), injection, picture) for _ in range(2))
        assert kept_work(file) == first.work == second.work
        other = Slowed(Light(), Injection("preprocess", kind, 0.5), picture)
        assert other.work.injection == f"preprocess-{kind}-50"
    assert kept_work(file) is None
    first.work.made()()


def test_variants_say_what_differs() -> None:
    injection = Injection("h2d", "copies", 1.0)
    assert variants(Cell("light", "quiet", "aa", None, 0)) == ("light", "light")
    assert variants(Cell("light", "shuffled", "placebo", None, 0)) == (
        "light:shuffled",
        "light:shuffled:placebo",
    )
    assert variants(Cell("light", "loaded", "injected", injection, 0))[1] == "light:h2d-copies-100"
    module = "scripts.study.injected:"
    assert variants(Cell("real", "shuffled", "injected", injection, 0)) == (
        f"{module}shuffled_aa",
        f"{module}shuffled_h2d_copies_100",
    )


def test_the_virtual_device_is_asynchronous_and_true() -> None:
    run = virtual_run(virtual(), Policy())
    known = evidence(run)
    centres = dict(zip((*STAGES, "total"), np.nanmedian(known.judged_ns, axis=0), strict=True))
    clocks = dict(zip((*STAGES, "total"), known.clocks, strict=True))
    for stage, ns in {**HOST_NS, **DEVICE_NS}.items():
        assert centres[stage] == pytest.approx(ns, rel=DRIFT_RATIO + 0.01)
        assert clocks[stage] == ("device" if stage in DEVICE_NS else "host")
    assert centres["sync"] == pytest.approx(
        5_000_000 + 100_000, rel=DRIFT_RATIO + 0.03
    )  # less the launches


@pytest.mark.parametrize("stage", ["preprocess", "forward", "d2h"])
def test_a_slowed_virtual_stage_is_named(stage: str) -> None:
    judged, row = take(virtual("injected", Injection(stage, "busy", 1.0)), 1.0)
    assert row["culprit"] == stage
    assert row == {**row_of(virtual("injected", Injection(stage, "busy", 1.0)), judged), **row}
    assert json.loads(json.dumps(row, allow_nan=False)) == row


def test_identical_virtual_code_is_the_same_even_if_preempted() -> None:
    for condition in CONDITIONS:
        _, row = take(virtual(condition=condition), 1.0)
        assert row["culprit"] is None
        statuses = {found["status"] for found in row["stages"].values()}
        assert statuses <= {"SAME", "INCONCLUSIVE"}
        assert "INCONCLUSIVE" not in statuses or condition == "loaded"


def test_rates_have_exact_intervals() -> None:
    assert tables.rate(0, 1_000)["high"] == pytest.approx(0.00368, rel=0.01)
    assert tables.rate(0, 0)["high"] == 1.0
    assert tables.rate(5, 10)["rate"] == 0.5


def test_tables_count_what_happened(tmp_path: Path) -> None:
    store = Store(tmp_path / "study", tmp_path / "samples")
    for injection in (None, Injection("forward", "busy", 0.05), Injection("forward", "busy", 1.0)):
        arm = "aa" if injection is None else "injected"
        judged, row = take(virtual(arm, injection), 1.0)
        store.add(row, judged.run)
    rows = store.rows()
    assert len(rows) == 3
    stages, comparisons = tables.stage_table(rows), tables.comparison_table(rows)
    assert tables.false_alarms(stages, ["world"]).to_dict("records")[0]["trials"] == 8
    power = tables.power(stages)
    assert power.trials.tolist() == [1, 1]
    assert power.hits.tolist() == [1, 1]
    right = tables.attribution(comparisons)
    assert right.hits.tolist() == [2, 2]
    write_findings(store)
    page = (store.folder / "README.md").read_text()
    assert "0 of 8" in page
    assert "| +5 % of 1 ms or more: called SLOWER, virtual, quiet | 95 % | 1 of 1 (2.5 % to" in page
    assert "| culprit named right when one is named, all | 100 % of 300 or more | 2 of 2" in page
    assert (store.folder / "power.png").stat().st_size > 1_000
    assert len(pd.read_csv(store.folder / "power.csv")) == 2
    assert len(list((tmp_path / "samples").iterdir())) == 3


def test_a_study_that_was_stopped_goes_on_after_its_last_whole_result(tmp_path: Path) -> None:
    store = Store(tmp_path)
    judged, row = take(virtual(), 1.0)
    store.add(row, judged.run)
    with (tmp_path / FILE).open("a") as file:
        file.write('{"name": "cut sho')  # as a study that was stopped leaves it
    assert store.rows() == [row]
    store.add(row | {"name": "next"}, judged.run)
    assert [one["name"] for one in store.rows()] == [row["name"], "next"]
    broken = (tmp_path / FILE).read_text().replace('{"name"', '{"name', 1)
    (tmp_path / FILE).write_text(broken)
    with pytest.raises(BadRunFile, match="line 1 is not JSON"):
        store.rows()


def test_one_command_takes_what_is_missing_and_reports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(tmp_path), "--worlds", "virtual", "--conditions", "quiet"]
    assert main([*words, "--arms", "aa,placebo", "--sizes", "0,0,2,0"]) == 0
    first = Store(tmp_path).rows()
    assert [row["arm"] for row in first] == ["placebo", "aa"]
    assert capsys.readouterr().out.count("\n") == 2
    assert main([*words, "--sizes", "0,1,3,0", "--samples", str(tmp_path / "samples")]) == 0
    rows = Store(tmp_path).rows()
    assert rows[:2] == first  # they were not taken again
    assert len({row["name"] for row in rows}) == len(rows) == 12
    page = (tmp_path / "README.md").read_text()
    assert "12 comparisons on a device in virtual time" in page
    assert f"| virtual | quiet | injected | {GENERATION} | - | 6 |" in page
    (tmp_path / "README.md").unlink()
    assert main([str(tmp_path), "--report-only"]) == 0
    assert (tmp_path / "README.md").read_text() == page


@pytest.mark.parametrize("words", [["--sizes", "1,2"], ["--sizes", "1,2,x,4"]])
def test_counts_that_are_none_are_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["nowhere", *words])
    assert f'whole numbers with commas between them are needed, not "{words[1]}"' in (
        " ".join(capsys.readouterr().err.split())
    )


def test_goals_stand_beside_what_was_seen_by_condition_and_budget() -> None:
    same = {"world": "light", "arm": "aa", "stage": "forward", "injected": None, "status": "SAME"}
    more = {"added_ratio": None, "baseline_ns": 5e6, "low": 0.9, "high": 1.1}
    stages = [
        same | more | {"condition": condition, "budget_s": budget_s}
        for condition, budget_s in (("quiet", 3.0), ("quiet", 60.0), ("disturbed", 60.0))
    ]
    stages[2]["status"] = "SLOWER"
    times = {"measured_s": None, "alarms": 0, "culprit": None}
    comparisons = pd.DataFrame([stage | times for stage in stages])
    found = goals(pd.DataFrame(stages), comparisons)
    counts = dict(zip(found.figure, zip(found.hits, found.trials, strict=True), strict=False))
    clocks = "false alarms a stage comparison, real clocks"
    assert counts[f"{clocks}, quiet"] == (0, 2)
    assert counts[f"{clocks}, quiet or disturbed"] == (1, 3)
    assert found.figure.tolist()[1:3] == ["the same, quiet, of 3 s", "the same, quiet, of 60 s"]
    assert not any("loaded" in figure for figure in found.figure)


def test_results_of_the_first_study_which_had_no_budgets_can_be_reported(tmp_path: Path) -> None:
    store = Store(tmp_path)
    judged, row = take(virtual(), 1.0)
    old = {name: row[name] for name in row if name not in ("budget_s", "generation", "machine")}
    store.add(old | {"world": "light"}, judged.run)
    write_findings(store)
    page = (tmp_path / "README.md").read_text()
    assert "1 comparisons on a machine that was not noted" in page
    assert "| light | quiet | aa | 0 | - | 1 |" in page


def test_a_folder_of_another_generation_is_not_gone_on_with(tmp_path: Path) -> None:
    store = Store(tmp_path)
    judged, row = take(virtual(), 1.0)
    store.add(row | {"generation": GENERATION - 1}, judged.run)
    with pytest.raises(BadInput, match="name another folder"):
        main([str(tmp_path), "--worlds", "virtual", "--minutes", "0"])


def test_a_goal_counts_only_stages_that_are_long_enough() -> None:
    hit = {"world": "real", "condition": "quiet", "arm": "injected", "status": "SLOWER"}
    lengths = {"h2d": 30_000, "postprocess": 600_000}
    rows = [
        hit | {"stage": stage, "injected": stage, "added_ratio": 1.0, "baseline_ns": ns}
        for stage, ns in lengths.items()
    ]
    (found,) = tables.power_goals(pd.DataFrame(rows)).to_dict("records")
    assert found["trials"] == 1


def test_a_quiet_machine_with_busy_neighbours_was_disturbed() -> None:
    rows = [
        {"condition": "quiet", "neighbours_ratio": 0.01, "culprit": "forward"},
        {"condition": "quiet", "neighbours_ratio": 0.5, "culprit": "forward"},
        {"condition": "quiet", "neighbours_ratio": None},
        {"condition": "loaded", "neighbours_ratio": 0.9},
        {"condition": "shuffled", "neighbours_ratio": 0.9},
    ]
    seen = [row["condition"] for row in tables.as_it_was(rows)]
    assert seen == ["quiet", "disturbed", "quiet", "loaded", "shuffled"]
    assert rows[1]["condition"] == "quiet"
