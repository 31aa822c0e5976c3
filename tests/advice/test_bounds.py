"""Floors: least times from limits and counted work, on a GPU and on a CPU."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from depthprof.advice.bounds import pinned_bytes_per_s, stage_floors
from depthprof.records import (
    STAGES,
    CopyRate,
    Limits,
    MatrixRate,
    Memory,
    MemoryRate,
    Observed,
    Run,
    StageFloor,
    StageWork,
    TheoreticalRate,
)
from tests.records.gpu import LIMITS
from tests.runs import simulated

RUN = simulated(turns=1, launches=1)
LONG_NS = dict.fromkeys(STAGES, 1e18)
CPU_LIMITS = replace(LIMITS, device="cpu", threads=1, copies=())

whenever = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""The machine has neighbours: how long an example takes says nothing."""

counts = st.integers(0, 10**15)
rates = st.floats(1.0, 1e16)


def floors_of(
    *works: StageWork,
    limits: Limits | None = LIMITS,
    medians_ns: dict[str, float] = LONG_NS,
    device: str = "cuda:0",
    threads: int = 1,
    dtype: str = "fp32",
) -> dict[str, StageFloor]:
    side = replace(
        RUN.sides[0],
        device=device,
        threads=threads,
        observed=Observed(works, Memory(None, None)),
        workload=RUN.sides[0].workload.changed(dtype=dtype),
    )
    run: Run = replace(RUN, limits=limits)
    return {floor.stage: floor for floor in stage_floors(run, side, medians_ns)}


def of_forward(flops: int, moved_bytes: int = 0, ops: int = 0, **more: object) -> StageFloor:
    work = StageWork("forward", flops, moved_bytes, 0, ops)
    return floors_of(work, **more)["forward"]  # type: ignore[arg-type]


def test_forward_is_bounded_by_whatever_takes_longest() -> None:
    ns = {"forward": 20e6}
    by_flops = of_forward(400 * 10**9, 110 * 10**6, 600, medians_ns=ns)
    assert (by_flops.bound_by, by_flops.floor_ns) == ("arithmetic", pytest.approx(8e6))
    assert by_flops.reached_ratio == pytest.approx(0.4)
    assert by_flops.flops_ratio == pytest.approx(0.4)
    by_launches = of_forward(40 * 10**9, 110 * 10**6, 600, medians_ns=ns)
    assert (by_launches.bound_by, by_launches.floor_ns) == ("launches", pytest.approx(2.4e6))
    assert by_launches.flops_ratio == pytest.approx(0.04)  # MFU, whatever the bound
    by_memory = of_forward(10**9, 30 * 10**9, 600, medians_ns=ns)
    assert (by_memory.bound_by, by_memory.floor_ns) == ("memory", pytest.approx(1e7))
    assert of_forward(400 * 10**9, medians_ns=ns, dtype="fp16").floor_ns == pytest.approx(1e6)


def test_float32_may_reach_tf32_in_convolutions_alone() -> None:
    work = StageWork("forward", 10**12, 0, 0, 0, convolution_flops=4 * 10**11)
    with_tf32 = replace(LIMITS, matrix=(*LIMITS.matrix, MatrixRate("tf32", 200e12)))
    plain, faster = (floors_of(work, limits=limits)["forward"] for limits in (LIMITS, with_tf32))
    assert plain.floor_ns == pytest.approx(1e12 / 50e12 * 1e9)
    assert faster.floor_ns == pytest.approx((0.6e12 / 50e12 + 0.4e12 / 200e12) * 1e9)
    assert faster.flops_ratio == pytest.approx(faster.floor_ns / LONG_NS["forward"])
    other = floors_of(work, limits=with_tf32, dtype="fp16")["forward"]
    assert other.floor_ns == pytest.approx(1e12 / 400e12 * 1e9)


def test_operators_that_were_not_launched_one_by_one_bound_nothing() -> None:
    replayed = of_forward(10**9, ops=600, medians_ns={"forward": 1e6})  # 2.4 ms of launches
    assert replayed.bound_by == "arithmetic"


