"""How a command ends: 1 is a verdict and nothing else; what is not foreseen is 2 and a file."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from depthprof import api
from depthprof.cli import report
from depthprof.cli.main import main
from depthprof.errors import OutputError, StoreError, WorkerLost
from depthprof.records import Policy
from depthprof.report import folder
from depthprof.runner import Plan
from depthprof.storage import crash_reports
from depthprof.verdict.decision import judge
from tests.cli import consoles
from tests.runs import simulated

Told = pytest.CaptureFixture[str]
SECRET = "s3cr3t"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder; measuring gives a run in which a stage is slower."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DEPTHPROF_STORE", raising=False)
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)

    def carry_out(plan: Plan, policy: Policy, *_: object) -> object:
        del plan
        return judge(simulated(turns=20, change={"return": 4.0}), policy)

    monkeypatch.setattr(api, "carry_out", carry_out)
    monkeypatch.setattr(folder, "draw", lambda *_: {})
    return tmp_path


def raising(error: BaseException) -> Callable[..., Any]:
    def act(*_: object, **__: object) -> None:
        raise error

    return act


def full_from_the_second_time() -> Callable[..., None]:
    """Nothing is wrong before measuring."""
    seen: list[object] = []

    def act(*_: object) -> None:
        if seen:
            raise OutputError("no space")
        seen.append(None)

    return act


def crash_files(place: Path) -> list[Path]:
    return sorted((place / ".depthprof").glob("crash-*.txt"))


COMPARE = ["compare", "v1", "v2", "--quiet"]
UNFORESEEN = {
    "a fault": (ValueError("odd\nvalue"), "ValueError: odd; this error was not expected"),
    "no text": (AssertionError(), "AssertionError; this error was not expected"),
    "recursion": (RecursionError("too deep"), "RecursionError: too deep"),
    "memory": (MemoryError(), "this process has no memory left; the details are in"),
    "exit 1": (SystemExit(1), "SystemExit: 1"),
    "exit with a text": (SystemExit("bye"), "SystemExit: bye"),
    "full disk": (
        OSError(errno.ENOSPC, "No space left on device", "x.json"),
        "No space left on device: x.json; the details",
    ),
    "no right": (PermissionError(errno.EACCES, "Permission denied", b"\xff"), "denied: \\xff; the"),
    "a missing package": (ModuleNotFoundError("No module named 'yaml'"), "No module named 'yaml'"),
    "encoding": (UnicodeEncodeError("ascii", "±", 0, 1, "odd"), "UnicodeEncodeError: 'ascii'"),
}


@pytest.mark.parametrize("kind", UNFORESEEN)
@pytest.mark.parametrize("bisect", [False, True], ids=["", "bisect"])
def test_whatever_is_not_foreseen_is_a_sentence_and_a_file(
    kind: str, bisect: bool, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: Told
) -> None:
    error, said = UNFORESEEN[kind]
    monkeypatch.setattr(api, "carry_out", raising(error))
    words = ["gate", "v1", "--no-store", "--file", "b.json"] if bisect else COMPARE
    monkeypatch.setattr("depthprof.cli.gate._baseline", raising(error))
    assert main([*words, *(["--bisect"] if bisect else [])]) == (125 if bisect else 2)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("depthprof: ")
    assert err.count("\n") == 1
    assert said in err
    (file,) = crash_files(here)
    assert str(file.relative_to(here)) in err
    text = file.read_text(encoding="utf-8")
    assert "Traceback (most recent call last)" in text
    assert type(error).__name__ in text
    assert f"python -m depthprof {words[0]}" in text
    assert "numpy 2" in text or "numpy 1" in text
    assert (here / ".depthprof" / ".gitignore").read_text() == "*\n"


def test_an_unforeseen_error_is_json_where_json_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: Told
) -> None:
    monkeypatch.setattr(api, "carry_out", raising(ZeroDivisionError("by zero")))
    assert main(["compare", "v1", "v2", "--json", "-"]) == 2
    document = json.loads(capsys.readouterr().out)
    assert document["error"]["code"] == "ZeroDivisionError"
    assert document["exit_code"] == 2


def test_a_command_that_cannot_even_be_imported_is_2(
    monkeypatch: pytest.MonkeyPatch, capsys: Told
) -> None:
    monkeypatch.setitem(sys.modules, "depthprof.cli.variants", None)
    monkeypatch.delattr("depthprof.cli.variants", raising=False)
    assert main(["variants"]) == 2
    assert "depthprof.cli.variants" in capsys.readouterr().err


def test_details_hold_no_secrets(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPTHPROF_STORE", f"postgresql://me:{SECRET}@host/db")
    monkeypatch.setenv("API_TOKEN", SECRET)
    url = f"postgresql+psycopg://me:a/b@{SECRET}@host/db?x=1"
    error = RuntimeError(f"no {url}, password='{SECRET}', token: {SECRET}")
    text = crash_reports.reported(error, ["python", "--store", url])
    (file,) = crash_files(here)
    assert SECRET not in text
    assert SECRET not in file.read_text(encoding="utf-8")
    assert "://***@host/db" in file.read_text(encoding="utf-8")


def test_details_go_elsewhere_where_the_folder_takes_none(
    here: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / ".depthprof").write_text("in the way")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.setattr("tempfile.tempdir", str(elsewhere))
    text = crash_reports.reported(ValueError("x"), [])
    (file,) = elsewhere.rglob("crash-*.txt")
    assert str(file) in text
    monkeypatch.setattr("tempfile.tempdir", str(elsewhere / "nowhere"))
    assert "the details could not be written" in crash_reports.reported(ValueError("x"), [])


def test_what_a_lost_worker_printed_is_in_a_file(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: Told
) -> None:
    lost = WorkerLost("the worker ended by itself with exit code 1", side="b")
    lost.printed = "Traceback (most recent call last):\nKeyError: 'odd'"
    monkeypatch.setattr(api, "carry_out", raising(lost))
    assert main(COMPARE) == 2
    (file,) = crash_files(here)
    assert f"all that it printed: {file.relative_to(here)}" in capsys.readouterr().err
    assert "KeyError: 'odd'" in file.read_text(encoding="utf-8")


CONSOLES: dict[str, Callable[[], Any]] = {
    "ascii": lambda: consoles.Console("ascii"),
    "absent": lambda: None,
    "full": consoles.full,
    "left": consoles.left,
    "left in the middle": lambda: consoles.Failing(BrokenPipeError(errno.EPIPE, "gone"), room=30),
    "closed": consoles.closed,
}


def kept_runs(here: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many runs the store holds, once nothing is broken any more."""
    monkeypatch.undo()
    monkeypatch.chdir(here)
    assert main(["runs", "list", "--store", ".depthprof/store.db", "--json", "runs.json"]) == 0
    return len(json.loads(Path("runs.json").read_text())["runs"])


