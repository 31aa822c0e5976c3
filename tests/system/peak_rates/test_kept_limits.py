"""Limits on disk and on the command line: found again, or refused in one sentence."""

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from depthprof import api
from depthprof.cli.machine import MEASURED_AGAIN
from depthprof.cli.main import main
from depthprof.errors import BadRunFile, OutputError
from depthprof.records import CopyRate, Limits, MatrixRate, MemoryRate, TheoreticalRate, Workload
from depthprof.report.tables import print_limits
from depthprof.storage.machine_files import LIMITS_FOLDER, kept_limits, outdated, write_limits
from depthprof.units import rate
from tests.records.gpu import LIMITS

rates = st.floats(1e-3, 1e15)


@given(rates, rates, st.sampled_from([(), LIMITS.copies]), st.text(max_size=20))
def test_limits_are_found_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory,
    memory: float,
    launch: float,
    copies: tuple[CopyRate, ...],
    name: str,
) -> None:
    folder = tmp_path_factory.mktemp("limits") / "deep"
    limits = replace(
        LIMITS, memory_bytes_per_s=memory, launch_ns=launch, copies=copies, device_name=name
    )
    assert kept_limits(folder) == {}
    file = write_limits(limits, folder)
    assert file.name == "ab12.json"
    assert kept_limits(folder) == {"ab12": limits}
    assert json.loads(file.read_text())["schema"] == 2


