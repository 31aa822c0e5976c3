"""Every iteration over time: drift, outliers and warm-up show here and nowhere else."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from depthprof.records import DEVICE_STAGES, WARM_UP_TURN, Result, Run
from depthprof.report import wording
from depthprof.units import duration

SIDE_MARKS = (("o", "#0072B2"), ("^", "#D55E00"))
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
    lower.set_xlabel("iteration, in the order taken; a line is a new launch")
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
            label="warm-up, not judged",
        )
    for number, label in enumerate(wording.legend_labels(run)):
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
