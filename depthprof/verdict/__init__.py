"""From a run to a comparison, a profile or a digest, and from that to a decision.

Within a run the memory layout is the unit of evidence, between runs the process.
"""

from depthprof.verdict.comparison import compare
from depthprof.verdict.digests import digest
from depthprof.verdict.two_runs import compare_digests

__all__ = ["compare", "compare_digests", "digest"]
