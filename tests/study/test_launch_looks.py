"""What looking again costs the launches' interval, simulated."""

from pathlib import Path

import numpy as np
import pytest

from depthprof.looks import LAUNCH_LOOKS
from depthprof.study import launch_looks


def test_what_is_paid_for_holds_at_all_looks() -> None:
    def missed(looks: int) -> tuple[float, float]:
        random = np.random.default_rng(3)  # the same runs
        return launch_looks.missed(random, "normal", 0.01, 0.02, 1_000, looks)

    once, paid = missed(1), missed(LAUNCH_LOOKS)
    assert LAUNCH_LOOKS > 1
    assert once[0] < once[1]  # looking again misses more often than looking once
    assert paid[1] < once[1]
    assert paid[1] <= 0.0125  # twice what is allowed; 6 of 1,000 are


def test_layouts_that_are_alike_leave_the_pairs_interval() -> None:
    random = np.random.default_rng(4)
    assert launch_looks.missed(random, "normal", 0.0, 0.02, 300)[1] <= 0.02


def test_the_table_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert launch_looks.main([str(tmp_path / "t.csv"), "--runs", "3"]) == 0
    assert "two values" in capsys.readouterr().out
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 1 + 2 * 6 * 2
