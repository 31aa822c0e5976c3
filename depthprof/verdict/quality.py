"""Which samples are rejected, by rules that look at the machine and never at the value.

A preempted stage is left out by itself; what a hypervisor, a heated GPU or another process did to
a whole block rejects the block. Where background load disturbed much of a stage and it ran on one
thread that never waited, its CPU time is judged instead of its wall time: time in which somebody
else had the core is then not counted.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depthprof.records import UNKNOWN, WARM_UP_TURN, Run

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

LOST_RATIO = 0.01
"""A forced switch rejects a stage if it lost more than this part of its time off the core; steal
rejects a block if more than this part of the cores' time was stolen."""

PRESSURE_RATIO = 0.05
"""With several threads a block is rejected if one was preempted and tasks waited for so long."""

CLOCK_DROP_RATIO = 0.95
"""Below this part of its side's usual SM clock a block is rejected."""

MOST_REJECTED_RATIO = 0.5
"""Where more than this part of a stage is rejected, what is left is not taken for the whole."""

CPU_FROM_RATIO = 0.2
"""Where more than this part of a stage is rejected, CPU time is judged if it can stand for it: a
slow pipeline has few pairs, and none to give away."""

MOST_WAITING_RATIO = 0.05
"""CPU time stands for a stage only if no more than this part of its samples waited for anything."""

PREEMPTED, OFF_CORE = "preempted by another process", "other threads preempted by another process"
STOLEN, THROTTLED = "core taken by the hypervisor", "GPU throttled"
DROPPED = "GPU clock dropped"


@dataclass(frozen=True, slots=True, eq=False)
class Soundness:
    """What is sound of the judged samples: rows as in `index`, columns the stages and the total.

    Attributes:
        index: int64 [m], rows of Run.samples that belong to a turn.
        side: int64 [m], their sides.
        rejected: bool [m, stages + 1].
        by_rule: samples with a rejected stage, by the rule that says so.
        cpu_ns: float64 [m, stages + 1], CPU time of the thread, NaN where unknown or where the
            whole block is rejected; None where it cannot stand for wall time at all.
        waiting: bool [m, stages + 1], the stage waited for something of its own accord.
        background_load_ratio: part of the machine's cores that other processes used; None if it is
            not known.
    """

    index: Integers
    side: Integers
    rejected: Flags
    by_rule: dict[str, int]
    cpu_ns: Floats | None
    waiting: Flags
    background_load_ratio: float | None

    def rejected_ratio(self, column: int) -> float:
        """The part of a column's samples that is rejected, on the side with more of it."""
        return self._most(self.rejected[:, column])

    def by_cpu(self, column: int) -> bool:
        """Whether a column is to be judged by CPU time: many of its wall times are rejected."""
        if self.cpu_ns is None or self.rejected_ratio(column) <= CPU_FROM_RATIO:
            return False
        return self._most(self.waiting[:, column]) <= MOST_WAITING_RATIO

    def _most(self, flags: Flags) -> float:
        """The part of a side's samples that is so flagged, of the side with more of them."""
        return max(
            (float(flags[self.side == one].mean()) for one in np.unique(self.side)), default=0.0
        )


def soundness(run: Run) -> Soundness:
    """Apply the rules to the samples of a run that are judged."""
    samples = run.samples
    index = np.flatnonzero(samples.turn != WARM_UP_TURN)
    stages = len(samples.stages)
    rejected = np.zeros((len(index), stages + 1), dtype=bool)
    waiting = np.ones_like(rejected)
    by_rule: dict[str, int] = {}
    for rule, rows in _block_rules(run, index):
        by_rule[rule] = int(rows.sum())
        rejected |= rows[:, None]
    whole_block = rejected[:, 0].copy()
    if samples.interruptions is not None:
        preempted, waiting = _preempted(run, index)
        by_rule[PREEMPTED] = int((preempted.any(axis=1) & ~whole_block).sum())
        rejected |= preempted
    return Soundness(
        index=index,
        side=samples.side[index],
        rejected=rejected,
        by_rule={rule: count for rule, count in by_rule.items() if count},
        cpu_ns=_cpu_times(run, index, whole_block),
        waiting=waiting,
        background_load_ratio=background_load_ratio(run),
    )


def background_load_ratio(run: Run) -> float | None:
    """Part of the machine's cores that other processes used during the judged blocks."""
    blocks = run.conditions
    if blocks is None:
        return None
    known = (blocks.busy_ns != UNKNOWN) & (blocks.wall_ns > 0)
    wall_ns = int(blocks.wall_ns[known].sum())
    if not wall_ns or not run.environment.cpu_cores:
        return None
    others_ns = int(blocks.busy_ns[known].sum()) - int(blocks.cpu_ns[known].sum())
    return min(1.0, max(0.0, others_ns / (wall_ns * run.environment.cpu_cores)))


