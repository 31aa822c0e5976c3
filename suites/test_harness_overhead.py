"""What the harness itself costs an iteration: the same calls bare and marked, side by side."""

from typing import Any

import pytest

from depthprof.runner.clock import HostClock
from depthprof.runner.iteration import MARKS, Iteration
from scripts.figures import Pass

pytestmark = pytest.mark.benchmark(group="harness")


def test_bare_calls(benchmark: Any) -> None:
    calls = Iteration(Pass(), HostClock())._calls

    def bare() -> object:
        value: object = "picture"
        for call in calls:
            value = call(value)
        return value

    assert benchmark(bare) == "picture"


def test_marked_iteration(benchmark: Any) -> None:
    run = Iteration(Pass(), HostClock())._run
    row = [0] * MARKS
    benchmark(run, "picture", row)
    assert sorted(row) == row
    assert row[0] > 0
