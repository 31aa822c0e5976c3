"""Measuring: plan, worker processes, blocks, clocks, recorder, telemetry."""

from depthprof.runner.observation import take_limits
from depthprof.runner.plan import Plan, Progress, SidePlan
from depthprof.runner.schedule import measure

__all__ = ["Plan", "Progress", "SidePlan", "measure", "take_limits"]
