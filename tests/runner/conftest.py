"""Runs in virtual time."""

import json
from typing import Any

import pytest

from depthprof.runner import process_group, schedule
from depthprof.runner.process import _refusal
from tests.runner.fake_worker import FakeWorker

ASK_S = 0.0002
"""What a question to a worker takes in virtual time."""

IMPORTS_S = 1.0
"""What a worker's imports take in virtual time, side by side with those of others."""


@pytest.fixture
def virtual_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Schedules and workers in virtual time: no process is started and nothing is waited for."""
    now_s = [0.0]

    def sleep(seconds: float) -> None:
        now_s[0] += seconds

    class VirtualWorker:
        def __init__(self, *_: object) -> None:
            self._worker = FakeWorker(lambda: round(now_s[0] * 1e9), sleep)
            self._ready_s = now_s[0] + IMPORTS_S

        def __enter__(self) -> "VirtualWorker":
            return self

        def __exit__(self, *_: object) -> None:
            """There is nothing to end."""

        def ask(self, command: dict[str, Any], _: float) -> dict[str, Any]:
            sleep(ASK_S)
            sleep(max(0.0, self._ready_s - now_s[0]))
            answer = self._worker.answer(json.loads(json.dumps(command)))
            if "error" in answer:
                raise _refusal(answer)
            return answer

    monkeypatch.setattr(process_group, "WorkerProcess", VirtualWorker)
    for module in (process_group, schedule):
        monkeypatch.setattr(module, "monotonic", lambda: now_s[0])
