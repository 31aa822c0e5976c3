"""A history as files: one HTML page that opens offline, a document, a plot a label."""

import base64
import io
import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from depthprof.errors import OutputError
from depthprof.records import SeriesHistory
from depthprof.report.figures import DPI
from depthprof.report.folder import reserve
from depthprof.report.history import (
    by_subject,
    commit_name,
    history_document,
    signed_percent,
    span,
    sparkline,
    tone,
    toned_texts,
)
from depthprof.report.history_figure import history_figure
from depthprof.report.html import template
from depthprof.storage.text_files import write_text
from depthprof.units import duration, percent, times

COURSE_BLOCKS = 36


def history_html(groups: Sequence[tuple[Sequence[SeriesHistory], bytes]]) -> str:
    """Write the page; a group is the histories of one machine and label, and their plot (PNG)."""
    return template("history_template.html.j2").render(
        groups=[_group(histories, png) for histories, png in groups]
    )


def _group(histories: Sequence[SeriesHistory], png: bytes) -> dict[str, Any]:
    series = histories[0].series
    return {
        "label": series.label,
        "machine": series.machine,
        "plot": "data:image/png;base64," + base64.b64encode(png).decode(),
        "rows": [_row(history) for history in histories],
        "changes": [line for history in histories for line in _changes(history)],
    }


def _row(history: SeriesHistory) -> dict[str, Any]:
    points = history.series.points
    noise = history.noise_ratio
    return {
        "stage": history.series.stage,
        "clock": history.series.clock,
        "runs": len(points),
        "course": sparkline([point.median_ns for point in points], COURSE_BLOCKS),
        "span": span(points),
        "noise": "" if noise is None else percent(noise),
        "lines": toned_texts(history),
    }


def _changes(history: SeriesHistory) -> list[dict[str, str]]:
    """A line a change with all its figures, the drift last."""
    stage, points = history.series.stage, history.series.points
    lines = [
        {
            "stage": stage,
            "what": signed_percent(change.ratio),
            "tone": tone(change),
            "where": commit_name(change.commit),
            "previous": commit_name(change.previous_commit),
            "when": change.created[:10],
            "between": " to ".join(
                points[end].created[:10] for end in (change.earliest_index, change.latest_index)
            ),
            "levels": f"{duration(change.before_ns)} -> {duration(change.after_ns)}",
            "ratio": times(change.ratio.low, change.ratio.high),
        }
        for change in history.change_points
    ]
    drift = history.drift
    if drift is not None:
        lines.append(
            {
                "stage": stage,
                "what": f"{signed_percent(drift.ratio)} slowly",
                "tone": tone(drift),
                "where": commit_name(drift.last_commit),
                "previous": commit_name(drift.first_commit),
                "when": f"{drift.first_created[:10]} to {drift.last_created[:10]}",
                "between": "",
                "levels": f"{duration(drift.before_ns)} -> {duration(drift.after_ns)}",
                "ratio": times(drift.ratio.low, drift.ratio.high),
            }
        )
    return lines


LONGEST_NAME = 60


def write_history(histories: Sequence[SeriesHistory], folder: str | Path) -> tuple[Path, ...]:
    """Write history.html, history.json and history-LABEL.png into a folder; return their paths.

    Each file is replaced whole. The page holds the plots itself.

    Raises:
        OutputError: no space, or not writable; what was there stays.
    """
    folder = Path(folder)
    groups = by_subject(histories)
    plots = [_png(group) for group in groups]
    names = _names(groups)
    document = json.dumps(history_document(histories), indent=2, allow_nan=False) + "\n"
    page = history_html(list(zip(groups, plots, strict=True)))
    texts = {"history.html": page, "history.json": document}
    reserve(folder)
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".depthprof-") as made:
            for name, text in texts.items():
                write_text(Path(made) / name, text)
            for name, plot in zip(names, plots, strict=True):
                (Path(made) / name).write_bytes(plot)
            for name in (*texts, *names):
                (Path(made) / name).replace(folder / name)
    except OSError as error:
        raise OutputError(
            f"no history can be written to {folder}: {error.strerror or error}; name another folder"
        ) from error
    return tuple(folder / name for name in (*texts, *names))


def _png(group: Sequence[SeriesHistory]) -> bytes:
    buffer = io.BytesIO()
    history_figure(group).savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def _names(groups: Sequence[Sequence[SeriesHistory]]) -> list[str]:
    """File names by label, a number behind those that would be alike."""
    names: list[str] = []
    for group in groups:
        label = re.sub(r"[^A-Za-z0-9_.@=]+", "-", group[0].series.label).strip("-.")
        stem = f"history-{label[:LONGEST_NAME] or 'label'}"
        number, name = 1, f"{stem}.png"
        while name in names:
            number += 1
            name = f"{stem}-{number}.png"
        names.append(name)
    return names
