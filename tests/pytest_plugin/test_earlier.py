"""Entries against earlier runs: the gate's decision, and how it looks in a session and in JUnit."""

import json
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest
from pytest_benchmark.utils import DifferenceRegressionCheck, PercentageRegressionCheck

from depthprof.cli.main import main
from depthprof.pytest_plugin.earlier import ANY_RATIO, allowed
from depthprof.pytest_plugin.options import PROCESSES
from depthprof.records import STAGES as STAGE_NAMES
from depthprof.records import Policy, encode
from depthprof.stats.paired import shared_confidence
from depthprof.stats.rank_sum import fewest_launches
from depthprof.storage.run_files import PACKED, read_runs
from tests.pytest_plugin.sessions import MINE, Measured, Session
from tests.pytest_plugin.sessions import STAGES as SUITE

RATIO, SECONDS = PercentageRegressionCheck, DifferenceRegressionCheck
TINY = {"threshold_ratio": ANY_RATIO, "floor_ns": 1e6}


@pytest.mark.parametrize(
    ("checks", "options"),
    [
        ([], [{}]),
        ([RATIO("median", 5)], [{"threshold_ratio": 0.05}]),
        ([RATIO("mean", 5), RATIO("median", 20)], [{"threshold_ratio": 0.05}]),
        ([RATIO("mean", 0)], [{"threshold_ratio": ANY_RATIO}]),
        ([SECONDS("median", 0.001)], [TINY]),
        ([SECONDS("mean", 0.001), RATIO("mean", 7)], [{"threshold_ratio": 0.07}, TINY]),
        ([RATIO("min", 5)], [{}]),
    ],
)
def test_checks_of_median_and_mean_replace_the_threshold(
    checks: list[Any], options: list[dict[str, float]]
) -> None:
    found = allowed(checks)
    assert list(found.options) == options
    assert list(found.plain) == [check for check in checks if check.field == "min"]


def test_the_suites_start_enough_processes_to_decide() -> None:
    confidence = shared_confidence(Policy().confidence, len(STAGE_NAMES) + 1)
    assert fewest_launches(confidence) <= PROCESSES


@pytest.mark.parametrize(
    ("change", "simulation", "status", "code"),
    [
        ({"forward": 1.4}, {}, "SLOWER", 1),
        ({}, {}, "SAME", 0),
        ({}, {"noise": 0.3}, "INCONCLUSIVE", 3),
        ({}, {"launches": 3}, "INCONCLUSIVE", 3),
    ],
)
def test_gate_and_plugin_decide_alike(
    pytester: pytest.Pytester,
    session: Session,
    measured: Measured,
    change: dict[str, float],
    simulation: dict[str, Any],
    status: str,
    code: int,
) -> None:
    """`depthprof gate` of the two saved runs, and the table of the session that compared them."""
    pytester.makepyfile(MINE)
    session("--benchmark-save=first")
    measured.change, measured.simulation = change, simulation
    outcome = session("--benchmark-compare", "--benchmark-save=second")
    names = {}
    for name in ("first", "second"):
        (file,) = pytester.path.rglob(f"*_{name}.json")
        ((run, policy),) = read_runs(file)
        names[name] = pytester.path / f"{name}.json"
        names[name].write_text(encode(run, policy))
    arguments = ["gate", "--file", str(names["first"]), "--run", str(names["second"])]
    assert main([*arguments, "--json", "gate.json"]) == code
    gated = {
        (side["label"], row["stage"]): row["status"]
        for side in json.loads((pytester.path / "gate.json").read_text())["sides"]
        for row in side["verdicts"]
    }
    rows = [line.split("  ") for line in outcome.outlines if line.startswith("small 518 ")]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    shown = {(row[1], row[0].removeprefix("small 518 ")): row[5] for row in cells}
    assert shown == gated
    assert gated["v2", "forward"] == status
    assert (outcome.ret == pytest.ExitCode.TESTS_FAILED) == (status == "SLOWER")


COMPARE = ("--benchmark-compare", "--junitxml=junit.xml", "-o", "junit_family=xunit2")


def failures(pytester: pytest.Pytester) -> list[tuple[str, str]]:
    root = ElementTree.parse(pytester.path / "junit.xml").getroot()
    return [
        (case.attrib["name"], failure.attrib["message"])
        for case in root.iter("testcase")
        for failure in case.iter("failure")
    ]


