"""Whether an entry is slower than in an earlier run: one rule, on figures alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

FEWEST_LAUNCHES = 3
"""Fewer launches than this on a side decide nothing."""

SPREADS = ("stddev", "iqr")
"""Figures that are no place on the time axis: launches cannot lie apart in them."""


@dataclass(frozen=True, slots=True)
class Bar:
    """What a change must clear to be a regression.

    Attributes:
        figure: the one of pytest-benchmark that is compared, such as "median".
        threshold_ratio: relative change. floor_s: absolute change, in seconds. Both must be
            exceeded.
    """

    figure: str = "median"
    threshold_ratio: float = 0.10
    floor_s: float = 5e-6


@dataclass(frozen=True, slots=True)
class Timed:
    """What is known of one entry in one run.

    Attributes:
        figures_s: pytest-benchmark's figures by name, in seconds.
        launches_s: median of each launch, in seconds: what launches differ by is the noise that
            two runs of different times see.
    """

    figures_s: Mapping[str, float]
    launches_s: tuple[float, ...]


def regressed(before: Timed, now: Timed, bar: Bar) -> bool:
    """Whether an entry is slower now, beyond the bar and beyond what launches differ by.

    It is only if the figure clears both the relative and the absolute threshold and the fastest
    launch of now is slower than the slowest one of before. With three launches a side identical
    code has that order in 1 of 20 cases, with six in 1 of 924 (ranks without ties; Mann and
    Whitney, Annals of Mathematical Statistics 18 (1947) 50-60), and has to clear the thresholds
    besides.
    """
    old_s, new_s = before.figures_s[bar.figure], now.figures_s[bar.figure]
    if new_s <= old_s * (1 + bar.threshold_ratio) or new_s - old_s <= bar.floor_s:
        return False
    return bar.figure in SPREADS or launches_apart(before, now)


def launches_apart(before: Timed, now: Timed) -> bool:
    """Whether every launch of now is slower than every one of before, with enough of both."""
    if min(len(before.launches_s), len(now.launches_s)) < FEWEST_LAUNCHES:
        return False
    return min(now.launches_s) > max(before.launches_s)


def launches_ratio(before: Timed, now: Timed) -> float | None:
    """Median launch of now over that of before; None where there is none or it took no time."""
    if not before.launches_s or not now.launches_s:
        return None
    old_s = median(before.launches_s)
    return median(now.launches_s) / old_s if old_s else None
