"""A worker seen from the parent: its answers, its layouts, and every way it can end."""

import os
import subprocess
import sys
from random import Random

import pytest

from depthprof import errors
from depthprof.runner.process import PADDING_VARIABLE, READY, Layout, WorkerProcess, _environment

FAKE = "tests.runner.fake_worker"


def ask(variant: str, block: bool = True, timeout_s: float = 20.0) -> dict[str, object]:
    side = {"name": "a", "variant": variant, "workload": {}, "checkpoint": None}
    with WorkerProcess(Layout(10, 20), FAKE) as worker:
        answer = worker.ask({"command": "load", "sides": [side], "images": []}, timeout_s)
        if block:
            command = {"command": "block", "side": "a", "first": 0, "iterations": 2}
            answer = worker.ask(command, timeout_s)
        return answer


def test_answers_come_back_whatever_a_pipeline_prints() -> None:
    assert len(ask("print:1")["marks_ns"]) == 2  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("variant", "said"),
    [
        ("exit@1", 'exit code 7; it last printed "something odd happened"'),
        ("kill@1", "killed, most often because memory ran out"),
        ("segv@1", "crashed (SIGSEGV)"),
        ("exit@load", "exit code 7"),
    ],
)
def test_a_lost_worker_is_a_sentence(variant: str, said: str) -> None:
    with pytest.raises(errors.WorkerLost) as caught:
        ask(variant)
    assert said in str(caught.value)


def test_a_worker_that_hangs_is_stopped() -> None:
    with pytest.raises(errors.WorkerLost, match="gave no answer within 1 s"):
        ask("hang@load", timeout_s=1.0)


@pytest.mark.parametrize(
    ("variant", "kind"),
    [
        ("raise@1", errors.PipelineError),
        ("memory@1", errors.OutOfMemory),
        ("bad@load", errors.BadInput),
    ],
)
def test_a_refusal_crosses_the_pipe_with_its_kind(variant: str, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="it did") as caught:
        ask(variant)
    if isinstance(caught.value, errors.PipelineError):
        assert (caught.value.side, caught.value.stage) == ("b", "forward")


def test_every_error_has_a_kind_that_can_cross() -> None:
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.DepthprofError):
            assert str(kind("said")) == "said"


def test_a_worker_that_died_before_it_was_asked_is_lost() -> None:
    with WorkerProcess(Layout(0, 0), "tests.runner.no_such_module") as worker:
        worker._process.wait()
        with pytest.raises(errors.WorkerLost, match="No module named"):
            worker.ask({"command": "load"}, 10.0)


def test_close_leaves_no_process_behind() -> None:
    with WorkerProcess(Layout(0, 0), FAKE) as worker:
        pid = worker._process.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_worker_ends_by_itself_when_its_parent_is_gone() -> None:
    worker = subprocess.Popen([sys.executable, "-m", FAKE], stdin=subprocess.PIPE)
    assert worker.stdin is not None
    worker.stdin.close()
    assert worker.wait(timeout=20) == 0


def test_layouts_differ_and_are_drawn_from_the_seed() -> None:
    drawn = [Layout.drawn(Random(f"0/{index}")) for index in range(20)]
    assert len(set(drawn)) == 20
    assert drawn[3] == Layout.drawn(Random("0/3"))
    sizes = {len(_environment(layout, None)[PADDING_VARIABLE]) for layout in drawn}
    assert len(sizes) > 10


def test_every_worker_says_when_it_has_its_imports() -> None:
    for module in (FAKE, SERVING):
        with WorkerProcess(Layout(0, 0), module) as worker:
            assert worker.ask({"command": READY}, 20.0) == {}


SERVING = "tests.runner.serving_worker"


@pytest.mark.parametrize("encoding", ["ascii", "utf-16", "cp1252:strict"])
def test_a_worker_depends_on_no_console(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    text = "± 深 \udcff"
    with WorkerProcess(Layout(0, 0), SERVING) as worker:
        for _ in range(2):
            assert worker.ask({"command": "echo", "text": text}, 20.0) == {"text": text}


def test_what_a_worker_printed_before_a_fault_of_ours_is_kept() -> None:
    with WorkerProcess(Layout(0, 0), SERVING) as worker:
        with pytest.raises(errors.WorkerLost, match=r"exit code 1.*KeyError") as caught:
            worker.ask({"command": "fault"}, 20.0)
        assert caught.value.printed.startswith("before it\nTraceback")
    with pytest.raises(errors.WorkerLost) as foreign:
        ask("exit@load")
    assert foreign.value.printed == ""
