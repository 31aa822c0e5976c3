"""A history in the terminal: the course of each stage, then what changed, in words."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from depthprof.records import SeriesHistory
from depthprof.report import history_wording as wording

STYLES = {"SLOWER": "bold red", "FASTER": "bold green", "GAP": "yellow"}
ROOMY_COLUMNS = 96
COURSE_BLOCKS = {"narrow": 28, "roomy": 60}
LONGEST_STAGE = 16


def print_history(histories: Sequence[SeriesHistory], console: Console) -> None:
    """Print two tables for each machine and label, to a console of any width from 80 up."""
    if not histories:
        console.print(Text("no runs: there is no history yet"))
    roomy = console.width >= ROOMY_COLUMNS
    for group in wording.by_subject(histories):
        series = group[0].series
        console.print(Text(f"{series.label} on {series.machine}", style="bold"))
        console.print(_courses(group, roomy))
        console.print()
        console.print(_changes(group, roomy))
        console.print()


def _courses(histories: Sequence[SeriesHistory], roomy: bool) -> Table:
    table = _table(roomy)
    table.add_column(Text("runs"), justify="right", no_wrap=True)
    table.add_column(Text("course"), no_wrap=True)
    table.add_column(Text("first -> latest"), no_wrap=True)
    blocks = COURSE_BLOCKS["roomy" if roomy else "narrow"]
    for history in histories:
        points = history.series.points
        course = wording.sparkline([point.median_ns for point in points], blocks)
        cells = (history.series.stage, str(len(points)), course, wording.span(points))
        table.add_row(*map(Text, cells))
    return table


def _changes(histories: Sequence[SeriesHistory], roomy: bool) -> Table:
    table = _table(roomy)
    table.add_column(Text("what changed"), overflow="fold")
    for history in histories:
        stage = history.series.stage
        for line, tone in wording.toned_texts(history):
            table.add_row(Text(stage), Text(line, style=STYLES.get(tone, "dim")))
            stage = ""
    return table


def _table(roomy: bool) -> Table:
    gap = 3 if roomy else 2
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, gap, 0, 0))
    table.add_column(Text("stage"), no_wrap=True, overflow="ellipsis", max_width=LONGEST_STAGE)
    return table
