"""Limits: sane on this CPU, and on devices that are made up."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from depthprof.records import Limits, made
from depthprof.records.traits import limits_name
from depthprof.system import peak_rates
from depthprof.system.peak_rates import (
    device,
    fingerprint_of,
    kernels,
    measure_limits,
    memory,
    timing,
)
from depthprof.system.peak_rates.device import COPY_SIZES_BYTES, copy_rates
from tests.records.gpu import LIMITS

CPU = torch.device("cpu")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of some milliseconds."""
    for name in ("MATRIX_PART_S", "COPY_PART_S", "LAUNCH_PART_S"):
        monkeypatch.setattr(device, name, 0.001)
    monkeypatch.setattr(memory, "CORE_PART_S", 0.005)
    for module in (kernels, memory):
        monkeypatch.setattr(module, "PART_S", 0.001)
    monkeypatch.setattr(kernels, "TRIAL_SIDE", 64)
    monkeypatch.setattr(kernels, "DTYPES", {"fp32": torch.float32})
    monkeypatch.setattr(kernels.cpu_kernels, "__defaults__", ((128,),))


def rates_of(limits: Limits) -> list[float]:
    return [
        *(one.flops_per_s for one in limits.matrix if one.dtype == "fp32"),
        limits.memory_bytes_per_s,
        limits.launch_ns,
        limits.host_copy_bytes_per_s,
        limits.core_bytes_per_s,
    ]


@pytest.mark.usefixtures("quick")
def test_limits_of_this_cpu_are_sane_and_found_again() -> None:
    takes = [measure_limits("cpu", array_bytes=1 << 20) for _ in range(3)]
    for limits in takes:
        assert limits.copies == ()
        assert limits.device == "cpu"
        assert limits.fingerprint == fingerprint_of("cpu")
        assert limits.flops_per_s("fp32") is not None
        assert all(0 < rate < math.inf for rate in rates_of(limits))
        assert all(0 < one.flops_per_s < math.inf for one in limits.matrix)
        assert limits.launch_ns < 1e6
        assert made(Limits, asdict(limits)) == limits
        for one in limits.matrix:
            assert one.flops_per_s == max(
                other.flops_per_s for other in limits.kernels if other.dtype == one.dtype
            )
            assert one.flops_per_s <= (limits.bound_flops_per_s(one.dtype) or 0.0)
        assert {"torch.mm", "torch conv2d, channels last"} <= {k.kernel for k in limits.kernels}
        assert limits.memory_bytes_per_s == limits.memory[-1].bytes_per_s
    for three in zip(*map(rates_of, takes), strict=True):
        low, middle, high = sorted(three)
        assert middle < 3 * low or high < 3 * middle  # two takes agree, whatever disturbed a third


class Durations:
    """A clock that is told how long each act takes."""

    def __init__(self, durations_s: Sequence[float]) -> None:
        self.durations_s = list(durations_s)
        self.now_s = 0.0
        self.taken = 0

    def timed(self, act: Callable[[], object]) -> float:
        act()
        took_s = self.durations_s[min(self.taken, len(self.durations_s) - 1)]
        self.taken += 1
        self.now_s += took_s
        return took_s


