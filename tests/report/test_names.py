"""Names that files have, in everything that shows, stores or sends a run."""

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from depthprof.errors import BadInput, PipelineError
from depthprof.history.trends import otava_csv
from depthprof.records import (
    Decision,
    Failure,
    LeftOut,
    Picture,
    Point,
    Policy,
    Result,
    Series,
    Weights,
    decode,
    encode,
)
from depthprof.report import folder
from depthprof.report.ci import annotations, junit
from depthprof.report.conditions import MOST_LEFT_OUT, left_out_lines, legend_labels, picture_lines
from depthprof.report.gated import gate_document, gate_markdown
from depthprof.report.html import html
from depthprof.report.markdown import markdown
from depthprof.report.summary import summary
from depthprof.report.terminal import print_gated, print_judged
from depthprof.storage.database import open_store
from depthprof.verdict.decision import judge
from depthprof.verdict.unpaired import gate_turns
from tests.names import NAMES
from tests.runs import simulated, with_run
from tests.storage.database.stores import add

CLOSING = {**NAMES, "closing tags": "x[/red]</script><!-- -- ]]> \x00"}
"""As labels names may have a slash, being paths; a file of JSON may have a zero."""

every_name = pytest.mark.parametrize("kind", CLOSING)


@cache
def named(kind: str) -> Result:
    """A run in which everything that can be named is named so."""
    name = CLOSING[kind]
    run = simulated(turns=12, launches=4, change={"return": 4.0})
    sides = tuple(
        replace(
            side,
            label=f"./{name}.py:{name}{side.name}",
            variant=f"{name}.py:Mine",
            weights=Weights(f"{name}.pth", "0" * 64, None, 1),
            notes=(f"{name} was seen",),
        )
        for side in run.sides
    )
    run = replace(
        run,
        sides=sides,
        command=f"python -m depthprof compare {name}",
        pictures=(Picture(f"{name}.jpg", 3, 4, f'profile "{name}"'),) * 5,
        left_out=(LeftOut(f"{name}.png", f"is {name}"),),
        failures=(Failure("b", "forward", 1, "stage_failed", f"{name}.py raised"),),
    )
    return judge(run, Policy())


@cache
def gated(kind: str) -> Result:
    judged = named(kind)
    return gate_turns(
        with_run(judged, replace(judged.run, failures=())), CLOSING[kind], CLOSING[kind]
    )


