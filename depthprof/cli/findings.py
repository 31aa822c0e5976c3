"""The doctor's findings, for people."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from depthprof.system.doctor import Finding

STYLES = {"ok": "green", "warning": "bold yellow", "unknown": "dim"}


def print_findings(findings: Sequence[Finding], console: Console) -> None:
    """Print a line a finding, then why they matter, warnings first, then whether it is fit."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for _ in range(2):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        status = Text(finding.status, style=STYLES[finding.status])
        table.add_row(finding.name, status, Text(finding.what))
    console.print(table)
    console.print()
    warnings = [finding for finding in findings if finding.status == "warning"]
    told = [finding for finding in findings if finding.why and finding not in warnings]
    for finding in (*warnings, *told):
        bullet = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
        text = Text.assemble((finding.name, "bold"), f": {finding.why}. To do: {finding.advice}")
        bullet.add_row("-", text, style="" if finding.status == "warning" else "dim")
        console.print(bullet)
    console.print(Text(verdict(warnings), style="bold"))


def verdict(warnings: Sequence[Finding]) -> str:
    """The last line: whether the machine is fit to measure on."""
    if not warnings:
        return "This machine is fit to measure on."
    names = ", ".join(finding.name for finding in warnings)
    count = "1 warning" if len(warnings) == 1 else f"{len(warnings)} warnings"
    return f"{count} ({names}): what is measured now may be disturbed."