def _preempted(run: Run, index: Integers) -> tuple[Flags, Flags]:
    """Spoilt by a forced switch of the measuring thread; and stages that waited by themselves.

    A thread that also waits of its own accord (for other threads, a device, a sleep) spends time
    off its core that no neighbour took, so its stage is left as it is.
    """
    seen = run.samples.interruptions
    if seen is None:
        raise ValueError("nobody asked what happened to the thread")
    forced, own = seen.stage_involuntary[index], seen.stage_voluntary[index]
    watched = forced[:, :1] != UNKNOWN
    wall_ns = run.samples.host_ns[index]
    lost_ns = np.where((forced > 0) & (own == 0), wall_ns - seen.stage_cpu_ns[index], 0)
    lost_ns = np.hstack([lost_ns, lost_ns.sum(axis=1, keepdims=True)])
    whole_ns = np.hstack([wall_ns, wall_ns.sum(axis=1, keepdims=True)])
    by_stage = lost_ns > LOST_RATIO * whole_ns
    iteration = (seen.involuntary[index] > 0) & (seen.voluntary[index] == 0)
    waits = np.hstack([own > 0, (own > 0).any(axis=1, keepdims=True)])
    unwatched_waits = (seen.voluntary[index] != 0)[:, None]
    return np.where(watched, by_stage, iteration[:, None]), np.where(
        watched, waits, unwatched_waits
    )


def _block_rules(run: Run, index: Integers) -> list[tuple[str, Flags]]:
    """Samples by the rule that rejects their whole block."""
    blocks = run.conditions
    if blocks is None or not len(blocks):
        return []
    rows = _block_rows(run, index)
    seen = rows >= 0
    several = np.asarray([side.threads > 1 for side in run.sides])[run.samples.side[index]]
    cores = max(1, run.environment.cpu_cores)  # it is counted over all of them
    waited = blocks.pressure_ns > PRESSURE_RATIO * blocks.wall_ns
    rules = {
        STOLEN: blocks.stolen_ns > LOST_RATIO * cores * blocks.wall_ns.clip(min=0),
        OFF_CORE: (blocks.others_involuntary > 0) & waited,
        THROTTLED: blocks.throttled > 0,
        DROPPED: _dropped(run, index, rows),
    }
    found = [(rule, seen & rejected[rows]) for rule, rejected in rules.items() if rejected.any()]
    return [(rule, hit & several if rule == OFF_CORE else hit) for rule, hit in found]


def _dropped(run: Run, index: Integers, rows: Integers) -> Flags:
    """Blocks whose GPU clock is below what its side usually has."""
    blocks = run.conditions
    if blocks is None:
        raise ValueError("there are no conditions")
    dropped = np.zeros(len(blocks), dtype=bool)
    for side in np.unique(run.samples.side[index]):
        mine = np.unique(rows[(run.samples.side[index] == side) & (rows >= 0)])
        mine = mine[blocks.sm_clock_mhz[mine] > 0]
        if len(mine):
            usual = np.median(blocks.sm_clock_mhz[mine])
            dropped[mine] = blocks.sm_clock_mhz[mine] < CLOCK_DROP_RATIO * usual
    return dropped


def _block_rows(run: Run, index: Integers) -> Integers:
    """Row of `run.conditions` each judged sample belongs to, -1 where there is none."""
    blocks = run.conditions
    if blocks is None:
        raise ValueError("there are no conditions")
    stride = 1 + max(int(blocks.block.max()), int(run.samples.block.max(initial=0)))
    known = blocks.launch * stride + blocks.block
    order = np.argsort(known)
    wanted = run.samples.launch[index] * stride + run.samples.block[index]
    places = np.minimum(np.searchsorted(known[order], wanted), len(known) - 1)
    found = order[places]
    return np.where(known[found] == wanted, found, -1)


def _cpu_times(run: Run, index: Integers, whole_block: Flags) -> Floats | None:
    """CPU times by stage and of the whole; None unless one thread on the CPU did all the work."""
    seen = run.samples.interruptions
    alone = all(side.device == "cpu" and side.threads == 1 for side in run.sides)
    if seen is None or not alone or not len(index):
        return None
    cpu_ns = seen.stage_cpu_ns[index]
    if (cpu_ns < 0).any():
        return None
    times = np.hstack([cpu_ns, cpu_ns.sum(axis=1, keepdims=True)]).astype(np.float64)
    times[whole_block] = np.nan
    return times
