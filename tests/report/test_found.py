"""Findings and floors in every report: few in the terminal, all elsewhere."""

import io
import json
import re
from dataclasses import asdict, replace

import pytest
from rich.console import Console

from depthprof.advice import foremost
from depthprof.records import Policy, Result
from depthprof.report import found
from depthprof.report.html import html
from depthprof.report.markdown import markdown
from depthprof.report.summary import summary
from depthprof.report.terminal import print_judged
from depthprof.verdict.decision import judge
from tests.advice.cases import CASES, COLOURS, FLOAT64, IMAGE, PAGEABLE, TABLE, WRITTEN_OUT
from tests.advice.made import CPU_LIMITS, Made, judged, on_cpu
from tests.runs import with_run

LONG = ("v1@fp16,batch=8,published", "./some/where/mine.py:MyVeryFastPipeline@sdpa")
V1 = Made(host_us={"preprocess": 8_000}, traits=[FLOAT64, TABLE, WRITTEN_OUT], workload=IMAGE)
V2 = Made(
    host_us={"preprocess": 8_000, "return": 9_000},
    device_us={"d2h": 1_700},
    traits=[PAGEABLE, FLOAT64, COLOURS, WRITTEN_OUT],
    workload=IMAGE,
)
RUNS = {
    "compared": judged(V1, V2),
    "profiled": judged(V2),
    "long labels": judged(V1, V2, labels=LONG),
    "cpu": judged(on_cpu(traits=[FLOAT64]), limits=CPU_LIMITS),
    **{code: case.loud for code, case in CASES.items()},
    **{
        f"{code}, long": with_run(
            case.loud,
            replace(
                case.loud.run,
                sides=tuple(
                    replace(s, label=n) for s, n in zip(case.loud.run.sides, LONG, strict=False)
                ),
            ),
        )
        for code, case in CASES.items()
    },
}
every_run = pytest.mark.parametrize("name", RUNS)


