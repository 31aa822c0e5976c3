"""The gate's outcome for people at a terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from depthprof.records import Decision, Result
from depthprof.report.gated import (
    HEAD,
    gate_remarks,
    gate_rows,
    gate_sentence,
    gate_title,
    side_remarks,
    side_sentence,
)
from depthprof.report.terminal import ROOMY_COLUMNS, STYLES, print_remark


def print_gated(gated: Result, console: Console) -> None:
    """Print a table a side, the sentence and remarks to a console of any width from 80 up."""
    console.print(Text(gate_title(gated), style="bold"))
    console.print()
    for side in gated.sides:
        _print_side(side, console)
    if gated.missing or not gated.sides:
        console.print(Text(gate_sentence(gated), style="bold red"))
    for remark in gate_remarks(gated):
        print_remark(remark, console)


def _print_side(side: Decision, console: Console) -> None:
    rows = list(gate_rows(side))
    if rows:
        roomy = console.width >= ROOMY_COLUMNS
        gap = 3 if roomy else 1
        shown = [place for place, name in enumerate(HEAD) if roomy or name != "difference"]
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, gap, 0, 0))
        for name in (HEAD[place] for place in shown):
            side_of = "left" if name in ("stage", "verdict") else "right"
            table.add_column(name, justify=side_of, no_wrap=True)  # type: ignore[arg-type]
        for row in rows:
            *cells, status = (row.cells[place] for place in shown)
            table.add_row(*cells, Text(status, style=STYLES.get(status, "")))
        console.print(table)
        console.print()
    console.print(Text(side_sentence(side), style="bold"))
    for remark in side_remarks(side):
        print_remark(remark, console)
    console.print()
