"""The figures of a report: drawn one by one, written as SVG and PNG; ratios and samples."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from depthprof.records import (
    DEVICE_STAGES,
    TOTAL,
    WARM_UP_TURN,
    Result,
    Run,
    StageComparison,
    Status,
)
from depthprof.report import conditions, wording
from depthprof.report.figure_telemetry import has_telemetry, telemetry_figure
from depthprof.report.figure_waterfall import SIDE_MARKS, waterfall_figure
from depthprof.report.rows import total_first
from depthprof.storage.text_files import write_text
from depthprof.units import duration, percent

STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#777777",
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "text.parse_math": False,  # a side may be called "$x$"
    "svg.fonttype": "none",
    "svg.hashsalt": "depthprof",
}
"""Text stays text in SVG, and equal runs give equal files."""

DPI = 130


def figures(judged: Result) -> dict[str, Figure]:
    """Make the figures by name: waterfall, ratios (of a comparison), samples, telemetry."""
    makers: dict[str, Callable[[Result], Figure]] = {"waterfall": waterfall_figure}
    if judged.comparison is not None:
        makers["ratios"] = ratios_figure
    makers["samples"] = samples_figure
    if has_telemetry(judged.run):
        makers["telemetry"] = telemetry_figure
    with matplotlib.rc_context(STYLE):
        made = {name: make(judged) for name, make in makers.items()}
    for figure in made.values():
        FigureCanvasAgg(figure)
    return made


def draw(judged: Result, folder: Path) -> dict[str, str]:
    """Write every figure as PNG and SVG into a folder; return the SVG texts by name."""
    texts = {}
    with matplotlib.rc_context(STYLE):
        for name, figure in figures(judged).items():
            figure.savefig(folder / f"{name}.png", dpi=DPI)
            buffer = io.StringIO()
            figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
            texts[name] = buffer.getvalue()
            write_text(folder / f"{name}.svg", texts[name])
    return texts


MARKS = {
    Status.SLOWER: (">", "#D55E00"),
    Status.FASTER: ("<", "#009E73"),
    Status.SAME: ("o", "#0072B2"),
    Status.NEGLIGIBLE: (".", "#0072B2"),
    Status.INCONCLUSIVE: ("x", "#777777"),
    Status.INCOMPARABLE: ("x", "#777777"),
}
"""Shape and colour, so that neither stands alone."""

TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2, 5, 10, 20, 50, 100, 1000)


def ratios_figure(judged: Result) -> Figure:
    """Draw a row a stage, the total first."""
    comparison, judgement = judged.comparison, judged.judgement
    if comparison is None or judgement is None:
        raise ValueError("ratios need a comparison and its decision")
    rows = total_first(comparison)
    figure = Figure(figsize=(9, 1.4 + 0.36 * len(rows)), layout="constrained")
    axes = figure.subplots()
    band = judged.policy.threshold_ratio
    axes.axvspan(1 / (1 + band), 1 + band, color="#0072B2", alpha=0.12, lw=0)
    axes.axvline(1, color="#777777", lw=0.8)
    for place, row in enumerate(rows):
        _draw(axes, place, row, judgement.verdict(row.stage).status)
    axes.set_yticks(range(len(rows)), [wording.stage_name(r.stage, r.clock) for r in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.axhline(0.5, color="#cccccc", lw=0.8)
    _scale(axes, rows)
    first, second = conditions.headings(judged.run, 30)
    axes.set_xlabel(
        f"time of {second} / time of {first}, {percent(comparison.confidence)} intervals"
    )
    axes.set_title(f"ratio by stage; the band is {percent(band)} either way")
    _legend(figure, {verdict.status for verdict in judgement.verdicts})
    return figure


def _draw(axes: Axes, place: int, row: StageComparison, status: Status) -> None:
    shape, colour = MARKS[status]
    if row.ratio is None:
        reason = row.problem.text if row.problem else "no ratio"
        axes.annotate(
            reason, (1, place), xytext=(6, 0), textcoords="offset points", va="center", fontsize=7
        )
        return
    size = 8 if row.stage == TOTAL else 6
    axes.plot([row.ratio.low, row.ratio.high], [place, place], color=colour, lw=2, alpha=0.75)
    axes.plot([row.ratio.value], [place], shape, color=colour, ms=size, mew=2)


def _scale(axes: Axes, rows: tuple[StageComparison, ...]) -> None:
    lows = [row.ratio.low for row in rows if row.ratio] + [0.88]
    highs = [row.ratio.high for row in rows if row.ratio] + [1.13]
    low, high = min(lows) / 1.05, max(highs) * 1.05
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    ticks = [tick for tick in TICKS if low <= tick <= high]
    if high / low > 4:  # too crowded around 1
        ticks = [tick for tick in ticks if tick not in (0.8, 0.9, 1.1, 1.25, 1.5)]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _legend(figure: Figure, statuses: set[Status]) -> None:
    handles = [
        Line2D([], [], marker=shape, color=colour, ls="", mew=2, label=status.value)
        for status, (shape, colour) in MARKS.items()
        if status in statuses
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False, fontsize=8)


WARM_UP_COLOUR = "#bbbbbb"


def samples_figure(judged: Result) -> Figure:
    """Draw the whole iteration and the stage of most interest, sample by sample."""
    stage = _stage_of_interest(judged)
    figure = Figure(figsize=(9, 5.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    run = judged.run
    _panel(upper, run, run.samples.host_ns.sum(axis=1), "the whole iteration")
    values, clock = _spans(run, stage)
    _panel(lower, run, values, f"the stage {stage}, by the {clock}'s clock")
    lower.set_xlabel("iteration, in the order taken; a vertical line is a new process")
    handles, labels = upper.get_legend_handles_labels()
    if handles:
        figure.legend(
            handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=8
        )
    return figure


def _stage_of_interest(judged: Result) -> str:
    """The culprit, or the longest stage where there is none."""
    if judged.judgement is not None and judged.judgement.culprit is not None:
        return judged.judgement.culprit
    samples = judged.run.samples
    if not len(samples):
        return samples.stages[0]
    return samples.stages[int(np.median(samples.host_ns, axis=0).argmax())]


def _spans(run: Run, stage: str) -> tuple[NDArray[np.int64], str]:
    column = run.samples.stages.index(stage)
    device = run.samples.device_ns
    if device is not None and stage in DEVICE_STAGES and (device[:, column] >= 0).all():
        return device[:, column], "device"
    return run.samples.host_ns[:, column], "host"


def _panel(axes: Axes, run: Run, spans_ns: NDArray[np.int64], title: str) -> None:
    samples = run.samples
    order = np.arange(len(samples))
    warm_up = samples.turn == WARM_UP_TURN
    size = 12 if len(samples) < 1_000 else 3
    shown = np.maximum(spans_ns, 1)
    if warm_up.any():
        axes.scatter(
            order[warm_up],
            shown[warm_up],
            s=size,
            c=WARM_UP_COLOUR,
            marker=".",
            rasterized=True,
            label="warm-up, not compared",
        )
    for number, label in enumerate(conditions.legend_labels(run)):
        mine = (samples.side == number) & ~warm_up
        shape, colour = SIDE_MARKS[number]
        axes.scatter(
            order[mine],
            shown[mine],
            s=size,
            c=colour,
            marker=shape,
            alpha=0.7,
            lw=0,
            rasterized=True,
            label=label,
        )
    for start in np.flatnonzero(np.diff(samples.launch)) + 0.5:
        axes.axvline(start, color="#cccccc", lw=0.8)
    axes.set_yscale("log")
    _duration_ticks(axes, shown)
    axes.set_title(title)


def _duration_ticks(axes: Axes, spans_ns: NDArray[np.int64]) -> None:
    """A few ticks between the extremes, as durations."""
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: duration(value)))
    if len(spans_ns):
        ticks = np.geomspace(spans_ns.min(), spans_ns.max() or 1, 4)
        axes.set_yticks(ticks)
        axes.minorticks_off()
