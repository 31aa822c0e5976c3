"""When which side was measured, and which readings of telemetry fall into that time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depthprof.records import WARM_UP_TURN, Run

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

GAP_NS = 100_000_000
"""Blocks of one side with no more than this between them are one stretch: commands, the garbage
collector and the reading of event times take some milliseconds."""

LOOK_BACK_NS = 1_000_000_000
"""NVML's utilisation is of the last 1/6 to 1 s, depending on the GPU, and its power on most GPUs
an average over 1 s (nvmlUtilization_t, nvmlDeviceGetPowerUsage). A reading says something of a side
only if that side alone was measured for so long before it."""


@dataclass(frozen=True, slots=True, eq=False)
class Stretches:
    """Times in which one side, or any side, was measured without a break, in order.

    Attributes:
        side: int64 [s], index into Run.sides, -1 for any.
        begin_ns: int64 [s], host clock. end_ns: int64 [s].
    """

    side: Integers
    begin_ns: Integers
    end_ns: Integers

    def of(self, side: int) -> "Stretches":
        """Those of one side."""
        mine = self.side == side
        return Stretches(self.side[mine], self.begin_ns[mine], self.end_ns[mine])

    def holding(self, at_ns: Integers, look_back_ns: int = 0) -> Integers:
        """The stretch each moment falls into, -1 where there is none.

        Args:
            at_ns: int64 [t], host clock. look_back_ns: a stretch counts only from so long after
                its beginning on.
        """
        if not len(self.begin_ns):
            return np.full(len(at_ns), -1, dtype=np.int64)
        place = np.searchsorted(self.begin_ns, at_ns, side="right") - 1
        held = (place >= 0) & (at_ns <= self.end_ns[place])
        held &= at_ns - self.begin_ns[place] >= look_back_ns
        return np.where(held, place, -1)


def side_stretches(run: Run) -> Stretches:
    """Join the judged blocks of a run into stretches of one side each; warm-up is left out."""
    return _joined(*_blocks(run))


def any_stretches(run: Run) -> Stretches:
    """Join the judged blocks of a run into stretches, whichever side they are of."""
    side, begin_ns, end_ns = _blocks(run)
    return _joined(np.full_like(side, -1), begin_ns, end_ns)


def _blocks(run: Run) -> tuple[Integers, Integers, Integers]:
    """Side, beginning and end of every judged block, by time."""
    samples = run.samples
    judged = samples.turn != WARM_UP_TURN
    begin_ns = samples.start_ns[judged]
    order = np.argsort(begin_ns, kind="stable")
    begin_ns = begin_ns[order]
    end_ns = begin_ns + samples.host_ns[judged].sum(axis=1)[order]
    names = [samples.launch, samples.block, samples.side]
    launch, block, side = (column[judged][order] for column in names)
    if not len(side):
        return side, begin_ns, end_ns
    first = np.flatnonzero(np.r_[True, (np.diff(launch) != 0) | (np.diff(block) != 0)])
    return side[first], begin_ns[first], np.maximum.reduceat(end_ns, first)


def _joined(side: Integers, begin_ns: Integers, end_ns: Integers) -> Stretches:
    if not len(side):
        return Stretches(side, begin_ns, end_ns)
    apart = (np.diff(side) != 0) | (begin_ns[1:] - end_ns[:-1] > GAP_NS)
    first = np.flatnonzero(np.r_[True, apart])
    return Stretches(side[first], begin_ns[first], np.maximum.reduceat(end_ns, first))
