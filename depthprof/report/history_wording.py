"""Changes and drifts as people read them, alike in every form of the report."""

import math
from collections.abc import Sequence
from itertools import pairwise

from depthprof.records import WITH_CHANGES, ChangePoint, Drift, Estimate, Point, SeriesHistory
from depthprof.units import duration

COMMIT_LETTERS = 10
BLOCKS = "▁▂▃▄▅▆▇█"
SUREST = 0.999
FLATTEST_RATIO = 0.02
"""A series that varies by less than this in all is drawn flat: noise is not a mountain."""


def by_subject(histories: Sequence[SeriesHistory]) -> list[list[SeriesHistory]]:
    """Put the histories of one machine and label together, in the order they first come."""
    groups: dict[tuple[str, str], list[SeriesHistory]] = {}
    for history in histories:
        groups.setdefault((history.series.machine, history.series.label), []).append(history)
    return list(groups.values())


def commit_name(commit: str | None, otherwise: str = "an unknown commit") -> str:
    """Shorten a commit to ten letters; hashes longer than that say no more to people."""
    if not commit:
        return otherwise
    more = WITH_CHANGES if commit.endswith(WITH_CHANGES) else ""
    return commit.removesuffix(WITH_CHANGES)[:COMMIT_LETTERS] + more


def change_text(change: ChangePoint) -> str:
    """Write a change: "+5.2 % at 1a2b3c4 (2026-11-02), sure to 99.8 %"."""
    where = f"{commit_name(change.commit)} ({change.created[:10]})"
    same = change.commit is not None and change.commit == change.previous_commit
    same = same and not str(change.commit).endswith(WITH_CHANGES)
    remark = ", the commit before being the same: not the code" if same else ""
    return f"{signed_percent(change.ratio)} at {where}, {sure(change.confidence)}{remark}"


def drift_text(drift: Drift) -> str:
    """Write a drift: "+21 % slowly, from 1a2b3c4 (2026-11-02) to ..., +1.0 % a run, sure ..."."""
    first = f"{commit_name(drift.first_commit)} ({drift.first_created[:10]})"
    last = f"{commit_name(drift.last_commit)} ({drift.last_created[:10]})"
    return (
        f"{signed_percent(drift.ratio)} slowly, from {first} to {last},"
        f" {signed_percent(drift.point_ratio)} a run, {sure(drift.confidence)}"
    )


def toned_texts(history: SeriesHistory) -> list[tuple[str, str]]:
    """What became of a series: a text and its tone a change, the drift after them, then the gaps.

    Where nothing changed, why nothing is said. Tones: "SLOWER", "FASTER", "GAP" or none.
    """
    lines = [(change_text(change), tone(change)) for change in history.change_points]
    lines += [(drift_text(history.drift), tone(history.drift))] if history.drift else []
    return [*(lines or [(history.text, "")]), *((gap, "GAP") for gap in history.gaps)]


def change_texts(history: SeriesHistory) -> list[str]:
    """The texts of `toned_texts`."""
    return [text for text, _ in toned_texts(history)]


def signed_percent(ratio: Estimate) -> str:
    """Write a ratio as the change it is: 1.052 -> "+5.2 %", 0.5 -> "-50 %", 3.1 -> "+210 %"."""
    value = 100 * (ratio.value - 1)
    digits = 0 if abs(value) >= 9.95 else 1 if abs(value) >= 0.95 else 2
    return f"{value:+.{digits}f} %"


def sure(confidence: float) -> str:
    """Write a confidence: "sure to 99.8 %", never rounded up to certainty."""
    if confidence > SUREST:
        return f"sure to over {100 * SUREST:.1f} %"
    return f"sure to {math.floor(1000 * confidence) / 10:.1f} %"


def span(points: Sequence[Point]) -> str:
    """Write first and latest median: "7.31 ms -> 7.70 ms"."""
    if not points:
        return "no runs"
    return f"{duration(points[0].median_ns)} -> {duration(points[-1].median_ns)}"


def tone(change: ChangePoint | Drift) -> str:
    """Which way it went, in the words of the verdicts: "SLOWER" or "FASTER"."""
    return "SLOWER" if change.ratio.value > 1 else "FASTER"


def sparkline(medians: Sequence[float], width: int) -> str:
    """Draw a series in blocks, at most `width` of them; neighbours share one by their median."""
    finite = [value for value in medians if math.isfinite(value)]
    if not finite or width < 1:
        return ""
    count = min(width, len(finite))
    edges = [len(finite) * place // count for place in range(count + 1)]
    heights = [_middle(finite[a:b]) for a, b in pairwise(edges)]
    low, high = min(heights), max(heights)
    room = max(high - low, FLATTEST_RATIO * abs(high)) or 1.0
    base = (low + high - room) / 2
    top = len(BLOCKS) - 1
    return "".join(BLOCKS[min(top, int((h - base) / room * len(BLOCKS)))] for h in heights)


def _middle(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]