def test_a_dtype_that_was_not_measured_has_no_arithmetic() -> None:
    floor = of_forward(10**12, 10**9, dtype="bf16")
    assert (floor.bound_by, floor.flops_ratio) == ("memory", None)


def test_copies_are_bounded_by_the_pinned_link_and_need_a_gpu() -> None:
    copies = [StageWork(stage, 0, 2_400_000, 1_200_000, 1) for stage in ("h2d", "d2h")]
    found = floors_of(*copies)
    assert {floor.bound_by for floor in found.values()} == {"link"}
    assert found["h2d"].floor_ns == pytest.approx(1_200_000 / 25e9 * 1e9)  # the smaller crosses
    assert found["d2h"].floor_ns == pytest.approx(1_200_000 / 24e9 * 1e9)
    assert not floors_of(*copies, limits=CPU_LIMITS, device="cpu")


def test_a_host_stage_that_moves_nothing_has_no_floor() -> None:
    view = StageWork("return", 0, 12_000_000, 12_000_000, 0)  # 2 ms at one core's best
    assert not floors_of(view, medians_ns={"return": 2_000.0})
    (found,) = floors_of(view, medians_ns={"return": 10e6}).values()
    assert (found.bound_by, found.floor_ns) == ("memory", pytest.approx(2e6))


def test_on_a_cpu_its_own_limits_hold_for_its_own_threads() -> None:
    works = [StageWork(stage, 10**9, 10**6, 10**6, 1) for stage in STAGES]
    found = floors_of(*works, limits=CPU_LIMITS, device="cpu")
    assert set(found) == {"preprocess", "forward", "postprocess", "return"}
    assert found["forward"].floor_ns == pytest.approx(10**9 / 50e12 * 1e9)
    other = floors_of(*works, limits=CPU_LIMITS, device="cpu", threads=2)
    assert set(other) == {"preprocess", "return"}  # of one core, whatever torch's threads are


def test_a_stage_that_beats_its_bound_shows_the_bound_to_be_wrong() -> None:
    """Synthetic: the forward of another runtime, a copy, a host stage in a cache."""
    works = (
        StageWork("forward", 400 * 10**9, 10**6, 10**6, 1),
        StageWork("d2h", 0, 1_200_000, 1_200_000, 1),
        StageWork("return", 0, 1_200_000, 1_200_000, 0),
        StageWork("preprocess", 0, 1_200_000, 1_200_000, 0),
    )
    medians_ns = {"forward": 7.9e6, "d2h": 40_000.0, "return": 150_000.0, "preprocess": 300_000.0}
    found = floors_of(*works, medians_ns=medians_ns)
    assert {stage: floor.holds for stage, floor in found.items()} == {
        **{"forward": False, "d2h": False, "return": False, "preprocess": True}
    }
    assert found["forward"].reached_ratio == pytest.approx(8e6 / 7.9e6)  # not cut to 1
    exactly = floors_of(works[0], medians_ns={"forward": 8e6})["forward"]
    assert exactly.holds


def test_the_theoretical_rate_bounds_where_it_is_known_unless_more_was_measured() -> None:
    def bound(dtype: str = "fp32", **rates: float) -> float | None:
        theory = tuple(TheoreticalRate(what, rate, "made up") for what, rate in rates.items())
        return replace(CPU_LIMITS, theoretical=theory).bound_flops_per_s(dtype)

    assert bound() == 50e12  # the best that was measured
    assert bound(fp32=90e12) == 90e12
    assert bound(fp32=40e12) == 50e12  # the clock was higher once
    assert bound("fp16", fp32=900e12) == 900e12  # half precision multiplied as float32
    assert bound("bf16", fp32=900e12) is None
    work = StageWork("forward", 10**12, 0, 0, 0)
    limits = replace(LIMITS, theoretical=(TheoreticalRate("fp32", 80e12, "made up"),))
    assert floors_of(work, limits=limits)["forward"].floor_ns == pytest.approx(1e12 / 80e12 * 1e9)


