"""The CUDA clock's manners, on a stand-in for torch.cuda that notes what it is asked."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from depthprof.records import STAGES
from depthprof.runner.clock import CudaClock
from depthprof.runner.iteration import MARKS, Iteration

METHODS = ("preprocess", "h2d", "forward", "postprocess", "d2h", "deliver")


class FakeCuda:
    """Events, one stream, and a diary: what was made, recorded and waited for, in order.

    Each recording of an event is one microsecond after the one before.
    """

    def __init__(self) -> None:
        self.diary: list[str] = []
        self.now_us = 0.0
        cuda = self

        class Event:
            def __init__(self, enable_timing: bool = False) -> None:
                assert enable_timing
                cuda.diary.append("made")
                self.at_us = -1.0

            def record(self, stream: Any) -> None:
                assert stream is cuda.stream
                cuda.diary.append("recorded")
                cuda.now_us += 1
                self.at_us = cuda.now_us

            def synchronize(self) -> None:
                cuda.diary.append("event waited for")

            def elapsed_time(self, later: Any) -> float:
                return float(later.at_us - self.at_us) / 1_000

        class Stream:
            def synchronize(self) -> None:
                cuda.diary.append("stream waited for")

        self.Event = Event
        self.stream = Stream()

    def current_stream(self, device: Any) -> Any:
        assert device == torch.device("cuda:0")
        return self.stream


class Diarist:
    """A pipeline that notes in the diary which stage is on."""

    def __init__(self, cuda: FakeCuda) -> None:
        for method in METHODS:
            setattr(self, method, self._noting(cuda, method))

    @staticmethod
    def _noting(cuda: FakeCuda, method: str) -> Any:
        def call(value: object) -> object:
            cuda.diary.append(method)
            return value

        return call


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    fake = FakeCuda()
    monkeypatch.setattr(torch.cuda, "Event", fake.Event)
    monkeypatch.setattr(torch.cuda, "current_stream", fake.current_stream)
    return fake


def inside(diary: list[str]) -> list[str]:
    """What happened from the first stage's mark to the last one's."""
    first = diary.index("preprocess") - 1
    last = len(diary) - diary[::-1].index("deliver")
    return diary[first : last + 1]


def test_nothing_is_made_inside_an_iteration_and_only_sync_waits(cuda: FakeCuda) -> None:
    iteration = Iteration(Diarist(cuda), CudaClock("cuda:0"))
    iteration.block([["picture"]], 3)
    one = [
        *("recorded", "preprocess", "recorded", "h2d", "recorded", "forward", "recorded"),
        *("postprocess", "recorded", "stream waited for", "recorded", "d2h", "recorded"),
        *("deliver", "recorded"),
    ]
    assert inside(cuda.diary) == one * 3
    assert cuda.diary.count("made") == 3 * MARKS
    assert cuda.diary.count("event waited for") == 1
    assert cuda.diary[-1] == "event waited for"  # after the last mark


def test_the_pool_is_used_again_and_grows_by_what_is_missing(cuda: FakeCuda) -> None:
    iteration = Iteration(Diarist(cuda), CudaClock("cuda:0"))
    made = []
    for count in (2, 2, 1, 5):
        iteration.block([["picture"]], count)
        made.append(cuda.diary.count("made") // MARKS)
    assert made == [2, 2, 2, 5]


def test_device_spans_and_marks_come_from_the_events_of_the_last_block(cuda: FakeCuda) -> None:
    clock = CudaClock("cuda:0")
    iteration = Iteration(Diarist(cuda), clock)
    iteration.block([["picture"]], 4)
    block = iteration.block([["picture"]], 2)
    assert block.device_ns == [[1_000] * len(STAGES)] * 2
    marks = clock.device_marks_ns()
    assert marks == [[1_000 * n for n in range(8)], [1_000 * n for n in range(8, 16)]]


@given(st.integers(1, 20))
def test_there_are_no_marks_before_the_first_block(count: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        fake = FakeCuda()
        patch.setattr(torch.cuda, "Event", fake.Event)
        patch.setattr(torch.cuda, "current_stream", fake.current_stream)
        clock = CudaClock("cuda:0")
        assert clock.device_marks_ns() == clock.device_ns() == []
        Iteration(Diarist(fake), clock).block([["picture"]], count)
        assert len(clock.device_marks_ns()) == count
