"""A digest for people: the medians of a baseline and what they stand on."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from depthprof.records import Digest
from depthprof.units import duration


def print_digest(digest: Digest, console: Console) -> None:
    """Print the medians of every side to a console of any width from 80 up."""
    known = digest.environment
    console.print(
        Text(f"run {digest.run} of {digest.created[:16].replace('T', ' ')}", style="bold")
    )
    machine = f"{known.gpu or known.cpu}, torch {known.torch}, commit {(known.commit or '-')[:10]}"
    console.print(Text(machine, style="dim"))
    for side in digest.sides:
        console.print()
        console.print(Text(f"{side.label}, {digest.launches_of(side.name)} launches", style="bold"))
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
        table.add_column("stage")
        table.add_column("clock")
        for name in ("median", "interval", "launches from", "to"):
            table.add_column(name, justify="right", no_wrap=True)
        for level in digest.levels_of(side.name):
            median, launches = level.median_ns, level.launches_ns or (level.median_ns.value,)
            table.add_row(
                level.stage,
                level.clock,
                duration(median.value),
                f"{duration(median.low)} - {duration(median.high)}",
                duration(min(launches)),
                duration(max(launches)),
            )
        console.print(table)
