"""What people and programs read: terminal, Markdown, HTML, JSON, figures, folder."""

import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from depthprof.errors import BadRunFile, OutputError
from depthprof.records import STAGES, TOTAL, Failure, Policy, Result, Run, Samples
from depthprof.report import conditions, folder, wording
from depthprof.report.figures import figures
from depthprof.report.html import html
from depthprof.report.markdown import markdown
from depthprof.report.summary import summary
from depthprof.report.terminal import print_judged
from depthprof.storage.run_files import read_run
from depthprof.verdict.decision import judge
from depthprof.verdict.timer_view import is_asynchronous
from tests.runs import simulated

DOCS = Path(__file__).parents[2] / "docs"
EVIL = '<script>alert("x")</script>|`[a](b)'


def one_sided(run: Run) -> Run:
    keep = run.samples.side == 0
    names = [
        n for n in Samples.__dataclass_fields__ if n not in ("stages", "device_ns", "interruptions")
    ]
    device = None if run.samples.device_ns is None else run.samples.device_ns[keep]
    columns = {name: getattr(run.samples, name)[keep] for name in names}
    return replace(run, sides=run.sides[:1], samples=Samples(**columns, device_ns=device))


def with_device(run: Run) -> Run:
    """The same run as an asynchronous device gives it: forward is launched, sync waits."""
    host = run.samples.host_ns.copy()
    device = host.copy()
    forward, sync = STAGES.index("forward"), STAGES.index("sync")
    host[:, sync], host[:, forward] = host[:, forward], 5_000_000
    device[:, sync] = 0
    return replace(run, samples=replace(run.samples, host_ns=host, device_ns=device))


def cases() -> dict[str, Result]:
    slower = simulated(turns=20, change={"return": 16.0, "preprocess": 1.5})
    labels = ("v1@fp16,batch=8,published", "./some/where/mine.py:MyVeryFastPipeline@sdpa")
    sides = tuple(replace(s, label=name) for s, name in zip(slower.sides, labels, strict=True))
    failure = Failure("b", "forward", 1, "stage_failed", "the stage forward raised X: y")
    weird = replace(slower, command=EVIL, failures=(replace(failure, text=EVIL),))
    weird = replace(weird, sides=(slower.sides[0], replace(slower.sides[1], label=EVIL)))
    runs = {
        "slower": slower,
        "same": simulated(turns=20),
        "few": simulated(turns=1, launches=5),
        "noisy": simulated(turns=6, noise=0.8),
        "long labels": replace(slower, sides=sides),
        "device": with_device(simulated(turns=20, change={"forward": 2.0})),
        "profile": one_sided(slower),
        "device profile": one_sided(with_device(slower)),
        "failed": replace(slower, ended="failed", failures=(failure,)),
        "interrupted": replace(simulated(turns=1, launches=5), ended="interrupted"),
        "evil": weird,
        "batches": simulated(turns=20, batches=(1, 4)),
    }
    return {name: judge(run, Policy()) for name, run in runs.items()}


CASES = cases()
every_case = pytest.mark.parametrize("name", CASES)