BROKEN: dict[str, Mapping[str, Any]] = {
    "missing": {"launch_ns": ...},
    "unknown": {"colour": 1},
    "negative": {"launch_ns": -1.0},
    "nothing": {"core_bytes_per_s": 0},
    "text": {"memory_bytes_per_s": "fast"},
    "truth": {"memory_bytes_per_s": True},
    "name": {"device_name": 3},
    "threads": {"threads": 1.5},
    "rate of a product": {"matrix": [{"dtype": "fp32", "flops_per_s": None}]},
    "rate of a kernel": {"kernels": [{"dtype": "fp32", "flops_per_s": -1.0, "kernel": "mm"}]},
    "size of a pass": {
        "memory": [{"where": "host", "size_bytes": 1.5, "bytes_per_s": 1.0, "kernel": "copy"}]
    },
    "theoretical rate": {"theoretical": [{"what": "fp32", "per_s": 0, "basis": "none"}]},
    "rate of a copy": {
        "copies": [
            {"direction": "h2d", "memory": "pinned", "size_bytes": 0, "bytes_per_s": 1.0},
        ]
    },
    "no list": {"copies": 3},
    "no schema": {"schema": ...},
    "schema of words": {"schema": "one"},
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_file_that_is_not_whole_is_refused_with_its_name(what: str, tmp_path: Path) -> None:
    file = write_limits(LIMITS, tmp_path)
    document = json.loads(file.read_text()) | BROKEN[what]
    file.write_text(json.dumps({k: v for k, v in document.items() if v is not ...}))
    with pytest.raises(BadRunFile, match=r"ab12\.json does not hold whole limits .*delete it"):
        kept_limits(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", '{"schema": 1}', "\x00" * 9])
def test_other_texts_are_refused_too(text: str, tmp_path: Path) -> None:
    (tmp_path / "ab12.json").write_text(text)
    with pytest.raises(BadRunFile, match=r"ab12\.json"):
        kept_limits(tmp_path)


def test_newer_renamed_unreadable_and_unwritable_files_are_refused(tmp_path: Path) -> None:
    file = write_limits(LIMITS, tmp_path)
    file.write_text(file.read_text().replace('"schema": 2', '"schema": 3'))
    with pytest.raises(BadRunFile, match="newer depthprof"):
        kept_limits(tmp_path)
    write_limits(LIMITS, tmp_path).rename(tmp_path / "cd34.json")
    with pytest.raises(BadRunFile, match="holds the limits ab12"):
        kept_limits(tmp_path)
    (tmp_path / "cd34.json").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(BadRunFile, match="cannot be read"):
        kept_limits(tmp_path)
    with pytest.raises(OutputError, match="could not write"):
        write_limits(LIMITS, tmp_path / "cd34.json")


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[Workload, list[str]]]:
    """Measure nothing: note what was asked for."""
    seen: list[tuple[Workload, list[str]]] = []

    def take(workload: Workload, known: Mapping[str, Limits]) -> Limits:
        seen.append((workload, list(known)))
        return known.get("ab12", LIMITS)

    monkeypatch.setattr(api, "take_limits", take)
    monkeypatch.chdir(tmp_path)
    return seen


def test_limits_are_measured_once_kept_and_shown(
    taken: list[tuple[Workload, list[str]]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["limits", "--device", "cuda:1", "--threads", "4"]) == 0
    shown = capsys.readouterr().out
    for words in ("limits of test", "50.0 TFLOP/s", "3.00 TB/s", "4.00 us", "25.0 GB/s"):
        assert words in shown
    assert kept_limits(LIMITS_FOLDER) == {"ab12": LIMITS}
    assert main(["limits", "--json", "-"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["kind"] == "limits"
    assert document.items() >= json.loads(json.dumps(asdict(LIMITS))).items()
    assert main(["limits", "--fresh", "--json", "-"]) == 0
    asked = [(workload.device, workload.threads, known) for workload, known in taken]
    assert asked == [("cuda:1", 4, []), ("auto", None, ["ab12"]), ("auto", None, [])]


def earlier(limits: Limits) -> Limits:
    """As an earlier depthprof kept them, under another fingerprint."""
    return replace(limits, fingerprint="0ld1", kernels=(), memory=(), theoretical=())


def write_as_earlier(limits: Limits, folder: Path) -> None:
    file = write_limits(earlier(limits), folder)
    document = json.loads(file.read_text()) | {"schema": 1}
    for name in ("kernels", "memory", "theoretical"):
        del document[name]
    for one in document["matrix"]:
        del one["kernel"]
    file.write_text(json.dumps(document))


@pytest.mark.usefixtures("taken")
def test_limits_of_an_earlier_depthprof_are_read_and_measured_again_with_a_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_as_earlier(LIMITS, LIMITS_FOLDER)
    assert kept_limits(LIMITS_FOLDER) == {"0ld1": earlier(LIMITS)}
    assert main(["limits"]) == 0
    captured = capsys.readouterr()
    assert captured.err == f"depthprof: {MEASURED_AGAIN}\n"
    assert set(kept_limits(LIMITS_FOLDER)) == {"0ld1", "ab12"}
    assert main(["limits"]) == 0
    assert not capsys.readouterr().err  # once


@pytest.mark.parametrize(
    "other",
    [{"device_name": "other"}, {"threads": 9}, {"kernels": (MatrixRate("fp32", 1e9, "mm"),)}],
)
def test_limits_of_another_machine_or_a_new_version_of_torch_say_nothing(
    other: dict[str, Any],
) -> None:
    assert outdated({"0ld1": earlier(LIMITS)}, LIMITS)
    assert not outdated({"0ld1": replace(earlier(LIMITS), **other)}, LIMITS)
    assert not outdated({"0ld1": earlier(LIMITS), "ab12": LIMITS}, LIMITS)


def test_the_table_shows_what_was_measured_beside_the_theory_and_all_kernels() -> None:
    tried = (
        MatrixRate("fp32", 104e9, "torch.mm"),
        MatrixRate("fp32", 161e9, "torch mkldnn_linear"),
    )
    limits = replace(
        LIMITS,
        matrix=tried[1:],
        kernels=tried,
        memory=(MemoryRate("host", 1 << 21, 76e9, "numpy add"),),
        theoretical=(TheoreticalRate("fp32", 237e9, "1 core x 64 FLOP a cycle x 3.70 GHz"),),
    )
    console = Console(file=io.StringIO(), width=80, force_terminal=False)
    print_limits(limits, console)
    assert isinstance(console.file, io.StringIO)
    lines = [" ".join(line.split()) for line in console.file.getvalue().splitlines()]
    assert "matrix product, fp32 161 GFLOP/s 237 GFLOP/s" in lines
    assert "device memory, read and written 3.00 TB/s unknown" in lines
    assert "torch.mm fp32 104 GFLOP/s" in lines
    assert "host 2.0 MiB 76.0 GB/s numpy add" in lines
    assert "theoretical, fp32: 1 core x 64 FLOP a cycle x 3.70 GHz" in lines
    assert max(map(len, console.file.getvalue().splitlines())) <= 80


@pytest.mark.parametrize(
    ("words", "said"),
    [("--device tpu", '"tpu"'), ("--threads 0", "threads is 0"), ("", "does not hold whole")],
)
def test_what_cannot_be_is_one_sentence(
    words: str,
    said: str,
    taken: list[tuple[Workload, list[str]]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    LIMITS_FOLDER.mkdir(parents=True)
    if not words:
        (LIMITS_FOLDER / "ab12.json").write_text("{}")
    assert main(["limits", *words.split()]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert not taken


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("on_gpu", [False, True])
def test_the_table_fits_and_has_units(width: int, on_gpu: bool) -> None:
    name = "some very long name of a processor that goes on for more than a line, at 2.5 GHz"
    limits = replace(LIMITS, cpu=name, copies=LIMITS.copies if on_gpu else ())
    limits = replace(limits, matrix=(*limits.matrix, MatrixRate("bf16", 4e8)))
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    print_limits(limits, console)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in "".join(lines)
    assert ("1.0 MiB" in "".join(lines)) == on_gpu
    assert any(line.endswith("400 MFLOP/s") for line in map(str.rstrip, lines))


@given(st.floats(0, 1e18))
def test_a_rate_says_its_size(per_second: float) -> None:
    figure, _, unit = rate(per_second, "B").partition(" ")
    factor = {"B/s": 1, "kB/s": 1e3, "MB/s": 1e6, "GB/s": 1e9, "TB/s": 1e12}[unit]
    assert float(figure) * factor == pytest.approx(per_second, rel=0.006)
