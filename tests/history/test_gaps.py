"""Series that begin late or end early: a stage or side that was added, renamed or is gone."""

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from depthprof.history.trends import analyse
from depthprof.records import Series
from depthprof.report.history import history_document, print_history
from depthprof.report.history_page import history_html
from tests.history.series import noise, series


def part(one: Series, first: int = 0, end: int | None = None, **changes: str) -> Series:
    """Some of the points of a series, under another name."""
    return replace(one, points=one.points[first:end], **changes)  # type: ignore[arg-type]


WHOLE = series(noise(12))  # 12 days from 2026-09-01 on
CASES = {
    "whole": (part(WHOLE, stage="return"), ()),
    "ends": (part(WHOLE, 0, 9, stage="return"), ("ends 2026-09-09: 3 later runs lack it",)),
    "ends by one": (part(WHOLE, 0, 11, stage="return"), ("ends 2026-09-11: 1 later run lacks it",)),
    "begins": (part(WHOLE, 4, stage="return"), ("begins 2026-09-05: 4 earlier runs lack it",)),
    "both": (
        part(WHOLE, 1, 11, stage="return"),
        ("begins 2026-09-02: 1 earlier run lacks it", "ends 2026-09-11: 1 later run lacks it"),
    ),
    "side gone": (
        part(WHOLE, 0, 5, label="v1 small 518"),
        ("v1 small 518 ends 2026-09-05: it is not in the newest 7 runs of this machine",),
    ),
    "side new": (part(WHOLE, 5, label="v3 small 518"), ()),
    "another machine": (part(WHOLE, 0, 5, machine="bench-2"), ()),
    "another clock": (part(WHOLE, 0, 5, clock="cpu"), ()),
    "nothing": (part(WHOLE, 0, 0, stage="return"), ()),
}


@pytest.mark.parametrize("name", CASES)
def test_where_a_series_begins_late_or_ends_early_is_said(name: str) -> None:
    one, said = CASES[name]
    histories = analyse([WHOLE, one])
    assert histories[1].gaps == said
    assert histories[0].gaps == ()
    assert analyse([one], among=[WHOLE, one])[0].gaps == said  # as --label and --stage choose


def test_a_renamed_side_ends_where_the_other_begins() -> None:
    old, new = (
        part(WHOLE, 0, 6, label="v2 small 518"),
        part(WHOLE, 6, label="new small 518"),
    )
    gaps = [history.gaps for history in analyse([old, new])]
    assert gaps == [
        ("v2 small 518 ends 2026-09-06: it is not in the newest 6 runs of this machine",),
        (),
    ]


def test_a_side_that_is_gone_is_told_once_and_by_every_report() -> None:
    gone = [part(WHOLE, 0, 5, label="v1 small 518", stage=stage) for stage in ("forward", "total")]
    histories = analyse([WHOLE, *gone])
    buffer = io.StringIO()
    print_history(histories, Console(file=buffer, width=100))
    page = history_html([(histories, b"")])
    document = json.dumps(history_document(histories))
    for text in (" ".join(buffer.getvalue().split()), page):
        assert text.count("it is not in the newest 7 runs of this machine") == 1
    assert document.count("it is not in the newest 7 runs") == 2  # `gaps`, and among `sentences`
