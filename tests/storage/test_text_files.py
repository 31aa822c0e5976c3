"""Text files of other systems: read where they are unambiguous, named where they are not."""

import codecs
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from depthprof.errors import BadInput, BadRunFile
from depthprof.records import Calibration, Policy, encode
from depthprof.storage import run_files
from depthprof.storage.machine_files import find_calibration
from depthprof.storage.settings import read_settings
from depthprof.storage.text_files import (
    NotText,
    append_text,
    decoded,
    read_text,
    system_text,
    write_text,
)
from depthprof.system.machine import cpu_name
from tests.runs import simulated

SETTINGS = "[tool.depthprof]\nbatch = 4\ndevice = 'cpu'\n"

ARRIVALS: dict[str, Callable[[str], bytes]] = {
    "as it is": lambda text: text.encode(),
    "utf-8 mark": lambda text: codecs.BOM_UTF8 + text.encode(),
    "utf-16 (PowerShell)": lambda text: text.encode("utf-16"),
    "utf-16 big endian": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "utf-16 without a mark": lambda text: text.encode("utf-16-le"),
    "utf-16 be without a mark": lambda text: text.encode("utf-16-be"),
    "utf-32": lambda text: text.encode("utf-32"),
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "CR": lambda text: text.replace("\n", "\r").encode(),
    "mark and CRLF": lambda text: codecs.BOM_UTF8 + text.replace("\n", "\r\n").encode(),
    "zeros at the end": lambda text: text.encode() + b"\0" * 512,
    "Control-Z": lambda text: text.encode() + b"\x1a",
}
NO_TEXT = {
    "latin-1": "# fünf\n".encode("latin-1"),
    "cut UTF-16": codecs.BOM_UTF16_LE + b"[",
    "cut UTF-8": "# ü".encode()[:-1],
    "a picture": b"\x89PNG\r\n\x1a\n\0\0\0\r",
}


@pytest.mark.parametrize("arrival", ARRIVALS)
def test_settings_are_read_however_they_arrive(arrival: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(ARRIVALS[arrival](SETTINGS))
    assert read_settings(tmp_path).batch == 4


@pytest.mark.parametrize("arrival", ARRIVALS)
def test_runs_and_benchmarks_and_calibrations_are_read_however_they_arrive(
    arrival: str, tmp_path: Path
) -> None:
    run = simulated(turns=1, launches=1)
    text = encode(run, Policy())
    file = tmp_path / "run.json"
    file.write_bytes(ARRIVALS[arrival](text + "\n"))
    assert encode(*run_files.read_run(file)) == text
    known = json.dumps({"benchmarks": [{"extra_info": {"depthprof": {}}}]}, indent=1)
    file.write_bytes(ARRIVALS[arrival](known))
    assert run_files.is_benchmark_file(file)
    assert run_files.read_runs(file) == ()
    calibration = Calibration("abc", "v2", "2026", 2, 1, 60.0, 0.95, ())
    document = json.dumps({"schema": 1, **asdict(calibration)}, indent=1)
    (tmp_path / "abc.json").write_bytes(ARRIVALS[arrival](document))
    assert find_calibration("abc", tmp_path) == calibration


@pytest.mark.parametrize("arrival", NO_TEXT)
def test_what_is_no_text_is_named_in_a_sentence(arrival: str, tmp_path: Path) -> None:
    for name in ("pyproject.toml", "run.json", "abc.json"):
        (tmp_path / name).write_bytes(NO_TEXT[arrival])
    with pytest.raises(BadInput, match=r"pyproject\.toml is not text") as settings:
        read_settings(tmp_path)
    if arrival == "latin-1":
        assert "byte 0xfc in line 1 is not UTF-8" in str(settings.value)
    for read in (run_files.read_run, run_files.read_baseline, run_files.read_runs):
        with pytest.raises(BadRunFile, match=r"run\.json.*not text"):
            read(tmp_path / "run.json")
    assert not run_files.is_benchmark_file(tmp_path / "run.json")
    with pytest.raises(BadRunFile, match=r"abc\.json.*not text"):
        find_calibration("abc", tmp_path)


def test_an_empty_file_is_empty_text() -> None:
    assert decoded(b"") == decoded(codecs.BOM_UTF8) == decoded(b"\0\0\0\0") == ""


@pytest.mark.parametrize(
    ("bytes_", "line"), [(b"a\n\xe9", 2), (b"\xe9", 1), (b"\xef\xbb\xbfa\nb\n\xff", 3)]
)
def test_the_line_of_the_byte_is_named(bytes_: bytes, line: int) -> None:
    with pytest.raises(NotText, match=f"in line {line} is not UTF-8"):
        decoded(bytes_)


def test_files_are_written_alike_everywhere(tmp_path: Path) -> None:
    file = tmp_path / "a.md"
    write_text(file, "fünf\n")
    append_text(file, "a name: \udcff.png, half a pair: \ud800\n")
    assert file.read_bytes() == "fünf\na name: \\xff.png, half a pair: \\ud800\n".encode()
    assert read_text(file).count("\n") == 2


def test_the_kernel_s_files_may_hold_any_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_bytes(b"flags : \xff\nmodel name : Odd \xe9 CPU\n")
    assert "Odd \ufffd CPU" in system_text(tmp_path / "cpuinfo")
    monkeypatch.setattr("depthprof.system.machine.CPU_INFO", tmp_path / "cpuinfo")
    assert cpu_name() == "Odd \ufffd CPU"
