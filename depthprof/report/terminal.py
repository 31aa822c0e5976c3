"""The table a person reads in ten seconds, and the sentence under it."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from depthprof.records import Result
from depthprof.report import found, wording
from depthprof.report.rows import device_rows, head, rows

ROOMY_COLUMNS = 96
"""From this width on the columns of the table stand further apart."""

LEFT = ("stage", "verdict")
STYLES = {
    "SLOWER": "bold red",
    "FASTER": "bold green",
    "INCONCLUSIVE": "yellow",
    "INCOMPARABLE": "yellow",
}


def print_judged(judged: Result, console: Console) -> None:
    """Print conditions, table, sentence and remarks to a console of any width from 80 up."""
    console.print(Text(wording.title(judged.run), style="bold"))
    _print_pairs(wording.facts(judged), console)
    console.print()
    console.print(_table(judged, 1 if console.width < ROOMY_COLUMNS else 3))
    console.print()
    console.print(Text(wording.sentence(judged), style="bold"))
    for remark in wording.remarks(judged):
        print_remark(remark, console)
    _print_pairs(found.limit_lines(judged), console)
    _print_findings(judged, console)
    if device_rows(judged):
        console.print(Text(wording.DEVICE_LEGEND, style="dim"))


def _print_pairs(pairs: Sequence[tuple[str, str]], console: Console) -> None:
    if not pairs:
        return
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for word, text in pairs:
        table.add_row(Text(word), Text(text))
    console.print(table)


def _table(judged: Result, gap: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, gap, 0, 0))
    for name in head(judged):
        table.add_column(Text(name), justify="left" if name in LEFT else "right", no_wrap=True)
    for row in rows(judged):
        cells = [
            Text(cell, style=STYLES.get(cell, "")) if cell == row.status else Text(cell)
            for cell in row.cells
        ]
        table.add_row(*cells, style="bold" if row.is_total else "")
    return table


def _print_findings(judged: Result, console: Console) -> None:
    findings = judged.measured.findings
    if not findings:
        return
    console.print(Text(found.heading(judged), style="bold"))
    for lines in found.terminal_lines(findings, judged, console.width - 2):
        for mark, line in zip("- ", lines, strict=False):
            console.print(Text(f"{mark} {line}"))


def print_remark(remark: str, console: Console) -> None:
    """Print a remark as an item of a list."""
    bullet = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    style = "bold red" if remark.startswith("FAILED") else ""
    bullet.add_row("-", Text(remark, style=style))
    console.print(bullet)
