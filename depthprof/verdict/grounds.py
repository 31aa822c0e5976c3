"""What decides on a row: intervals as wide as the analysis at hand asks for (stats.interim)."""

from dataclasses import dataclass

from depthprof.records import Grounds, Reason
from depthprof.stats.interim import (
    ANALYSED_PROCESSES,
    FEWEST_AT_THE_END,
    FEWEST_FOR_SMALL,
    FEWEST_TO_STOP,
    LAST,
    change_error,
    same_error,
)
from depthprof.stats.layouts import UnitMean
from depthprof.stats.paired import exponential

FEWEST_SEPARATE = 6
"""Where each side has processes of its own, fewer of them a side decide nothing: what a process
does to all its times has a heavy tail (identical code: x14.6 once)."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How sure a row must be, and what a run can tell at all.

    `processes` is of a side; `shared` is whether both sides live in each.
    """

    confidence: float
    analysis: int
    processes: int
    shared: bool

    def grounds(self, ratio: UnitMean | None, difference: UnitMean | None) -> Grounds:
        """What decides on a row, from its log ratio and its difference in nanoseconds."""
        known = ratio or difference
        if known is None:
            return Grounds()
        count = known.layouts if self.shared else known.units
        if known.unit == "pair" or count < FEWEST_AT_THE_END:
            return Grounds(units=known.units, unit=known.unit)
        least = FEWEST_AT_THE_END if self.analysis == LAST else FEWEST_TO_STOP
        is_enough = count >= least and known.processes >= ANALYSED_PROCESSES
        sure = 1 - change_error(self.confidence, self.analysis)
        same = 1 - 2 * same_error(self.analysis)
        return Grounds(
            change=exponential(ratio.interval(sure)) if ratio else None,
            same=exponential(ratio.interval(same)) if ratio and is_enough else None,
            same_ns=difference.interval(same) if difference and is_enough else None,
            standard_error=ratio.standard_error if ratio else 0.0,
            units=known.units,
            unit=known.unit,
            only_large=count < FEWEST_FOR_SMALL or known.processes < ANALYSED_PROCESSES,
        )

    def problem(self) -> Reason | None:
        """Say that separate processes are too few, where they are."""
        if self.shared or self.processes >= FEWEST_SEPARATE:
            return None
        count = f"{self.processes} process{'' if self.processes == 1 else 'es'}"
        text = (
            f"{count} a side cannot tell the code from what a process does to its times; sides in"
            f" separate processes need at least {FEWEST_SEPARATE} each"
        )
        return Reason("too_few_processes", text)
