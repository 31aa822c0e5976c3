"""Many takes: workers, launches, turns, budget. Floor 4 of the measuring tower."""

from depthprof.measure.plan import Plan, Progress, SidePlan
from depthprof.measure.session import measure

__all__ = ["Plan", "Progress", "SidePlan", "measure"]
