"""Blocks that stand side by side in time: the evidence of a comparison.

A block counts once, by its median iteration, because iterations inside a block are not
independent of each other; the pair of neighbouring blocks is the unit of evidence.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depthprof.records import WARM_UP_TURN, Run

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Median nanoseconds of each pair's two blocks, by stage, the total last.

    Attributes:
        launch: int64 [pairs].
        host_ns: float64 [2, pairs, stages + 1], baseline first.
        device_ns: the same by the device's clock; NaN where there is none (the total's always).
        unpaired_samples: iterations in blocks whose partner was never measured.
    """

    launch: Integers
    host_ns: Floats
    device_ns: Floats
    unpaired_samples: int


def pair_blocks(run: Run) -> Pairs:
    """Put each turn's two blocks side by side; a block without its partner is left out."""
    samples = run.samples
    judged = np.flatnonzero(samples.turn != WARM_UP_TURN)
    keys = np.stack([samples.launch, samples.turn, samples.side])[:, judged]
    blocks, where = np.unique(keys, axis=1, return_inverse=True)
    where = where.reshape(-1)
    partners = _partners(blocks)
    host = _block_medians(with_total(samples.host_ns[judged]), where, blocks.shape[1])
    device = np.full_like(host, np.nan)
    if samples.device_ns is not None:
        spans = device_spans(samples.device_ns[judged])
        device = _block_medians(spans, where, blocks.shape[1])
    return Pairs(
        launch=blocks[0, partners[0]],
        host_ns=host[partners],
        device_ns=device[partners],
        unpaired_samples=int((~np.isin(where, partners)).sum()),
    )


def with_total(host_ns: Integers) -> Floats:
    """Append the whole iteration, the sum of its spans: [n, stages] -> float64 [n, stages + 1]."""
    return np.hstack([host_ns, host_ns.sum(axis=1, keepdims=True)]).astype(np.float64)


def device_spans(device_ns: Integers) -> Floats:
    """Device spans as floats, NaN where there is no such clock, with a column for the total."""
    spans = np.hstack([device_ns, np.full((len(device_ns), 1), -1)]).astype(np.float64)
    spans[spans < 0] = np.nan
    return spans


def _partners(blocks: Integers) -> Integers:
    """Columns of `blocks` (launch, turn, side; sorted) that are whole pairs: int64 [2, pairs]."""
    if blocks.shape[1] < 2:
        return np.empty((2, 0), dtype=np.int64)
    same_turn = (blocks[:2, :-1] == blocks[:2, 1:]).all(axis=0)
    first = np.flatnonzero(same_turn)
    return np.stack([first, first + 1])


def _block_medians(spans: Floats, where: Integers, blocks: int) -> Floats:
    """Median iteration of every block, column by column: float64 [blocks, columns].

    `where` is int64 [n], the block of each row of `spans`.
    """
    order = np.argsort(where, kind="stable")
    if len(order) == blocks:
        return spans[order]
    bounds = np.searchsorted(where[order], np.arange(blocks + 1))
    medians = np.empty((blocks, spans.shape[1]))
    for block in range(blocks):
        members = spans[order[bounds[block] : bounds[block + 1]]]
        medians[block] = np.median(members, axis=0)
    return medians
