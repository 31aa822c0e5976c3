"""Peaks of memory: one line of the conditions in every report, none where nobody looked."""

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from depthprof.records import Memory, Policy, Result
from depthprof.report import conditions
from depthprof.report.html import html
from depthprof.report.markdown import markdown
from depthprof.report.summary import summary
from depthprof.report.terminal import print_judged
from depthprof.verdict.decision import judge
from tests.records.gpu import OBSERVED
from tests.runs import simulated

HOST = Memory(612 << 20, 99_000_000)
GPU = Memory(2 << 30, 99_000_000, 500 << 20, 600 << 20)


def judged(*memories: Memory | None) -> Result:
    run = simulated(turns=12)
    sides = tuple(
        replace(side, observed=None if memory is None else replace(OBSERVED, memory=memory))
        for side, memory in zip(run.sides, memories, strict=True)
    )
    return judge(replace(run, sides=sides), Policy())


@pytest.mark.parametrize(
    ("memories", "line"),
    [
        (
            (HOST, replace(HOST, host_peak_bytes=3 << 30)),
            "at most v1 612.0 MiB on the host; v2 3.0 GiB on the host",
        ),
        (
            (GPU, HOST),
            "at most v1 500.0 MiB allocated, 600.0 MiB reserved on the GPU, 2.0 GiB on the host;"
            " v2 612.0 MiB on the host",
        ),
        ((Memory(None, 5), HOST), "at most v2 612.0 MiB on the host"),
        ((Memory(None, 5), None), None),
        ((None, None), None),
    ],
)
def test_every_report_says_it_in_one_line(
    memories: tuple[Memory | None, Memory | None], line: str | None
) -> None:
    known = judged(*memories)
    found = [text for word, text in conditions.facts(known) if word == "memory"]
    assert found == ([] if line is None else [line])
    console = Console(file=io.StringIO(), width=80, force_terminal=False)
    print_judged(known, console)
    assert isinstance(console.file, io.StringIO)
    for text in (console.file.getvalue(), markdown(known), html(known, {})):
        words = " ".join(text.split())
        assert (line in words) if line else ("at most v" not in words)


def test_the_summary_has_all_that_was_seen() -> None:
    document = json.loads(json.dumps(summary(judged(GPU, None)), allow_nan=False))
    seen = document["baseline"]["observed"]
    assert seen["memory"]["device_allocated_bytes"] == 500 << 20
    assert seen["work"][0].keys() == {
        "stage",
        "flops",
        "read_bytes",
        "written_bytes",
        "ops",
        "convolution_flops",
    }
    assert seen["traits"][0]["code"] == "pageable_copy"
    assert document["candidate"]["observed"] is None