def test_a_stage_that_got_slower_fails_by_name(
    pytester: pytest.Pytester, session: Session, measured: Measured
) -> None:
    pytester.makepyfile(SUITE)
    session("--benchmark-autosave").assert_outcomes(passed=16)
    session(*COMPARE).assert_outcomes(passed=16)
    measured.change = {"forward": 1.4}
    outcome = session(*COMPARE, "--benchmark-compare-fail=median:10%")
    outcome.assert_outcomes(passed=14, failed=2)
    assert outcome.ret == pytest.ExitCode.TESTS_FAILED
    found = dict(failures(pytester))
    assert set(found) == {"test_stage[small-forward-v2]", "test_stage[small-total-v2]"}
    assert "forward of v2 got slower: ratio 1.4" in found["test_stage[small-forward-v2]"]
    assert "threshold 10 %" in found["test_stage[small-forward-v2]"]
    text = outcome.stdout.str() + outcome.stderr.str()
    assert "Traceback" not in text
    assert "PerformanceRegression" not in text
    # a threshold it does not exceed
    session(*COMPARE, "--benchmark-compare-fail=median:60%").assert_outcomes(passed=16)


def test_figures_without_an_interval_are_left_to_pytest_benchmark(
    pytester: pytest.Pytester, session: Session, measured: Measured
) -> None:
    pytester.makepyfile(SUITE)
    chosen = ("-k", "forward and v2")
    session("--benchmark-autosave", *chosen)
    measured.change = {"forward": 1.04}  # SAME by the policy
    outcome = session(*COMPARE, "--benchmark-compare-fail=min:1%", *chosen)
    outcome.assert_outcomes(failed=1, deselected=15)
    ((_, message),) = failures(pytester)
    assert "Field 'min' has failed" in message
    assert "checked by pytest-benchmark, without an interval" in message
    assert "got slower" not in message
    absolute = session(*COMPARE, "--benchmark-compare-fail=median:0.001", *chosen)
    absolute.assert_outcomes(failed=1, deselected=15)  # 2.2 ms of 56 ms
    ((_, message),) = failures(pytester)
    assert message.endswith("threshold 1.00 ms")
    (file,) = pytester.path.rglob("0001_*.json")
    file.write_text(file.read_text().replace(PACKED, "of_another_release"))
    alone = session(*COMPARE, "--benchmark-compare-fail=min:1%", *chosen)
    alone.assert_outcomes(failed=1, deselected=15)
    alone.stdout.fnmatch_lines(["*holds no run*; compared by pytest-benchmark alone*"])


def test_the_verdict_within_a_run_fails_nothing(
    pytester: pytest.Pytester, session: Session, measured: Measured
) -> None:
    pytester.makepyfile(SUITE)
    measured.change = {"forward": 2.0}
    chosen = ("-k", "forward and v2")
    session("--benchmark-autosave", *chosen).assert_outcomes(passed=1, deselected=15)
    session("--benchmark-compare=0001", *chosen).assert_outcomes(passed=1, deselected=15)


def test_several_stages_in_a_test_are_subtests(
    pytester: pytest.Pytester, session: Session, measured: Measured
) -> None:
    pytester.makepyfile(MINE)
    session("--benchmark-save=first").assert_outcomes(passed=1)
    measured.change = {"forward": 1.4}
    outcome = session(*COMPARE)
    assert outcome.ret == pytest.ExitCode.TESTS_FAILED
    messages = [message for _, message in failures(pytester)]
    assert any("forward of v2 got slower" in message for message in messages)
    assert any("total of v2 got slower" in message for message in messages)
    assert not any("v1" in message for message in messages)


def test_thresholds_come_from_the_settings(
    pytester: pytest.Pytester, session: Session, measured: Measured
) -> None:
    pytester.makepyfile(SUITE)
    pytester.makepyprojecttoml("[tool.depthprof.gate]\nstages = {forward = 0.5, total = 0.5}")
    session("--benchmark-autosave", "-k", "forward")
    measured.change = {"forward": 1.4}
    session("--benchmark-compare", "-k", "forward").assert_outcomes(passed=2, deselected=14)
    measured.change = {"forward": 1.6}
    session("--benchmark-compare", "-k", "forward").assert_outcomes(
        passed=1, failed=1, deselected=14
    )


def test_renamed_entries_and_unlike_workloads_are_told_not_failed(
    pytester: pytest.Pytester, session: Session, measured: Measured
) -> None:
    pytester.makepyfile(test_one=SUITE)
    session("--benchmark-autosave", "-k", "forward")
    measured.change = {"forward": 3.0}
    unlike = session("--benchmark-compare", "--depth-input-size=98", "-k", "forward")
    unlike.assert_outcomes(passed=2, deselected=14)
    unlike.stdout.fnmatch_lines(["*not compared with*input_size 98 (was 518)*"])
    (pytester.path / "test_one.py").write_text(SUITE.replace("test_stage", "test_part"))
    renamed = session("--benchmark-compare", "-k", "forward")
    renamed.assert_outcomes(passed=2, deselected=14)
    renamed.stdout.fnmatch_lines(["*test_part*new, or renamed*test_stage*forward*"])
