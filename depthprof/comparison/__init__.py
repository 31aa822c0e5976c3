"""From runs to a comparison, a profile or a digest. Floor 2 of the judging tower; decides nothing.

Within a run the pair is the unit of evidence, between runs the launch.
"""

from depthprof.comparison.between import compare_digests
from depthprof.comparison.digests import digest
from depthprof.comparison.stages import compare, profile

__all__ = ["compare", "compare_digests", "digest", "profile"]