@pytest.mark.parametrize("options", [["--json", "-"], []], ids=["json", ""])
@pytest.mark.parametrize("kind", CONSOLES)
def test_no_console_changes_a_verdict_or_loses_a_report(
    kind: str, options: list[str], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", CONSOLES[kind]())
    words = ["compare", "v1", "v2", "--no-store", *options]
    assert main([*words, "--fail-on", "never"]) == 0
    monkeypatch.setattr(sys, "stderr", CONSOLES[kind]())
    assert main(words) == 1
    made = sorted((here / "reports").iterdir())
    assert [(one / "report.md").exists() for one in made] == [True, True]


@pytest.mark.parametrize("kind", ["full", "left"])
def test_a_run_is_in_the_store_before_anything_is_printed(
    kind: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", CONSOLES[kind]())
    assert main(["compare", "v1", "v2"]) == 1
    assert kept_runs(here, monkeypatch) == 1


@pytest.mark.parametrize("broken", ["print", "reports", "write", "keep", "trace"])
def test_what_was_measured_is_kept_whatever_fails_after_it(
    broken: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: Told
) -> None:
    fault = raising(RuntimeError("a fault of ours"))
    places = {
        "print": "depthprof.report.wording.sentence",
        "reports": "depthprof.report.folder.html",
        "write": "depthprof.report.folder.reserve",
        "keep": "depthprof.cli.report.keep",
        "trace": "depthprof.cli.compare.traced",
    }
    if broken == "write":
        fault = full_from_the_second_time()
    monkeypatch.setattr(places[broken], fault)
    traced = ["profile", "v1", "--modules", "--quiet"]
    assert main(traced if broken == "trace" else COMPARE) == 2
    err = capsys.readouterr().err
    assert "Traceback" not in err
    if broken != "write":
        (kept,) = (here / "reports").iterdir()
        assert (kept / "run.json").exists()
    if broken == "reports":
        assert {file.name for file in kept.iterdir()} == {"run.json"}
        assert f"`depthprof report {kept.relative_to(here)}` makes its reports" in err
    if broken != "keep":
        assert kept_runs(here, monkeypatch) == 1


def test_the_verdict_is_printed_though_the_store_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: Told
) -> None:
    monkeypatch.setattr(report, "keep", raising(StoreError("no store")))
    assert main(COMPARE) == 2
    out, err = capsys.readouterr()
    assert "return is slower" in out
    assert "no store" in err


def test_ctrl_c_while_tracing_keeps_the_run(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: Told
) -> None:
    monkeypatch.setattr("depthprof.profiling.client.profile_below", raising(KeyboardInterrupt()))
    assert main(["profile", "v1", "--modules", "--quiet"]) == 2
    assert "no trace and no modules: stopped" in capsys.readouterr().err
    (kept,) = (here / "reports").iterdir()
    assert (kept / "report.html").exists()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("bisect", [False, True], ids=["", "bisect"])
def test_a_signal_ends_as_ctrl_c_with_its_own_code(
    name: str, bisect: bool, monkeypatch: pytest.MonkeyPatch, capsys: Told
) -> None:
    number = getattr(signal, name)
    before = signal.signal(number, signal.SIG_DFL)  # under nohup a hang-up is ignored

    def stopped(*_: object) -> None:
        os.kill(os.getpid(), number)
        threading.Event().wait(10)

    monkeypatch.setattr(api, "carry_out", stopped)
    monkeypatch.setattr("depthprof.cli.gate._baseline", stopped)
    words = ["gate", "v1", "--file", "b.json", "--bisect"] if bisect else COMPARE
    assert main(words) == (125 if bisect else 128 + number)
    assert "stopped" in capsys.readouterr().err
    assert signal.getsignal(number) is signal.SIG_DFL
    signal.signal(number, before)


def test_a_signal_keeps_what_was_measured(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = api.carry_out

    def interrupted(*arguments: Any) -> object:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:  # as `measure` does
            return known(*arguments)
        raise AssertionError("the signal did not come")

    monkeypatch.setattr(api, "carry_out", interrupted)
    assert main(COMPARE) == 128 + signal.SIGTERM
    assert len(list((here / "reports").iterdir())) == 1


def test_a_signal_that_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        assert main(COMPARE) == 1
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def test_commands_run_in_any_thread() -> None:
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(main(COMPARE)))
    thread.start()
    thread.join()
    assert codes == [1]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("gate --bisect --no-such-option", 125),
        ("gate --bisec --processes many", 125),
        ("gate v1 --bisect", 125),  # there is no store
        ("gate v9 --bisect --file b.json", 125),
        ("gate --bisect --help", 0),
        ("gate --no-such-option", 2),
        ("gate --budget many --batch 2", 2),
    ],
)
def test_bisect_skips_whatever_is_no_verdict(words: str, code: int) -> None:
    assert main(words.split()) == code


def test_ctrl_c_ends_a_bisection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("depthprof.cli.gate._baseline", raising(KeyboardInterrupt()))
    assert main(["gate", "v1", "--file", "b.json", "--bisect"]) == 130


def test_reports_of_ci_that_cannot_be_written_hide_no_refusal(here: Path, capsys: Told) -> None:
    (here / "file").touch()
    assert main(["gate", "v1", "--file", "nowhere.json", "--junit", "file/j.xml"]) == 2
    err = capsys.readouterr().err
    assert "could not write file/j.xml" in err
    assert "nowhere.json is not there" in err


def test_python_s_own_1_is_no_way_out() -> None:
    code = (
        "import sys\nfrom depthprof import __main__ as door\n"
        "door.main = lambda: 1 / 0\ndoor.run()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