def printed(show: Callable[[Console], None]) -> str:
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    show(console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@every_name
def test_a_terminal_is_sent_no_code_of_a_name_s(kind: str) -> None:
    judged, outcome = named(kind), gated(kind)
    for text in (
        printed(lambda console: print_judged(judged, console)),
        printed(lambda console: print_gated(outcome, console)),
    ):
        assert all(line.isprintable() for line in text.split("\n"))
        text.encode("utf-8")
    if kind == "markup of rich":
        assert "[red]x[bold]" in printed(lambda console: print_judged(judged, console))


class Tags(HTMLParser):
    """Collects what the page begins, and attributes that run code."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        assert not any(name.startswith("on") for name, _ in attrs)


@every_name
def test_a_page_holds_names_as_text(kind: str) -> None:
    page = html(named(kind), {})
    page.encode("utf-8")
    tags = Tags()
    tags.feed(page)
    assert "script" not in tags.seen
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u202e]", page)


@every_name
def test_markdown_keeps_its_tables_whole(kind: str) -> None:
    for text in (markdown(named(kind)), gate_markdown(gated(kind))):
        text.encode("utf-8")
        assert all(line.isprintable() for line in text.split("\n"))
        assert not re.search(r"(?<!\\)<(script|img)", text.partition("```")[0])
        for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
            counts = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
            assert len(counts) == 1


@every_name
def test_json_is_strict_and_comes_back_the_same(kind: str) -> None:
    judged = named(kind)
    for document in (summary(judged), gate_document(gated(kind))):
        text = json.dumps(document, allow_nan=False, ensure_ascii=False)
        text.encode("utf-8")
    text = encode(judged.run, judged.policy)
    again, _ = decode(text)
    assert encode(again, judged.policy) == text
    assert (again.pictures, again.left_out) == (judged.run.pictures, judged.run.left_out)
    assert summary(judged)["left_out"][0]["name"] == judged.run.left_out[0].name


@every_name
def test_junit_is_xml_and_annotations_are_lines(kind: str) -> None:
    name = CLOSING[kind]
    refused = Result(Policy(), 2, baseline=name, candidate=name, missing=(name,), is_paired=False)
    problem = (Decision(Policy(), label=name, problem=name),)
    for outcome in (gated(kind), refused, replace(refused, missing=(), sides=problem)):
        text = junit(outcome)
        ElementTree.fromstring(text.encode("utf-8"))
        lines = annotations(outcome)
        assert lines
        for line in lines:
            assert re.fullmatch(r"::(error|warning) title=[^:,\n]*::[^\n\r]*", line)
            assert line.isprintable()


@pytest.mark.parametrize("kind", ["no UTF-8", "line end", "closing tags"])
def test_a_store_keeps_it_and_gives_it_back(kind: str, tmp_path: Path) -> None:
    judged = named(kind)
    with open_store(str(tmp_path / "store.db")) as store:
        identity = add(store, judged)
        run, _ = store.load(identity)
        assert run.sides == judged.run.sides
        assert [row.labels for row in store.rows()] == [tuple(s.label for s in run.sides)]
        assert store.rows(tag=CLOSING[kind]) == []
        with pytest.raises(BadInput, match="there is no run"):
            store.find(CLOSING[kind])


def test_a_report_folder_of_any_name_is_written(tmp_path: Path) -> None:
    judged = named("mathematics")  # what figures take for a formula
    written = folder.write(judged, tmp_path / NAMES["no UTF-8"])
    assert (written / "report.html").stat().st_size
    assert json.loads((written / "summary.json").read_text())["report"] == str(written)
    assert re.fullmatch(r"[\w.@=-]+", written.name, re.ASCII)
    for figure in written.glob("*.svg"):
        assert "mathdefault" not in figure.read_text()  # ticks are no formulas either


def test_a_legend_leaves_out_no_side() -> None:
    run = named("underscore").run
    sides = tuple(replace(side, label=f"_mine:{side.name}") for side in run.sides)
    labels = legend_labels(replace(run, sides=sides))
    assert [label.strip() for label in labels] == ["_mine:a", "_mine:b"]
    assert not any(label.startswith("_") for label in labels)


def test_older_runs_with_names_as_they_were_can_be_reported() -> None:
    judged = named("no UTF-8")
    raw = encode(judged.run, judged.policy).replace(r"caf\\xe9\\xff", r"caf\udce9\udcff\n")
    assert r"\udcff" in raw
    again, _ = decode(raw)
    assert r"caf\xe9\xff\n" in again.pictures[0].name
    html(judge(again, judged.policy), {}).encode("utf-8")


def test_a_table_of_commas_holds_names_as_one_field() -> None:
    label = NAMES["formula"] + "\n"
    point = Point("c0ffee", "2026-01-01T00:00:00+00:00", "run", 1e6, 1e6, 1e6)
    text = otava_csv([Series("machine", label, "forward", "host", (point,))])
    assert len(list(csv.reader(io.StringIO(text)))) == 2


@every_name
def test_a_refusal_is_one_line(kind: str) -> None:
    for error in (BadInput(f"no {CLOSING[kind]}"), PipelineError(CLOSING[kind], side="a")):
        assert str(error).isprintable()
        str(error).encode("utf-8")


def test_every_note_and_every_file_left_out_is_named() -> None:
    pictures = [Picture(f"{n}.png", 4, 4, "grayscale" if n > 3 else "") for n in range(9)]
    left_out = tuple(LeftOut(f"{n}.jpg", "is empty") for n in range(MOST_LEFT_OUT + 2))
    run = replace(simulated(turns=1), pictures=tuple(pictures), left_out=left_out)
    lines = picture_lines(run)
    assert lines[:2] == [
        ("pictures", "0.png 4x4, 1.png 4x4, 2.png 4x4 and 6 more"),
        ("pictures", "4.png, 5.png, 6.png and 2 more: grayscale"),
    ]
    assert lines[2] == ("left out", "0.jpg is empty")
    assert lines[-1] == ("left out", "2 more; run.json and --json name them")
    assert len(left_out_lines(left_out)) == MOST_LEFT_OUT + 1