PASSES = (
    MemoryRate("host", 1 << 20, 70e9, "numpy add"),
    MemoryRate("host", 1 << 23, 80e9, "numpy add"),
    MemoryRate("host", 1 << 27, 10e9, "numpy add"),
)


@pytest.mark.parametrize(
    ("size_bytes", "bytes_per_s"),
    [
        (1000, 80e9),
        (1 << 20, 80e9),
        (1 << 22, 80e9),
        (1 << 26, 80e9),
        (1 << 27, 10e9),
        (1e12, 10e9),
    ],
)
def test_what_may_lie_in_a_cache_is_bounded_by_the_cache(
    size_bytes: float, bytes_per_s: float
) -> None:
    limits = replace(CPU_LIMITS, memory=PASSES)
    assert limits.bound_bytes_per_s("host", size_bytes) == bytes_per_s
    assert limits.bound_bytes_per_s("device", size_bytes) == bytes_per_s  # a CPU's is the host's
    on_gpu = replace(
        LIMITS,
        memory=(*PASSES, MemoryRate("device", 1 << 27, 4.2e12, "copy")),
        theoretical=(TheoreticalRate("memory", 4.8e12, "made up"),),
    )
    assert on_gpu.bound_bytes_per_s("host", size_bytes) == bytes_per_s
    assert on_gpu.bound_bytes_per_s("device", size_bytes) == 4.8e12


@pytest.mark.parametrize(("threads", "times"), [(1, 1), (2, 2), (8, 8)])
def test_a_host_stage_on_more_threads_than_were_measured_may_be_as_many_times_as_fast(
    threads: int, times: int
) -> None:
    work = StageWork("return", 0, 1 << 27, 0, 0)
    limits = replace(CPU_LIMITS, memory=PASSES)
    found = floors_of(work, limits=limits, device="cpu", threads=threads)["return"]
    assert found.floor_ns == pytest.approx((1 << 27) / (10e9 * times) * 1e9)


@pytest.mark.parametrize("latency_us", [0.0, 2.7, 50.0])
@pytest.mark.parametrize("size_bytes", [100_000, 256 << 10, 3_600_000, 60_000_000])
def test_no_copy_of_a_link_with_a_latency_beats_what_was_measured_at_other_sizes(
    latency_us: float, size_bytes: int
) -> None:
    """As an H200's link: 2.7 us and 54.5 GB/s; on lines of logs 256 KiB beat its bound by 23 %."""

    def took_s(size: int) -> float:
        return latency_us * 1e-6 + size / 54.5e9

    sizes = (64 << 10, 1 << 20, 16 << 20, 64 << 20)
    copies = tuple(CopyRate("d2h", "pinned", size, size / took_s(size)) for size in sizes)
    rate = pinned_bytes_per_s(replace(LIMITS, copies=copies), "d2h", size_bytes)
    assert rate is not None
    assert size_bytes / rate <= took_s(size_bytes) * (1 + 1e-9)


def test_nothing_is_known_without_limits_or_work() -> None:
    work = StageWork("forward", 10**9, 10**6, 10**6, 1)
    assert not floors_of(work, limits=None)
    assert not stage_floors(replace(RUN, limits=LIMITS), RUN.sides[0], LONG_NS)
    assert not floors_of(work, medians_ns={})
    assert not floors_of(work, medians_ns={"forward": 0.0})


def test_between_measured_sizes_the_time_is_on_a_straight_line() -> None:
    def rate(size_bytes: int, bytes_per_s: float, memory: str = "pinned") -> CopyRate:
        return CopyRate("d2h", memory, size_bytes, bytes_per_s)

    copies = (rate(10_000, 1e9), rate(1_000_000, 16e9), rate(1_000_000, 9e9))
    limits = replace(LIMITS, copies=(*copies, rate(100_000, 99e9, "pageable")))
    times_us = {505_000: (10 + 62.5) / 2, 100_000: 10 + 52.5 / 11}
    between = {size: size / us * 1e6 for size, us in times_us.items()}
    expected = {1: 1e9, 10_000: 1e9, **between, 1_000_000: 16e9, 10**9: 16e9}
    for size_bytes, bytes_per_s in expected.items():
        assert pinned_bytes_per_s(limits, "d2h", size_bytes) == pytest.approx(bytes_per_s)
    assert pinned_bytes_per_s(limits, "h2d", 1_000_000) is None
    assert pinned_bytes_per_s(limits, "d2h", 0) is None


