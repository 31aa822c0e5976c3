"""Which GPU is meant, slices of one, and whose processes are on it."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from depthprof.records import UNKNOWN
from depthprof.system.nvml import Gpu, GpuAddress, NvmlAbsent, connected, torch_address
from depthprof.system.nvml.reader import others
from tests.system.nvml.replay import UUID, Replay, reader, rows

SLICE = "MIG-77777777-1111-2222-3333-444455556666"

# --- which GPU --------------------------------------------------------------------------------


def test_a_gpu_is_found_by_uuid_with_or_without_its_prefix() -> None:
    for uuid in (UUID, UUID.removeprefix("GPU-"), "GPU-5a1b"):
        nvml = Replay()
        assert Gpu(connected(nvml), GpuAddress(uuid)).uuid == UUID
        if len(uuid) > 10:
            assert not any(asked[0] == "nvmlDeviceGetHandleByIndex" for asked in nvml.asked)


def test_a_gpu_is_found_by_its_pci_address() -> None:
    found = Gpu(connected(Replay()), GpuAddress(pci="00000000:3B:00.0"))
    assert found.uuid == UUID
    unlike = GpuAddress(uuid="GPU-0000", pci="00000000:3B:00.0", index=0)
    assert Gpu(connected(Replay()), unlike).uuid == UUID


def test_a_gpu_that_nvml_does_not_show_is_not_taken_for_another() -> None:
    with pytest.raises(NvmlAbsent, match=r"GPU-0000.*no such GPU"):
        Gpu(connected(Replay()), GpuAddress(uuid="GPU-0000", index=0))
    closed = Replay(nvmlDeviceGetHandleByUUID=4, nvmlDeviceGetCount=6)
    with pytest.raises(NvmlAbsent, match="no permission"):
        Gpu(connected(closed), GpuAddress(UUID))


class Torch(SimpleNamespace):
    """torch.cuda with the properties that a version of it has."""

    def __init__(self, **properties: Any) -> None:
        super().__init__(
            cuda=SimpleNamespace(get_device_properties=lambda _: SimpleNamespace(**properties))
        )


def test_torch_names_the_gpu_as_well_as_its_version_can(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = UUID.removeprefix("GPU-")
    newer = Torch(uuid=bare, pci_domain_id=0, pci_bus_id=0x3B, pci_device_id=0)
    monkeypatch.setitem(sys.modules, "torch", newer)
    assert torch_address("cuda:0", {}) == GpuAddress(bare, "00000000:3B:00.0", 0)
    monkeypatch.setitem(sys.modules, "torch", Torch(uuid=bare))
    assert torch_address("cuda:0", {"CUDA_VISIBLE_DEVICES": "4"}) == GpuAddress(bare, None, 4)
    monkeypatch.setitem(sys.modules, "torch", Torch())
    assert torch_address("cuda:1", {"CUDA_VISIBLE_DEVICES": "4,6"}) == GpuAddress(index=6)
    assert torch_address("cuda:0", {"CUDA_VISIBLE_DEVICES": SLICE}) == GpuAddress(SLICE)


# --- MIG --------------------------------------------------------------------------------------


def sliced(**changes: Any) -> Replay:
    """A slice's handle: utilisation is not offered, the whole GPU is found behind it."""
    handles = {"slice": SimpleNamespace(handle="slice"), "whole": SimpleNamespace(handle="whole")}

    def of_slice(value: Any) -> Any:
        def answer(handle: Any, *_: Any) -> Any:
            if handle.handle != "slice":
                raise pynvml.NVMLError(pynvml.NVML_ERROR_INVALID_ARGUMENT)
            return value

        return answer

    def of_whole(value: Any) -> Any:
        def answer(handle: Any, *_: Any) -> Any:
            if handle.handle != "whole":
                raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
            return value

        return answer

    known: dict[str, Any] = {
        "nvmlDeviceGetHandleByUUID": lambda _: handles["slice"],
        "nvmlDeviceGetUUID": [SLICE],
        "nvmlDeviceIsMigDeviceHandle": [pynvml.c_uint(1)],
        "nvmlDeviceGetDeviceHandleFromMigDeviceHandle": [handles["whole"]],
        "nvmlDeviceGetGpuInstanceId": [7],
        "nvmlDeviceGetMemoryInfo": of_slice(SimpleNamespace(used=123)),
        "nvmlDeviceGetComputeRunningProcesses": of_slice([SimpleNamespace(pid=os.getpid())]),
        "nvmlDeviceGetUtilizationRates": of_whole(None),
        "nvmlDeviceGetPowerUsage": of_whole(400_000),
        "nvmlDeviceGetClockInfo": of_whole(1980),
        "nvmlGpmMigSampleGet": [None],
    }
    return Replay(**known | changes)


def test_of_a_slice_memory_is_its_own_and_clocks_are_the_whole_gpu_s() -> None:
    nvml = sliced()
    of = reader(nvml, GpuAddress(SLICE))
    row = rows(of, 3)[2]
    assert of.uuid == SLICE
    assert (row["memory_used_bytes"], row["power_mw"], row["sm_clock_mhz"]) == (123, 400_000, 1980)
    assert row["gpu_busy_percent"] == UNKNOWN
    assert row["other_processes"] == 0
    assert row["sm_active_permille"] == 412
    assert ("nvmlGpmMigSampleGet", 7) in nvml.asked
    assert any("whole GPU's" in note for note in of.notes)


def test_a_slice_whose_gpu_is_closed_to_us_still_has_its_memory() -> None:
    of = reader(sliced(nvmlDeviceGetDeviceHandleFromMigDeviceHandle=4), GpuAddress(SLICE))
    row = rows(of, 1)[0]
    assert row["memory_used_bytes"] == 123
    assert row["power_mw"] == UNKNOWN
    assert any("which GPU the MIG slice is of: no permission" in note for note in of.notes)


def test_a_sliced_gpu_without_a_named_slice_says_so() -> None:
    of = reader(Replay(nvmlDeviceGetMigMode=[[1, 1]]))
    assert any("not known which slice" in note for note in of.notes)


# --- processes --------------------------------------------------------------------------------


def proc_of(folder: Path, parents: dict[int, int]) -> Path:
    (folder / "self").mkdir(parents=True)
    for pid, parent in parents.items():
        (folder / str(pid)).mkdir()
        (folder / str(pid) / "stat").write_text(f"{pid} (a (very) odd name) S {parent} 1 1")
    return folder


def test_processes_that_we_started_are_ours(tmp_path: Path) -> None:
    proc = proc_of(tmp_path / "proc", {1: 0, 10: 1, 20: 10, 30: 20, 99: 1})
    assert others([20, 30, 99], own=10, proc=proc) == 1
    assert others([30], own=10, proc=proc) == 0
    assert others([1, 99], own=10, proc=proc) == 2


def test_in_a_container_ours_are_taken_off_by_number(tmp_path: Path) -> None:
    proc = proc_of(tmp_path / "proc", {1: 0, 10: 1})
    assert others([70_001, 70_002, 70_003], own_count=2, own=10, proc=proc) == 1
    assert others([70_001], own_count=2, own=10, proc=proc) == 0


def test_a_list_without_even_ours_tells_nothing(tmp_path: Path) -> None:
    assert others([], own=10, proc=proc_of(tmp_path / "proc", {10: 1})) == UNKNOWN
    assert others([5], own=10, proc=tmp_path / "none") == UNKNOWN


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system has no /proc")
def test_a_real_child_is_ours() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert others([child.pid, os.getpid()]) == 0
        assert others([child.pid, 1]) == 1
        child.communicate(b"\n")
