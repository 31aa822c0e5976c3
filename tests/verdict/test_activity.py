"""Readings aligned with iterations: whose they are, what they are not, how they are shown."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthprof.records import GpuActivity
from depthprof.report.active import activity_notes, activity_rows
from depthprof.verdict.activity import APART_CLOCKS, TOGETHER, activity, busy_ratio
from depthprof.verdict.stretches import GAP_NS, any_stretches, side_stretches
from tests.readings import EVERY_100_MS, LONG, MS, S, gpu, gpu_run, with_readings
from tests.runs import simulated

# --- alignment --------------------------------------------------------------------------------

LAYOUTS = st.lists(
    st.tuples(st.sampled_from([0, 1]), st.integers(0, 400), st.integers(1, 8)),
    min_size=1,
    max_size=12,
)


def laid_out(layout: list[tuple[int, int, int]]) -> list[tuple[int, float, float]]:
    """Blocks one after the other: side, a pause in ms before it, iterations of 100 ms."""
    blocks, now_s = [], 5.0
    for side, pause_ms, count in layout:
        now_s += pause_ms / 1_000
        blocks.append((side, round(now_s, 3), count / 10))
        now_s = round(now_s + count / 10, 3)
    return blocks


@given(LAYOUTS, st.lists(st.integers(4_000, 18_000), min_size=1, max_size=40))
def test_a_reading_belongs_to_the_side_that_was_measured_then(
    layout: list[tuple[int, int, int]], at_ms: list[int]
) -> None:
    blocks = laid_out(layout)
    stretches = side_stretches(gpu_run(blocks))
    at_ns = np.asarray(at_ms, dtype=np.int64) * MS
    place = stretches.holding(at_ns)
    for moment_ns, held in zip(at_ns, place, strict=True):
        sides = {s for s, begin, length in blocks if begin <= moment_ns / S <= begin + length}
        if held >= 0:
            begin_ns, end_ns = stretches.begin_ns[held], stretches.end_ns[held]
            assert begin_ns <= moment_ns <= end_ns
            near = {
                s
                for s, begin, length in blocks
                if begin - GAP_NS / S <= moment_ns / S <= begin + length + GAP_NS / S
            }
            assert int(stretches.side[held]) in near
        else:
            assert not sides  # nothing that was measured is left out


@given(LAYOUTS)
def test_stretches_hold_every_block_and_do_not_overlap(layout: list[tuple[int, int, int]]) -> None:
    blocks = laid_out(layout)
    run = gpu_run(blocks)
    for stretches in (side_stretches(run), any_stretches(run)):
        assert (stretches.begin_ns[1:] >= stretches.end_ns[:-1]).all()
        assert (stretches.end_ns > stretches.begin_ns).all()
        measured_ns = sum(round(length * S) for _, _, length in blocks)
        assert (stretches.end_ns - stretches.begin_ns).sum() >= measured_ns
    assert len(any_stretches(run).side) <= len(side_stretches(run).side)


@given(LAYOUTS, st.integers(0, 2_000), st.integers(0, 2_000))
def test_a_longer_look_back_leaves_fewer_readings(
    layout: list[tuple[int, int, int]], one_ms: int, other_ms: int
) -> None:
    stretches = side_stretches(gpu_run(laid_out(layout)))
    at_ns = np.arange(4_000, 18_000, 50, dtype=np.int64) * MS
    less, more = sorted([one_ms * MS, other_ms * MS])
    first, second = (stretches.holding(at_ns, back) >= 0 for back in (less, more))
    assert not (second & ~first).any()


def test_warm_up_is_no_part_of_a_stretch() -> None:
    stretches = side_stretches(gpu_run([(-1, 0.0, 1.0), (0, 1.0, 1.0)]))
    assert stretches.begin_ns.tolist() == [S]
    empty = side_stretches(gpu_run([(-1, 0.0, 1.0)]))
    assert empty.holding(np.array([0, S])).tolist() == [-1, -1]


# --- the figures ------------------------------------------------------------------------------

QUICK = [(k % 2, 1 + 0.1 * k, 0.1) for k in range(40)]


def of_side(at_s: Sequence[float], a: int, b: int, split_s: float = 4.5) -> list[int]:
    return [a if moment < split_s else b for moment in at_s]


def test_the_busy_share_is_device_time_over_wall_time() -> None:
    run = gpu_run(LONG)
    assert busy_ratio(run, 0) == pytest.approx(0.8)  # not the 20 ms of the stage return
    assert busy_ratio(simulated(), 0) is None
    known = activity(run)
    assert known is not None
    assert known.sides[0] == GpuActivity(busy_ratio=busy_ratio(run, 0))
    assert known.readings == 0


def test_long_blocks_are_told_apart() -> None:
    run = with_readings(
        gpu_run(LONG),
        EVERY_100_MS,
        gpu_busy_percent=of_side(EVERY_100_MS, 60, 95),
        power_mw=of_side(EVERY_100_MS, 300_000, 500_000),
        sm_clock_mhz=of_side(EVERY_100_MS, 1980, 1700),
    )
    first, second = gpu(run, 0), gpu(run, 1)
    assert first.own_stretch
    assert (first.nvml_busy_ratio, second.nvml_busy_ratio) == (0.6, 0.95)
    assert (first.power_w, first.power_from) == (300.0, "power readings")
    assert first.energy_per_iteration_j == pytest.approx(30.0)  # 300 W for 0.1 s
    assert (first.sm_clock_mhz, second.least_sm_clock_mhz) == (1980, 1700)
    assert first.readings == 30
    assert TOGETHER not in activity_notes(activity(run))


def test_what_looks_back_is_not_taken_from_the_first_second_of_a_block() -> None:
    busy = [0 if moment < 2.0 else 80 for moment in EVERY_100_MS]
    run = with_readings(gpu_run(LONG), EVERY_100_MS, gpu_busy_percent=busy)
    assert gpu(run, 0).nvml_busy_ratio == 0.8


def test_quick_turns_are_not_told_apart_and_the_run_s_figure_says_so() -> None:
    alternating = [[40, 90][int(round(moment - 1.0, 3) * 10) % 2] for moment in EVERY_100_MS]
    run = with_readings(
        gpu_run(QUICK), EVERY_100_MS, gpu_busy_percent=alternating, power_mw=400_000,
        sm_clock_mhz=[1980 if value == 40 else 1500 for value in alternating],
    )  # fmt: skip
    first, second = gpu(run, 0), gpu(run, 1)
    assert not first.own_stretch
    assert first.nvml_busy_ratio == second.nvml_busy_ratio == pytest.approx(0.65)
    assert (first.sm_clock_mhz, second.sm_clock_mhz) == (1980, 1500)  # a clock does not look back
    assert TOGETHER in activity_notes(activity(run))
    assert ", the whole run" in "".join("".join(row) for row in activity_rows(activity(run)))


@given(st.integers(50, 700), st.integers(50, 700))
def test_energy_comes_from_the_counter_within_a_side_s_blocks(a_w: int, b_w: int) -> None:
    power_w = of_side(EVERY_100_MS, a_w, b_w)
    energy_mj = 10**9 + np.cumsum([0, *[100 * watt for watt in power_w[1:]]])
    run = with_readings(gpu_run(LONG), EVERY_100_MS, energy_mj=energy_mj, power_mw=1_000)
    first, second = gpu(run, 0), gpu(run, 1)
    assert (first.power_w, second.power_w) == (pytest.approx(a_w), pytest.approx(b_w))
    assert first.power_from == "energy counter"
    assert first.energy_per_iteration_j == pytest.approx(a_w * 0.1)


def test_a_counter_that_was_reset_is_not_taken_for_negative_energy() -> None:
    energy_mj = [10**9 + 40_000 * k if k < 25 else 40_000 * k for k in range(len(EVERY_100_MS))]
    run = with_readings(gpu_run(LONG), EVERY_100_MS, energy_mj=energy_mj)
    assert gpu(run, 0).power_w == pytest.approx(400)


def test_throttle_reasons_are_words_and_faults_stand_apart() -> None:
    reasons = [(0x4 if k % 2 else 0x1) | (0x20 if k % 5 == 0 else 0) for k in range(90)]
    run = with_readings(gpu_run(LONG), EVERY_100_MS, throttle_reasons=reasons, sm_clock_mhz=1_000)
    known = gpu(run, 0)
    assert known.faults == (("heat", pytest.approx(0.2)),)
    assert dict(known.limits) == {"idle": pytest.approx(0.5), "power cap": pytest.approx(0.5)}
    calm = with_readings(gpu_run(LONG), EVERY_100_MS, throttle_reasons=0, sm_clock_mhz=1_000)
    assert (gpu(calm, 0).faults, gpu(calm, 0).limits) == ((), ())


def test_extremes_and_means_keep_to_what_is_known() -> None:
    run = with_readings(
        gpu_run(LONG),
        EVERY_100_MS,
        temperature_c=[40 if k % 3 else -1 for k in range(90)],
        memory_used_bytes=list(range(90)),
        other_processes=[0] * 20 + [2] + [0] * 69,
        tensor_active_permille=[-1 if k % 2 else 250 for k in range(90)],
    )
    first = gpu(run, 0)
    assert first.highest_temperature_c == 40
    assert first.most_memory_bytes == 39
    assert (first.other_processes, gpu(run, 1).other_processes) == (2, 0)
    assert first.tensor_active_ratio == 0.25
    assert first.power_w is None
    assert first.energy_per_iteration_j is None


def test_a_side_on_another_gpu_is_not_given_the_watched_one_s_figures() -> None:
    run = with_readings(gpu_run(LONG), EVERY_100_MS, power_mw=400_000)
    sides = (run.sides[0], replace(run.sides[1], device="cuda:1"))
    apart = replace(run, sides=sides)
    assert gpu(apart, 0).power_w == 400
    assert gpu(apart, 1) == GpuActivity(busy_ratio=busy_ratio(run, 1))
    assert any(
        "cuda:1" not in note and "only cuda:0" in note for note in activity_notes(activity(apart))
    )
    on_cpu = replace(run, sides=(replace(run.sides[0], device="cpu"), run.sides[1]))
    assert gpu(on_cpu, 1).power_w == 400


def test_host_figures_are_of_the_measured_turns() -> None:
    run = with_readings(
        gpu_run(LONG),
        EVERY_100_MS,
        host_pressure_ns=[25 * MS * k for k in range(90)],
        host_stolen_ns=[10 * MS * k for k in range(90)],
        host_available_bytes=[10 if k == 0 else 5_000 + k for k in range(90)],
    )
    known = activity(run)
    assert known is not None
    assert known.host.pressure_ratio == pytest.approx(0.25)
    assert known.host.stolen_ratio == pytest.approx(0.1)
    assert known.host.least_available_bytes == 5_010  # the first moments were not measured


def test_clocks_that_do_not_agree_are_told() -> None:
    run = with_readings(gpu_run(LONG), [1e5 + 0.1 * k for k in range(90)], power_mw=400_000)
    assert APART_CLOCKS in activity_notes(activity(run))
    assert gpu(run, 0).power_w is None
