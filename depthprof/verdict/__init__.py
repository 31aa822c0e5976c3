"""From runs to a comparison, a profile or a digest. Floor 2 of the judging tower; decides nothing.

Within a run the pair is the unit of evidence, between runs the launch.
"""

from depthprof.verdict.comparison import compare, profile
from depthprof.verdict.digests import digest
from depthprof.verdict.two_runs import compare_digests

__all__ = ["compare", "compare_digests", "digest", "profile"]
