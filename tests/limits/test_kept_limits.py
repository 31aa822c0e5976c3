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
from depthprof.cli.main import main
from depthprof.errors import BadRunFile, OutputError
from depthprof.limitsfile import FOLDER, kept_limits, write_limits
from depthprof.records import CopyRate, Limits, MatrixRate, Workload
from depthprof.report.limited import print_limits
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
    assert json.loads(file.read_text())["schema"] == 1


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
    file.write_text(file.read_text().replace('"schema": 1', '"schema": 2'))
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
    assert kept_limits(FOLDER) == {"ab12": LIMITS}
    assert main(["limits", "--json", "-"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["kind"] == "limits"
    assert document.items() >= json.loads(json.dumps(asdict(LIMITS))).items()
    assert main(["limits", "--fresh", "--json", "-"]) == 0
    asked = [(workload.device, workload.threads, known) for workload, known in taken]
    assert asked == [("cuda:1", 4, []), ("auto", None, ["ab12"]), ("auto", None, [])]


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
    FOLDER.mkdir(parents=True)
    if not words:
        (FOLDER / "ab12.json").write_text("{}")
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
