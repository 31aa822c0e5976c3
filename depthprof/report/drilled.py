"""The inside of an iteration in words: parts of forward, slowest kernels and operators."""

from collections.abc import Sequence

from depthprof.records import Drilled, OpTime, PartTime
from depthprof.units import duration, percent

NAME_COLUMNS = 38
"""Columns a name may take in the terminal; kernels have names of hundreds."""

PARTS_HEAD = ("part of forward", "time", "share", "calls")
OPS_HEAD = {"host": "op (self time)", "device": "kernel or copy"}


def part_rows(drilled: Drilled) -> list[tuple[str, ...]]:
    """Every part by itself: name, time, share of forward, calls; then what lies between."""
    rows = [_part_row(part.name, [part], drilled) for part in drilled.parts]
    return [*rows, *_between(drilled)]


def group_rows(drilled: Drilled) -> list[tuple[str, ...]]:
    """Parts by group, a line each with its number of modules; then what lies between."""
    groups: dict[str, list[PartTime]] = {}
    for part in drilled.parts:
        groups.setdefault(part.group, []).append(part)
    rows = [
        _part_row(f"{name} ({len(parts)} modules)" if len(parts) > 1 else name, parts, drilled)
        for name, parts in groups.items()
    ]
    return [*rows, *_between(drilled)]


def op_rows(drilled: Drilled) -> list[tuple[str, ...]]:
    """The slowest kernels or operators: name, stage, time and calls an iteration, share."""
    return [
        (op.name, op.stage or "?", duration(op.self_ns), _share(op, drilled), _calls(op.calls))
        for op in drilled.ops
    ]


def ops_head(drilled: Drilled) -> tuple[str, ...]:
    """Head of `op_rows`."""
    on_device = any(op.kind != "op" for op in drilled.ops)
    return (OPS_HEAD["device" if on_device else "host"], "stage", "time", "share", "calls")


def remarks(drilled: Drilled) -> list[str]:
    """What a reader must know of these figures, a sentence each."""
    lines = []
    if drilled.parts:
        dearest = max(drilled.parts, key=lambda part: part.median_ns)
        lines.append(f"the slowest part is {dearest.name}, {duration(dearest.median_ns)}")
    if drilled.ops:
        what = "kernels and copies" if ops_head(drilled)[0] == OPS_HEAD["device"] else "ops"
        lines.append(
            f"{what} are of {drilled.iterations} iterations under torch.profiler, which"
            f" slows the host: an iteration took {duration(drilled.whole_ns)} there"
        )
    if drilled.note:
        lines.append(drilled.note)
    if drilled.trace:
        lines.append(f"trace: {drilled.trace} (open it at ui.perfetto.dev)")
    return lines


def _part_row(name: str, parts: Sequence[PartTime], drilled: Drilled) -> tuple[str, ...]:
    time_ns = sum(part.median_ns for part in parts)
    whole_ns = drilled.forward_ns or 0.0
    share = percent(time_ns / whole_ns) if whole_ns else ""
    return name, duration(time_ns), share, str(sum(part.calls for part in parts))


def _between(drilled: Drilled) -> list[tuple[str, ...]]:
    between_ns = drilled.between_ns
    if between_ns is None or not drilled.forward_ns:
        return []
    share = percent(between_ns / drilled.forward_ns)
    return [
        ("in none of them", duration(between_ns), share, ""),
        ("forward", duration(drilled.forward_ns), "100 %", "1"),
    ]


def _share(op: OpTime, drilled: Drilled) -> str:
    return percent(op.self_ns / drilled.whole_ns) if drilled.whole_ns else ""


def _calls(calls: float) -> str:
    return f"{calls:.0f}" if calls == round(calls) else f"{calls:.1f}"


def cut(name: str) -> str:
    """Shorten a name for the terminal."""
    return name if len(name) <= NAME_COLUMNS else f"{name[: NAME_COLUMNS - 3]}..."
