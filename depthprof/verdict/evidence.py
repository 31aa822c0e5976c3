"""The judged samples of a run as figures: by which clock each stage is judged, and what is sound.

A figure that is rejected, or that its clock does not know, is NaN from here on.
"""

from dataclasses import dataclass

import numpy as np

from depthprof.records import DEVICE_STAGES, TOTAL, Reason, Run
from depthprof.verdict.quality import MOST_REJECTED_RATIO, Floats, Integers, Soundness, soundness

UNLIKE = "unlike"
"""Stands for the clock of a stage whose sides are timed by different ones."""


def absent_stage(name: str) -> Reason:
    """Why a stage that one side does not have, and so the total, cannot be compared."""
    what = "a side lacks a stage of it" if name == TOTAL else "a side does not have this stage"
    return Reason("absent_stage", what)


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Samples that belong to a turn: rows [m], columns the stages and the total last.

    Attributes:
        run: what was measured.
        launch, turn, side: int64 [m].
        clocks: by column, "host", "device", "cpu" or UNLIKE.
        judged_ns: float64 [m, columns] by the column's clock, NaN where rejected.
        host_ns: the same by the host's clock, rejected ones included.
        device_ns: the same by the device's clock, NaN where there is none.
        sound: what the machine did.
    """

    run: Run
    launch: Integers
    turn: Integers
    side: Integers
    clocks: tuple[str, ...]
    judged_ns: Floats
    host_ns: Floats
    device_ns: Floats
    sound: Soundness

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return (*self.run.samples.stages, TOTAL)

    def absent(self, column: int) -> bool:
        """Whether a side has not one sample of a stage: it does not have the stage."""
        lengths_ns = self.host_ns[:, column]
        return any(np.isnan(lengths_ns[self.side == side]).all() for side in np.unique(self.side))

    def mostly_rejected(self, column: int) -> bool:
        """Whether too little of a column is sound to stand for it."""
        if self.clocks[column] == "cpu":
            return False
        return self.sound.rejected_ratio(column) > MOST_REJECTED_RATIO


def evidence(run: Run) -> Evidence:
    """Gather what a run has to say, and strike out what are rejected."""
    sound = soundness(run)
    samples, index = run.samples, sound.index
    host_ns = with_total(samples.host_ns[index])
    device_ns = np.full_like(host_ns, np.nan)
    if samples.device_ns is not None:
        device_ns = device_spans(samples.device_ns[index])
    side = samples.side[index]
    clocks = tuple(
        _clock(name, column, device_ns, side, sound)
        for column, name in enumerate((*samples.stages, TOTAL))
    )
    judged_ns = np.where(sound.rejected, np.nan, host_ns)
    for column, clock in enumerate(clocks):
        if clock == "device":
            judged_ns[:, column] = np.where(sound.rejected[:, column], np.nan, device_ns[:, column])
        if clock == "cpu" and sound.cpu_ns is not None:
            judged_ns[:, column] = sound.cpu_ns[:, column]
    return Evidence(
        run,
        samples.launch[index],
        samples.turn[index],
        side,
        clocks,
        judged_ns,
        host_ns,
        device_ns,
        sound,
    )


def with_total(host_ns: Integers) -> Floats:
    """Append the whole iteration, the sum of its spans: [n, stages] -> float64 [n, stages + 1].

    A stage that a side does not have (-1) is NaN, and so is the whole: without it, it is another.
    """
    spans = np.hstack([host_ns, host_ns.sum(axis=1, keepdims=True)]).astype(np.float64)
    spans[:, -1][(host_ns < 0).any(axis=1)] = np.nan
    spans[spans < 0] = np.nan
    return spans


def device_spans(device_ns: Integers) -> Floats:
    """Device spans as floats, NaN where there is no such clock, with a column for the total."""
    spans = np.hstack([device_ns, np.full((len(device_ns), 1), -1)]).astype(np.float64)
    spans[spans < 0] = np.nan
    return spans


def _clock(stage: str, column: int, device_ns: Floats, side: Integers, sound: Soundness) -> str:
    """Name the clock a stage is judged by; UNLIKE where one side has a device clock alone."""
    timed = [
        bool(len(known)) and not np.isnan(known).any()
        for known in (device_ns[side == one, column] for one in np.unique(side))
    ]
    if stage in DEVICE_STAGES and any(timed):
        return "device" if all(timed) else UNLIKE
    return "cpu" if sound.by_cpu(column) else "host"