@given(st.lists(st.floats(1e-6, 10.0), min_size=3, max_size=30), st.floats(0.0, 5.0))
def test_the_best_of_repetitions_ends_and_the_first_does_not_count(
    durations_s: list[float], limit_s: float
) -> None:
    clock = Durations([*durations_s, 1.0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "monotonic", lambda: clock.now_s)
        found = timing.best_s(clock.timed, lambda: None, limit_s)
    judged = [*durations_s, *([1.0] * 10)][1 : clock.taken]
    assert found == min(judged)
    assert len(judged) >= timing.FEWEST
    begun_s = sum(judged[:-1])  # the last one began in time, or was one of the fewest
    assert begun_s < limit_s or len(judged) == timing.FEWEST


def test_a_gpu_is_timed_between_two_events_and_waited_for() -> None:
    log: list[str] = []

    def event(enable_timing: bool) -> SimpleNamespace:
        assert enable_timing
        return SimpleNamespace(
            record=lambda stream: log.append(f"record {stream.name}"),
            synchronize=lambda: log.append("wait"),
            elapsed_time=lambda _: 2.5,
        )

    stream = SimpleNamespace(name="s", synchronize=lambda: log.append("idle"))
    timed = timing.CudaTimed(SimpleNamespace(current_stream=lambda _: stream, Event=event), CPU)
    assert timed(lambda: log.append("act")) == 2.5e-3 / timing.ROW
    assert log == ["idle", "record s", *["act"] * timing.ROW, "record s", "wait"]


def test_copies_are_told_by_size_direction_and_memory() -> None:
    asked: list[tuple[int, bool]] = []

    def allocate(size_bytes: int, *, pinned: bool) -> torch.Tensor:
        asked.append((size_bytes, pinned))
        return torch.zeros(size_bytes, dtype=torch.uint8)

    def timed(act: Callable[[], object]) -> float:
        act()
        return 0.5

    found = copy_rates(CPU, timed, allocate, (64, 128))
    keys = [(one.direction, one.memory, one.size_bytes) for one in found]
    assert len(set(keys)) == len(keys) == 8
    assert all(one.bytes_per_s == one.size_bytes / 0.5 for one in found)
    assert asked == [(64, False), (64, True), (128, False), (128, True)]


def test_where_no_memory_can_be_pinned_the_pageable_copies_remain() -> None:
    def allocate(size_bytes: int, *, pinned: bool) -> torch.Tensor:
        if pinned:
            raise RuntimeError("cannot lock memory")
        return torch.zeros(size_bytes, dtype=torch.uint8)

    found = copy_rates(CPU, timing.host_timed, allocate, (64,))
    assert {one.memory for one in found} == {"pageable"}


@pytest.mark.parametrize(
    ("trial_s", "side"), [(1e-6, 256), (0.003, 256), (0.02, 128), (0.19, 64), (0.3, None)]
)
def test_the_largest_product_that_fits_is_taken(
    trial_s: float, side: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "MATRIX_PART_S", 0.0)
    sizes: list[int] = []
    product = torch.mm

    def mm(first: torch.Tensor, second: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        sizes.append(len(first))
        return product(first, second, out=out)

    def timed(act: Callable[[], object]) -> float:
        act()
        return trial_s * (sizes[-1] / 64) ** 3

    monkeypatch.setattr(torch, "mm", mm)
    found = device.flops_per_s(torch.float32, CPU, timed, (256, 128, 64))
    if side is None:
        assert found is None
    else:
        assert sizes[-1] == side
        assert found == pytest.approx(2 * 64**3 / trial_s)


def test_a_product_that_torch_does_not_have_is_left_out() -> None:
    assert device.flops_per_s(torch.int8, CPU, timing.host_timed, (32,)) is None  # no randn of it


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A GPU that is the CPU: what is asked of torch.cuda is answered from here."""
    known = SimpleNamespace(free_bytes=1 << 40, capability=(9, 0))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (known.free_bytes, 1 << 40))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: known.capability)
    monkeypatch.setattr(device, "GPU_SIDES", (64, 32))
    monkeypatch.setattr(device, "MATRIX_PART_S", 0.0)
    return known


def test_a_gpu_has_tf32_beside_fp32_and_torch_s_setting_is_kept(gpu: SimpleNamespace) -> None:
    seen: list[str] = []

    def timed(act: Callable[[], object]) -> float:
        seen.append(torch.get_float32_matmul_precision())
        act()
        return 1e-3

    before = torch.get_float32_matmul_precision()
    found = {one.dtype: one.flops_per_s for one in device.gpu_matrix_rates(CPU, timed)}
    assert set(found) == {"fp32", "tf32", "fp16", "bf16"}
    assert all(rate == 2 * 64**3 / 1e-3 for rate in found.values())
    assert list(dict.fromkeys(seen))[:2] == ["highest", "high"]
    assert torch.get_float32_matmul_precision() == before
    gpu.capability = (7, 5)
    assert "tf32" not in {one.dtype for one in device.gpu_matrix_rates(CPU, timed)}


def test_a_gpu_without_free_memory_has_no_matrix_rates(gpu: SimpleNamespace) -> None:
    gpu.free_bytes = 1000
    assert device.gpu_matrix_rates(CPU, timing.host_timed) == ()
    gpu.free_bytes = 3 * 4 * 32**2 * device.MATRIX_SHARE
    assert len(device.gpu_matrix_rates(CPU, lambda act: (act(), 1e-3)[1])) == 4
    first, second = device.gpu_tensors(CPU)
    assert first.nbytes == second.nbytes == 1 << 20


@pytest.mark.usefixtures("gpu", "quick")
def test_a_gpu_has_all_parts_though_nothing_can_be_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peak_rates, "CudaTimed", lambda *_: timing.host_timed)
    monkeypatch.setattr(device, "GPU_BYTES", 1 << 20)
    waits: list[object] = []
    monkeypatch.setattr(torch.cuda, "synchronize", waits.append)
    facts = SimpleNamespace(major=9, minor=0, multi_processor_count=132, clock_rate=1_980_000)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: facts)
    found = peak_rates._of_gpu(CPU)
    assert {one.direction for one in found.copies} == {"h2d", "d2h"}
    assert {one.size_bytes for one in found.copies} == set(COPY_SIZES_BYTES)
    assert len(found.kernels) == 4
    assert all(one.bytes_per_s > 0 for one in found.memory)
    assert {one.where for one in found.memory} == {"device"}
    assert {one.what for one in found.theoretical} == {"fp32", "tf32", "fp16", "bf16"}
    assert found.launch_ns > 0
    assert waits


@pytest.mark.usefixtures("quick")
def test_a_row_of_launches_begins_and_ends_idle() -> None:
    waits: list[int] = []
    assert device.launch_ns(CPU, lambda: waits.append(1)) > 0
    assert len(waits) >= 2 * timing.FEWEST


@given(
    st.lists(st.integers(1, 1 << 20), max_size=4),
    st.integers(0, 1 << 40),
)
def test_arrays_are_beyond_the_caches_as_far_as_memory_allows(
    tmp_path_factory: pytest.TempPathFactory, sizes_kib: list[int], free_bytes: int
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    for number, size in enumerate(sizes_kib):
        (folder / f"index{number}").mkdir()
        (folder / f"index{number}" / "size").write_text(f"{size}K\n")
    found = memory.array_bytes(folder, free_bytes)
    assert found <= memory.MOST_BYTES
    if free_bytes:
        assert found <= max(1 << 20, free_bytes // memory.MEMORY_SHARE)
    wanted = memory.CACHES * max(sizes_kib, default=0) * 1024
    if free_bytes >= memory.MEMORY_SHARE * memory.MOST_BYTES:
        assert found >= min(wanted, memory.MOST_BYTES)
        assert found >= memory.LEAST_BYTES


def test_a_cache_that_is_no_number_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "index0").mkdir()
    (tmp_path / "index0" / "size").write_text("many\n")
    assert memory.array_bytes(tmp_path, 0) == memory.USUAL_BYTES
    assert memory.array_bytes(tmp_path / "none", 0) == memory.USUAL_BYTES


def test_limits_hold_for_what_their_fingerprint_names_alone() -> None:
    names: list[tuple[str, str, int, str, str | None]] = [
        ("cpu", "gpu", 1, "2.4", "570"),
        ("cpv", "gpu", 1, "2.4", "570"),
        ("cpu", "gpv", 1, "2.4", "570"),
        ("cpu", "gpu", 2, "2.4", "570"),
        ("cpu", "gpu", 1, "2.5", "570"),
        ("cpu", "gpu", 1, "2.4", None),
    ]
    prints = [limits_name(*name) for name in names]
    assert len(set(prints)) == len(names)
    assert limits_name(*names[0]) == prints[0]
    assert all(len(one) == 16 for one in prints)
    assert replace(LIMITS, fingerprint=prints[0]) != LIMITS
