"""The GPU by NVML: replayed answers, refusals of every kind, slices, addresses, processes."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthprof.records import TELEMETRY_COLUMNS, UNKNOWN
from depthprof.system.nvml import Gpu, GpuAddress, GpuWatch, NvmlAbsent, connected, driver_version
from depthprof.system.nvml.questions import OTHER_NAMES, QUESTIONS
from scripts.record_nvml import main as record_main
from scripts.record_nvml import record
from tests.system.nvml.replay import RECORDED, UUID, Replay, load, reader, rows

SECOND_NS = 1_000_000_000
GPU_COLUMNS = {name for name in TELEMETRY_COLUMNS[2:] if not name.startswith("host")}


# --- what is read -----------------------------------------------------------------------------


def test_a_row_has_every_column_in_the_unit_of_its_name() -> None:
    known = rows(reader(Replay()), 4)[-1]
    assert known["gpu_busy_percent"] == 97
    assert known["memory_busy_percent"] == 22
    assert known["sm_clock_mhz"] == 1965
    assert known["power_mw"] == 411_000
    assert known["temperature_c"] == 46
    assert known["memory_used_bytes"] == 3_754_820_096
    assert known["energy_mj"] == 8_812_345_000 + 3 * 41_000
    assert known["other_processes"] == 1  # two are listed under the host's numbers, one is ours
    assert rows(reader(Replay()), 3)[2]["throttle_reasons"] == 4
    assert set(known) <= GPU_COLUMNS


def test_gpm_comes_from_two_samples_that_are_far_enough_apart() -> None:
    of = reader(Replay())
    read = rows(of, 5)
    assert "sm_active_permille" not in read[0]
    assert "sm_active_permille" not in read[1]  # only 100 ms after the first sample
    assert read[2]["sm_active_permille"] == 412
    assert read[2]["tensor_active_permille"] == 175
    assert read[2]["dram_active_permille"] == 221
    assert read[2]["pcie_sent_bytes_per_s"] == round(11.5 * 2**20)
    assert "sm_active_permille" not in read[3]
    assert "sm_active_permille" in read[4]


def test_gpm_samples_are_given_back() -> None:
    nvml = Replay()
    of = reader(nvml)
    assert nvml.samples == 2
    of.close()
    assert nvml.samples == 0
    of.close()
    assert nvml.samples == 0


def test_without_gpm_the_link_is_asked_now_and_then_since_that_takes_20_ms() -> None:
    nvml = Replay(nvmlGpmQueryDeviceSupport=[SimpleNamespace(isSupportedDevice=0)])
    of = reader(nvml)
    read = rows(of, 8)
    assert [n for n, row in enumerate(read) if "pcie_sent_bytes_per_s" in row] == [0, 4]
    assert [n for n, row in enumerate(read) if "pcie_received_bytes_per_s" in row] == [2, 6]
    assert read[0]["pcie_sent_bytes_per_s"] == 12_000_000
    assert read[2]["pcie_received_bytes_per_s"] == 48_000_000
    assert any("Hopper" in note for note in of.notes)
    with_gpm = Replay()
    rows(reader(with_gpm), 8)
    assert not any(asked[0] == "nvmlDeviceGetPcieThroughput" for asked in with_gpm.asked)


@pytest.mark.parametrize("refused", ["nvmlGpmSampleGet", "nvmlGpmMetricsGet"])
def test_where_gpm_is_offered_and_then_refused_the_link_is_asked(refused: str) -> None:
    nvml = Replay(**{refused: pynvml.NVML_ERROR_NO_PERMISSION})
    read = rows(reader(nvml), 12)
    assert any(row.get("pcie_sent_bytes_per_s") == 12_000_000 for row in read)
    assert all("sm_active_permille" not in row for row in read)


@pytest.mark.parametrize(("code", "value"), [(0, float("nan")), (3, 5.0), (0, -1.0)])
def test_a_gpm_metric_without_a_value_is_unknown(code: int, value: float) -> None:
    def broken(wanted: Any) -> Any:
        for place in range(wanted.numMetrics):
            wanted.metrics[place].nvmlReturn, wanted.metrics[place].value = code, value
        return wanted

    read = rows(reader(Replay(nvmlGpmMetricsGet=broken)), 3)
    assert read[2]["sm_active_permille"] == UNKNOWN


# --- what is refused --------------------------------------------------------------------------

READINGS = {
    "nvmlDeviceGetPowerUsage": ("the power", {"power_mw"}),
    "nvmlDeviceGetTotalEnergyConsumption": ("the energy", {"energy_mj"}),
    "nvmlDeviceGetTemperature": ("the temperature", {"temperature_c"}),
    "nvmlDeviceGetUtilizationRates": (
        "the utilisation",
        {"gpu_busy_percent", "memory_busy_percent"},
    ),
    "nvmlDeviceGetMemoryInfo": ("the memory in use", {"memory_used_bytes"}),
    "nvmlDeviceGetComputeRunningProcesses": ("the processes on the GPU", {"other_processes"}),
}
CODES = {3: "not supported on this GPU", 4: "no permission", 13: "driver is too old", 999: ""}


@given(st.sampled_from(sorted(READINGS)), st.sampled_from(sorted(CODES)), st.integers(2, 6))
def test_a_refused_reading_is_unknown_and_told_once(name: str, code: int, count: int) -> None:
    nvml = Replay(**dict.fromkeys((name, *OTHER_NAMES.get(name, ())), code))
    of = reader(nvml)
    what, columns = READINGS[name]
    for row in rows(of, count):
        assert {column for column in columns if row[column] != UNKNOWN} == set()
        assert row["sm_clock_mhz"] > 0  # the others go on
    mine = [note for note in of.notes if what in note]
    assert len(mine) == 1
    assert CODES[code] in mine[0]
    asked = sum(question[0] == name for question in nvml.asked)
    assert asked == (count if code == 999 else 1)  # what is refused for good is asked once


def test_a_function_the_binding_lacks_is_unknown_and_told() -> None:
    of = reader(Replay(nvmlDeviceGetTotalEnergyConsumption=None))
    assert rows(of, 2)[1]["energy_mj"] == UNKNOWN
    assert any("nvidia-ml-py does not have it" in note for note in of.notes)


def test_throttle_reasons_are_asked_by_the_older_name_where_need_be() -> None:
    nvml = Replay(
        nvmlDeviceGetCurrentClocksEventReasons=13, nvmlDeviceGetCurrentClocksThrottleReasons=[32]
    )
    of = reader(nvml)
    assert [row["throttle_reasons"] for row in rows(of, 3)] == [32, 32, 32]
    assert sum(q[0] == "nvmlDeviceGetCurrentClocksEventReasons" for q in nvml.asked) == 1
    assert of.notes == ()


@pytest.mark.parametrize("code", [1, 9, 15, 16])
def test_a_lost_gpu_ends_the_readings(code: int) -> None:
    nvml = Replay()
    of = reader(nvml)
    of.read(0)
    nvml.fail("all", code)
    with pytest.raises(NvmlAbsent):
        of.read(SECOND_NS)
    nvml.changes.clear()
    of.close()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (12, "no NVIDIA driver"),
        (9, "driver is not loaded"),
        (4, "no permission"),
        (18, "unlike versions"),
    ],
)
def test_nvml_that_does_not_start_says_why(code: int, said: str) -> None:
    with pytest.raises(NvmlAbsent, match=said):
        connected(Replay(nvmlInit=code))
    assert driver_version(Replay(nvmlInit=code)) is None


def test_a_missing_binding_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(NvmlAbsent, match="nvidia-ml-py is not installed"):
        connected()


def test_the_driver_s_version_and_nvml_is_left_again() -> None:
    nvml = Replay()
    assert driver_version(nvml) == "570.86.15"
    assert nvml.users == 0


# --- once a block -----------------------------------------------------------------------------


def test_gpu_faults_are_told_from_normal_reasons() -> None:
    def seen(reasons: int) -> dict[str, int]:
        nvml = Replay(nvmlDeviceGetCurrentClocksEventReasons=[reasons])
        return GpuWatch(GpuAddress(UUID), nvml).read()

    assert seen(1 | 4) == {"throttled": 0, "sm_clock_mhz": 345}
    assert seen(4 | 32)["throttled"] == 32


def test_a_gpu_that_cannot_be_watched_is_unknown() -> None:
    assert GpuWatch(GpuAddress(UUID), Replay(nvmlInit=9)).read() == {}
    refused = GpuWatch(GpuAddress(UUID), Replay(nvmlDeviceGetClockInfo=3))
    assert refused.read()["sm_clock_mhz"] == UNKNOWN
    nvml = Replay()
    lost = GpuWatch(GpuAddress(UUID), nvml)
    assert lost.read() != {}
    nvml.fail("all", 15)
    assert lost.read() == {}
    assert lost.read() == {}


def test_without_a_driver_the_gpu_is_unknown() -> None:
    assert set(GpuWatch(GpuAddress(index=0)).read()) <= {"throttled", "sm_clock_mhz"}


# --- recordings -------------------------------------------------------------------------------


def test_a_recording_plays_back_what_was_read(tmp_path: Path) -> None:
    written = record(Replay(), GpuAddress(UUID), 4, 0.13).document({"what": "a test"})
    file = tmp_path / "answers.json"
    file.write_text(json.dumps(written))
    before, after = Replay(), Replay(json.loads(file.read_text()))
    read = rows(reader(after), 4)
    assert read == rows(reader(before), 4)
    assert read[2]["sm_active_permille"] > 0


def test_a_recording_holds_every_question_and_what_the_binding_raised() -> None:
    lacking = pynvml.NVMLLibraryMismatchError("Unversioned function called")
    nvml = Replay(nvmlDeviceGetComputeRunningProcesses=lacking, nvmlDeviceGetName=["NVIDIA H200"])
    written = record(nvml, GpuAddress(UUID), 1, 0).document({})
    functions = {call["function"] for call in written["calls"]}
    assert functions >= {question.function for question in QUESTIONS.values()}
    again = Gpu(connected(Replay(written)), GpuAddress(UUID))
    assert again.answer("name") == "NVIDIA H200"
    assert again.answer("compute_pids") is None
    assert again.reason("compute_pids") != ""


def test_a_real_h200_at_work_is_read_as_it_was() -> None:
    """Recorded on a GPU, unlike the files that were written by hand; its UUID is masked."""
    recorded = load(RECORDED)
    assert recorded["about"]["what"].startswith("recorded")
    (uuid,) = {a for c in recorded["calls"] for a in c["arguments"] if isinstance(a, str)}
    assert set(uuid.removeprefix("GPU-")) == {"0", "-"}
    of = reader(Replay(recorded), GpuAddress(uuid))
    read = rows(of, 40)
    assert of.uuid == uuid
    assert of.notes == ()  # it refuses nothing
    assert {row["sm_clock_mhz"] for row in read} == {1980}
    assert all(row["memory_clock_mhz"] == 3201 for row in read)
    assert read[0]["power_mw"] == 100_943  # work has only begun
    assert max(row["power_mw"] for row in read) > 580_000
    energy = [row["energy_mj"] for row in read]
    assert energy == sorted(energy)
    assert read[-1]["gpu_busy_percent"] == 100
    assert all(row["other_processes"] == 0 for row in read)  # the only one listed is ours
    active = [row["sm_active_permille"] for row in read if "sm_active_permille" in row]
    assert len(active) == 19
    assert all(0 < value <= 1000 for value in active)
    assert set().union(*read) == GPU_COLUMNS


def test_recording_without_a_gpu_is_refused_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert record_main([str(tmp_path / "answers.json")]) == 2
    assert "nvidia-ml-py is not installed" in capsys.readouterr().err
    assert not (tmp_path / "answers.json").exists()
