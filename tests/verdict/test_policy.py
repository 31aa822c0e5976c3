"""One policy: defaults by kind of evidence, then settings, then options, for every command."""

from pathlib import Path

import pytest

from depthprof.cli.gate import gate_policy
from depthprof.cli.options import FailingOptions, paired_policy
from depthprof.errors import BadInput
from depthprof.pytest_plugin.measuring import Measurements
from depthprof.records import Policy, Result, Workload
from depthprof.runner import Plan, SidePlan
from depthprof.storage.settings import GateSettings, Thresholds, read_settings
from depthprof.verdict.policy import policy_for

PROJECT = """
[tool.depthprof.gate]
threshold = "7%"
floor-us = 20
fail-on = ["slower"]
[tool.depthprof.gate.stages]
return = "10%"
[tool.depthprof.gate.models.large]
threshold = "2%"
"""


def test_the_default_threshold_hangs_on_the_evidence_alone() -> None:
    assert policy_for("paired", GateSettings(), "small") == Policy()
    assert policy_for("unpaired", GateSettings(), "small") == Policy(threshold_ratio=0.05)


def test_options_go_before_settings_and_those_of_a_model_before_the_common_ones() -> None:
    common = Thresholds(0.07, 20_000.0, {"return": 0.1})
    settings = GateSettings(common=common, models={"large": Thresholds(0.02)})
    small = policy_for("unpaired", settings, "small")
    assert (small.threshold_ratio, small.floor_ns) == (0.07, 20_000.0)
    assert small.own_threshold_of("return") == 0.1
    assert policy_for("paired", settings, "large").own_threshold_of("return") == 0.02
    asked = policy_for("paired", settings, "small", {"threshold_ratio": 0.04})
    assert asked.own_threshold_of("return") == 0.04


def plugin_policy(settings: GateSettings, model: str) -> Policy:
    """The policy with which the plugin measures; the outcome of measuring is of no interest."""
    seen: list[Policy] = []

    def measure(_: Plan, policy: Policy) -> Result:
        seen.append(policy)
        raise BadInput("seen")

    sides = (SidePlan("a", "v1", "v1", Workload(model=model)),)
    with pytest.raises(BadInput, match="seen"):
        Measurements(measure, settings).of(Plan(sides))
    return seen[0]


@pytest.mark.parametrize("model", ["small", "large"])
@pytest.mark.parametrize("project", ["", PROJECT])
def test_compare_gate_and_plugin_judge_paired_evidence_alike(
    project: str, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text(project)
    monkeypatch.chdir(tmp_path)
    settings = read_settings().gate
    compared = paired_policy(FailingOptions(), model)
    assert compared == gate_policy(FailingOptions(), settings, "paired")(model)
    assert compared == plugin_policy(settings, model)
    assert compared.fail_on == (("slower",) if project else Policy().fail_on)
    asked = FailingOptions(threshold="4%", fail_on="never")
    assert paired_policy(asked, model) == gate_policy(asked, settings, "paired")(model)
    assert paired_policy(asked, model).fail_on == ()
