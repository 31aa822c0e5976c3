"""Both sides' stages on one time axis, as bars that follow each other."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from depthprof.records import DEVICE_STAGES, TOTAL, Result, StageSummary
from depthprof.report import conditions
from depthprof.units import NS_PER_MS, duration

COLOURS = {
    "preprocess": "#E69F00",
    "h2d": "#56B4E9",
    "forward": "#0072B2",
    "postprocess": "#009E73",
    "sync": "#999999",
    "d2h": "#F0E442",
    "return": "#D55E00",
}
"""Okabe and Ito's colours, which people with unlike colour vision tell apart."""

SIDE_MARKS = (("o", "#0072B2"), ("^", "#D55E00"))
"""Mark and colour of baseline and candidate in every figure."""

DOMINANT_RATIO = 0.5
"""A stage with a larger share hides the others: they get a panel without it."""

LABEL_RATIO = 0.06
"""A bar narrower than this share of the axis has no room for its name."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One bar of stages: median nanoseconds by stage, in order, and which of them are shown."""

    label: str
    spans_ns: dict[str, float]
    shown: tuple[str, ...]


def waterfall_figure(judged: Result) -> Figure:
    """Draw a lane a side (and one for its device, where it has a clock) on one time axis."""
    sides = stage_summaries(judged)
    lanes = [lane for label, stages in sides for lane in _lanes(label, stages)]
    dominant = _dominant(lanes)
    panels = 2 if dominant else 1
    height = 1.5 + panels * (0.75 + 0.42 * len(lanes))
    figure = Figure(figsize=(9, height), layout="constrained")
    axes = figure.subplots(panels, 1, squeeze=False)[:, 0]
    _panel(axes[0], lanes, "one iteration, medians by stage")
    if dominant:
        rest = [_without(lane, dominant) for lane in lanes]
        _panel(axes[1], rest, f"the same without {dominant}")
    handles = [Patch(color=COLOURS.get(s, "#444444"), label=t) for s, t in _legend(sides)]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return figure


def stage_summaries(judged: Result) -> list[tuple[str, dict[str, StageSummary]]]:
    """Each side's label and its summaries by stage, without the total."""
    labels = conditions.headings(judged.run, 20)
    return [
        (label, {name: one for name, one in stages.items() if name != TOTAL})
        for label, stages in zip(labels, judged.measured.sides, strict=True)
    ]


def _lanes(label: str, stages: dict[str, StageSummary]) -> list[Lane]:
    host = {stage: summary.host_ns for stage, summary in stages.items()}
    lanes = [Lane(label, host, tuple(host))]
    device = {
        s: summary.device_ns for s, summary in stages.items() if summary.device_ns is not None
    }
    if device:
        lanes = [Lane(f"{label}, host", host, tuple(host))]
        lanes.append(Lane(f"{label}, device", device, DEVICE_STAGES))
    return lanes


def _dominant(lanes: list[Lane]) -> str | None:
    """The stage that hides the others in every lane that shows it, if there is one."""
    whole = sum(sum(lane.spans_ns.values()) for lane in lanes)
    stages = lanes[0].spans_ns
    by_stage = {stage: sum(lane.spans_ns.get(stage, 0.0) for lane in lanes) for stage in stages}
    largest = max(by_stage, key=lambda stage: by_stage[stage])
    return largest if whole and by_stage[largest] > DOMINANT_RATIO * whole else None


def _without(lane: Lane, stage: str) -> Lane:
    rest = {name: ns for name, ns in lane.spans_ns.items() if name != stage}
    return Lane(lane.label, rest, lane.shown)


def _panel(axes: Axes, lanes: list[Lane], title: str) -> None:
    longest_ms = max(sum(lane.spans_ns.values()) for lane in lanes) / NS_PER_MS
    for place, lane in enumerate(lanes):
        _draw_lane(axes, place, lane, longest_ms)
    axes.set_yticks(range(len(lanes)), [lane.label for lane in lanes])
    axes.set_ylim(len(lanes) - 0.45, -0.55)
    axes.set_xlim(0, longest_ms * 1.01 or 1)
    axes.set_xlabel("ms")
    axes.set_title(title)


def _draw_lane(axes: Axes, place: int, lane: Lane, longest_ms: float) -> None:
    ends_ms = np.cumsum(list(lane.spans_ns.values())) / NS_PER_MS
    for (stage, ns), end_ms in zip(lane.spans_ns.items(), ends_ms, strict=True):
        width_ms = ns / NS_PER_MS
        if stage not in lane.shown:
            continue
        left_ms = end_ms - width_ms
        axes.barh(place, width_ms, left=left_ms, height=0.7, color=COLOURS.get(stage, "#444444"))
        if width_ms > LABEL_RATIO * longest_ms + 0.011 * longest_ms * len(stage):
            light = stage in ("h2d", "d2h", "preprocess")
            axes.text(
                left_ms + width_ms / 2,
                place,
                stage,
                ha="center",
                va="center",
                fontsize=8,
                color="black" if light else "white",
            )


def _legend(sides: list[tuple[str, dict[str, StageSummary]]]) -> list[tuple[str, str]]:
    """A line a stage with each side's duration, so that the smallest can be read too."""
    lines = []
    for stage in sides[0][1]:
        times = " / ".join(_clocks(stages[stage]) for _, stages in sides)
        lines.append((stage, f"{stage}: {times}"))
    return lines


def _clocks(summary: StageSummary) -> str:
    if summary.device_ns is None:
        return duration(summary.host_ns)
    return f"{duration(summary.host_ns)} (device {duration(summary.device_ns)})"
