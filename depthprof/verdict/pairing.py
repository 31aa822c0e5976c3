"""Blocks that stand side by side in time: the evidence of a comparison.

A block counts once, by its median iteration, because iterations inside a block are not
independent of each other; two neighbouring blocks, one of each side, are a pair.
"""

from dataclasses import dataclass

import numpy as np

from depthprof.records import WARM_UP_TURN, Run
from depthprof.stats.paired import by_group
from depthprof.verdict.evidence import Evidence
from depthprof.verdict.quality import Floats, Integers

LONGEST_PAUSE_NS = 1_000_000_000
"""A longer pause between blocks is the loading of a process."""


APART = 1 << 32
"""Numbers of two processes' segments lie so far apart."""


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Median nanoseconds of each pair's two blocks, by stage, the total last.

    Attributes:
        launch: int64 [pairs], the process.
        segment: int64 [pairs], numbered over the run; in a run that does not know its segments
            every pair is one.
        layout: int64 [pairs], the memory layout: a segment, or a process whose memory stayed.
        judged_ns: float64 [2, pairs, stages + 1], baseline first; NaN where no iteration of the
            block is sound in that stage.
        unpaired_samples: iterations in blocks whose partner was never measured.
    """

    launch: Integers
    segment: Integers
    layout: Integers
    judged_ns: Floats
    unpaired_samples: int


@dataclass(frozen=True, slots=True, eq=False)
class SideBlocks:
    """Medians of one side's blocks.

    Attributes:
        launch: int64 [blocks], the process. layout: int64 [blocks], as of Pairs.
        median_ns: float64 [blocks, stages + 1], NaN where no iteration is sound in that stage.
    """

    launch: Integers
    layout: Integers
    median_ns: Floats


def side_blocks(known: Evidence, side: int) -> SideBlocks:
    """Median iteration of every block of one side."""
    mine = known.side == side
    keys = np.stack([known.launch[mine], known.turn[mine]])
    blocks, where = np.unique(keys, axis=1, return_inverse=True)
    medians = _block_medians(known.judged_ns[mine], where.reshape(-1), blocks.shape[1])
    return SideBlocks(blocks[0], _places(known.run, blocks[0], blocks[1])[1], medians)


def by_launch(values: Floats, launch: Integers) -> tuple[float, ...]:
    """Median of each launch's values, launches in order; none of them is NaN."""
    return tuple(float(np.median(group)) for group in by_group(values, launch))


def pair_blocks(known: Evidence) -> Pairs:
    """Put each turn's two blocks side by side; a block without its partner is left out."""
    keys = np.stack([known.launch, known.turn, known.side])
    blocks, where = np.unique(keys, axis=1, return_inverse=True)
    where = where.reshape(-1)
    partners = _partners(blocks)
    medians = _block_medians(known.judged_ns, where, blocks.shape[1])
    launch, pair = blocks[:2, partners[0]]
    segment, layout = _places(known.run, launch, pair)
    return Pairs(
        launch=launch,
        segment=segment,
        layout=layout,
        judged_ns=medians[partners],
        unpaired_samples=int((~np.isin(where, partners)).sum()),
    )


def _places(run: Run, launch: Integers, pair: Integers) -> tuple[Integers, Integers]:
    """Segment and layout of each pair, numbered over the run, both in the processes' order."""
    segment = np.arange(len(launch))
    layout = launch.copy()
    for process in run.launches:
        if process.segments:
            mine = launch == process.index
            place = np.searchsorted(process.segments, pair[mine], side="right")
            segment[mine] = (1 + process.index) * APART + place
            if process.new_layouts:
                layout[mine] = segment[mine]
    return segment, layout


def seconds_per_pair(run: Run) -> float | None:
    """Seconds that a pair takes, with what lies between blocks; None where there is none."""
    judged = run.samples.turn != WARM_UP_TURN
    spans_ns = run.samples.host_ns[judged].clip(min=0).sum(axis=1)
    begun_ns = run.samples.start_ns[judged]
    order = np.argsort(begun_ns)
    between_ns = begun_ns[order][1:] - (begun_ns + spans_ns)[order][:-1]
    between_ns = between_ns[(between_ns > 0) & (between_ns < LONGEST_PAUSE_NS)]
    pairs = np.unique(np.stack([run.samples.launch[judged], run.samples.turn[judged]]), axis=1)
    spent_s = float(spans_ns.sum() + between_ns.sum()) / 1e9
    return spent_s / pairs.shape[1] if pairs.shape[1] else None


def _partners(blocks: Integers) -> Integers:
    """Columns of `blocks` (launch, turn, side; sorted) that are whole pairs: int64 [2, pairs]."""
    if blocks.shape[1] < 2:
        return np.empty((2, 0), dtype=np.int64)
    same_turn = (blocks[:2, :-1] == blocks[:2, 1:]).all(axis=0)
    first = np.flatnonzero(same_turn)
    return np.stack([first, first + 1])


def _block_medians(spans: Floats, where: Integers, blocks: int) -> Floats:
    """Median of what is not NaN in every block, column by column: float64 [blocks, columns].

    `where` is int64 [n], the block of each row of `spans`.
    """
    if not len(where):
        return np.empty((blocks, spans.shape[1]))
    order = np.argsort(where, kind="stable")
    sizes = np.bincount(where, minlength=blocks)
    slot = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    table = np.full((blocks, int(sizes.max()), spans.shape[1]), np.nan)
    table[where[order], slot] = spans[order]
    table.sort(axis=1)  # NaN goes last
    count = (~np.isnan(table)).sum(axis=1)
    lower = np.take_along_axis(table, np.maximum(count - 1, 0)[:, None, :] // 2, axis=1)[:, 0]
    upper = np.take_along_axis(table, (count // 2)[:, None, :].clip(max=table.shape[1] - 1), axis=1)
    return np.where(count > 0, (lower + upper[:, 0]) / 2, np.nan)
