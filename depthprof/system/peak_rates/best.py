"""The best of several repetitions: a limit is what can be reached, not what is usual.

On the host the clock is the host's; on a GPU two CUDA events around the work.
"""

from collections.abc import Callable
from time import monotonic, perf_counter_ns
from typing import Any

FEWEST = 2
"""Timed repetitions of every part, however long they take."""

ROW = 8
"""Acts between two events of a GPU."""

Act = Callable[[], object]
Timed = Callable[[Act], float]
"""Does something once and gives the seconds it took."""


def best_s(timed: Timed, act: Act, limit_s: float) -> float:
    """Repeat an act, first unjudged and then until its time is up; give the shortest, in seconds.

    Args:
        timed: how an act is timed. act: what to do.
        limit_s: seconds after which no further repetition begins, but not before FEWEST.
    """
    timed(act)  # warm: first touch of memory, choice of a kernel
    deadline = monotonic() + limit_s
    shortest, taken = timed(act), 1
    while taken < FEWEST or monotonic() < deadline:
        shortest = min(shortest, timed(act))
        taken += 1
    return shortest


def host_timed(act: Act) -> float:
    """Seconds of an act that has ended when it returns."""
    started = perf_counter_ns()
    act()
    return max(1, perf_counter_ns() - started) / 1e9


class CudaTimed:
    """Seconds between two CUDA events on the stream in use (resolution about half a microsecond).

    An act is done ROW times between them, so that the host launches the later ones while the
    device is at work; what it takes to launch the first is a small part of the whole.

    Source: CUDA Runtime API, cudaEventElapsedTime, which gives milliseconds.
    """

    def __init__(self, cuda: Any, device: Any) -> None:
        self._stream = cuda.current_stream(device)
        self._first, self._last = (cuda.Event(enable_timing=True) for _ in range(2))

    def __call__(self, act: Act) -> float:
        """Do it once, between the two events, and wait for the second."""
        self._stream.synchronize()
        self._first.record(self._stream)
        for _ in range(ROW):
            act()
        self._last.record(self._stream)
        self._last.synchronize()
        return max(float(self._first.elapsed_time(self._last)) / 1e3 / ROW, 1e-9)
