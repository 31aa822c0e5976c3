"""What is worth changing: rules over an analysed run, and the bounds of the hardware.

One rule is one file in `depthprof/advice/rules/` and one row in docs/findings.md.
"""

from depthprof.advice.facts import Facts, SideFacts, facts_of
from depthprof.advice.finding import find, foremost

__all__ = ["Facts", "SideFacts", "facts_of", "find", "foremost"]
