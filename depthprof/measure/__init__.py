"""Many takes: workers, launches, turns, budget. Floor 4 of the measuring tower."""

from depthprof.measure.conduct import measure
from depthprof.measure.looking import take_limits
from depthprof.measure.plan import Plan, Progress, SidePlan

__all__ = ["Plan", "Progress", "SidePlan", "measure", "take_limits"]
