"""The whole way: a real worker on the CPU, and the doors that ask it."""

import gzip
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from depthprof import api, load_pipeline
from depthprof.cli.main import main
from depthprof.errors import BadInput, OutOfMemory, PipelineError
from depthprof.pipelines.pictures.loading import load_pictures
from depthprof.profiling import client
from depthprof.profiling.client import check_trace, profile_below
from depthprof.profiling.worker import NO_DEVICE, compare_clocks, profile_pipeline
from depthprof.records import (
    STAGES,
    TOTAL,
    Drilled,
    OpTime,
    PartTime,
    Policy,
    StageTiming,
    Timing,
    Workload,
    built,
)
from depthprof.report.timing import print_timing
from depthprof.runner import Plan, SidePlan
from depthprof.runner.clock import HostClock
from depthprof.runner.iteration import Block
from depthprof.verdict.decision import judge
from tests.runs import run_of_blocks

WORK = Workload(input_size=28, device="cpu", threads=1)
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "fast_v2.py"
DRILLED = Drilled(
    iterations=3,
    clock="device",
    forward_ns=10e6,
    whole_ns=20e6,
    parts=(
        PartTime("pretrained.patch_embed", "patch embedding", 1e6, 1),
        PartTime("pretrained.blocks.0", "blocks", 5e6, 1),
        PartTime("pretrained.blocks.1", "blocks", 3e6, 1),
    ),
    ops=(
        OpTime(f"void cutlass::Kernel2<{200 * 'x'}>", "forward", "kernel", 4e6, 24),
        OpTime("Memcpy DtoH (Device -> Pageable)", "d2h", "copy", 1e6, 1.5),
        OpTime("Memset (Device)", "", "set", 1e3, 1),
    ),
    apart_ns=1_500.0,
    trace="trace.json",
)


def side(variant: str) -> SidePlan:
    return SidePlan("a", variant, variant, WORK)


@pytest.mark.slow
def test_a_published_pipeline_is_looked_into(tmp_path: Path) -> None:
    file = tmp_path / "trace.json.gz"
    found = profile_below(side("v1"), modules=True, trace=file, iterations=2)
    assert (found.iterations, found.clock, found.trace) == (2, "host", str(file))
    assert [part.group for part in found.parts].count("blocks") == 12
    assert found.forward_ns is not None
    assert found.between_ns is not None
    assert -0.1 * found.forward_ns < found.between_ns < 0.7 * found.forward_ns
    assert len(found.ops) == 10
    assert all(op.kind == "op" and op.stage in STAGES for op in found.ops)
    assert sum(op.self_ns for op in found.ops) < found.whole_ns

    document = json.loads(gzip.decompress(file.read_bytes()))
    ours = [e for e in document["traceEvents"] if e.get("pid") == "depthprof" and e["ph"] == "X"]
    theirs = [e for e in document["traceEvents"] if e.get("cat") == "user_annotation"]
    theirs = [e for e in theirs if e["name"].startswith("depthprof ")]
    assert [event["name"] for event in ours] == [*STAGES] * 2
    # Our marks and the profiler's ranges are of two clocks; aligned, each range lies in its stage.
    slack_us = abs(found.apart_ns) / 1_000 + 0.01
    for event, one in zip(ours, sorted(theirs, key=lambda e: e["ts"]), strict=True):
        assert one["name"] == f"depthprof {event['name']}"
        assert event["ts"] <= one["ts"] + slack_us
        assert one["ts"] + one["dur"] <= event["ts"] + event["dur"] + slack_us


def loaded(variant: str) -> tuple[Any, list[Any]]:
    """A pipeline in this process and one batch for it."""
    pictures = [load_pictures(None, keeps_aspect=True).pictures[0][0]]
    return load_pipeline(variant, WORK), [pictures]


