"""Telemetry: taken beside the measuring, never in its way, whatever NVML does."""

import sys
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from depthprof import api
from depthprof.cli.main import Call, parse
from depthprof.errors import BadInput
from depthprof.records import UNKNOWN, Policy, Run, Telemetry, Workload, decode, encode
from depthprof.runner import Plan, Progress, SidePlan, measure, telemetry
from depthprof.runner.telemetry import RunTelemetry, Sampler, host_row
from depthprof.system.nvml import GpuAddress
from depthprof.verdict.activity import activity
from depthprof.verdict.stretches import any_stretches
from tests.system.nvml.replay import UUID, Replay

FAKE = "tests.runner.fake_worker"
ON_LINUX = sys.platform.startswith("linux")


def no_host() -> dict[str, int]:
    return {}


def until(done: Callable[[], bool], most_s: float = 5.0) -> None:
    """Wait for a thread to come so far; a test that waits in vain fails at what it asserts."""
    end = time.monotonic() + most_s
    while not done() and time.monotonic() < end:
        time.sleep(0.002)


def sampled(sampler: Sampler, readings: int = 4) -> Telemetry:
    sampler.start()
    until(lambda: len(sampler._rows) >= readings)
    return sampler.stop()


def threads() -> list[str]:
    return [one.name for one in threading.enumerate() if "telemetry" in one.name]


# --- the sampler ------------------------------------------------------------------------------


def test_readings_have_time_stamps_in_order_and_the_gpu_s_figures() -> None:
    nvml = Replay()
    taken = sampled(Sampler(0.002, GpuAddress(UUID), nvml=nvml))
    assert len(taken) >= 4
    assert taken.gpu == UUID
    assert (np.diff(taken.columns.at_ns) > 0).all()
    assert (taken.columns.cost_ns >= 0).all()
    assert taken.columns.power_mw[:4].tolist() == [118_000, 301_500, 402_250, 411_000]
    assert nvml.users == 0
    assert nvml.samples == 0
    assert threads() == []


def test_a_moment_that_passed_during_a_reading_is_left_out() -> None:
    def slow() -> dict[str, int]:
        time.sleep(0.03)
        return {}

    taken = sampled(Sampler(0.01, host=slow), 5)
    gaps_ns, cost_ns = np.diff(taken.columns.at_ns), taken.columns.cost_ns
    # One after the other, none caught up with: from middle to middle lie both halves.
    assert (gaps_ns >= cost_ns[:-1] // 2 + cost_ns[1:] // 2 - 1).all()


@pytest.mark.parametrize(("code", "said"), [(12, "no NVIDIA driver"), (9, "not loaded"), (4, "no")])
def test_without_nvml_the_host_is_read_and_a_sentence_says_why(code: int, said: str) -> None:
    taken = sampled(
        Sampler(
            0.002,
            GpuAddress(UUID),
            nvml=Replay(nvmlInit=code),
            host=lambda: {"host_busy_ns": 7},
        )
    )
    assert taken.gpu is None
    assert set(taken.columns.host_busy_ns.tolist()) == {7}
    assert set(taken.columns.power_mw.tolist()) == {UNKNOWN}
    assert len(taken.notes) == 1
    assert said in taken.notes[0]


def test_a_gpu_that_nvml_does_not_know_is_a_sentence() -> None:
    nvml = Replay()
    taken = sampled(Sampler(0.002, GpuAddress("GPU-0000"), nvml=nvml))
    assert taken.gpu is None
    assert "GPU-0000" in taken.notes[0]
    assert nvml.users == 0


@pytest.mark.parametrize("code", [15, 1, 9])
def test_a_gpu_lost_half_way_leaves_the_host_s_readings_and_says_when(code: int) -> None:
    nvml = Replay()
    sampler = Sampler(0.002, GpuAddress(UUID), nvml=nvml, host=lambda: {"host_busy_ns": 7})
    sampler.start()
    until(lambda: len(sampler._rows) >= 3)
    nvml.fail("all", code)
    before = len(sampler._rows)
    until(lambda: len(sampler._rows) >= before + 4)
    taken = sampler.stop()
    assert taken.columns.power_mw[0] > 0
    assert taken.columns.power_mw[-1] == UNKNOWN
    assert set(taken.columns.host_busy_ns.tolist()) == {7}
    assert taken.gpu == UUID
    stopped = [note for note in taken.notes if "NVML stopped answering" in note]
    assert len(stopped) == 1
    assert threads() == []


@pytest.mark.parametrize("fault", [OSError("gone"), TypeError("odd"), ZeroDivisionError("by 0")])
def test_a_broken_sampler_is_a_note(fault: Exception) -> None:
    def broken() -> dict[str, int]:
        raise fault

    sampler = Sampler(0.002, GpuAddress(UUID), nvml=Replay(), host=broken)
    sampler.start()
    sampler._thread.join(5)
    taken = sampler.stop()
    assert len(taken) == 0
    assert f"telemetry ended early: {type(fault).__name__}" in taken.notes[0]


def test_a_reading_that_hangs_does_not_hold_the_run_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "STOP_LIMIT_S", 0.05)
    let_go = threading.Event()

    def hanging() -> dict[str, int]:
        let_go.wait(10)
        return {}

    sampler = Sampler(0.002, host=hanging)
    sampler.start()
    taken = sampler.stop()
    let_go.set()
    sampler._thread.join(5)
    assert "gave no answer" in taken.notes[0]
    assert threads() == []


def test_a_system_without_a_thread_to_give_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none_left)
    telemetry_of_run = RunTelemetry(0.1)
    telemetry_of_run.begin({}, shared=True)
    taken = telemetry_of_run.end()
    assert taken is not None
    assert "can't start new thread" in taken.notes[0]


