"""Marks and two clocks: the host's, and the device's own where it has one.

An iteration is a row of marks, a stage is the gap between two neighbours. A mark is one host time
stamp and, on CUDA, one event on the stream in use. Only the `sync` stage waits for the device, and
event times are read after the last mark.
"""

import itertools
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any, Protocol

HOST_NS = perf_counter_ns
"""The host's clock: monotonic, in nanoseconds."""


class Clock(Protocol):
    """How one side's iterations are marked and waited for.

    `begin(iterations, marks)` makes room before a block, so that nothing is allocated inside an
    iteration. `mark` is called with the row of host time stamps, the mark's index and the
    iteration's; `wait` is the sync stage; `device_ns` is asked after the block.
    """

    now: Callable[[], int]

    @property
    def has_device(self) -> bool:
        """Whether the device has a clock of its own."""

    def begin(self, iterations: int, marks: int) -> None:
        """Make room for a block of iterations."""

    def record(self, iteration: int, mark: int) -> None:
        """Put a mark into the device's own queue; called only where `has_device`."""

    def wait(self, value: Any) -> Any:
        """Wait until the device has done all it was given; hand `value` on."""

    def device_ns(self) -> list[list[int]]:
        """Gaps between the device's marks of the last block, a list an iteration."""


class HostClock:
    """The clock of a device that works while it is called (a CPU): host time stamps alone."""

    has_device = False

    def __init__(self, now: Callable[[], int] = HOST_NS) -> None:
        self.now = now

    def begin(self, iterations: int, marks: int) -> None:
        """Nothing to make room for."""

    def record(self, iteration: int, mark: int) -> None:
        """A device without a clock has no queue to put a mark into."""

    @staticmethod
    def wait(value: Any) -> Any:
        """Nothing is under way when a CPU call has returned."""
        return value

    def device_ns(self) -> list[list[int]]:
        """There are no device times."""
        return []


class CudaClock:
    """CUDA events on the stream in use, from a pool that is made before the block.

    Event times have a resolution of about half a microsecond (CUDA Runtime API,
    cudaEventElapsedTime). Recording an event costs the host a few microseconds, which fall into
    the host span of the stage that follows the mark.
    """

    has_device = True

    def __init__(self, device: str, now: Callable[[], int] = HOST_NS) -> None:
        import torch  # imported late: a machine that measures on the CPU never touches CUDA

        self.now = now
        self._cuda = torch.cuda
        self._device = torch.device(device)
        self._stream = torch.cuda.current_stream(self._device)
        self._events: list[list[Any]] = []
        self._iterations = 0

    def begin(self, iterations: int, marks: int) -> None:
        """Grow the pool of events to a block of `iterations` with `marks` marks each."""
        self._stream = self._cuda.current_stream(self._device)
        self._iterations = iterations
        while len(self._events) < iterations:
            row = [self._cuda.Event(enable_timing=True) for _ in range(marks)]
            for event in row:
                event.record(self._stream)  # torch makes the event when it is first recorded
            self._events.append(row)

    def record(self, iteration: int, mark: int) -> None:
        """Record one event of the pool on the stream in use."""
        self._events[iteration][mark].record(self._stream)

    def wait(self, value: Any) -> Any:
        """Wait for the stream in use, and hand `value` on."""
        self._stream.synchronize()
        return value

    def device_ns(self) -> list[list[int]]:
        """Read the gaps between the events of the last block, in nanoseconds."""
        return [
            [round(first.elapsed_time(then) * 1e6) for first, then in itertools.pairwise(row)]
            for row in self._reached()
        ]

    def device_marks_ns(self) -> list[list[int]]:
        """Read when each event of the last block was reached, from its first one on."""
        rows = self._reached()
        return [[round(rows[0][0].elapsed_time(event) * 1e6) for event in row] for row in rows]

    def _reached(self) -> list[list[Any]]:
        """The events of the last block, once the device has come to the last of them."""
        rows = self._events[: self._iterations]
        if rows:
            rows[-1][-1].synchronize()
        return rows


def clock_for(device: str) -> Clock:
    """Return the clock of a resolved device, "cpu" or "cuda:N"."""
    return CudaClock(device) if device.startswith("cuda") else HostClock()
