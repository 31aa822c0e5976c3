import io
import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from depthprof.errors import OutputError
from depthprof.history.trends import analyse
from depthprof.records import SeriesHistory
from depthprof.report.history import (
    BLOCKS,
    change_text,
    history_document,
    print_history,
    sparkline,
    sure,
)
from depthprof.report.history_page import write_history
from tests.history.series import noise, series

PLACES = np.arange(120.0)
STEP = 0.08 * (PLACES >= 70)
ODD = r"own <script>alert('x')</script> $\frac{a}{$ [bold]& ../up"


@pytest.fixture(scope="module")
def histories() -> tuple[SeriesHistory, ...]:
    drift = noise(120, 3) + 0.01 * np.clip(PLACES - 50, 0, 20)
    return analyse(
        [
            series(noise(120) + STEP),
            series(drift, "total"),
            series(noise(4), "h2d"),
            series([], "d2h"),
            series(noise(30, 5), "<i>$x^", ODD),
        ]
    )


def printed(histories: tuple[SeriesHistory, ...], width: int) -> list[str]:
    buffer = io.StringIO()
    print_history(histories, Console(file=buffer, width=width))
    return buffer.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_the_terminal_says_it_all(histories: tuple[SeriesHistory, ...], width: int) -> None:
    lines = printed(histories, width)
    text = " ".join(" ".join(lines).split())
    change = histories[0].change_points[0]
    assert max(map(len, lines)) <= width
    assert f"% at {change.commit} ({change.created[:10]}), sure to over 99.9 %" in text
    assert "% slowly, from" in text
    assert "too few points: 4" in text
    assert "no runs" in text
    assert any(BLOCKS[0] in line and BLOCKS[-1] in line for line in lines)


def test_no_history_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    print_history((), Console())
    assert "there is no history yet" in capsys.readouterr().out


def test_a_change_in_words(histories: tuple[SeriesHistory, ...]) -> None:
    change = histories[0].change_points[0]
    ratio = replace(change.ratio, value=1.052)
    one = replace(change, ratio=ratio, commit="1a2b3c4", confidence=0.9987)
    one = replace(one, created="2026-11-02T08:00:00+00:00")
    assert change_text(one) == "+5.2 % at 1a2b3c4 (2026-11-02), sure to 99.8 %"
    same = replace(one, previous_commit="1a2b3c4")
    assert change_text(same).endswith("the commit before being the same: not the code")
    changed = replace(one, commit="1a2b3c4d5e6f+", previous_commit="1a2b3c4d5e6f+")
    assert "at 1a2b3c4d5e+ (" in change_text(changed)
    assert "not the code" not in change_text(changed)
    assert "at an unknown commit" in change_text(replace(one, commit=None))


@given(st.floats(0.5, 1.0))
def test_sureness_is_never_rounded_up(confidence: float) -> None:
    figure = float(sure(confidence).split()[-2])
    assert figure <= 100 * confidence + 1e-9


@given(st.lists(st.floats(0, 1e12), max_size=300), st.integers(0, 80))
def test_a_course_fits_its_width(medians: list[float], width: int) -> None:
    course = sparkline(medians, width)
    assert len(course) == min(width, len(medians))
    assert set(course) <= set(BLOCKS)


def test_noise_is_no_mountain() -> None:
    assert set(sparkline([100.0, 100.1, 99.9, 100.0], 4)) == {BLOCKS[3], BLOCKS[4]}
    assert sparkline([1.0, 2.0], 2) == BLOCKS[0] + BLOCKS[-1]


def test_the_document_is_plain_and_whole(histories: tuple[SeriesHistory, ...]) -> None:
    document = json.loads(json.dumps(history_document(histories), allow_nan=False))
    assert (document["schema"], document["kind"]) == (1, "history")
    first = document["series"][0]
    assert first["stage"] == "forward"
    assert first["change_points"][0]["ratio"]["value"] == pytest.approx(1.08, abs=0.03)
    assert len(first["points"]) == 120
    assert first["sentences"] == [change_text(histories[0].change_points[0])]
    assert document["series"][1]["drift"]["last_index"] > 60
    assert document["series"][2]["code"] == "too_few_points"


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_folder_holds_page_document_and_plots(
    histories: tuple[SeriesHistory, ...], tmp_path: Path
) -> None:
    paths = write_history(histories, tmp_path / "new")
    names = [path.name for path in paths]
    assert names[:3] == ["history.html", "history.json", "history-v2-small-518.png"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(names)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths[2:])
    page = Page()
    page.feed(paths[0].read_text(encoding="utf-8"))
    assert not {"script", "i", "link"} & set(page.tags)
    assert all(source.startswith("data:image/png") for source in page.sources)
    assert ODD in page.text
    assert "<i>$x^" in page.text


def test_labels_that_look_alike_keep_their_plots(tmp_path: Path) -> None:
    labels = ("a b", "a-b", "a/b", "///")
    histories = analyse([series(noise(12), label=label) for label in labels])
    names = [path.name for path in write_history(histories, tmp_path)]
    assert names[2:] == [
        "history-a-b.png",
        "history-a-b-2.png",
        "history-a-b-3.png",
        "history-label.png",
    ]


def test_no_series_still_makes_a_page(tmp_path: Path) -> None:
    write_history((), tmp_path)
    assert "there is no history yet" in (tmp_path / "history.html").read_text(encoding="utf-8")


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="can be written to"):
        write_history((), tmp_path / "file")
