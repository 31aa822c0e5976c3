"""From a run to a comparison or a profile. Floor 2 of the judging tower; decides nothing."""

from depthprof.comparison.stages import compare, profile

__all__ = ["compare", "profile"]
