"""The rule by figures, and what a regression looks like in a session and in JUnit."""

import xml.etree.ElementTree as ElementTree

import pytest

from depthprof.pytest_plugin.regression import Bar, Timed, launches_ratio, regressed
from tests.pytest_plugin.sessions import MINE, Measured, Session
from tests.pytest_plugin.sessions import STAGES as SUITE

BEFORE = Timed({"median": 1.0, "min": 0.9, "iqr": 0.1}, (0.98, 1.0, 1.02))


def timed(median: float, *launches_s: float) -> Timed:
    return Timed({"median": median, "min": median - 0.1, "iqr": 0.2}, launches_s)


@pytest.mark.parametrize(
    ("now", "slower"),
    [
        (timed(1.2, 1.19, 1.2, 1.21), True),
        (timed(1.09, 1.08, 1.09, 1.10), False),  # apart, but within the threshold
        (timed(1.2, 1.01, 1.2, 1.3), False),  # beyond it, but a launch was as fast as before
        (timed(1.2, 1.2, 1.2), False),  # two launches decide nothing
        (timed(0.5, 0.5, 0.5, 0.5), False),
    ],
)
def test_a_regression_clears_the_threshold_and_every_launch(now: Timed, slower: bool) -> None:
    assert regressed(BEFORE, now, Bar()) is slower


def test_the_bar_is_relative_and_absolute() -> None:
    before, now = Timed({"median": 8e-6}, (8e-6,) * 3), Timed({"median": 12e-6}, (12e-6,) * 3)
    assert not regressed(before, now, Bar())
    assert regressed(before, now, Bar(floor_s=1e-6))
    assert not regressed(BEFORE, timed(1.2, 1.2, 1.2, 1.2), Bar(threshold_ratio=0.3))


def test_a_spread_needs_no_launches_apart() -> None:
    assert regressed(BEFORE, timed(1.0, 1.0, 1.0, 1.0), Bar("iqr", 0.5))
    assert launches_ratio(BEFORE, timed(2.0, 2.0)) == 2.0
    assert launches_ratio(BEFORE, timed(2.0)) is None


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
    assert "forward of v2 got slower: median" in found["test_stage[small-forward-v2]"]
    assert "allowed 10%" in found["test_stage[small-forward-v2]"]
    text = outcome.stdout.str() + outcome.stderr.str()
    assert "Traceback" not in text
    assert "PerformanceRegression" not in text
    # a threshold it does not exceed
    session(*COMPARE, "--benchmark-compare-fail=median:60%").assert_outcomes(passed=16)


def test_the_verdict_within_a_run_fails_nothing(
    pytester: pytest.Pytester, session: Session, measured: Measured
) -> None:
    pytester.makepyfile(SUITE)
    measured.change = {"forward": 2.0}
    session("--benchmark-autosave").assert_outcomes(passed=16)
    session("--benchmark-compare=0001").assert_outcomes(passed=16)


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
    session("--benchmark-autosave")
    measured.change = {"forward": 1.4}
    session("--benchmark-compare").assert_outcomes(passed=16)
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