@whenever
@example([(1, 1000.0), (3, 5001.0)], 2, 3)
@given(
    st.lists(st.tuples(st.integers(1, 10**10), st.floats(1e3, 1e10)), min_size=1, max_size=6),
    st.integers(1, 10**12),
    st.integers(1, 10**12),
)
def test_more_bytes_never_cross_the_link_in_less_time(
    measured: list[tuple[int, float]], first: int, second: int
) -> None:
    """Of a link whose measured times do not fall with the size, as no link's do."""
    sizes = sorted({size for size, _ in measured})
    times_ns = sorted(ns for _, ns in measured)[: len(sizes)]
    copies = tuple(
        CopyRate("d2h", "pinned", size, size / ns * 1e9)
        for size, ns in zip(sizes, times_ns, strict=True)
    )
    limits = replace(LIMITS, copies=copies)
    less, more = (
        floors_of(StageWork("d2h", 0, size, size, 1), limits=limits)["d2h"].floor_ns
        for size in sorted((first, second))
    )
    assert less <= more * (1 + 1e-9)


@whenever
@given(counts, counts, counts, st.integers(0, 10**6), rates, rates, st.floats(1.0, 1e12))
def test_floors_are_never_negative_and_the_share_is_floor_over_median(
    flops: int,
    read: int,
    written: int,
    ops: int,
    flops_per_s: float,
    bytes_per_s: float,
    median_ns: float,
) -> None:
    limits = replace(
        LIMITS,
        matrix=(MatrixRate("fp32", flops_per_s),),
        memory_bytes_per_s=bytes_per_s,
        host_copy_bytes_per_s=bytes_per_s,
    )
    works = [StageWork(stage, flops, read, written, ops) for stage in STAGES]
    found = floors_of(*works, limits=limits, medians_ns=dict.fromkeys(STAGES, median_ns))
    assert "sync" not in found
    for floor in found.values():
        assert floor.floor_ns > 0
        assert floor.reached_ratio == floor.floor_ns / median_ns
        assert (floor.flops_ratio is None) == (floor.stage != "forward" or not flops)
        if floor.flops_ratio is not None:
            assert 0 < floor.flops_ratio <= floor.reached_ratio


@whenever
@given(counts, counts, rates, rates, st.floats(1.0, 100.0))
def test_more_work_never_takes_less_and_faster_machines_never_more(
    flops: int, moved: int, flops_per_s: float, bytes_per_s: float, times: float
) -> None:
    slow = replace(
        LIMITS,
        matrix=(MatrixRate("fp32", flops_per_s),),
        memory_bytes_per_s=bytes_per_s,
        host_copy_bytes_per_s=bytes_per_s,
    )
    fast = replace(
        slow,
        matrix=(MatrixRate("fp32", flops_per_s * times),),
        memory_bytes_per_s=bytes_per_s * times,
        host_copy_bytes_per_s=bytes_per_s * times,
    )

    def floor_ns(stage: str, limits: Limits, amount: float) -> float:
        work = StageWork(stage, round(flops * amount), round(moved * amount), 0, 1)
        medians_ns = dict.fromkeys(STAGES, 1e30)
        known = floors_of(work, limits=limits, medians_ns=medians_ns)
        return known[stage].floor_ns if known else 0.0

    for stage in ("forward", "postprocess", "preprocess", "return"):
        assert floor_ns(stage, slow, 1) <= floor_ns(stage, slow, times)
        assert floor_ns(stage, fast, 1) <= floor_ns(stage, slow, 1)
