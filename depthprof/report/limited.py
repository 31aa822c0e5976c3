"""What a machine could do at best, for people."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from depthprof.records import CopyRate, Limits
from depthprof.units import binary_size, duration, rate

BOUND = (
    "Hardware bounds are computed from the theoretical rates where they are known, which nothing"
    " beats, and else from the best that was measured."
)


def print_limits(limits: Limits, console: Console) -> None:
    """Print the peak rates, and of a GPU its copies by size, from a width of 80 up."""
    threads = "1 thread" if limits.threads == 1 else f"{limits.threads} threads"
    console.print(Text(f"limits of {limits.device_name}", style="bold"))
    console.print(
        Text(f"{limits.device}, {threads}, host {limits.cpu}; measured {limits.created}", "dim")
    )
    console.print()
    head = ("peak rate", "measured", "theoretical")[: 3 if limits.theoretical else 2]
    lines = [line[: len(head)] for line in rates(limits)]
    console.print(_table(head, lines, left=1))
    for title, lines in (
        (("kernel", "dtype", "measured"), kernels(limits)),
        (("memory, read and written", "of", "measured", "kernel"), memory(limits)),
        (("copy", "size", "pageable", "pinned"), copies(limits)),
    ):
        if lines:
            console.print()
            console.print(_table(title, lines, left=1))
    for basis in dict.fromkeys(one.basis for one in limits.theoretical):
        whats = ", ".join(one.what for one in limits.theoretical if one.basis == basis)
        console.print(Text(f"theoretical, {whats}: {basis}", style="dim"))
    if limits.theoretical:
        console.print(Text(BOUND, style="dim"))


def rates(limits: Limits) -> list[tuple[str, ...]]:
    """A line a rate: its name, the measured and the theoretical value with their units."""
    lines = [
        (
            f"matrix product, {one.dtype}",
            rate(one.flops_per_s, "FLOP"),
            _theory(limits, one.dtype, "FLOP"),
        )
        for one in limits.matrix
    ]
    return [
        *lines,
        (
            "device memory, read and written",
            rate(limits.memory_bytes_per_s, "B"),
            _theory(limits, "memory", "B"),
        ),
        ("launch of one operation, on the host", duration(limits.launch_ns), ""),
        (
            "copy within the host, one core",
            rate(limits.host_copy_bytes_per_s, "B"),
            "",
        ),
        ("arithmetic of one core, read and written", rate(limits.core_bytes_per_s, "B"), ""),
    ]


def kernels(limits: Limits) -> list[tuple[str, ...]]:
    """A line a kernel that was tried, where there was a choice."""
    tried = {one.kernel for one in limits.kernels}
    if len(tried) < 2:
        return []
    return [(one.kernel, one.dtype, rate(one.flops_per_s, "FLOP")) for one in limits.kernels]


def memory(limits: Limits) -> list[tuple[str, ...]]:
    """A line a memory and size of a pass: its best rate and what reached it."""
    return [
        (one.where, binary_size(one.size_bytes), rate(one.bytes_per_s, "B"), one.kernel)
        for one in limits.memory
    ]


def _theory(limits: Limits, what: str, unit: str) -> str:
    known = limits.theoretical_per_s(what)
    return "unknown" if known is None else rate(known, unit)


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
