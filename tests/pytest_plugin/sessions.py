"""Sessions of pytest in a folder of their own, whose measurements are made by hand."""

import json
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from depthprof.records import Policy, Result, Run
from depthprof.runner import Plan
from depthprof.verdict.decision import judge
from tests.runs import simulated

PLUGIN = "depthprof.pytest_plugin"
LOADED = any(point.value == PLUGIN for point in entry_points(group="pytest11"))
"""Whether pytest finds the plugin by itself, because this very version is installed."""

MINE = """
def test_mine(depth_profile):
    depth_profile("v1", "v2")
"""
STAGES = """
import pytest
from depthprof.records import STAGES

@pytest.mark.parametrize("variant", ["v1", "v2"])
@pytest.mark.parametrize("stage", [*STAGES, "total"])
def test_stage(depth_profile, depth_model, stage, variant):
    depth_profile("v1", "v2", model=depth_model, of=variant, stage=stage)
"""

Session = Callable[..., pytest.RunResult]


class Measured:
    """Stands in for measuring: counts the plans and gives each a run of known truth."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self.change: dict[str, float] = {}
        self.run: dict[str, Any] = {}
        self.simulation: dict[str, Any] = {}

    def __call__(self, plan: Plan, policy: Policy) -> Result:
        self.plans.append(plan)
        run = simulated(change=self.change, seed=len(self.plans), **self.simulation)
        return judge(planned(replace(run, **self.run), plan), policy)


def planned(run: Run, plan: Plan | Run) -> Run:
    """The run with the labels and workloads of a plan, or of another run."""
    sides = [
        replace(side, label=of.label, variant=of.variant, workload=of.workload)
        for side, of in zip(run.sides, plan.sides, strict=False)
    ]
    return replace(run, sides=tuple(sides))


def saved(folder: Path) -> list[dict[str, Any]]:
    """Every saved document below a folder, in order of name."""
    files = sorted(folder.rglob("*.json"), key=lambda file: file.name)
    return [json.loads(file.read_text()) for file in files]
