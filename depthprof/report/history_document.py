"""A history for programs: one JSON document."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from depthprof.records import SeriesHistory
from depthprof.report.history_wording import change_texts

HISTORY_SCHEMA = 1


def history_document(histories: Sequence[SeriesHistory]) -> dict[str, Any]:
    """Return the document: schema, kind, and a list of series as plain data.

    Figures carry their unit in their name. `ratio` and `point_ratio` are objects of value, low,
    high and confidence. `sentences` is what the terminal prints.
    """
    return {
        "schema": HISTORY_SCHEMA,
        "kind": "history",
        "series": [_series(history) for history in histories],
    }


def _series(history: SeriesHistory) -> dict[str, Any]:
    data = asdict(history)
    series = data.pop("series")
    points = list(series.pop("points"))
    data["change_points"] = list(data["change_points"])
    return {**series, **data, "sentences": change_texts(history), "points": points}
