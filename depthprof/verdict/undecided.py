"""Why a stage is undecided, and what would decide it."""

import math

from depthprof.records import (
    NEGLIGIBLE_RATIO,
    TOTAL,
    Comparison,
    Estimate,
    Policy,
    Reason,
    StageComparison,
)
from depthprof.stats.interim import ANALYSED_PROCESSES, FEWEST_FOR_SMALL
from depthprof.units import about, times

LEAST_PART = 1 / 3
"""A change near the threshold lies at no distance from it; the interval then is to be narrowed to
this part of the threshold, which leaves little room for either."""


def why_undecided(
    comparison: Comparison, row: StageComparison, policy: Policy, reason: Reason
) -> Reason:
    """Say in one line why an undecided stage is so, and how many pairs would decide it."""
    if row.problem is not None and row.problem.code == "too_few_pairs":
        enough = needs(FEWEST_FOR_SMALL, comparison.seconds_per_pair)
        return Reason(reason.code, f"{reason.text}; needs {enough}")
    if row.problem is not None or row.ratio is None or row.grounds.change is None:
        return reason
    interval = f"ratio {times(row.ratio.low, row.ratio.high)}"
    code = "too_few_layouts" if row.grounds.only_large else reason.code
    if row.grounds.unit == "run":
        return reason
    if (lacking := _lacking(row)) is not None:
        return Reason(code, f"{interval}; {lacking}")
    pairs = pairs_needed(row, policy, comparison.stage(TOTAL).baseline.median_ns.value)
    if pairs is None:
        return Reason(code, f"{interval}: between the threshold and this machine's noise floor")
    text = f"{interval}; needs {needs(pairs, comparison.seconds_per_pair)}"
    if row.grounds.unit == "process":
        text = f"{text}, or more --processes: they differ"
    return Reason(code, text)


def _lacking(row: StageComparison) -> str | None:
    """What no number of pairs makes up for: processes, where those are too few."""
    processes, grounds = len(row.process_ratios), row.grounds
    if not grounds.only_large or processes >= FEWEST_FOR_SMALL:
        return None
    if processes < ANALYSED_PROCESSES:
        return f"needs --processes {ANALYSED_PROCESSES} or more"
    if grounds.units <= processes < row.pairs:  # each has one layout: nothing could be moved
        return f"needs --processes {FEWEST_FOR_SMALL} or more"
    return None


def needs(pairs: int, seconds_per_pair: float | None) -> str:
    """How many pairs, and how long they take: "about 200 pairs (18 min)"."""
    time = "" if seconds_per_pair is None else f" ({about(pairs * seconds_per_pair)})"
    return f"about {pairs:,} pairs{time}"


def pairs_needed(row: StageComparison, policy: Policy, whole_ns: float = 0.0) -> int | None:
    """How many pairs would decide a stage if its ratio is what it looks like.

    Half-widths shrink with the square root of the number of pairs. A stage is decided once its
    interval clears what a change needs (see `Policy.needed`), lies within the threshold or the
    floor, or is negligible of the whole, which lasts `whole_ns`; whichever comes first. A small
    change also needs layouts enough. None where no number of pairs decides: a change between the
    threshold and the machine's noise floor.
    """
    ratio, grounds = row.ratio, row.grounds
    change = grounds.change
    if ratio is None or change is None or not row.pairs:
        return None
    at, within = abs(math.log(ratio.value)), math.log1p(policy.own_threshold_of(row.stage))
    clear, reach = map(math.log1p, policy.needed(row.stage, row.baseline.median_ns.value))
    found = []
    if at > reach:
        found.append(_growth(_half(change), at - clear, within))
        if grounds.only_large:
            found[0] = max(found[0], FEWEST_FOR_SMALL / grounds.units)
    if at < within:
        found.append(_growth(_half(grounds.same or change), within - at, within))
    most_ns = max(policy.floor_ns, 0.0 if row.stage == TOTAL else NEGLIGIBLE_RATIO * whole_ns)
    same_ns = grounds.same_ns
    if same_ns is not None and abs(same_ns.value) < most_ns:
        half_ns = (same_ns.high - same_ns.low) / 2
        found.append(_growth(half_ns, most_ns - abs(same_ns.value), most_ns))
    if not found and within < reach:
        return None
    if not found:
        found.append(_growth(_half(change), 0.0, within))
    return _rounded(max(row.pairs * min(found), row.pairs + 1))


def _growth(half: float, left: float, within: float) -> float:
    """By what factor more pairs bring a half-width to what is left between estimate and bound."""
    return (half / max(left, LEAST_PART * within)) ** 2


def _half(interval: Estimate) -> float:
    return math.log(interval.high / interval.low) / 2


def _rounded(count: float) -> int:
    """Round up to two digits."""
    step = int(10 ** max(0, math.floor(math.log10(count)) - 1))
    return math.ceil(count / step) * step
