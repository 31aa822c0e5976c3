"""When a process has warmed up: the rule, without the measuring."""

from collections.abc import Mapping, Sequence

STILL_IMPROVING_RATIO = 0.97
"""A round below this ratio of the best before it means that the side is still getting faster."""

FEWEST_ROUNDS, CUDA_LEAST_S = 2, 1.0
"""Warm-up has so many rounds at least, the check of the stages being the first; on a GPU, whose
clocks rise under load only, it takes this many seconds besides."""

LONG_ITERATION_NS = 1_000_000_000
"""From this length on the check of the stages is all the warm-up: another round of both sides would
take as long as a pair. (Where the check was long only because something was compiled or set up in
it, the first pair tells, and is a round of warm-up then.)"""

WARM_UP_LIMIT_RATIO = 0.25
"""Share of a process's time after which warm-up ends regardless (but not before two rounds)."""


def settled(rounds_ns: Sequence[float]) -> bool:
    """Whether a side has warmed up: its latest round is no longer clearly the fastest."""
    if len(rounds_ns) < FEWEST_ROUNDS:
        return False
    return rounds_ns[-1] >= STILL_IMPROVING_RATIO * min(rounds_ns[:-1])


def warm_up_end(
    rounds_ns: Mapping[str, Sequence[float]], spent_s: float, share_s: float, *, on_cuda: bool
) -> str | None:
    """Why warm-up ends now ("settled" or "time limit"), or None to go on.

    Args:
        rounds_ns: by side, the median iteration of each round.
        spent_s: seconds of warm-up so far. share_s: the process's share of the budget.
        on_cuda: whether any side runs on a GPU.
    """
    if any(len(rounds) < FEWEST_ROUNDS for rounds in rounds_ns.values()):
        return None
    if all(settled(rounds) for rounds in rounds_ns.values()):
        return "settled" if spent_s >= CUDA_LEAST_S or not on_cuda else None
    return "time limit" if spent_s >= max(WARM_UP_LIMIT_RATIO * share_s, CUDA_LEAST_S) else None
