"""Many takes: workers, launches, turns, budget. Floor 4 of the measuring tower."""

from depthprof.runner.conduct import measure
from depthprof.runner.observation import take_limits
from depthprof.runner.plan import Plan, Progress, SidePlan

__all__ = ["Plan", "Progress", "SidePlan", "measure", "take_limits"]
