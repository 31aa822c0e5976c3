"""One label's stages over its runs: medians, their intervals, levels, changes by commit."""

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from depthprof.records import ChangePoint, Drift, SeriesHistory
from depthprof.report.figures import STYLE
from depthprof.report.history import commit_name, signed_percent, tone
from depthprof.units import duration

COLOURS = {"SLOWER": "#D55E00", "FASTER": "#009E73"}
POINT_COLOUR = "#0072B2"
PANEL_INCHES = 1.9
NAME_POINTS = 11
NAME_LINES = 3
"""Names of neighbouring changes stand on lines of their own, so many of them in turn."""

LONGEST_STAGE = 40
LONGEST_TITLE = 110


def history_figure(histories: Sequence[SeriesHistory]) -> Figure:
    """Draw a panel a stage of one machine and label; runs go from left to right."""
    with matplotlib.rc_context(STYLE):
        height = 0.9 + PANEL_INCHES * len(histories)
        figure = Figure(figsize=(9, height), layout="constrained")
        FigureCanvasAgg(figure)
        panels = figure.subplots(len(histories), 1, squeeze=False)[:, 0]
        for axes, history in zip(panels, histories, strict=True):
            _panel(axes, history)
        series = histories[0].series
        title = _cut(f"{series.label} on {series.machine}", LONGEST_TITLE)
        figure.suptitle(title, fontsize=10, parse_math=False)
    return figure


def _panel(axes: Axes, history: SeriesHistory) -> None:
    points = history.series.points
    places = np.arange(len(points))
    axes.set_title(_cut(history.series.stage, LONGEST_STAGE), parse_math=False)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: duration(value)))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    if not points:
        return
    low, high = ([getattr(point, end) for point in points] for end in ("low_ns", "high_ns"))
    size = 12 if len(points) <= 200 else 3
    axes.vlines(places, low, high, color=POINT_COLOUR, lw=0.8, alpha=0.35)
    axes.scatter(places, [p.median_ns for p in points], s=size, c=POINT_COLOUR, lw=0)
    for number, change in enumerate(history.change_points):
        _mark(axes, change, len(points), NAME_POINTS * (number % NAME_LINES))
    if history.drift is not None:
        _slope(axes, history.drift)
    axes.margins(y=0.25)
    _date_ticks(axes, history)


def _mark(axes: Axes, change: ChangePoint, count: int, down: int) -> None:
    """A line where the level changed, a band where it may have, a name so many points down."""
    colour = COLOURS[tone(change)]
    axes.axvline(change.index - 0.5, color=colour, lw=1.2)
    if change.earliest_index >= 0:
        axes.axvspan(
            change.earliest_index - 0.5, change.latest_index - 0.5, color=colour, alpha=0.12, lw=0
        )
    left = change.index > 0.75 * count
    text = f"{signed_percent(change.ratio)} at {commit_name(change.commit)}"
    axes.annotate(
        text,
        (change.index - 0.5, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(-4 if left else 4, -2 - down),
        textcoords="offset points",
        ha="right" if left else "left",
        va="top",
        color=colour,
        fontsize=8,
        parse_math=False,
    )


def _slope(axes: Axes, drift: Drift) -> None:
    colour = COLOURS[tone(drift)]
    ends = ([drift.first_index, drift.last_index], [drift.before_ns, drift.after_ns])
    axes.plot(*ends, color=colour, lw=2)
    first, last = (commit_name(c) for c in (drift.first_commit, drift.last_commit))
    axes.annotate(
        f"{signed_percent(drift.ratio)} slowly, {first} to {last}",
        (0.5, 0.0),
        xycoords="axes fraction",
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        va="bottom",
        color=colour,
        fontsize=8,
        parse_math=False,
    )


def _date_ticks(axes: Axes, history: SeriesHistory) -> None:
    """A few runs by their date; the axis counts runs, since commits do not come evenly."""
    points = history.series.points
    ticks = np.unique(np.linspace(0, len(points) - 1, 6).round().astype(int))
    axes.set_xticks(ticks, [points[tick].created[:10] for tick in ticks], fontsize=8)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
