"""A history as one HTML file that opens offline: no script, no network, light and dark."""

import base64
from collections.abc import Sequence
from typing import Any

from depthprof.records import SeriesHistory
from depthprof.report import history_wording as wording
from depthprof.report.pages import template
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
        "course": wording.sparkline([point.median_ns for point in points], COURSE_BLOCKS),
        "span": wording.span(points),
        "noise": "" if noise is None else percent(noise),
        "lines": wording.toned_texts(history),
    }


def _changes(history: SeriesHistory) -> list[dict[str, str]]:
    """A line a change with all its figures, the drift last."""
    stage, points = history.series.stage, history.series.points
    lines = [
        {
            "stage": stage,
            "what": wording.signed_percent(change.ratio),
            "tone": wording.tone(change),
            "where": wording.commit_name(change.commit),
            "previous": wording.commit_name(change.previous_commit),
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
                "what": f"{wording.signed_percent(drift.ratio)} slowly",
                "tone": wording.tone(drift),
                "where": wording.commit_name(drift.last_commit),
                "previous": wording.commit_name(drift.first_commit),
                "when": f"{drift.first_created[:10]} to {drift.last_created[:10]}",
                "between": "",
                "levels": f"{duration(drift.before_ns)} -> {duration(drift.after_ns)}",
                "ratio": times(drift.ratio.low, drift.ratio.high),
            }
        )
    return lines
