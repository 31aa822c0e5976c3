"""From a run to its digest: the medians of every launch, by side and stage."""

import numpy as np

from depthprof.records import Digest, Level, Policy, Run
from depthprof.verdict.evidence import Evidence, evidence
from depthprof.verdict.pairing import SideBlocks, by_launch, side_blocks
from depthprof.verdict.summaries import summaries


def digest(run: Run, policy: Policy, name: str = "") -> Digest:
    """Sum up a run for gates and histories; figures are per iteration.

    A side of which nothing but warm-up was measured has no levels.

    Args:
        run: what was measured. policy: its confidence is the medians' one.
        name: identity of the run.
    """
    return digest_of(evidence(run), policy, name)


def digest_of(known: Evidence, policy: Policy, name: str = "") -> Digest:
    """Sum up a run whose evidence was gathered before; see `digest`."""
    run = known.run
    levels = tuple(
        level
        for side in range(len(run.sides))
        if (known.side == side).any()
        for level in _levels(known, side, policy)
    )
    return Digest(
        name,
        run.created,
        run.sides,
        run.environment,
        run.pictures,
        levels,
        run.ended,
        run.failures,
    )


def _levels(known: Evidence, side: int, policy: Policy) -> list[Level]:
    blocks, sound = side_blocks(known, side), known.sound
    return [
        Level(
            side=known.run.sides[side].name,
            stage=name,
            clock=known.clocks[column],
            median_ns=summary.median_ns,
            launches_ns=_launches_ns(blocks, column),
            spoilt_ratio=0.0 if known.clocks[column] == "cpu" else sound.rejected_ratio(column),
        )
        for column, (name, summary) in enumerate(
            zip(known.names, summaries(known, side, policy.confidence), strict=True)
        )
    ]


def _launches_ns(blocks: SideBlocks, column: int) -> tuple[float, ...]:
    """Medians of the launches' sound blocks; a launch without one is left out."""
    values = blocks.median_ns[:, column]
    known = ~np.isnan(values)
    return by_launch(values[known], blocks.launch[known])
