"""The figures: waterfall, ratios with intervals, samples over time. No pyplot, no state."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from depthprof.records import Result
from depthprof.report.figure_ratios import ratios_figure
from depthprof.report.figure_samples import samples_figure
from depthprof.report.figure_telemetry import has_telemetry, telemetry_figure
from depthprof.report.figure_waterfall import waterfall_figure
from depthprof.storage.text_files import write_text

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
