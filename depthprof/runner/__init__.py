"""Measuring: plan, worker processes, blocks, clocks, telemetry, budget."""

from depthprof.runner.conduct import measure
from depthprof.runner.observation import take_limits
from depthprof.runner.plan import Plan, Progress, SidePlan

__all__ = ["Plan", "Progress", "SidePlan", "measure", "take_limits"]
