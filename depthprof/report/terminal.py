"""What a person reads at a terminal: the table of a result, its headline, and remarks."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from depthprof.records import TOTAL, Decision, Drilled, Result
from depthprof.report import conditions, drilled, found, gated, wording
from depthprof.report.rows import device_rows, head, rows
from depthprof.report.tables import table

ROOMY_COLUMNS = 96
"""From this width on the columns of the table stand further apart."""

STYLES = {
    "SLOWER": "bold red",
    "FASTER": "bold green",
    "INCONCLUSIVE": "yellow",
    "INCOMPARABLE": "yellow",
}


def print_judged(judged: Result, console: Console) -> None:
    """Print conditions, table, headline and remarks to a console of any width from 80 up."""
    console.print(Text(conditions.title(judged.run), style="bold"))
    _print_pairs(conditions.facts(judged), console)
    console.print()
    lines = [(row.stage, row.cells, row.status) for row in rows(judged)]
    console.print(_table(head(judged), lines, console))
    console.print()
    console.print(Text(wording.sentence(judged), style="bold"))
    print_remarks(wording.remarks(judged), console)
    _print_pairs(found.limit_lines(judged), console)
    if findings := judged.measured.findings:
        console.print(Text(found.heading(judged), style="bold"))
        for lines_of in found.terminal_lines(findings, judged, console.width - 2):
            for mark, line in zip("- ", lines_of, strict=False):
                console.print(Text(f"{mark} {line}"))
    if device_rows(judged):
        console.print(Text(wording.DEVICE_LEGEND, style="dim"))


def print_gated(outcome: Result, console: Console) -> None:
    """Print the outcome of a gate: a table a side, the headline and remarks."""
    console.print(Text(gated.gate_title(outcome), style="bold"))
    console.print()
    for side in outcome.sides:
        _print_side(side, console)
    if outcome.missing or not outcome.sides:
        console.print(Text(gated.gate_sentence(outcome), style="bold red"))
    print_remarks(gated.gate_remarks(outcome), console)


def print_drilled(inside: Drilled, console: Console) -> None:
    """Print the parts of forward, the slowest kernels or operators, and remarks."""
    if inside.parts:
        console.print()
        console.print(table(drilled.PARTS_HEAD, drilled.group_rows(inside)))
    if inside.ops:
        lines = [(drilled.cut(row[0]), *row[1:]) for row in drilled.op_rows(inside)]
        console.print()
        console.print(table(drilled.ops_head(inside), lines, left=(0, 1)))
    console.print()
    print_remarks(drilled.remarks(inside), console)


def _print_side(side: Decision, console: Console) -> None:
    roomy = console.width >= ROOMY_COLUMNS
    shown = [place for place, name in enumerate(gated.HEAD) if roomy or name != "difference"]
    lines = [
        (row.stage, tuple(row.cells[place] for place in shown), row.status.value)
        for row in gated.gate_rows(side)
    ]
    if lines:
        console.print(_table([gated.HEAD[place] for place in shown], lines, console))
        console.print()
    console.print(Text(gated.side_sentence(side), style="bold"))
    print_remarks(gated.side_remarks(side), console)
    console.print()


def _table(
    names: Sequence[str], lines: Sequence[tuple[str, tuple[str, ...], str]], console: Console
) -> Table:
    """Build the table of a result from lines of stage, cells and verdict."""
    words = [place for place, name in enumerate(names) if name in ("stage", "verdict")]
    coloured = [
        [Text(cell, style=STYLES.get(cell, "")) if cell == status else cell for cell in cells]
        for _, cells, status in lines
    ]
    total = next((cells[0] for stage, cells, _ in lines if stage == TOTAL), None)
    gap = 1 if console.width < ROOMY_COLUMNS else 3
    return table(names, coloured, left=words, gap=gap, bold=total)


def _print_pairs(pairs: Sequence[tuple[str, str]], console: Console) -> None:
    if not pairs:
        return
    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for word, text in pairs:
        grid.add_row(Text(word), Text(text))
    console.print(grid)


def print_remarks(remarks: Sequence[str], console: Console) -> None:
    """Print a list of remarks, a failure in red."""
    for remark in remarks:
        bullet = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
        style = "bold red" if remark.startswith("FAILED") else ""
        bullet.add_row("-", Text(remark, style=style, overflow="fold"))
        console.print(bullet)
