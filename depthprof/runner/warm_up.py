"""When warm-up ends: by a stated rule over what was measured, not by a fixed count alone.

The first round is the iteration that checks the contract of the stages.

A side is settled once its latest round is no longer clearly faster than the best one before it.
On a GPU some seconds are asked for besides, since clocks rise under load only.
"""

from collections.abc import Mapping, Sequence

ROUND_NS = 25_000_000
"""A round of warm-up lasts about this long for each side, or one iteration."""

BLOCK_NS = 30_000_000
"""A measured block lasts about this long, or one iteration."""

MOST_PER_BLOCK = 50
"""No block has more iterations than this: a preempted block must not cost much."""

STILL_IMPROVING_RATIO = 0.97
"""A round below this ratio of the best before it means that the side is still getting faster."""

FEWEST_ROUNDS = 2
CUDA_LEAST_S = 1.0
LIMIT_RATIO = 0.25
"""Share of a launch's time after which warm-up ends regardless (but not before two rounds)."""


def iterations_for(target_ns: int, iteration_ns: float) -> int:
    """How many iterations come closest to a target without leaving 1 to MOST_PER_BLOCK."""
    return max(1, min(MOST_PER_BLOCK, round(target_ns / max(iteration_ns, 1.0))))


def settled(rounds_ns: Sequence[float]) -> bool:
    """Whether a side has warmed up, from the median iteration of each round so far."""
    if len(rounds_ns) < FEWEST_ROUNDS:
        return False
    return rounds_ns[-1] >= STILL_IMPROVING_RATIO * min(rounds_ns[:-1])


def warm_up_end(
    rounds_ns: Mapping[str, Sequence[float]], spent_s: float, share_s: float, on_cuda: bool
) -> str | None:
    """Say why warm-up ends now ("settled" or "time limit"), or None to go on.

    Args:
        rounds_ns: by side, the median iteration of each round.
        spent_s: seconds of warm-up so far. share_s: the launch's share of the budget.
        on_cuda: whether any side runs on a GPU.
    """
    if any(len(rounds) < FEWEST_ROUNDS for rounds in rounds_ns.values()):
        return None
    if all(settled(rounds) for rounds in rounds_ns.values()):
        return "settled" if spent_s >= CUDA_LEAST_S or not on_cuda else None
    return "time limit" if spent_s >= max(LIMIT_RATIO * share_s, CUDA_LEAST_S) else None
