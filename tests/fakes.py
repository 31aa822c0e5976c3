"""Devices and pipelines whose truth is known: a virtual clock, and a thread like a GPU."""

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any


class VirtualDevice:
    """An asynchronous device in virtual time: host and device times are exact integers.

    Work is put into a queue and costs the host `launch_ns`; the device does it when it is free.
    """

    has_device = True

    def __init__(self, launch_ns: int = 10) -> None:
        self.host_ns = 1_000
        self.ready_ns = 0
        self.launch_ns = launch_ns
        self._events: dict[tuple[int, int], int] = {}
        self._size = (0, 0)

    def now(self) -> int:
        return self.host_ns

    def work_on_host(self, ns: int) -> None:
        self.host_ns += ns

    def launch(self, ns: int) -> None:
        self.ready_ns = max(self.ready_ns, self.host_ns) + ns
        self.host_ns += self.launch_ns

    def begin(self, iterations: int, marks: int) -> None:
        self._size = (iterations, marks)

    def record(self, iteration: int, mark: int) -> None:
        self._events[iteration, mark] = max(self.ready_ns, self.host_ns)

    def wait(self, value: Any) -> Any:
        self.host_ns = max(self.host_ns, self.ready_ns)
        return value

    def device_ns(self) -> list[list[int]]:
        iterations, marks = self._size
        return [
            [self._events[i, m + 1] - self._events[i, m] for m in range(marks - 1)]
            for i in range(iterations)
        ]


class VirtualPipeline:
    """Stages of known length on a `VirtualDevice`; the copy to the host blocks, as `.cpu()`."""

    def __init__(self, device: VirtualDevice, **stage_ns: int) -> None:
        self._device = device
        self._ns = {
            "preprocess": 700,
            "h2d": 20,
            "forward": 8_000,
            "postprocess": 60,
            "d2h": 90,
            "deliver": 400,
            **stage_ns,
        }

    def preprocess(self, value: Any) -> Any:
        self._device.work_on_host(self._ns["preprocess"])
        return value

    def h2d(self, value: Any) -> Any:
        self._device.launch(self._ns["h2d"])
        return value

    def forward(self, value: Any) -> Any:
        self._device.launch(self._ns["forward"])
        return value

    def postprocess(self, value: Any) -> Any:
        self._device.launch(self._ns["postprocess"])
        return value

    def d2h(self, value: Any) -> Any:
        self._device.launch(self._ns["d2h"])
        return self._device.wait(value)

    def deliver(self, value: Any) -> Any:
        self._device.work_on_host(self._ns["deliver"])
        return value


class ThreadDevice:
    """A device that is a thread: it takes work from a queue and the caller goes on at once."""

    has_device = True
    now = staticmethod(time.perf_counter_ns)

    def __init__(self) -> None:
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self._events: dict[tuple[int, int], int] = {}
        self._size = (0, 0)

    def launch(self, work: Callable[[], None]) -> None:
        self._queue.put(work)

    def begin(self, iterations: int, marks: int) -> None:
        self._size = (iterations, marks)

    def record(self, iteration: int, mark: int) -> None:
        def stamp() -> None:
            self._events[iteration, mark] = time.perf_counter_ns()

        self._queue.put(stamp)

    def wait(self, value: Any) -> Any:
        done = threading.Event()
        self._queue.put(done.set)
        done.wait()
        return value

    def device_ns(self) -> list[list[int]]:
        self.wait(None)
        iterations, marks = self._size
        return [
            [self._events[i, m + 1] - self._events[i, m] for m in range(marks - 1)]
            for i in range(iterations)
        ]

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()

    def _serve(self) -> None:
        while (work := self._queue.get()) is not None:
            work()


class ThreadPipeline:
    """`forward` runs in the device's thread and returns at once; `d2h` blocks until it is done."""

    def __init__(self, device: ThreadDevice, forward_s: float) -> None:
        self._device = device
        self._forward_s = forward_s

    def preprocess(self, value: Any) -> Any:
        time.sleep(0.002)
        return value

    def h2d(self, value: Any) -> Any:
        return value

    def forward(self, value: Any) -> Any:
        self._device.launch(lambda: time.sleep(self._forward_s))
        return value

    def postprocess(self, value: Any) -> Any:
        return value

    def d2h(self, value: Any) -> Any:
        return self._device.wait(value)

    def deliver(self, value: Any) -> Any:
        time.sleep(0.001)
        return value
