"""A history over commits in words, in the terminal and as a document for programs."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from depthprof.records import WITH_CHANGES, ChangePoint, Drift, Estimate, Point, SeriesHistory
from depthprof.report.tables import table
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
    """Draw a series in blocks, at most `width` of them; adjacent runs share one by their median."""
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


STYLES = {"SLOWER": "bold red", "FASTER": "bold green", "GAP": "yellow"}
ROOMY_COLUMNS = 96
COURSE_BLOCKS = {"narrow": 28, "roomy": 60}
LONGEST_STAGE = 16


def print_history(histories: Sequence[SeriesHistory], console: Console) -> None:
    """Print two tables for each machine and label, to a console of any width from 80 up."""
    if not histories:
        console.print(Text("no runs: there is no history yet"))
    roomy = console.width >= ROOMY_COLUMNS
    for group in by_subject(histories):
        series = group[0].series
        console.print(Text(f"{series.label} on {series.machine}", style="bold"))
        console.print(_courses(group, roomy=roomy))
        console.print()
        console.print(_changes(group, roomy=roomy))
        console.print()


def _courses(histories: Sequence[SeriesHistory], *, roomy: bool) -> Table:
    blocks = COURSE_BLOCKS["roomy" if roomy else "narrow"]
    lines = []
    for history in histories:
        points = history.series.points
        course = sparkline([point.median_ns for point in points], blocks)
        lines.append((history.series.stage, str(len(points)), course, span(points)))
    head = ("stage", "runs", "course", "first -> latest")
    return _narrowed(table(head, lines, left=(0, 2, 3), gap=3 if roomy else 2))


def _changes(histories: Sequence[SeriesHistory], *, roomy: bool) -> Table:
    lines: list[tuple[str, Text]] = []
    for history in histories:
        stage = history.series.stage
        for line, way in toned_texts(history):
            lines.append((stage, Text(line, style=STYLES.get(way, "dim"))))
            stage = ""
    made = table(("stage", "what changed"), lines, left=(0, 1), gap=3 if roomy else 2)
    made.columns[1].no_wrap, made.columns[1].overflow = False, "fold"
    return _narrowed(made)


def _narrowed(made: Table) -> Table:
    made.columns[0].overflow, made.columns[0].max_width = "ellipsis", LONGEST_STAGE
    return made


HISTORY_SCHEMA = 1


def history_document(histories: Sequence[SeriesHistory]) -> dict[str, Any]:
    """Return the document: schema, kind, and a list of series as plain data.

    Figures carry their unit in their name. `ratio` and `point_ratio` are objects of value, low,
    high and confidence. `sentences` is what the terminal prints.
    """
    return {
        "schema": HISTORY_SCHEMA,
        "kind": "history",
        "series": [_series(history) for history in histories],
    }


def _series(history: SeriesHistory) -> dict[str, Any]:
    data = asdict(history)
    series = data.pop("series")
    points = list(series.pop("points"))
    data["change_points"] = list(data["change_points"])
    return {**series, **data, "sentences": change_texts(history), "points": points}
