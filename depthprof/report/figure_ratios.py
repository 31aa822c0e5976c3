"""Candidate over baseline by stage, with intervals and the band that counts as the same."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from depthprof.records import TOTAL, Result, StageComparison, Status
from depthprof.report import wording
from depthprof.units import percent

MARKS = {
    Status.SLOWER: (">", "#D55E00"),
    Status.FASTER: ("<", "#009E73"),
    Status.SAME: ("o", "#0072B2"),
    Status.INCONCLUSIVE: ("x", "#777777"),
    Status.INCOMPARABLE: ("x", "#777777"),
}
"""Shape and colour, so that neither has to be told apart alone."""

TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2, 5, 10, 20, 50, 100, 1000)


def ratios_figure(judged: Result) -> Figure:
    """Draw a row a stage, the total last."""
    comparison, judgement = judged.comparison, judged.judgement
    if comparison is None or judgement is None:
        raise ValueError("ratios need a comparison and its judgement")
    rows = comparison.stages
    figure = Figure(figsize=(9, 1.4 + 0.36 * len(rows)), layout="constrained")
    axes = figure.subplots()
    band = judged.policy.threshold_ratio
    axes.axvspan(1 / (1 + band), 1 + band, color="#0072B2", alpha=0.12, lw=0)
    axes.axvline(1, color="#777777", lw=0.8)
    for place, row in enumerate(rows):
        _draw(axes, place, row, judgement.verdict(row.stage).status)
    axes.set_yticks(range(len(rows)), [wording.stage_name(r.stage, r.clock) for r in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.axhline(len(rows) - 1.5, color="#cccccc", lw=0.8)
    _scale(axes, rows)
    first, second = wording.headings(judged.run, 30)
    axes.set_xlabel(
        f"time of {second} / time of {first}, intervals together {percent(comparison.confidence)}"
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
