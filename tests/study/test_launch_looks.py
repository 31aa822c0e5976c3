"""What looking again costs the launches' interval, simulated."""

from pathlib import Path

import numpy as np
import pytest

from depthprof.looks import LAUNCH_LOOKS, LAUNCHES
from depthprof.study import launch_looks


def test_what_is_paid_for_holds_at_all_looks() -> None:
    random = np.random.default_rng(3)
    layouts = random.normal(0, 0.02, (3_000, LAUNCHES))
    once = launch_looks.misses(random, layouts, 0.02, looks=1)
    paid = launch_looks.misses(random, layouts, 0.02)
    assert LAUNCH_LOOKS > 1
    assert once[0] < once[1]  # looking again misses more often than looking once
    assert paid[1] < 0.05 / 8 + 3 * np.sqrt(0.05 / 8 / 3_000)
    assert paid[1] < once[1]


def test_layouts_that_are_alike_leave_the_pairs_interval() -> None:
    random = np.random.default_rng(4)
    assert launch_looks.misses(random, np.zeros((2_000, LAUNCHES)), 0.02)[1] < 0.05 / 8


def test_the_table_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert launch_looks.main([str(tmp_path / "t.csv"), "--runs", "20"]) == 0
    assert "two values" in capsys.readouterr().out
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 1 + 2 * 2 * 6 * 2
