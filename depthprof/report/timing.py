"""Whether our clocks agree with torch.profiler's: a table a clock, and a sentence."""

from rich.console import Console
from rich.text import Text

from depthprof.records import StageTiming, Timing
from depthprof.report.tables import table
from depthprof.units import duration, signed_duration

HEADS = {
    "device": ("device clock", "ours", "profiler", "differ", "work", "busy", "kernels", ""),
    "host": ("host clock", "ours", "profiler", "differ", ""),
}
LEGEND = (
    "profiler: between the same marks by its time stamps; work: from the first start to the last"
    " end of the stage's kernels and copies; busy: while one of them ran. A work shorter than ours"
    " means that the device waited for the host inside the stage."
)


def print_timing(timing: Timing, console: Console) -> None:
    """Print whether our clocks agree with torch.profiler's: a table a clock and a sentence."""
    console.print(Text(f"{timing.device_name} ({timing.device})", style="bold"))
    for clock, head in HEADS.items():
        lines = [_cells(stage) for stage in timing.stages if stage.clock == clock]
        if lines:
            console.print()
            console.print(table(head, lines, left=(0, len(head) - 1)))
    if any(stage.clock == "device" for stage in timing.stages):
        console.print()
        console.print(Text(LEGEND, style="dim"))
    console.print()
    console.print(Text(timing_sentence(timing), style="bold"))
    if timing.note:
        console.print(Text(f"{timing.note[0].upper()}{timing.note[1:]}."))


def timing_sentence(timing: Timing) -> str:
    """Write what came of it."""
    if not timing.adds_up:
        return "The host's spans do not add up to their iterations: its clock ran backwards."
    wrong = [f"{stage.stage} ({stage.clock})" for stage in timing.stages if not stage.agrees]
    if wrong:
        return f"Our spans and torch.profiler's do not agree in {', '.join(wrong)}."
    clocks = " and ".join(dict.fromkeys(stage.clock for stage in timing.stages))
    apart = f"at most {duration(timing.apart_ns)} once aligned"
    if timing.apart_ns < 0:
        apart = f"{duration(-timing.apart_ns)} more than their readings allow"
    return (
        f"Our {clocks} spans agree with torch.profiler's over {timing.iterations} iterations; host"
        f" spans add up exactly; the two host clocks are apart by {apart}.{_by_work(timing)}"
    )


def _by_work(timing: Timing) -> str:
    """Where a stage's span is longer than its kernels and copies, from the first to the last."""
    known = [stage for stage in timing.stages if stage.work_agrees is not None]
    longer = [stage.stage for stage in known if not stage.work_agrees]
    if longer:
        return (
            f" In {', '.join(longer)} the span is longer than the kernels and copies in it, from"
            " the first to the last: there the device waits for the host."
        )
    return " So they do with the kernels and copies in them, first to last." if known else ""


def _cells(row: StageTiming) -> tuple[str, ...]:
    last = "agrees" if row.agrees else "DIFFERS"
    differ = signed_duration(row.difference_ns)
    first = (row.stage, duration(row.ours_ns), duration(row.theirs_ns), differ)
    if row.clock == "host":
        return (*first, last)
    if row.work_ns is None or row.busy_ns is None:
        return (*first, "none", "", "0", last)
    return (*first, duration(row.work_ns), duration(row.busy_ns), str(row.works), last)
