"""What a machine could do at best, for people."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from depthprof.records import CopyRate, Limits
from depthprof.units import binary_size, duration, rate


def print_limits(limits: Limits, console: Console) -> None:
    """Print the rates, and of a GPU its copies by size, to a console of any width from 80 up."""
    threads = "1 thread" if limits.threads == 1 else f"{limits.threads} threads"
    console.print(Text(f"limits of {limits.device_name}", style="bold"))
    console.print(
        Text(f"{limits.device}, {threads}, host {limits.cpu}; measured {limits.created}", "dim")
    )
    console.print()
    console.print(_table(("limit", "at best"), rates(limits), left=1))
    if limits.copies:
        console.print()
        console.print(_table(("copy", "size", "pageable", "pinned"), copies(limits), left=1))


def rates(limits: Limits) -> list[tuple[str, ...]]:
    """A line a rate: its name, and its value with the unit."""
    lines = [
        (f"matrix product, {one.dtype}", rate(one.flops_per_s, "FLOP")) for one in limits.matrix
    ]
    return [
        *lines,
        ("device memory, read and written", rate(limits.memory_bytes_per_s, "B")),
        ("launch of one operation, on the host", duration(limits.launch_ns)),
        (
            "copy within the host, one core, read and written",
            rate(limits.host_copy_bytes_per_s, "B"),
        ),
        ("arithmetic of one core, read and written", rate(limits.core_bytes_per_s, "B")),
    ]


def copies(limits: Limits) -> list[tuple[str, ...]]:
    """A line a direction and size: its rates through pageable and pinned memory."""
    keys = dict.fromkeys((one.direction, one.size_bytes) for one in limits.copies)
    return [
        (
            direction,
            binary_size(size_bytes),
            *(
                _rate_of(limits.copies, direction, size_bytes, word)
                for word in ("pageable", "pinned")
            ),
        )
        for direction, size_bytes in sorted(keys, key=lambda key: (key[0] != "h2d", key[1]))
    ]


def _rate_of(known: tuple[CopyRate, ...], direction: str, size_bytes: int, memory: str) -> str:
    wanted = (direction, size_bytes, memory)
    found = (
        rate(one.bytes_per_s, "B")
        for one in known
        if (one.direction, one.size_bytes, one.memory) == wanted
    )
    return next(found, "-")


def _table(head: tuple[str, ...], lines: list[tuple[str, ...]], left: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column, name in enumerate(head):
        table.add_column(name, justify="left" if column < left else "right", no_wrap=True)
    for line in lines:
        table.add_row(*line)
    return table