def test_stopping_twice_gives_the_same() -> None:
    sampler = Sampler(0.002, host=no_host)
    first = sampled(sampler)
    assert len(sampler.stop()) == len(first)


def test_nothing_is_read_where_nothing_was_asked() -> None:
    telemetry_of_run = RunTelemetry(None)
    telemetry_of_run.begin({"a": {"uuid": UUID, "pci": None, "index": None}}, shared=True)
    assert telemetry_of_run.end() is None
    assert RunTelemetry(0.1).end() is None


@pytest.mark.skipif(not ON_LINUX, reason="only Linux has /proc")
def test_the_host_s_columns_are_known_on_linux() -> None:
    row = host_row()
    assert row["host_busy_ns"] > 0
    assert row["host_available_bytes"] > 0


# --- in a run ---------------------------------------------------------------------------------


def plan(a: str, b: str, budget_s: float = 0.5, **options: object) -> Plan:
    sides = (SidePlan("a", a, a, Workload()), SidePlan("b", b, b, Workload()))
    known: dict[str, object] = {"launches": 2, "telemetry_s": 0.02, **options}
    return Plan(sides, budget_s=budget_s, worker=FAKE, **known)  # type: ignore[arg-type]


def measured(of: Plan) -> Run:
    return measure(of, lambda _: None, lambda _: False)


def test_a_run_has_readings_within_its_turns_and_keeps_them() -> None:
    run = measured(plan("ms:2", "ms:2"))
    assert run.telemetry is not None
    assert run.telemetry.interval_s == 0.02
    during = any_stretches(run).holding(run.telemetry.columns.at_ns) >= 0
    assert during.sum() >= 5  # so both processes have one clock
    again, _ = decode(encode(run, Policy()))
    assert again.telemetry is not None
    assert (again.telemetry.columns.at_ns == run.telemetry.columns.at_ns).all()
    known = activity(run)
    assert known is not None
    if ON_LINUX:
        assert known.host.least_available_bytes
    assert threads() == []


def test_a_run_that_asks_for_none_has_none() -> None:
    run = measured(plan("ms:1", "ms:1", 0.3, telemetry_s=None))
    assert run.telemetry is None
    assert activity(run) is None


def test_a_failing_run_keeps_its_readings_and_leaves_no_thread() -> None:
    run = measured(plan("ms:1", "exit@8", 5.0))
    assert run.ended == "failed"
    assert run.telemetry is not None
    assert len(run.telemetry) > 0
    assert threads() == []


def test_ctrl_c_ends_telemetry_too() -> None:
    def interrupt(progress: Progress) -> None:
        if progress.pairs == 3:
            raise KeyboardInterrupt

    run = measure(plan("ms:1", "ms:1", 30), interrupt, lambda _: False)
    assert run.ended == "interrupted"
    assert run.telemetry is not None
    assert threads() == []


def test_a_refused_run_leaves_no_thread() -> None:
    def interrupt(progress: Progress) -> None:
        if progress.phase == "warming up":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(plan("ms:1", "ms:1"), interrupt, lambda _: False)
    assert threads() == []


def test_the_gpu_that_a_worker_named_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[object, ...]] = []

    class Noted(Sampler):
        def __init__(self, *arguments: object) -> None:
            seen.append(arguments)
            super().__init__(0.02, host=no_host)

    monkeypatch.setattr(telemetry, "Sampler", Noted)
    named = {"uuid": UUID, "pci": None, "index": 0}
    telemetry_of_run = RunTelemetry(0.1)
    telemetry_of_run.begin({"a": named, "b": named}, shared=False)
    telemetry_of_run.begin({}, shared=True)  # a later process changes nothing
    telemetry_of_run.end()
    assert seen == [(0.1, GpuAddress(UUID, None, 0), 2)]


# --- how it is asked for ----------------------------------------------------------------------


@pytest.mark.parametrize("interval_s", [0.0, -1.0, 0.001, float("nan"), float("inf")])
def test_an_interval_that_is_no_time_is_refused(interval_s: float) -> None:
    sides = (SidePlan("a", "v1", "v1", Workload()),)
    with pytest.raises(BadInput, match="telemetry is"):
        api.check_plan(Plan(sides, telemetry_s=interval_s))
    api.check_plan(Plan(sides, telemetry_s=None))


def test_the_doors_ask_for_it_and_calibrate_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float | None] = []

    def note(plan: Plan, *_: object) -> object:
        asked.append(plan.telemetry_s)
        raise KeyboardInterrupt

    monkeypatch.setattr(api, "measure", note)
    for call in (
        lambda: api.compare("v1", "v2"),
        lambda: api.profile("v1"),
        lambda: api.compare("v1", "v2", telemetry_s=None),
        lambda: api.calibrate("v1"),
    ):
        with pytest.raises(KeyboardInterrupt):
            call()
    assert asked == [0.1, 0.1, None, None]


@pytest.mark.parametrize("words", [["compare", "v1", "v2"], ["profile", "v1"]])
def test_the_command_line_can_leave_it_out(words: list[str]) -> None:
    for more in ([], ["--no-telemetry"]):
        call = parse([*words, *more])
        assert isinstance(call, Call)
        assert call.settings.measuring.no_telemetry == bool(more)


def test_our_own_worker_is_not_counted_as_a_stranger() -> None:
    nvml = Replay(nvmlDeviceGetComputeRunningProcesses=[[SimpleNamespace(pid=4_000_000_001)]])
    taken = sampled(Sampler(0.002, GpuAddress(UUID), nvml=nvml, host=no_host))
    assert set(taken.columns.other_processes.tolist()) == {0}
