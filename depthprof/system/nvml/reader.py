"""One row of readings of a GPU, as the columns of `records.TelemetryColumns` that it can fill."""

from dataclasses import dataclass

from depthprof.records import UNKNOWN
from depthprof.system.nvml.gpm import Gpm
from depthprof.system.nvml.gpu import Gpu
from depthprof.system.nvml.processes import others

LINK_EVERY = 4
"""Of so many rows one asks for the bytes sent and one for those received: NVML counts them for
20 ms while we wait (nvmlDeviceGetPcieThroughput)."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Columns that a question fills; it is asked in rows of number % every == first.

    `question` is one of `questions.QUESTIONS`; the one column of a number has its name.
    """

    question: str
    columns: tuple[str, ...] = ()
    every: int = 1
    first: int = 0


READINGS = (
    Reading("sm_clock_mhz"),
    Reading("memory_clock_mhz"),
    Reading("power_mw"),
    Reading("energy_mj"),
    Reading("temperature_c"),
    Reading("throttle_reasons"),
    Reading("utilisation", ("gpu_busy_percent", "memory_busy_percent")),
    Reading("memory_used_bytes"),
    Reading("compute_pids", ("other_processes",)),
)
LINK_READINGS = (
    Reading("pcie_sent_bytes_per_s", every=LINK_EVERY, first=0),
    Reading("pcie_received_bytes_per_s", every=LINK_EVERY, first=2),
)


class GpuReader:
    """Reads a row whenever it is told to. Close it.

    Args:
        gpu: the GPU. own_count: processes of ours that are on it (see `processes.others`).
    """

    def __init__(self, gpu: Gpu, own_count: int = 1) -> None:
        self._gpu = gpu
        self._own_count = own_count
        self._gpm = Gpm(gpu)
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
        link = () if self._gpm.tells_link else LINK_READINGS
        for reading in (*READINGS, *link):
            if self._rows % reading.every == reading.first:
                row |= self._read(reading)
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

    def _read(self, reading: Reading) -> dict[str, int]:
        columns = reading.columns or (reading.question,)
        answer = self._gpu.answer(reading.question)
        if answer is None:
            return dict.fromkeys(columns, UNKNOWN)
        if isinstance(answer, frozenset):
            answer = others(answer, self._own_count)
        values = answer if isinstance(answer, tuple) else (answer,)
        return {name: int(value) for name, value in zip(columns, values, strict=True)}
