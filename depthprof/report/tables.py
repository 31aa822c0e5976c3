"""Tables of a terminal: one builder for all of them, and what is printed of a machine."""

from collections.abc import Collection, Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from depthprof.records import (
    TOTAL,
    Calibration,
    CopyRate,
    Digest,
    Limits,
    StageCalibration,
)
from depthprof.units import binary_size, duration, percent, rate

BOUND = (
    "Hardware bounds are computed from the theoretical rates where they are known, which nothing"
    " beats, and else from the best that was measured."
)


def table(
    head: Sequence[str],
    lines: Iterable[Sequence[str | Text]],
    *,
    left: Collection[int] = (0,),
    gap: int = 1,
    bold: str | None = None,
) -> Table:
    """Build a table without lines; cells are taken as they are, not as markup.

    Args:
        head: names of the columns. lines: the cells of each row.
        left: columns of words; the others are figures, flush right.
        gap: blanks between columns. bold: first cell of the row that stands out.
    """
    made = Table(box=None, pad_edge=False, header_style="dim", padding=(0, gap, 0, 0))
    for column, name in enumerate(head):
        justify = "left" if column in left else "right"
        made.add_column(Text(name), justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for line in lines:
        style = "bold" if bold is not None and str(line[0]) == bold else ""
        made.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in line), style=style)
    return made


def calibration_sentence(known: Calibration) -> str:
    """Write what this machine can tell apart in the stage that takes longest."""
    longest = longest_stage(known)
    if longest is None:
        return "No stage had enough undisturbed pairs to say what this machine can tell apart."
    return (
        f"On this machine +{percent(longest.detectable_ratio)} in {longest.stage} is detectable in"
        f" {known.budget_s:.0f} s (in {percent(known.power)} of runs)."
    )


def longest_stage(known: Calibration) -> StageCalibration | None:
    """Give the stage that takes longest, None where no stage is known."""
    stages = [stage for stage in known.stages if stage.stage != TOTAL]
    return max(stages, key=lambda stage: stage.median_ns, default=None)


def print_calibration(known: Calibration, console: Console) -> None:
    """Print what a machine can tell apart, on a console of any width from 80 up."""
    counts = f"{known.comparisons} comparisons of identical code"
    console.print(Text(f"calibration of {known.subject}", style="bold"))
    console.print(Text(f"{counts}, {known.placebos} of them with a placebo", style="dim"))
    console.print()
    head = ("stage", "clock", "median", "pairs", "processes", "noise floor", "detectable")
    lines = [
        (
            stage.stage,
            stage.clock,
            duration(stage.median_ns),
            f"±{percent(stage.pair_sd_ratio)}",
            f"±{percent(stage.launch_sd_ratio)}",
            percent(stage.noise_ratio),
            f"+{percent(stage.detectable_ratio)}",
            str(stage.false_alarms),
        )
        for stage in known.stages
    ]
    console.print(table((*head, "false alarms"), lines, left=(0, 1), bold=TOTAL))
    console.print()
    console.print(Text(calibration_sentence(known), style="bold"))


def print_digest(digest: Digest, console: Console) -> None:
    """Print the medians of a baseline and what they stand on."""
    known = digest.environment
    began = digest.created[:16].replace("T", " ")
    machine = f"{known.gpu or known.cpu}, torch {known.torch}, commit {(known.commit or '-')[:10]}"
    console.print(Text(f"run {digest.run} of {began}", style="bold"))
    console.print(Text(machine, style="dim"))
    for side in digest.sides:
        lines = []
        for level in digest.levels_of(side.name):
            median, processes = level.median_ns, level.launches_ns or (level.median_ns.value,)
            interval = f"{duration(median.low)} - {duration(median.high)}"
            ends = duration(min(processes)), duration(max(processes))
            lines.append((level.stage, level.clock, duration(median.value), interval, *ends))
        console.print()
        count = digest.launches_of(side.name)
        console.print(Text(f"{side.label}, {count} processes", style="bold"))
        head = ("stage", "clock", "median", "interval", "processes from", "to")
        console.print(table(head, lines, left=(0, 1), gap=2))


def print_limits(limits: Limits, console: Console) -> None:
    """Print the peak rates, and of a GPU its copies by size."""
    threads = "1 thread" if limits.threads == 1 else f"{limits.threads} threads"
    console.print(Text(f"limits of {limits.device_name}", style="bold"))
    console.print(
        Text(f"{limits.device}, {threads}, host {limits.cpu}; measured {limits.created}", "dim")
    )
    console.print()
    head = ("peak rate", "measured", "theoretical")[: 3 if limits.theoretical else 2]
    console.print(table(head, [line[: len(head)] for line in rates(limits)], gap=2))
    for title, lines in (
        (("kernel", "dtype", "measured"), kernels(limits)),
        (("memory, read and written", "of", "measured", "kernel"), memory_rates(limits)),
        (("copy", "size", "pageable", "pinned"), copies(limits)),
    ):
        if lines:
            console.print()
            console.print(table(title, lines, gap=2))
    for basis in dict.fromkeys(one.basis for one in limits.theoretical):
        whats = ", ".join(one.what for one in limits.theoretical if one.basis == basis)
        console.print(Text(f"theoretical, {whats}: {basis}", style="dim"))
    if limits.theoretical:
        console.print(Text(BOUND, style="dim"))


def rates(limits: Limits) -> list[tuple[str, ...]]:
    """Give a line a rate: its name, the measured and the theoretical value with their units."""

    def theory(what: str, unit: str) -> str:
        known = limits.theoretical_per_s(what)
        return "unknown" if known is None else rate(known, unit)

    lines = [
        (
            f"matrix product, {one.dtype}",
            rate(one.flops_per_s, "FLOP"),
            theory(one.dtype, "FLOP"),
        )
        for one in limits.matrix
    ]
    memory = rate(limits.memory_bytes_per_s, "B")
    return [
        *lines,
        ("device memory, read and written", memory, theory("memory", "B")),
        ("launch of one operation, on the host", duration(limits.launch_ns), ""),
        ("copy within the host, one core", rate(limits.host_copy_bytes_per_s, "B"), ""),
        ("arithmetic of one core, read and written", rate(limits.core_bytes_per_s, "B"), ""),
    ]


def kernels(limits: Limits) -> list[tuple[str, ...]]:
    """Give a line a kernel that was tried, where there was a choice."""
    tried = {one.kernel for one in limits.kernels}
    if len(tried) < 2:
        return []
    return [(one.kernel, one.dtype, rate(one.flops_per_s, "FLOP")) for one in limits.kernels]


def memory_rates(limits: Limits) -> list[tuple[str, ...]]:
    """Give a line a memory and size of a pass: its best rate and what reached it."""
    return [
        (one.where, binary_size(one.size_bytes), rate(one.bytes_per_s, "B"), one.kernel)
        for one in limits.memory
    ]


def copies(limits: Limits) -> list[tuple[str, ...]]:
    """Give a line a direction and size: its rates through pageable and pinned memory."""

    def rate_of(copy: CopyRate, memory: str) -> str:
        known = {
            (one.direction, one.size_bytes, one.memory): one.bytes_per_s for one in limits.copies
        }
        found = known.get((copy.direction, copy.size_bytes, memory))
        return "-" if found is None else rate(found, "B")

    firsts = {(one.direction != "h2d", one.size_bytes): one for one in limits.copies}
    return [
        (
            one.direction,
            binary_size(one.size_bytes),
            rate_of(one, "pageable"),
            rate_of(one, "pinned"),
        )
        for _, one in sorted(firsts.items(), key=lambda item: item[0])
    ]
