"""Every question against every way in which a driver, a binding or a GPU may refuse it."""

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from depthprof.records import UNKNOWN
from depthprof.system.doctor.gpu import GpuFacts, gpu_facts, gpu_findings
from depthprof.system.nvml import (
    Gpu,
    GpuAddress,
    GpuReader,
    GpuWatch,
    NvmlAbsent,
    connected,
    within,
)
from depthprof.system.nvml.library import driver_version, in_words, is_final
from depthprof.system.nvml.questions import OTHER_NAMES, QUESTIONS
from tests.system.nvml.replay import ANSWERS, UUID, Replay, load, reader, rows

MISMATCH = pynvml.NVMLLibraryMismatchError("Unversioned function called and so on")

FAILURES = {
    # what the function does: what is said of it
    "driver too old": (13, "the driver is too old for this"),
    "driver too old, by nvidia-ml-py": (MISMATCH, "the driver is too old for this"),
    "binding too old or too new": (None, "nvidia-ml-py does not have it"),
    "not supported": (3, "not supported on this GPU"),
    "no permission": (4, "no permission"),
    "other struct": (25, "does not take this version"),
    "bad argument": (2, "does not take the question"),
    "not found": (6, "NVML has no such GPU"),
    "too small": (7, "Insufficient Size"),
    "timeout": (10, "did not answer in time"),
    "damaged ROM": (14, "information ROM is damaged"),
    "blocked": (17, "the operating system blocks"),
    "no data": (21, "has no data"),
    "unknown": (999, "gives no reason"),
    "a code of tomorrow": (4711, "4711"),
    "odd signature": (TypeError("takes 1 positional argument"), "TypeError"),
    "odd bytes": (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"), "UnicodeDecodeError"),
    "library closed": (OSError("cannot open"), "OSError"),
}
LOST = {"uninitialised": 1, "driver gone": 9, "GPU lost": 15, "reset wanted": 16}


def refusing(function: str, failure: Any) -> Replay:
    """The H200 by hand, with one function refused by all its names."""
    names = (function, *OTHER_NAMES.get(function, ()))
    return Replay(**dict.fromkeys(names, failure))


def functions() -> list[str]:
    return sorted({question.function for question in QUESTIONS.values()})


@pytest.mark.parametrize("failure", FAILURES)
def test_no_question_raises_and_each_keeps_its_reason(failure: str) -> None:
    how, said = FAILURES[failure]
    for name in QUESTIONS:
        refused_in_words(name, how, said)


def refused_in_words(name: str, how: Any, said: str) -> None:
    """Ask one question whose function fails so: None, and once a note with the reason."""
    gpu = Gpu(connected(refusing(QUESTIONS[name].function, how)), GpuAddress(UUID))
    assert gpu.answer(name) is None
    assert said in gpu.reason(name)
    assert gpu.answer(name) is None  # asked again or not, it is noted once
    mine = [note for note in gpu.notes if f" {QUESTIONS[name].what}:" in note]
    assert len(mine) == 1
    assert said in mine[0]


@pytest.mark.parametrize("how", LOST.values(), ids=LOST)
def test_a_gpu_that_is_lost_says_so_at_once(how: int) -> None:
    gpu = Gpu(connected(Replay(nvmlDeviceGetName=["NVIDIA H200"])), GpuAddress(UUID))
    assert gpu.answer("name") == "NVIDIA H200"
    gpu.nvml.fail("all", how)
    for name in set(QUESTIONS) - set(gpu.reasons):
        with pytest.raises(NvmlAbsent):
            gpu.answer(name)


@pytest.mark.parametrize("failure", FAILURES)
def test_the_readers_of_a_gpu_go_on_without_any_function(failure: str) -> None:
    how, said = FAILURES[failure]
    gpm = ("nvmlGpmQueryDeviceSupport", "nvmlGpmSampleAlloc", "nvmlGpmSampleGet")
    everything = dict.fromkeys((*functions(), *gpm, "nvmlDeviceIsMigDeviceHandle"), how)
    for older in OTHER_NAMES.values():
        everything |= dict.fromkeys(older, how)
    nvml = Replay(**everything)
    of = reader(nvml)
    for row in rows(of, 8):
        assert set(row.values()) <= {UNKNOWN}
    of.close()
    assert said in " ".join(of.notes)
    assert set(GpuWatch(GpuAddress(UUID), nvml).read().values()) == {UNKNOWN}
    facts = gpu_facts(nvml, "cuda", {})
    assert facts == GpuFacts(reasons=facts.reasons)
    unknown = [finding for finding in gpu_findings(facts) if finding.status == "unknown"]
    assert len(unknown) == 10
    assert all(said in finding.what for finding in unknown)


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("function", ["nvmlInit", "nvmlDeviceGetCount", "nvmlShutdown"])
def test_what_stands_around_the_questions_refuses_in_a_sentence(
    function: str, failure: str
) -> None:
    how, said = FAILURES[failure]
    nvml = Replay(**{function: how})
    if function != "nvmlShutdown":
        with pytest.raises(NvmlAbsent, match="NVML does not") as caught:
            gpu_facts(nvml, "cuda", {})
        assert said in str(caught.value)
    else:
        assert gpu_facts(nvml, "cuda", {}).name != ""
    assert driver_version(Replay(nvmlSystemGetDriverVersion=how)) is None


@pytest.mark.parametrize("function", OTHER_NAMES)
@pytest.mark.parametrize("lacking", [13, MISMATCH, None])
def test_another_name_of_the_function_is_taken_where_there_is_one(
    function: str, lacking: Any
) -> None:
    (other,) = OTHER_NAMES[function]
    names = {name for name, asked in QUESTIONS.items() if asked.function == function}
    expected = [SimpleNamespace(pid=4711)] if "Processes" in function else 32
    nvml = Replay(**{function: lacking, other: [expected]})
    gpu = Gpu(connected(nvml), GpuAddress(UUID))
    for name in names:
        told = gpu.answer(name)
        assert told == (frozenset({4711}) if "Processes" in function else 32)
        assert gpu.answer(name) == told
        assert gpu.reason(name) == ""
    assert sum(asked[0] == function for asked in nvml.asked) <= 1  # the name that worked is kept


def test_of_two_refusals_the_one_that_says_more_is_told() -> None:
    newer, older = (
        "nvmlDeviceGetCurrentClocksEventReasons",
        "nvmlDeviceGetCurrentClocksThrottleReasons",
    )
    for first, second, said in (
        (13, 4, "no permission"),
        (3, 13, "not supported"),
        (13, 13, "old"),
    ):
        gpu = Gpu(connected(Replay(**{newer: first, older: second})), GpuAddress(UUID))
        assert gpu.answer("throttle_reasons") is None
        assert said in gpu.reason("throttle_reasons")


def test_without_the_list_of_computing_processes_the_number_of_others_is_unknown() -> None:
    """The graphics processes alone, mostly none, would say that nobody else is there."""
    nvml = refusing("nvmlDeviceGetComputeRunningProcesses", MISMATCH)
    nvml.changes["nvmlDeviceGetGraphicsRunningProcesses"] = [[]]
    facts = gpu_facts(nvml, "cuda", {})
    found = {finding.name: finding for finding in gpu_findings(facts)}
    assert found["GPU background load"].status == "unknown"
    assert found["GPU background load"].what == "the driver is too old for this"
    assert found["GPU heat"].status == "ok"
    without = refusing("nvmlDeviceGetGraphicsRunningProcesses", MISMATCH)
    assert gpu_facts(without, "cuda", {}).guests == 2


@pytest.mark.parametrize("value", [-1, 2**64 - 1, 2**63])
def test_a_number_that_means_none_is_unknown(value: int) -> None:
    gpu = Gpu(connected(Replay(nvmlDeviceGetTotalEnergyConsumption=[value])), GpuAddress(UUID))
    assert gpu.answer("energy_mj") is None
    assert gpu.reason("energy_mj") == "the driver gives no value"


def test_a_driver_that_hangs_is_left() -> None:
    def hang(*_: Any) -> None:
        time.sleep(5)

    started = time.monotonic()
    with pytest.raises(NvmlAbsent, match=r"no answer within 0\.05 s"):
        gpu_facts(Replay(nvmlDeviceGetPowerUsage=hang, nvmlInit=hang), "cuda", {}, patience_s=0.05)
    assert time.monotonic() - started < 4


def test_what_is_raised_while_waiting_is_raised_to_who_waits() -> None:
    assert within(1.0, lambda: 7) == 7

    def fail() -> None:
        raise RuntimeError("of CUDA")

    with pytest.raises(RuntimeError, match="of CUDA"):
        within(1.0, fail)


def test_words_are_there_for_every_error_of_nvml_that_a_question_may_meet() -> None:
    for code in range(1, 30):
        assert in_words(pynvml.NVMLError(code)).strip()
    assert is_final(MISMATCH)
    assert not is_final(pynvml.NVMLError(999))


# --- old drivers ------------------------------------------------------------------------------

OLD = sorted(ANSWERS.glob("driver-*-by-hand.json"))
LACKS = {
    "390": {"compute_pids", "mig", "confidential"},
    "418": {"compute_pids", "mig", "confidential"},
    "450": {"confidential"},
    "470": {"confidential"},
}


@pytest.mark.parametrize("file", OLD, ids=lambda file: file.stem)
def test_of_an_old_driver_everything_is_read_that_it_has(file: Path) -> None:
    recorded = load(file)
    assert "by hand" in recorded["about"]["what"]
    nvml = Replay(recorded)
    gpu = Gpu(connected(nvml), GpuAddress(index=0))
    lacking = {
        name for name in QUESTIONS if "driver is too old" in (gpu.answer(name), gpu.reason(name))[1]
    }
    version = recorded["about"]["driver"].partition(".")[0]
    assert LACKS[version] <= lacking
    assert {"sm_clock_mhz", "power_mw", "temperature_c", "throttle_reasons", "name"}.isdisjoint(
        lacking
    )
    facts = gpu_facts(nvml, "cuda", {})
    assert facts.sm_clock_mhz
    assert facts.faults == ()
    assert (facts.guests is None) == ("compute_pids" in LACKS[version])
    row = rows(GpuReader(gpu), 2)[1]
    assert row["power_mw"] > 0
    assert (row["other_processes"] == UNKNOWN) == ("compute_pids" in LACKS[version])


def test_the_drivers_390_to_470_are_all_there() -> None:
    assert [load(file)["about"]["driver"].partition(".")[0] for file in OLD] == sorted(LACKS)
