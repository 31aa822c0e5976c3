"""Printing on every kind of console, pipe and file: characters replaced, and never an error."""

# ruff: noqa: RUF001 - signs that look like others are what is tested
import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.table import Table

from depthprof.cli import output
from depthprof.cli.main import main
from tests.cli import consoles

ROOT = Path(__file__).parents[2]
ENCODINGS = {
    "ascii": 'f\\xfcnf +- 3 % -> _-# <= x ... - "x" -|+ \\u6df1\\u5ea6 \\xff.png\n',
    "latin-1": 'fünf ± 3 % -> _-# <= × ... - "x" -|+ \\u6df1\\u5ea6 \\xff.png\n',
    "cp1252": "fünf ± 3 % -> _-# <= × … – “x” -|+ \\u6df1\\u5ea6 \\xff.png\n",
    "cp437": 'fünf ± 3 % -> _▄█ ≤ x ... - "x" ─│┌ \\u6df1\\u5ea6 \\xff.png\n',
    "utf-8": "fünf ± 3 % → ▁▄█ ≤ × … – “x” ─│┌ 深度 \\xff.png\n",
    "utf-16": "fünf ± 3 % → ▁▄█ ≤ × … – “x” ─│┌ 深度 \\xff.png\n",
    "utf-8-sig": "fünf ± 3 % → ▁▄█ ≤ × … – “x” ─│┌ 深度 \\xff.png\n",
}
LOST: dict[str, Callable[[], Any]] = {
    "absent": lambda: None,
    "closed": consoles.closed,
    "full": consoles.full,
    "left": consoles.left,
    "bare": consoles.Bare,
    "odd encoding": consoles.odd_encoding,
    "input/output error": lambda: consoles.Failing(OSError(errno.EIO, "Input/output error")),
}


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    output.begin()
    yield
    output.begin()


@pytest.mark.parametrize("name", ["stdout", "stderr"])
@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_a_console_lacks_is_replaced(
    encoding: str, errors: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = consoles.Console(encoding, errors)
    monkeypatch.setattr(sys, name, stream)
    (output.say if name == "stdout" else output.note)(consoles.SHOWN[:-1])
    assert stream.shown == ENCODINGS[encoding]
    assert output.finish() is None


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_tables_of_rich_and_the_parser_s_words_go_the_same_way(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, err = consoles.Console(encoding), consoles.Console(encoding)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    table = Table()
    table.add_row(consoles.SHOWN[:-1])
    output.console().print(table)
    assert ENCODINGS[encoding][:12] in out.shown
    assert main(["variants", "深\udcff±"]) == 2
    assert "unrecognized arguments: " in err.shown
    assert "\\xff" in err.shown


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("kind", LOST)
def test_what_cannot_be_written_raises_nothing(
    kind: str, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, stream, LOST[kind]())
    for _ in range(2):
        output.say("±")
        output.warn("±")
        output.console(stream).print("±", Table())
    lost = {"full": "No space left", "closed": "closed file", "input/output error": "Input/output"}
    why = output.finish()
    if stream == "stdout" and kind in lost:
        assert why is not None
        assert lost[kind] in why
    else:
        assert why is None


COMMANDS = {"variants": 0, "--help": 0, "--version": 0, "doctor --watch 0.01": 0}


@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize("kind", ["absent", "left", "full"])
def test_a_reader_that_leaves_changes_no_code_and_a_full_disk_is_2(
    kind: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if words.startswith("doctor"):
        monkeypatch.setattr("depthprof.system.doctor.examine", lambda *_: [])
    monkeypatch.setattr(sys, "stdout", LOST[kind]())
    assert main(words.split()) == (2 if kind == "full" else COMMANDS[words])
    said = capsys.readouterr().err
    assert ("could not be written (No space left on device)" in said) == (kind == "full")


def test_a_pipe_that_does_not_wait_is_made_to(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with os.fdopen(writer, "w") as stream, os.fdopen(reader):
        monkeypatch.setattr(sys, "stdout", stream)
        output.begin()
        assert os.get_blocking(writer)


@pytest.mark.parametrize(
    ("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb"), ("TERM", "xterm")]
)
def test_colours_are_the_terminal_s_to_choose(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for known in ("NO_COLOR", "FORCE_COLOR", "TERM", "COLORTERM"):
        monkeypatch.delenv(known, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(name, value)
    stream = consoles.Terminal("ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    output.console().print("[red]±[/red]")
    assert ("\x1b[3" in stream.shown) == (value == "xterm")
    assert "+-" in stream.shown


def test_a_live_display_takes_lines_printed_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    from depthprof.cli.measuring import progress_display
    from depthprof.runner import Progress

    stream = consoles.Terminal("ascii")
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    with progress_display(10.0, quiet=False) as show:
        show(Progress("measuring", 1, 2, 3, 4, 5.0, 5.0))
        output.warn("± meanwhile")
    assert "+- meanwhile" in stream.shown


REAL = {
    "ascii": ({"PYTHONIOENCODING": "ascii"}, "", 0),
    "C": ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, "", 0),
    "reader left": ({}, "| true", 0),
    "full": ({}, ">/dev/full", 2),
    "all absent": ({}, "<&- >&- 2>&-", 0),
}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arrival", REAL)
def test_a_process_ends_with_its_own_code(arrival: str) -> None:
    variables, redirection, code = REAL[arrival]
    command = f"set -o pipefail; {sys.executable} -m depthprof variants {redirection}"
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], **variables}
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, check=False, env=environment
    )
    assert done.returncode == code
    said = done.stderr.replace(b"\0", b"")
    assert b"Traceback" not in said
    assert b"Exception ignored" not in said
    assert (b"could not be written" in said) == (code == 2)
