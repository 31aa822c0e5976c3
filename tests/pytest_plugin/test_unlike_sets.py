"""Sessions compared with a saved one of other tests: what is missing, and where nothing is left."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from depthprof.pytest_plugin.absent import GONE, NOT_RUN, PARAMETERS, Selected, node_of
from depthprof.records import Run, Side
from depthprof.storage.run_files import KEY, PACKED, pack, unpack
from tests.pytest_plugin.sessions import MINE, Measured, Session, planned
from tests.runs import simulated

PART = """
import pytest

@pytest.mark.parametrize("stage", ["forward", "return", "total"])
def test_stage(depth_profile, stage):
    depth_profile("v1", "v2", of="v2", stage=stage)
"""
OTHER = """
def test_other(depth_profile):
    depth_profile("v1", "v2", of="v1", stage="forward")
"""
FAIL = ("--benchmark-compare", "--benchmark-compare-fail=median:10%")
PLAIN = "def test_plain():\n    pass\n"
UNASKED = NOT_RUN["unasked"]
FOREIGN = "def test_foreign(benchmark):\n    benchmark(lambda: None)\n"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the first test saved; the others need not save it again."""
    return tmp_path_factory.mktemp("kept") / ".benchmarks"


@pytest.fixture
def before(pytester: pytest.Pytester, session: Session, measured: Measured, kept: Path) -> Path:
    """A folder with two files of tests, of which a run is saved."""
    assert not measured.plans
    pytester.makepyfile(test_part=PART, test_other=OTHER)
    if kept.exists():
        shutil.copytree(kept, pytester.path / kept.name)
    else:
        session("--benchmark-autosave").assert_outcomes(passed=4)
        shutil.copytree(pytester.path / kept.name, kept)
    return pytester.path


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what the saved file holds."""
    (file,) = folder.rglob("0001_*.json")
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))


def told(outcome: pytest.RunResult) -> list[str]:
    """What the session says of the comparison, without where its time went."""
    lines = [line for line in outcome.outlines if line.startswith("depthprof: ")]
    return [line.removeprefix("depthprof: ") for line in lines if " was no iteration" not in line]


@pytest.mark.usefixtures("before")
def test_the_same_set_passes_without_a_word(session: Session) -> None:
    outcome = session(*FAIL)
    assert (outcome.ret, told(outcome)) == (0, [])


def test_a_deleted_test_is_named_and_the_others_are_compared(
    before: Path, session: Session
) -> None:
    (before / "test_other.py").unlink()
    outcome = session(*FAIL)
    (line,) = told(outcome)
    assert "1 entry of" in line
    assert line.endswith("(deleted or renamed since): test_other.py::test_other")
    assert outcome.ret == 0


@pytest.mark.parametrize(
    ("checks", "code"), [(FAIL, pytest.ExitCode.USAGE_ERROR), (FAIL[:1], pytest.ExitCode.OK)]
)
def test_where_all_were_renamed_nothing_is_compared_and_a_gate_does_not_pass(
    before: Path, session: Session, checks: tuple[str, ...], code: pytest.ExitCode
) -> None:
    (before / "test_other.py").unlink()
    (before / "test_part.py").write_text(PART.replace("test_stage", "test_step"))
    outcome = session(*checks)
    outcome.assert_outcomes(passed=3)
    assert outcome.ret == code
    text = "\n".join(told(outcome))
    assert text.count("new, or renamed") == 3
    assert "4 entries of" in text
    assert "test_part.py::test_stage[return]" in text
    assert "nothing was compared" in text
    assert ("is no pass" in text) == (len(checks) == 2)
    assert ("save a run to compare with (--benchmark-autosave)" in text) == (len(checks) == 2)


def test_an_added_test_is_new_and_the_others_are_compared(before: Path, session: Session) -> None:
    (before / "test_new.py").write_text(MINE)
    outcome = session(*FAIL)
    assert outcome.ret == 0
    assert len(told(outcome)) == 16
    assert all("new, or renamed" in line for line in told(outcome))


@pytest.mark.parametrize(
    ("arguments", "why", "count"),
    [
        (["-k", "forward"], "deselected", 3),
        (["test_part.py"], "not among the tests that were asked for", 1),
    ],
)
@pytest.mark.usefixtures("before")
def test_what_is_left_out_on_purpose_is_not_called_deleted(
    session: Session, arguments: list[str], why: str, count: int
) -> None:
    outcome = session(*FAIL, *arguments)
    assert outcome.ret == 0
    (line,) = told(outcome)
    assert line.startswith(f"not run, so not compared: {count} entr")
    assert line.endswith(f"({why})")


@pytest.mark.parametrize(
    ("file", "old", "new", "why"),
    [
        ("test_part.py", '"return", ', '"retrun", ', "not with these parameters): test_part.py::"),
        (
            "test_other.py",
            "    depth",
            "    return\n    depth",
            "the test ran and no longer measures",
        ),
        (
            "test_other.py",
            "    depth",
            "    import pytest; pytest.skip()\n    depth",
            "was skipped",
        ),
        ("test_other.py", "    depth", "    assert 0\n    depth", "the test failed"),
        ("test_other.py", "def", "import nothing_like_it\ndef", "could not be collected"),
    ],
)
def test_why_an_entry_is_missing_is_said(
    before: Path, session: Session, file: str, old: str, new: str, why: str
) -> None:
    text = (before / file).read_text()
    (before / file).write_text(text.replace(old, new))
    outcome = session(*FAIL, "--continue-on-collection-errors")
    assert any(why in line for line in told(outcome)), told(outcome)


def test_an_entry_of_several_in_a_test_is_missing_by_itself(
    pytester: pytest.Pytester, session: Session, measured: Measured
) -> None:
    file = pytester.makepyfile(MINE)
    session("--benchmark-autosave").assert_outcomes(passed=1)
    file.write_text(MINE.replace('"v2"', '"v2", stage="forward"'))
    (line,) = told(session(*FAIL))
    assert line.startswith("not compared: 14 entries of")
    assert "(the test ran and no longer measures it)" in line
    assert "test_mine[v1-return]" in line
    assert session(*FAIL, "-k", "nothing").ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert measured.plans


def test_a_session_that_ends_early_says_so(before: Path, session: Session) -> None:
    (before / "test_aaa.py").write_text("def test_bad():\n    assert 0\n")
    text = "\n".join(told(session(*FAIL, "-x")))
    assert "4 entries of" in text
    assert "the session ended before it" in text


def test_where_every_test_of_ours_is_gone_it_is_said(before: Path, session: Session) -> None:
    for file in before.glob("test_*.py"):
        file.unlink()
    (before / "test_plain.py").write_text(PLAIN)
    outcome = session(*FAIL)
    outcome.assert_outcomes(passed=1)
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    text = "\n".join(told(outcome))
    assert "4 entries of" in text
    assert "is no pass" in text
    assert session("--benchmark-compare").ret == 0
    assert told(session(*FAIL, "test_plain.py")) == []  # its file was all that was asked for


@pytest.mark.parametrize(
    ("arguments", "node", "why"),
    [
        ([], "test_x.py::test_gone", GONE),
        ([], "test_x.py::test_a[3]", PARAMETERS),
        ([], "deeper/test_z.py::Test::test_gone", GONE),
        (["test_x.py"], "test_x.py::test_gone", GONE),
        (["test_x.py"], "test_y.py::test_gone", UNASKED),
        (["./deeper"], "deeper/test_z.py::test_gone", GONE),
        (["deeper"], "test_x.py::test_gone", UNASKED),
        (["test_x.py::test_a"], "test_x.py::test_a[3]", PARAMETERS),
        (["test_x.py::test_a"], "test_x.py::test_ab", UNASKED),
        (["test_x.py::test_a[1]"], "test_x.py::test_a[3]", UNASKED),
        (["test_x.py::Test"], "test_x.py::Test::test_gone", GONE),
        (["--ignore=test_x.py"], "test_x.py::test_gone", UNASKED),
        (["--ignore-glob=*deep*"], "deeper/test_z.py::test_gone", UNASKED),
        (["--lf"], "test_y.py::test_gone", UNASKED),
        (["--lf"], "test_x.py::test_gone", GONE),
        (["--deselect=x"], "test_x.py::test_a[2]", "deselected"),
    ],
)
def test_why_a_test_left_nothing(
    pytester: pytest.Pytester, arguments: list[str], node: str, why: str
) -> None:
    for name in ("test_x.py", "test_y.py"):
        (pytester.path / name).write_text("")
    (pytester.path / "deeper").mkdir()
    tests = Selected(
        pytester.parseconfig(*arguments), {"test_x.py::test_a[1]"}, {"test_x.py::test_a[2]"}
    )
    assert tests.why_absent(node, {}) == why


def test_a_node_is_told_from_the_words_of_an_entry() -> None:
    entry = {"param": "v2-forward", "params": {"variant": "v2", "stage": "forward"}}
    assert node_of("a.py::test[v2-forward]", entry) == "a.py::test"
    assert node_of("a.py::test[x-v2-forward]", entry) == "a.py::test[x]"
    assert node_of("a.py::test[small]", {"param": "small", "params": {"m": "small"}}) == (
        "a.py::test[small]"
    )


def rewritten(document: dict[str, Any], change: Callable[[Run], Run]) -> None:
    """Change the run that a saved document holds."""
    for entry in document["benchmarks"]:
        part = entry["extra_info"][KEY]
        if PACKED in part:
            run, policy = unpack(part[PACKED], "saved")
            part[PACKED] = pack(change(run), policy)


def other_machine(document: dict[str, Any]) -> None:
    rewritten(document, lambda run: replace(run, environment=replace(run.environment, cpu="odd")))


def other_work(document: dict[str, Any]) -> None:
    rewritten(document, lambda run: replace(run, sides=tuple(map(of_large, run.sides))))


def of_large(side: Side) -> Side:
    return replace(side, workload=replace(side.workload, model="large"))


def few_processes(document: dict[str, Any]) -> None:
    rewritten(document, lambda run: planned(simulated(launches=2), run))


def damaged(document: dict[str, Any]) -> None:
    for entry in document["benchmarks"]:
        entry["extra_info"][KEY] |= {PACKED: "odd"}


def no_packed_run(document: dict[str, Any]) -> None:
    for entry in document["benchmarks"]:
        entry["extra_info"][KEY].pop(PACKED, None)


def no_runs(document: dict[str, Any]) -> None:
    for entry in document["benchmarks"]:
        entry["extra_info"] = {}


def nothing(document: dict[str, Any]) -> None:
    document["benchmarks"] = []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (other_machine, "cpu test (was odd)"),
        (no_runs, "holds no entry of depthprof"),
        (nothing, "holds no entry of depthprof"),
        (other_work, "model small (was large)"),
        (few_processes, "no stage of v2 is decided against"),
        (damaged, "cannot be unpacked"),
        (no_packed_run, "it holds no run (an older depthprof saved it)"),
    ],
)
def test_a_file_that_cannot_be_compared_is_no_pass(
    before: Path, session: Session, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    rewrite(before, change)
    outcome = session(*FAIL)
    outcome.assert_outcomes(passed=4)
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    assert any(said in line for line in told(outcome)), told(outcome)
    assert "is no pass" in told(outcome)[-1]


def test_another_machine_may_be_allowed(before: Path, session: Session) -> None:
    rewrite(before, other_machine)
    (before / "pyproject.toml").write_text('[tool.depthprof.gate]\nallow = ["cpu"]\n')
    outcome = session(*FAIL)
    assert (outcome.ret, told(outcome)) == (0, [])


def test_an_empty_file_is_no_pass(before: Path, session: Session) -> None:
    (file,) = before.rglob("0001_*.json")
    file.write_text("")
    outcome = session(*FAIL)
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    assert any("Failed to load" in line for line in told(outcome))
    assert "Traceback" not in outcome.stdout.str() + outcome.stderr.str()


@pytest.mark.parametrize("name", ["0007", "no/such/file.json"])
@pytest.mark.usefixtures("before")
def test_a_name_that_fits_no_file_is_no_pass(session: Session, name: str) -> None:
    outcome = session(f"--benchmark-compare={name}", FAIL[1])
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    text = outcome.stdout.str() + outcome.stderr.str()
    assert name in text
    assert "Traceback" not in text
    assert "INTERNALERROR" not in text


def test_the_first_run_of_all_is_no_pass_but_is_saved(
    pytester: pytest.Pytester, session: Session, measured: Measured
) -> None:
    pytester.makepyfile(PART)
    first = session(*FAIL, "--benchmark-autosave")
    assert first.ret == pytest.ExitCode.USAGE_ERROR
    assert "this run is saved, so the next one is compared with it" in told(first)[-1]
    assert session(*FAIL).ret == 0
    assert len(measured.plans) == 2


@pytest.mark.parametrize("switch", ["--benchmark-disable", "--collect-only"])
@pytest.mark.usefixtures("before")
def test_where_nothing_is_to_be_measured_nothing_is_missing(session: Session, switch: str) -> None:
    outcome = session(*FAIL, switch)
    assert (outcome.ret, told(outcome)) == (0, [])


def test_others_benchmarks_beside_ours_count_as_compared(before: Path, session: Session) -> None:
    (before / "test_foreign.py").write_text(FOREIGN)
    quick = ("--benchmark-max-time=0.01", "--benchmark-compare-fail=median:9999%")
    session("--benchmark-autosave", quick[0])
    for name in ("test_part.py", "test_other.py"):
        (before / name).unlink()
    outcome = session("--benchmark-compare=*/0002", *quick)
    assert outcome.ret == 0
    assert "4 entries of" in "\n".join(told(outcome))


def test_in_an_xdist_worker_nothing_is_called_missing(
    before: Path, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    (before / "test_other.py").unlink()
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    outcome = session(*FAIL)
    assert outcome.ret == pytest.ExitCode.TESTS_FAILED
    assert told(outcome) == []