def shown(run: Result, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    print_judged(run, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@every_run
@pytest.mark.parametrize("width", [80, 120])
def test_the_terminal_shows_three_findings_in_two_lines_each(name: str, width: int) -> None:
    lines = shown(RUNS[name], width)
    assert max(map(len, lines)) <= width
    findings = RUNS[name].measured.findings
    start = lines.index("worth changing") + 1
    told = found.terminal_lines(findings, RUNS[name], width - 2)
    flat = [line for one in told for line in one]
    assert [line[2:] for line in lines[start : start + len(flat)]] == flat
    assert len([line for line in lines[start : start + len(flat)] if line[0] == "-"]) == len(told)
    assert all(len(one) <= 2 for one in told)
    assert len(told) == min(3, len(findings)) + (len(findings) > 3)
    if len(findings) > 3:
        assert told[-1] == [f"{len(findings) - 3} more in the report"]


@every_run
def test_at_80_columns_no_finding_is_cut_and_every_one_says_what_to_do(name: str) -> None:
    for one in RUNS[name].measured.findings:
        (lines,) = found.terminal_lines([one], RUNS[name], 78)
        text = " ".join(lines)
        assert text.endswith(one.remedy.partition(";")[0])
        assert one.gain_ns is None or "gain up to " in text


def test_the_case_it_was_born_from_reads_as_it_should() -> None:
    text = " ".join(" ".join(shown(RUNS["compared"], 80)).split())
    assert "v2: return makes colours in float64 on the host (matplotlib.colors, 9.00 ms)" in text
    assert "gain up to 8.50 ms: look colours up in a uint8 table of 256 rows" in text
    assert "both: preprocess computes 7.0 MiB in float64 (preprocess.py:39), gain up to" in text
    assert "v2: d2h copies 1.2 MiB through pageable memory at 723 MB/s, gain up to 1.65 ms" in text
    assert "d2h 3 % (link)" in text
    first = foremost(RUNS["compared"].measured.findings, 3)
    assert [one.stage for one in first] == ["return", "preprocess", "d2h"]


def test_a_run_without_findings_says_nothing_of_them() -> None:
    quiet = judged(on_cpu())
    assert not quiet.measured.findings
    assert "worth changing" not in shown(quiet, 80)
    assert "## Findings" not in markdown(quiet)
    assert 'id="findings"' not in html(quiet, {})


def test_limits_are_told_a_line_a_side_where_they_are_known() -> None:
    (line,) = found.limit_lines(RUNS["cpu"])
    assert line == ("hardware bound", "reached: forward 13 % (arithmetic)")  # others are too short
    names = [name for name, _ in found.limit_lines(RUNS["compared"])]
    assert names == ["hardware bound, v1", "hardware bound, v2"]
    assert not found.limit_lines(judged(V2, limits=None))


@every_run
def test_markdown_has_every_finding_and_every_floor(name: str) -> None:
    text = markdown(RUNS[name])
    findings = RUNS[name].measured.findings
    table = text.partition("## Findings")[2].partition("## Conditions")[0]
    assert table.count("\n| ") == (len(findings) + 2 if findings else 0)
    assert all(re.findall(r"(?<!\\)\|", line) == ["|"] * 5 for line in table.split("\n") if line)
    head, rules, *rows = (line for line in text.splitlines() if line.startswith("|"))
    assert len(re.findall(r"(?<!\\)\|", head)) == rules.count("|")
    floors = found.floors_document(RUNS[name])
    assert head.count("bound") == (len(RUNS[name].run.sides) if floors else 0)
    shares = sum(len(re.findall(r": [<>0-9. ]+ %, ", row)) for row in rows[:8])
    assert shares == sum(floor["holds"] for floor in floors)
    assert sum(row.count("| wrong: ") for row in rows[:8]) == len(floors) - shares


QUICK = Made(device_us={"forward": 7_900, "d2h": 40}, host_us={"d2h": 40})
WRONG = "(8.00 ms, arithmetic): the bound is wrong, not the measurement; please report"


@pytest.mark.parametrize("sides", [(QUICK,), (QUICK, QUICK), (V1, QUICK)])
def test_a_result_beyond_its_bound_is_a_fault_of_the_bound_in_every_report(
    sides: tuple[Made, ...],
) -> None:
    run = judged(*sides)
    beaten = sides.count(QUICK)
    said = f"forward took less (7.90 ms) than the hardware bound allows {WRONG}"
    lines = [text for _, text in found.limit_lines(run) if text == said]
    assert len(lines) == beaten
    terminal = " ".join(" ".join(shown(run, 80)).split())
    assert "the bound is wrong" in terminal
    assert not re.search(r"forward 1\d\d %", terminal)
    page = re.sub(r"<wbr>|</?span[^>]*>", "", html(run, {}))  # where lines may break
    for text in (markdown(run), page):
        assert text.lower().count(said.lower()) == beaten
        assert text.count("wrong: 8.00 ms, arithmetic") == beaten
    told = [one for one in summary(run)["floors"] if one["stage"] == "forward"]
    assert [one["holds"] for one in told] == [side is not QUICK for side in sides]
    assert all(one["reached_ratio"] > 1 for one in told if not one["holds"])


def test_a_floor_s_cell_has_time_share_and_bound() -> None:
    cells = {row.stage: row.cells[-1] for row in found.floored_rows(RUNS["profiled"])}
    assert cells["d2h"] == "51.2 us: 3 %, link"
    assert cells["forward"] == "8.00 ms: 40 %, arithmetic (MFU)"
    assert (cells["sync"], cells["total"]) == ("", "")
    few = Made(work={"forward": (10**9, 10**6, 10**6, 600)})
    cells = {row.stage: row.cells[-1] for row in found.floored_rows(judged(few))}
    assert cells["forward"] == "2.40 ms: 12 %, launches; MFU 0.10 %"


@every_run
def test_the_page_has_every_finding_with_its_evidence(name: str) -> None:
    page = re.sub(r"<wbr>|</?span[^>]*>", "", html(RUNS[name], {}))  # where lines may break
    for one in RUNS[name].measured.findings:
        assert f"rule {one.code}" in page
        for figure in one.evidence:
            assert figure.value.replace("'", "&#39;").replace("<", "&lt;") in page


@every_run
def test_the_summary_has_findings_and_floors_in_full(name: str) -> None:
    document = json.loads(json.dumps(summary(RUNS[name]), allow_nan=False))
    for told, one in zip(document["findings"], RUNS[name].measured.findings, strict=True):
        assert told == json.loads(json.dumps(asdict(one)))
    assert {told["side"] for told in document["floors"]} <= {"a", "b"}
    for told in document["floors"]:
        assert set(told) == {
            *("side", "stage", "floor_ns", "bound_by", "reached_ratio", "flops_ratio", "holds")
        }


def test_of_unlike_batches_the_floors_are_a_picture_s_and_the_findings_a_batch_s() -> None:
    run = judged(V1, V2).run
    batched = replace(run.sides[1], workload=run.sides[1].workload.changed(batch=8))
    both = judge(replace(run, sides=(run.sides[0], batched)), Policy())
    assert found.by_picture(both)
    assert found.heading(both) == "worth changing (of a whole batch)"
    floors = found.floors_document(both)
    assert {one["side"] for one in floors} == {"a", "b"}
    for one in floors:
        row = both.comparison.stage(one["stage"])  # type: ignore[union-attr]
        median_ns = (row.baseline if one["side"] == "a" else row.candidate).median_ns.value
        assert one["floor_ns"] == pytest.approx(one["reached_ratio"] * median_ns)