def shown(judged: Result, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    print_judged(judged, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@every_case
@pytest.mark.parametrize("width", [80, 120])
def test_the_terminal_shows_every_row_within_its_width(name: str, width: int) -> None:
    judged = CASES[name]
    text = shown(judged, width)
    assert max(map(len, text.splitlines())) <= width
    for stage in (*STAGES, TOTAL):
        assert re.search(rf"^{stage}\b", text, re.MULTILINE), stage
    assert "…" not in text  # nothing is cut off
    if judged.judgement:
        for verdict in judged.judgement.verdicts:
            row = next(line for line in text.splitlines() if line.startswith(verdict.stage))
            assert verdict.status.value in row
        assert judged.judgement.sentence in " ".join(text.split())


def test_the_terminal_reads_as_it_should() -> None:
    text = shown(CASES["slower"], 80)
    row = next(line for line in text.splitlines() if line.startswith("return"))
    assert re.fullmatch(
        r"return +4\d\d us +±\d+% 6\.\d+ ms +±\d+% +1\d\.\d +1\d\.\d - 1\d\.\d SLOWER +[\d.]+ %",
        row.rstrip(),
    )
    assert "also slower: return" in text or "also slower: preprocess" in text
    assert "two clocks" not in text


def test_what_is_undecided_is_grouped_by_its_reason() -> None:
    text = " ".join(shown(CASES["few"], 120).split())
    assert text.count("fewer than 6 can decide nothing") == 2  # the sentence and one remark


def test_undecided_stages_say_in_one_line_what_would_decide_them() -> None:
    judged = CASES["noisy"]
    assert judged.judgement is not None
    waiting = [v for v in judged.judgement.verdicts if v.reason.code == "wide_interval"]
    (line,) = wording.unsure(judged)
    parts = line.removeprefix("undecided: ").split("; ")
    assert len(parts) == len(waiting) > 1
    for part in parts:
        known = r"\w+ needs about [\d,]+ pairs \([\d.]+ (s|min|h)\)(, or more.*)?"
        assert re.fullmatch(known, part)


def test_a_device_run_shows_both_clocks_and_the_naive_timer() -> None:
    text = " ".join(shown(CASES["device"], 120).split())
    assert "forward*" in text
    assert "by the device's clock" in text
    assert "a host timer without sync blames d2h for" in text
    assert "are forward" in text
    assert "a host timer" not in shown(CASES["slower"], 120)


def test_a_failure_stands_first_and_the_sentence_names_it() -> None:
    text = " ".join(shown(CASES["failed"], 120).split())
    assert "v2 failed in the stage forward" in text
    assert "FAILED v2, process 2: the stage forward raised X: y" in text


@every_case
def test_markdown_is_one_table_with_every_row(name: str) -> None:
    text = markdown(CASES[name])
    rows = [line for line in text.splitlines() if line.startswith("|")]
    for stage in (*STAGES, TOTAL):
        assert any(line.startswith((f"| {stage} |", f"| {stage}* |")) for line in rows)
    columns = len(re.findall(r"(?<!\\)\|", rows[0]))
    assert all(len(re.findall(r"(?<!\\)\|", line)) == columns for line in rows[:10])
    outside_fences = "".join(text.split("```")[::2])
    assert "<script" not in outside_fences.replace("\\<", "")


class Page(HTMLParser):
    """Collects what a page loads and the tags it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for key, value in attrs if key in ("src", "href", "srcset")]


@every_case
def test_html_is_one_file_that_loads_nothing_and_escapes_everything(name: str) -> None:
    judged = CASES[name]
    page_text = html(judged, {"waterfall": "<svg xmlns='http://www.w3.org/2000/svg'/>"})
    page = Page(page_text)
    assert all(load.startswith("data:") for load in page.loads)
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert "url(" not in page_text
    assert "@import" not in page_text
    sides = range(len(judged.run.sides))
    timers = sum(is_asynchronous(judged.run, side) for side in sides)
    assert page.tags.count("table") == 3 + bool(judged.judgement) + timers + page_text.count(
        '<p class="dim">rule '
    ) + ("GPU and host while measuring</h2>" in page_text)
    for stage in STAGES:
        assert stage in page_text


@pytest.mark.parametrize(
    ("name", "tone"),
    [
        ("slower", "alarm"),
        ("failed", "alarm"),
        ("few", "unsure"),
        ("same", "calm"),
        ("profile", "calm"),
    ],
)
def test_the_first_sentence_of_the_page_is_marked_by_the_verdicts(name: str, tone: str) -> None:
    lenient = judge(CASES[name].run, Policy(fail_on=()))
    assert f'class="lead {tone}"' in html(lenient, {})


@every_case
def test_the_summary_is_strict_json_with_the_documented_fields(name: str) -> None:
    judged = CASES[name]
    document = json.loads(json.dumps(summary(judged), allow_nan=False))
    text = (DOCS / "json.md").read_text()
    sections = {m[0]: m[1] for m in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.M | re.S)}

    def documented(part: str) -> set[str]:
        return set(re.findall(r"^\| `(\w+)` \|", part, re.M))

    both = documented(sections["Both kinds"])
    of_comparison, of_verdict = sections["A comparison"].split("Each of `verdicts`")
    if judged.comparison:
        assert set(document) == both | documented(of_comparison)
        assert [item["stage"] for item in document["verdicts"]] == [*STAGES, TOTAL]
        for verdict in document["verdicts"]:
            assert set(verdict) == documented(of_verdict)
            assert set(verdict["reason"]) == {"code", "text"}
            assert f"`{verdict['reason']['code']}`" in of_verdict
            for key in ("baseline_ns", "candidate_ns", "ratio", "difference_ns"):
                estimate = verdict[key]
                assert estimate is None or estimate["low"] <= estimate["value"] <= estimate["high"]
    else:
        assert set(document) == both | documented(sections["A profile"])
    for key, value in document["baseline"].items():
        assert f"`{key}`" in sections["Both kinds"], (key, value)
    assert document["exit_code"] == judged.exit_code


@every_case
def test_figures_are_made_without_pyplot_state(name: str) -> None:
    import sys

    made = figures(CASES[name])
    expected = (
        {"waterfall", "ratios", "samples"} if CASES[name].comparison else {"waterfall", "samples"}
    )
    assert set(made) == expected
    assert "matplotlib.pyplot" not in sys.modules


def test_the_waterfall_has_a_lane_a_side_on_one_axis_and_tells_small_stages() -> None:
    figure = figures(CASES["slower"])["waterfall"]
    upper, lower = figure.axes
    assert [tick.get_text() for tick in upper.get_yticklabels()] == ["v1", "v2"]
    assert lower.get_title(loc="left") == "the same without forward"
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(legend) == len(STAGES)
    assert any(re.match(r"sync: \d+ ns / \d+ ns", line) for line in legend)
    device = figures(CASES["device"])["waterfall"].axes[0]
    assert len(device.get_yticklabels()) == 4


def test_the_waterfall_s_bars_add_up_to_the_stages() -> None:
    judged = CASES["same"]
    assert judged.comparison is not None
    upper = figures(judged)["waterfall"].axes[0]
    widths = sum(patch.get_width() for patch in upper.patches[: len(STAGES)])  # type: ignore[attr-defined]
    expected = sum(row.baseline.host_ns for row in judged.comparison.stages if row.stage != TOTAL)
    assert widths == pytest.approx(expected / 1e6)


def test_a_folder_is_whole_and_its_reports_can_be_made_again(tmp_path: Path) -> None:
    judged = CASES["slower"]
    made = folder.write(judged, tmp_path)
    names = {file.name for file in made.iterdir()}
    pictures = {f"{n}.{e}" for n in ("waterfall", "ratios", "samples") for e in ("png", "svg")}
    assert names == pictures | {"run.json", "summary.json", "report.html", "report.md"}
    assert [item.name for item in tmp_path.iterdir()] == [made.name]
    assert re.fullmatch(r"\d{8}-\d{6}-v1-vs-v2-small", made.name)
    assert (made / "waterfall.png").read_bytes().startswith(b"\x89PNG")

    run, policy = read_run(made)
    before = {name: (made / name).read_bytes() for name in names - {"run.json"}}
    for name in before:
        (made / name).unlink()
    folder.rewrite(judge(run, policy), made)
    assert {name: (made / name).read_bytes() for name in before} == before
    assert read_run(made / "run.json")[1] == policy


def test_folders_of_the_same_second_do_not_overwrite_each_other(tmp_path: Path) -> None:
    first, second = (folder.write(CASES["same"], tmp_path) for _ in range(2))
    assert second.name == f"{first.name}-2"


@pytest.mark.parametrize("name", ["evil", "profile", "long labels"])
def test_folder_names_are_safe(name: str) -> None:
    assert re.fullmatch(r"[\w.@=-]+", folder.folder_name(CASES[name].run))
    assert not folder.folder_name(CASES[name].run).startswith(".")


@pytest.mark.parametrize("step", ["encode", "draw", "html", "markdown", "summary"])
def test_a_full_disk_leaves_nothing_half_written(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder, step, full)
    with pytest.raises(OutputError, match=r"No space left on device.*--out"):
        folder.write(CASES["same"], tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_interruption_while_writing_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(folder, "html", interrupt)
    with pytest.raises(KeyboardInterrupt):
        folder.write(CASES["same"], tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_hold_reports_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nothing")):
        with pytest.raises(OutputError, match="--out"):
            folder.reserve(place)


def test_a_missing_or_foreign_run_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRunFile, match=r"holds no run\.json"):
        read_run(tmp_path)
    with pytest.raises(BadRunFile, match="is not there"):
        read_run(tmp_path / "no.json")
    (tmp_path / "run.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadRunFile, match="not text"):
        read_run(tmp_path)
    whole = folder.write(CASES["same"], tmp_path / "out") / "run.json"
    (tmp_path / "run.json").write_text(whole.read_text()[:1000])
    with pytest.raises(BadRunFile, match="cut short"):
        read_run(tmp_path)


@settings(max_examples=40)
@given(st.text(max_size=60), st.text(max_size=60))
def test_any_label_can_be_shown(first: str, second: str) -> None:
    run = simulated(turns=1, launches=1)
    sides = tuple(replace(s, label=t) for s, t in zip(run.sides, (first, second), strict=True))
    judged = judge(replace(run, sides=sides), Policy())
    assert len(set(conditions.headings(judged.run))) == 2
    shown(judged, 80)
    markdown(judged)
    Page(html(judged, {}))


def test_ten_thousand_iterations_are_judged_and_drawn(tmp_path: Path) -> None:
    run = simulated(turns=625, launches=4, iterations=2)
    assert len(run.samples) == 10_000
    made = folder.write(judge(run, Policy()), tmp_path)
    assert (made / "samples.svg").stat().st_size < 500_000  # the points are one picture
    assert np.isfinite(run.samples.host_ns).all()