def test_host_spans_are_held_against_the_profilers_ranges() -> None:
    pipeline, batches = loaded("v2")
    with torch.no_grad():
        found = compare_clocks(pipeline, HostClock(), batches, 3, "cpu")
    assert built(Timing, json.loads(json.dumps(asdict(found)))) == found
    assert found.note == NO_DEVICE
    assert found.adds_up
    assert [stage.stage for stage in found.stages] == [*STAGES, TOTAL]
    assert all(stage.clock == "host" for stage in found.stages)
    assert all(stage.ours_ns >= stage.theirs_ns for stage in found.stages)
    forward = found.stages[STAGES.index("forward")]
    assert forward.theirs_ns > 0.5 * forward.ours_ns
    printed = Console(width=80, record=True, file=io.StringIO())
    print_timing(found, printed)
    assert max(map(len, printed.export_text().splitlines())) <= 80


def test_a_pipeline_without_a_network_has_ops_but_no_parts(tmp_path: Path) -> None:
    (tmp_path / "flat.py").write_text(FLAT)
    pipeline, batches = loaded(f"{tmp_path / 'flat.py'}:Flat")
    found = profile_pipeline(pipeline, HostClock(), batches, 2, "cpu", modules=True, trace=None)
    assert found.parts == ()
    assert found.forward_ns is found.between_ns is None
    assert "Flat holds no torch.nn.Module" in found.note
    assert any(op.name == "aten::mean" and op.stage == "forward" for op in found.ops)


def test_a_network_that_is_never_called_has_no_parts(tmp_path: Path) -> None:
    (tmp_path / "flat.py").write_text(FLAT)
    pipeline, batches = loaded(f"{tmp_path / 'flat.py'}:Flat")
    pipeline.idle = torch.nn.Linear(2, 2)
    found = profile_pipeline(pipeline, HostClock(), batches, 1, "cpu", modules=True, trace=None)
    assert found.parts == ()
    assert "no part of Linear was called" in found.note


