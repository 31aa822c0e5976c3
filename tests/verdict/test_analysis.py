"""A run is analysed once a command, however many reports are made of it."""

import io
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from rich.console import Console

import depthprof
from depthprof.advice import facts_of, find
from depthprof.records import Policy, Run
from depthprof.report import folder
from depthprof.report.gated import gate_document
from depthprof.report.summary import summary
from depthprof.report.terminal import print_judged
from depthprof.verdict import digest
from depthprof.verdict.activity import activity
from depthprof.verdict.decision import judge
from depthprof.verdict.evidence import evidence
from depthprof.verdict.noise import calibrate
from depthprof.verdict.stopping import may_end
from depthprof.verdict.unpaired import gate_digests, gate_turns
from tests.advice.made import SLOW_SIDES, judged
from tests.runs import simulated

POLICY = Policy()


@contextmanager
def calls(*watched: Callable[..., Any]) -> Iterator[Counter[str]]:
    """Count the calls of functions, however they were imported."""
    codes = {one.__code__: one.__name__ for one in watched}  # type: ignore[attr-defined]
    counted: Counter[str] = Counter()

    def see(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code in codes:
            counted[codes[frame.f_code]] += 1

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        yield counted
    finally:
        sys.setprofile(before)


def reported(run: Run, out: Path) -> None:
    found = judge(run, POLICY)
    folder.write(found, out)
    print_judged(found, Console(file=io.StringIO(), width=100))
    summary(found)


def test_all_reports_of_a_comparison_read_one_analysis(tmp_path: Path) -> None:
    run = judged(*SLOW_SIDES).run
    with calls(evidence, facts_of, activity, find) as counted:
        reported(run, tmp_path)
    assert counted == {"evidence": 1, "facts_of": 1, "activity": 1, "find": 1}


def test_all_reports_of_a_profile_read_one_analysis(tmp_path: Path) -> None:
    run = judged(*SLOW_SIDES[:1]).run
    with calls(evidence, facts_of, activity, find) as counted:
        reported(run, tmp_path)
    assert counted == {"evidence": 1, "facts_of": 1, "activity": 1, "find": 1}


def test_a_gate_analyses_its_run_once() -> None:
    with calls(evidence, find) as counted:
        found = judge(simulated(), POLICY)
        gate_document(gate_turns(found, "before", "after"))
    assert counted == {"evidence": 1, "find": 1}
    with calls(evidence, find) as counted:
        found = judge(simulated(), POLICY)
        gate_document(gate_digests(digest(simulated(seed=1), POLICY), found.measured.digest, _same))
    assert counted == {"evidence": 2, "find": 1}


def _same(model: str) -> Policy:
    del model
    return POLICY


def test_an_interim_analysis_gathers_the_evidence_once() -> None:
    for run in (simulated(turns=9), judged(SLOW_SIDES[0]).run):
        with calls(evidence, find) as counted:
            may_end(run, POLICY)
        assert counted == {"evidence": 1}


def test_a_calibration_gathers_the_evidence_of_each_run_once() -> None:
    runs = [simulated(seed=seed, turns=9) for seed in range(6)]
    with calls(evidence) as counted:
        calibrate(runs, 3, POLICY, 60.0, "v2")
    assert counted == {"evidence": 6}


def test_the_names_of_the_last_release_still_work_and_warn() -> None:
    with pytest.warns(DeprecationWarning, match="Judged is now Result"):
        former = depthprof.Judged
    assert former is depthprof.Result
    found = judge(judged(SLOW_SIDES[0]).run, POLICY)
    with pytest.warns(DeprecationWarning, match=r"Result\.measured\.sides"):
        profile = found.profile
    assert profile is not None
    assert [stage for stage, _, _ in profile.stages] == list(found.measured.sides[0])
    both = judge(simulated(), POLICY)
    with pytest.warns(DeprecationWarning, match="profile"):
        assert both.profile is None


def test_two_runs_without_samples_have_no_analysis() -> None:
    known = digest(simulated(), POLICY)
    found = gate_digests(known, replace(known, created="later"), _same)
    with pytest.raises(ValueError, match="without samples"):
        found.run  # noqa: B018
