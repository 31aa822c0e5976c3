"""The trace that Perfetto opens: our stages beside the profiler's events, in its time."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from depthprof.errors import OutputError
from depthprof.profiling.recording import (
    DEVICE_LINE,
    HOST_LINE,
    PROCESS,
    Recording,
    with_stages,
    write_trace,
)
from depthprof.profiling.timeline import Alignment, aligned, read_timeline
from depthprof.records import STAGES
from tests.profiling.made import Machine, Made, iterations


def recording(made: Made, device: bool = True) -> Recording:
    timeline = read_timeline(made.document)
    alignment = aligned(made.host_marks_ns, timeline.ranges)
    marks = made.device_marks_ns if device else []
    return Recording(made.document, timeline, made.host_marks_ns, alignment, marks)


def ours(document: dict[str, Any], line: int) -> list[dict[str, Any]]:
    return [
        event
        for event in document["traceEvents"]
        if event["pid"] == PROCESS and event["tid"] == line and event["ph"] == "X"
    ]


@given(iterations)
def test_our_stages_lie_around_the_profilers_ranges(stages: list[dict[str, Any]]) -> None:
    kept = recording(Machine(epoch_ns=987_654_321).run(stages))
    document = with_stages(kept)
    lines = ours(document, 0)
    assert [event["name"] for event in lines] == [*STAGES] * len(stages)
    apart_us = kept.alignment.apart_ns / 1_000 + 0.01
    for event, one in zip(lines, kept.timeline.ranges, strict=True):
        assert event["ts"] <= one.start_ns / 1_000 + apart_us
        assert event["ts"] + event["dur"] >= one.end_ns / 1_000 - apart_us


@given(iterations)
def test_our_device_stages_lie_around_their_kernels(stages: list[dict[str, Any]]) -> None:
    made = Machine(epoch_ns=-55_555).run(stages)
    document = with_stages(recording(made))
    apart_us = document[PROCESS]["device_clock_apart_ns"] / 1_000 + 0.01
    lines = ours(document, 1)
    for number, event in enumerate(lines):
        for start, end in made.spans_ns[event["name"]][number // len(STAGES)]:
            assert event["ts"] <= start / 1_000 + apart_us
            assert event["ts"] + event["dur"] >= end / 1_000 - apart_us


def test_lines_are_named_and_what_the_profiler_wrote_is_kept() -> None:
    made = Machine().run([{"forward": [(0, 1_000)]}])
    document = with_stages(recording(made))
    assert document["traceEvents"][: len(made.document["traceEvents"])] == list(
        made.document["traceEvents"]
    )
    named = {e["args"].get("name") for e in document["traceEvents"] if e["ph"] == "M"}
    assert {PROCESS, HOST_LINE, DEVICE_LINE} <= named
    marks = [e for e in document["traceEvents"] if e["ph"] == "i"]
    assert len(marks) == 16


def test_on_a_cpu_there_is_one_line() -> None:
    document = with_stages(recording(Machine().run([{}]), device=False))
    assert ours(document, 1) == []
    assert "device_clock_apart_ns" not in document[PROCESS]


def test_a_trace_is_written_plain_or_packed(tmp_path: Path) -> None:
    document = {"traceEvents": [{"ph": "X", "ts": 1.5}]}
    write_trace(document, tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text()) == document
    write_trace(document, tmp_path / "a.json.gz")
    assert json.loads(gzip.decompress((tmp_path / "a.json.gz").read_bytes())) == document
    with pytest.raises(OutputError, match="could not write"):
        write_trace(document, tmp_path / "no" / "a.json")


def test_an_alignment_is_given_even_where_the_clocks_contradict_each_other() -> None:
    made = Machine().run([{"h2d": [(0, 1_000)], "forward": [(0, 1_000_000)]}] * 3)
    wrong = [[mark * 3 for mark in row] for row in made.device_marks_ns]
    kept = recording(made)
    document = with_stages(
        Recording(kept.document, kept.timeline, kept.marks_ns, Alignment(0, 0.0), wrong)
    )
    assert document[PROCESS]["device_clock_apart_ns"] < 0