FLAT = """
import numpy as np
import torch

class Flat:
    def __init__(self, workload):
        self.shape = None

    def preprocess(self, images):
        self.shape = images[0].shape[:2]
        return torch.rand(1, 3, 28, 28)

    def h2d(self, batch):
        return batch

    def forward(self, batch):
        return batch.mean(dim=1)

    def postprocess(self, depth):
        return torch.arange(float(np.prod(self.shape))).reshape(1, *self.shape)

    def d2h(self, depth):
        return depth

    def deliver(self, depth):
        return [np.repeat(depth[0].byte().numpy()[..., None], 3, axis=2)]
"""


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Measure and trace nothing; note what would have been looked into."""
    seen: list[Any] = []

    def carry_out(_: Plan, policy: Policy, *__: object) -> object:
        block = Block([[n * 10**8 + 10**6 * mark for mark in range(8)] for n in range(9)], [])
        return judge(run_of_blocks(block), policy)

    def look(*found: object, **options: object) -> Drilled:
        seen.append((found, options))
        return DRILLED

    monkeypatch.setattr(api, "carry_out", carry_out)
    monkeypatch.setattr(client, "profile_below", look)
    return seen


@pytest.mark.parametrize("columns", ["80", "120"])
def test_profile_shows_and_keeps_what_lies_inside(
    told: list[Any],
    columns: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    words = ["profile", "v1", "--out", str(tmp_path), "--no-store", "--modules"]
    assert main([*words, "--trace", str(tmp_path / "t.json"), "--trace-iterations", "5"]) == 0
    shown = capsys.readouterr().out
    lines = [line for line in shown.splitlines() if not line.startswith("report: ")]
    assert max(map(len, lines)) <= int(columns)
    shown = " ".join(shown.split())
    assert "blocks (2 modules) 8.00 ms 80 % 2 " in shown
    assert "in none of them 1.00 ms 10 % " in shown
    assert "Memcpy DtoH (Device -> Pageable)" in shown
    ((_, options),) = told
    assert options == {"modules": True, "trace": tmp_path / "t.json", "iterations": 5}

    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    kept = json.loads((folder / "drilled.json").read_text())
    assert json.loads((folder / "summary.json").read_text())["drilled"] == kept
    assert kept["parts"][1]["name"] == "pretrained.blocks.0"
    before = [(folder / name).read_text() for name in ("report.md", "report.html")]
    assert all("pretrained.blocks.1" in text.replace("<wbr>", "") for text in before)
    assert main(["report", str(folder), "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["drilled"] == kept
    assert before == [(folder / name).read_text() for name in ("report.md", "report.html")]

    (folder / "drilled.json").write_text('{"parts": []}')
    assert main(["report", str(folder)]) == 2
    assert "is not whole" in capsys.readouterr().err


def test_profile_looks_inside_only_where_it_was_asked_to(
    told: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["profile", "v1", "--out", str(tmp_path), "--no-store", "--json", "-"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["drilled"] is None
    assert not told
    (folder,) = tmp_path.iterdir()
    assert not (folder / "drilled.json").exists()


@pytest.mark.usefixtures("told")
def test_a_side_that_cannot_be_traced_keeps_its_profile(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OutOfMemory("out of memory under the profiler", side="a", stage="forward")

    monkeypatch.setattr(client, "profile_below", fail)
    assert main(["profile", "v1", "--out", str(tmp_path), "--no-store", "--modules"]) == 2
    captured = capsys.readouterr()
    assert "no trace and no modules: out of memory under the profiler" in captured.err
    assert "report:" in captured.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("profile v1 --trace nowhere/t.json", "nowhere/t.json does not exist"),
        ("profile v1 --trace .", "is a folder"),
        ("profile v1 --modules --trace-iterations 0", "0 iterations cannot be traced"),
        ("compare v1 v2 --trace t.json", "unrecognized arguments: --trace"),
        ("doctor --timing v9", '"v9"'),
        ("doctor --timing v1@sise=3", '"sise"'),
        ("doctor --timing --device gpu", '"gpu"'),
    ],
)
def test_what_cannot_be_traced_is_refused_in_a_sentence(
    told: list[Any],
    words: str,
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        code = main(words.split())
    except SystemExit as end:  # argparse's own refusals
        code = int(str(end.code))
    error = capsys.readouterr().err
    assert code == 2
    assert said in error
    assert len(error.strip().splitlines()) == 1
    assert not told


def test_a_folder_is_no_trace(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is a folder"):
        check_trace(tmp_path)
    check_trace(tmp_path / "t.json")


def test_an_unlikely_number_of_iterations_starts_no_worker() -> None:
    with pytest.raises(BadInput, match="1001 iterations"):
        profile_below(side("v1"), modules=True, trace=None, iterations=1001)


@pytest.mark.slow
def test_what_a_pipeline_raises_is_named_with_its_stage(tmp_path: Path) -> None:
    tired = "self.n = getattr(self, 'n', 0) + 1\n        assert self.n < 2, 'tired'\n        "
    (tmp_path / "tired.py").write_text(
        FLAT.replace("return batch.mean", f"{tired}return batch.mean")
    )
    with pytest.raises(PipelineError, match="stage forward raised AssertionError: tired"):
        profile_below(side(f"{tmp_path / 'tired.py'}:Flat"), modules=True, trace=None)


DEVICE = StageTiming("h2d", "device", 52e3, 51e3, 1e3, True, 20e3, 19e3, 3, False)
NOTHING = StageTiming("d2h", "device", 12e3, 11e3, 1e3, True)
WRONG = StageTiming("forward", "device", 52e6, 40e6, 12e6, False, 39e6, 39e6, 300, False)
HOST = StageTiming("return", "host", 52e6, 52e6, 9e3, True)


@pytest.mark.parametrize(
    ("stages", "adds_up", "apart_ns", "said"),
    [
        ((DEVICE, NOTHING, HOST), True, 900.0, "device and host spans agree"),
        ((DEVICE, HOST), True, -90.0, "90 ns more than their readings allow"),
        ((DEVICE, WRONG, HOST), True, 900.0, "do not agree in forward (device)"),
        ((HOST,), False, 900.0, "do not add up"),
    ],
)
def test_agreement_is_told_in_a_sentence_and_a_table_of_80_columns(
    stages: tuple[StageTiming, ...], adds_up: bool, apart_ns: float, said: str
) -> None:
    found = Timing("cuda:0", "NVIDIA H200", 20, stages, 9e3, apart_ns, adds_up)
    printed = Console(width=80, record=True, file=io.StringIO())
    print_timing(found, printed)
    text = printed.export_text()
    assert said in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80
    assert found.agrees == ("spans agree" in text)
