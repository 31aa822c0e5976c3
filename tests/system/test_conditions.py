"""The instruments: real counters where there are any, UNKNOWN where there are none."""

import time
from pathlib import Path

import pytest

from depthprof.records import UNKNOWN, WITNESSES
from depthprof.system import conditions
from depthprof.system.conditions import BlockWatch


def test_a_block_is_watched_from_begin_to_end() -> None:
    watch = BlockWatch()
    watch.begin()
    start = time.process_time_ns()
    while time.process_time_ns() - start < 20_000_000:
        pass
    seen = dict(zip(WITNESSES, watch.end(), strict=True))
    assert seen["cpu_ns"] >= 20_000_000
    assert seen["wall_ns"] >= seen["cpu_ns"] * 0.9
    assert seen["throttled"] == UNKNOWN
    assert all(value >= UNKNOWN for value in seen.values())


def test_own_switches_are_counted() -> None:
    if not conditions.can_watch():
        pytest.skip("this system does not tell a thread's switches")
    _, before = conditions.switches()
    for _ in range(5):
        time.sleep(0.001)
    _, after = conditions.switches()
    assert after - before >= 5


def test_files_that_are_missing_or_odd_are_unknown(tmp_path: Path) -> None:
    assert conditions.stat_ns(tmp_path / "none") == (UNKNOWN, UNKNOWN)
    assert conditions.pressure_ns(tmp_path / "none") == UNKNOWN
    odd = tmp_path / "odd"
    odd.write_text("what is this\n")
    assert conditions.stat_ns(odd) == (UNKNOWN, UNKNOWN)
    assert conditions.pressure_ns(odd) == UNKNOWN
    stat = tmp_path / "stat"
    stat.write_text("cpu  10 1 5 900 3 0 2 7 4 0\ncpu0 1 2 3\n")
    assert conditions.stat_ns(stat) == (18 * conditions.TICK_NS, 7 * conditions.TICK_NS)
    pressure = tmp_path / "pressure"
    pressure.write_text("some avg10=0.00 avg60=0.00 avg300=0.00 total=1234\nfull total=5\n")
    assert conditions.pressure_ns(pressure) == 1_234_000


def test_without_thread_accounting_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions, "RUSAGE_THREAD", None)
    assert conditions.switches() == (UNKNOWN, UNKNOWN)
    watch = BlockWatch()
    watch.begin()
    seen = dict(zip(WITNESSES, watch.end(), strict=True))
    assert seen["others_involuntary"] == UNKNOWN


def test_what_a_gpu_tells_at_a_block_s_end_is_a_witness() -> None:
    watch = BlockWatch(lambda: {"throttled": 32, "sm_clock_mhz": 1980})
    watch.begin()
    seen = dict(zip(WITNESSES, watch.end(), strict=True))
    assert (seen["throttled"], seen["sm_clock_mhz"]) == (32, 1980)
