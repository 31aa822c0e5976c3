"""Telemetry over time, with the time in which each side was measured shaded."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from depthprof.records import UNKNOWN, Result, Run, TelemetryColumns
from depthprof.report import conditions
from depthprof.report.figure_waterfall import SIDE_MARKS
from depthprof.units import NS_PER_MS, NS_PER_S
from depthprof.verdict.stretches import Stretches, side_stretches

FEWEST_READINGS = 2
BYTES_PER_GIB = 2**30

LINES = (
    # panel, column, its name, what one of its units is worth in the panel's
    ("GPU, %", "gpu_busy_percent", "NVML utilisation (a kernel ran)", 1.0),
    ("GPU, %", "sm_active_permille", "multiprocessors active (GPM)", 0.1),
    ("GPU, %", "tensor_active_permille", "tensor cores active (GPM)", 0.1),
    ("GPU, %", "dram_active_permille", "memory bandwidth used (GPM)", 0.1),
    ("MHz", "sm_clock_mhz", "SM clock", 1.0),
    ("W", "power_mw", "power", 1e-3),
    ("C", "temperature_c", "temperature", 1.0),
    ("GiB", "memory_used_bytes", "GPU memory in use", 1 / BYTES_PER_GIB),
    ("GiB", "host_available_bytes", "host memory available", 1 / BYTES_PER_GIB),
)
COUNTERS = (
    ("host, %", "host_busy_ns", "cores busy", True),
    ("host, %", "host_stolen_ns", "cores taken by the hypervisor", True),
    ("host, %", "host_pressure_ns", "a task waited for a core", False),
)
COUNTER_STEP_S = 0.5
"""The system counts CPU time in ticks of 10 ms: shares of less time than this would jump."""

HEADROOM_RATIO = 1.45
"""Room above the curves for their names."""

STYLES = ("-", "--", ":", "-.")


@dataclass(frozen=True, slots=True)
class Line:
    """One curve: seconds since the first reading, and values in the panel's unit."""

    panel: str
    name: str
    at_s: NDArray[np.float64]
    values: NDArray[np.float64]


def has_telemetry(run: Run) -> bool:
    """Whether there is something to draw over time."""
    return run.telemetry is not None and len(run.telemetry) >= FEWEST_READINGS


def telemetry_figure(judged: Result) -> Figure:
    """Draw what is known over time, a panel a unit."""
    run = judged.run
    if run.telemetry is None:
        raise ValueError("a run without telemetry has nothing to be drawn")
    lines = telemetry_lines(run.telemetry.columns, run.environment.cpu_cores)
    panels = list(dict.fromkeys(line.panel for line in lines)) or ["nothing was offered"]
    figure = Figure(figsize=(9, 0.9 + 1.25 * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    begin_ns = int(run.telemetry.columns.at_ns[0])
    for place, panel in enumerate(panels):
        _shade(axes[place], side_stretches(run), begin_ns)
        _draw(axes[place], panel, [line for line in lines if line.panel == panel])
    axes[0].set_title("readings over time; shaded where a side was measured")
    axes[-1].set_xlabel("s since the first reading")
    handles = [
        Patch(color=SIDE_MARKS[number][1], alpha=0.25, label=label)
        for number, label in enumerate(conditions.legend_labels(run))
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return figure


def telemetry_lines(columns: TelemetryColumns, cores: int) -> list[Line]:
    """Make the curves of every column that has at least two known readings."""
    lines = []
    for panel, name, words, worth in LINES:
        at_s, values = _known(columns, name)
        if len(values) >= FEWEST_READINGS:
            lines.append(Line(panel, words, at_s, values * worth))
    for panel, name, words, by_core in COUNTERS:
        at_s, values = _apart(*_known(columns, name))
        if len(values) >= FEWEST_READINGS:
            share = np.diff(values) / (np.diff(at_s) * NS_PER_S) / (max(1, cores) if by_core else 1)
            lines.append(Line(panel, words, at_s[1:], 100 * share))
    return lines


def _known(columns: TelemetryColumns, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    values = getattr(columns, name)
    at_s = (columns.at_ns - columns.at_ns[0]) / NS_PER_S
    known = values != UNKNOWN
    return at_s[known], values[known].astype(np.float64)


def _apart(
    at_s: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Readings of a counter that are far enough apart for its steps not to show."""
    slots = np.floor(at_s / COUNTER_STEP_S)
    first = np.flatnonzero(np.diff(slots, prepend=-1.0) > 0)
    return at_s[first], values[first]


def _draw(axes: Axes, panel: str, lines: list[Line]) -> None:
    for line, style in zip(lines, STYLES, strict=False):
        axes.plot(line.at_s, line.values, style, color="#222222", lw=1, label=line.name)
    axes.set_ylabel(panel)
    if lines:
        highest = max(float(line.values.max()) for line in lines)
        axes.set_ylim(0, HEADROOM_RATIO * highest or 1)
        axes.legend(loc="upper right", fontsize=7, frameon=False, ncols=2)


def _shade(axes: Axes, stretches: Stretches, begin_ns: int) -> None:
    """Shade the blocks of each side; as pixels, since there may be thousands."""
    for number, (_, colour) in enumerate(SIDE_MARKS):
        mine = stretches.of(number)
        spans = [
            ((begin - begin_ns) / NS_PER_S, max((end - begin) / NS_PER_S, NS_PER_MS / NS_PER_S))
            for begin, end in zip(mine.begin_ns.tolist(), mine.end_ns.tolist(), strict=True)
        ]
        if spans:
            axes.broken_barh(
                spans, (0, 1), transform=axes.get_xaxis_transform(), color=colour, alpha=0.25,
                lw=0, rasterized=True,
            )  # fmt: skip
