"""One row of readings of a GPU, as the columns of `records.TelemetryColumns` that it can fill."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from depthprof.nvml.gpm import Gpm
from depthprof.nvml.gpu import Gpu
from depthprof.nvml.processes import others
from depthprof.records import UNKNOWN

LINK_EVERY = 4
"""Of so many rows one asks for the bytes sent and one for those received: NVML counts them for
20 ms while we wait (nvmlDeviceGetPcieThroughput)."""

BYTES_PER_KB = 1_000
SM_CLOCK, MEMORY_CLOCK = 1, 2
CORE_SENSOR = 0
SENT, RECEIVED = 0, 1


@dataclass(frozen=True, slots=True)
class Question:
    """What fills some columns, and in which rows it is asked: those of number % every == first."""

    what: str
    columns: tuple[str, ...]
    ask: Callable[[], Sequence[int]]
    every: int = 1
    first: int = 0


class GpuReader:
    """Reads a row whenever it is told to. Close it.

    Args:
        gpu: the GPU. own_count: processes of ours that are on it (see `processes.others`).
    """

    def __init__(self, gpu: Gpu, own_count: int = 1) -> None:
        self._gpu = gpu
        self._own_count = own_count
        self._gpm = Gpm(gpu)
        self._questions = self._of_device() + self._of_work()
        self._link = self._of_link()
        self._rows = 0

    @property
    def uuid(self) -> str:
        """Of the GPU or slice."""
        return self._gpu.uuid

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not offered so far, a sentence each."""
        return tuple(self._gpu.notes)

    def read(self, now_ns: int) -> dict[str, int]:
        """Read a row; what was not asked or not answered is left out or -1.

        Raises:
            NvmlAbsent: the GPU or its driver is gone.
        """
        row: dict[str, int] = {}
        link = [] if self._gpm.tells_link else self._link
        for question in (*self._questions, *link):
            if self._rows % question.every == question.first:
                row |= self._answered(question)
        self._rows += 1
        metrics = self._gpm.read(now_ns)
        known = {name for name, value in row.items() if value != UNKNOWN}
        return row | {
            name: value
            for name, value in metrics.items()
            if value != UNKNOWN or name not in known  # what the link told stays
        }

    def close(self) -> None:
        """Give back what NVML lent."""
        self._gpm.close()

    def _answered(self, question: Question) -> dict[str, int]:
        answers = self._gpu.ask(question.what, question.ask)
        if answers is None:
            return dict.fromkeys(question.columns, UNKNOWN)
        return dict(zip(question.columns, map(_known, answers), strict=True))

    def _of_device(self) -> list[Question]:
        """What belongs to the whole GPU, whoever uses it."""
        nvml, whole, gpu = self._gpu.nvml, self._gpu.whole, self._gpu
        return [
            Question(
                "the SM clock",
                ("sm_clock_mhz",),
                lambda: [nvml.nvmlDeviceGetClockInfo(whole, SM_CLOCK)],
            ),
            Question(
                "the memory clock",
                ("memory_clock_mhz",),
                lambda: [nvml.nvmlDeviceGetClockInfo(whole, MEMORY_CLOCK)],
            ),
            Question("the power", ("power_mw",), lambda: [nvml.nvmlDeviceGetPowerUsage(whole)]),
            Question(
                "the energy",
                ("energy_mj",),
                lambda: [nvml.nvmlDeviceGetTotalEnergyConsumption(whole)],
            ),
            Question(
                "the temperature",
                ("temperature_c",),
                lambda: [nvml.nvmlDeviceGetTemperature(whole, CORE_SENSOR)],
            ),
            Question("the throttle reasons", ("throttle_reasons",), lambda: [gpu.clock_reasons()]),
        ]

    def _of_work(self) -> list[Question]:
        """What belongs to the slice, if it is one."""
        return [
            Question(
                "the utilisation", ("gpu_busy_percent", "memory_busy_percent"), self._utilisation
            ),
            Question("the memory in use", ("memory_used_bytes",), self._memory),
            Question("the processes on the GPU", ("other_processes",), self._others),
        ]

    def _of_link(self) -> list[Question]:
        nvml, whole = self._gpu.nvml, self._gpu.whole
        columns = {"pcie_sent_bytes_per_s": SENT, "pcie_received_bytes_per_s": RECEIVED}

        def asking(counter: int) -> Callable[[], Sequence[int]]:
            return lambda: [nvml.nvmlDeviceGetPcieThroughput(whole, counter) * BYTES_PER_KB]

        return [
            Question("the PCIe traffic", (column,), asking(counter), LINK_EVERY, 2 * counter)
            for column, counter in columns.items()
        ]

    def _utilisation(self) -> Sequence[int]:
        rates = self._gpu.nvml.nvmlDeviceGetUtilizationRates(self._gpu.handle)
        return rates.gpu, rates.memory

    def _memory(self) -> Sequence[int]:
        return [self._gpu.nvml.nvmlDeviceGetMemoryInfo(self._gpu.handle).used]

    def _others(self) -> Sequence[int]:
        listed: Any = self._gpu.nvml.nvmlDeviceGetComputeRunningProcesses(self._gpu.handle)
        return [others({process.pid for process in listed}, self._own_count)]


def _known(answer: int) -> int:
    """The answer, -1 where it is one of NVML's largest numbers, which mean "not available"."""
    return int(answer) if 0 <= int(answer) < 2**63 else UNKNOWN
