"""One pair of sides, one verdict: whichever command judges it, with defaults and with settings.

Runs of different times are in tests/pytest_plugin/test_earlier.py: the gate and the plugin.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from depthprof import api
from depthprof.cli.main import main
from depthprof.pytest_plugin.measuring import Measurements
from depthprof.records import Policy, Result, Run, Workload
from depthprof.report import folder
from depthprof.runner import Plan, SidePlan
from depthprof.storage.settings import read_settings
from depthprof.verdict.decision import judge
from tests.runs import simulated
from tests.storage.git.made import made

RUNS = {
    "slower": simulated(change={"return": 4.0}),
    "slower by a little": simulated(turns=20, change={"forward": 1.042}),
    "the same": simulated(turns=20, seed=3),
    "not certain": simulated(turns=6, noise=0.2, seed=4),
    "few pairs": simulated(turns=1, launches=6),
    "few processes": replace(simulated(turns=9, launches=3), shared=False),
    "faster": simulated(turns=9, change={"preprocess": 0.5}),
}
SETTINGS = {
    "defaults": "",
    "a threshold": "threshold = 0.5\n",
    "of a stage": "stages = {forward = 0.5, total = 0.5}\n",
    "nothing fails": 'fail-on = "never"\n',
}
Verdicts = dict[str, tuple[str, str]]


def found(code: int, verdicts: list[dict[str, object]]) -> tuple[int, Verdicts]:
    return code, {
        str(one["stage"]): (str(one["status"]), str(one["reason"]["code"]))  # type: ignore[index]
        for one in verdicts
    }


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("kind", RUNS)
def test_every_command_gives_the_same_verdict(
    kind: str, setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = made(tmp_path / "repository")
    monkeypatch.chdir(root)
    (root / "pyproject.toml").write_text(f"[tool.depthprof.gate]\n{SETTINGS[setting]}")
    monkeypatch.setattr(folder, "draw", lambda *_: {})

    def carry_out(plan: Plan, policy: Policy, on_progress: object = None) -> Result:
        del plan, on_progress
        return judge(RUNS[kind], policy)

    monkeypatch.setattr(api, "carry_out", carry_out)
    outcomes = {}
    code = main(["compare", "v1", "v2", "--json", "c.json", "--no-store", "--quiet"])
    outcomes["compare"] = found(code, json.loads(Path("c.json").read_text())["verdicts"])
    (run,) = Path("reports").glob("*/run.json*")
    code = main(["report", str(run), "--json", "r.json", "--quiet"])
    outcomes["report"] = found(code, json.loads(Path("r.json").read_text())["verdicts"])
    words = ["gate", "mine.py:make", "--against", "HEAD", "--no-store", "--json", "g.json"]
    code = main([*words, "--quiet"])
    (side,) = json.loads(Path("g.json").read_text())["sides"]
    outcomes["gate --against"] = found(code, side["verdicts"])
    outcomes["plugin"] = by_plugin(RUNS[kind])
    codes = {command: code for command, (code, _) in outcomes.items()}
    verdicts = {json.dumps(known, sort_keys=True) for _, known in outcomes.values()}
    assert len(verdicts) == 1, outcomes
    assert codes.pop("report") == 0  # it shows what was decided, and fails nothing
    if not {status for status, _ in outcomes["compare"][1].values()} - {"INCONCLUSIVE"}:
        assert codes.pop("gate --against") == 3  # it has compared nothing, whatever may pass
    assert len(set(codes.values())) == 1, codes


def by_plugin(run: Run) -> tuple[int, Verdicts]:
    plan = Plan((SidePlan("a", "v1", "v1", Workload()), SidePlan("b", "v2", "v2", Workload())), ())
    kept = Measurements(lambda _, policy: judge(run, policy), read_settings().gate).of(plan)
    decision = kept.judged.judgement
    assert decision is not None
    verdicts = {v.stage: (v.status.value, v.reason.code) for v in decision.verdicts}
    return kept.judged.exit_code, verdicts
