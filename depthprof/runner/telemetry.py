"""Telemetry: a thread of the parent process that reads GPU and host while the workers measure."""

from collections.abc import Callable, Mapping
from threading import Event, Thread
from time import perf_counter_ns
from typing import Any

import numpy as np

from depthprof.records import TELEMETRY_COLUMNS, UNKNOWN, Telemetry, TelemetryColumns
from depthprof.system.conditions import pressure_ns, stat_ns
from depthprof.system.machine import free_memory_bytes
from depthprof.system.nvml import Gpu, GpuAddress, GpuReader, NvmlAbsent, connected
from depthprof.system.nvml.library import shut_down
from depthprof.units import NS_PER_S

STOP_LIMIT_S = 3.0
"""A reading that takes longer than this hangs in the driver; its thread cannot be ended, so it is
left behind."""

FAULTS = (
    *(OSError, ValueError, TypeError, AttributeError, ArithmeticError),
    *(LookupError, RuntimeError, MemoryError),
)
"""What a reading may raise beyond NVML's own errors, from an odd driver, binding or /proc."""


def host_row() -> dict[str, int]:
    """Read the host's columns; -1 where the system does not tell."""
    busy_ns, stolen_ns = stat_ns()
    return {
        "host_busy_ns": busy_ns,
        "host_stolen_ns": stolen_ns,
        "host_pressure_ns": pressure_ns(),
        "host_available_bytes": free_memory_bytes() or UNKNOWN,
    }


class Sampler:
    """Takes readings every `interval_s` until it is stopped; what goes wrong is a note.

    The parent only waits for its workers, so nothing of this runs in a process that is measured.

    Args:
        interval_s: between the beginnings of two readings.
        address: the GPU to watch; None watches the host alone.
        own_count: processes of ours that are on the GPU.
        nvml: a stand-in for pynvml. host: reads the host's columns.
    """

    def __init__(
        self,
        interval_s: float,
        address: GpuAddress | None = None,
        own_count: int = 1,
        nvml: Any = None,
        host: Callable[[], dict[str, int]] = host_row,
    ) -> None:
        self._interval_s = interval_s
        self._address = address
        self._own_count = own_count
        self._nvml = nvml
        self._host = host
        self._uuid: str | None = None
        self._reader: GpuReader | None = None
        self._rows: list[tuple[int, ...]] = []
        self._notes: list[str] = []
        self._ended = Event()
        self._thread = Thread(target=self._work, name="depthprof telemetry", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        try:
            self._thread.start()
        except RuntimeError as error:  # the system has no thread to give
            self._notes.append(f"no telemetry: {error}")

    def stop(self) -> Telemetry:
        """End the thread; return what it read. May be called again."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join(STOP_LIMIT_S)
        notes = [*self._notes]
        if self._thread.is_alive():
            notes.append(
                f"telemetry: a reading gave no answer within {STOP_LIMIT_S:.0f} s and was left"
            )
        rows = np.asarray(self._rows, dtype=np.int64).reshape(-1, len(TELEMETRY_COLUMNS))
        columns = TelemetryColumns(*(rows[:, place] for place in range(rows.shape[1])))
        return Telemetry(self._uuid, self._interval_s, columns, tuple(notes))

    def _work(self) -> None:
        try:
            self._open()
            self._read_until_ended()
        except FAULTS as error:
            self._notes.append(f"telemetry ended early: {type(error).__name__}: {error}")
        finally:
            self._close()

    def _open(self) -> None:
        if self._address is None:
            return
        try:
            self._nvml = connected(self._nvml)
        except NvmlAbsent as error:
            self._notes.append(f"no readings of the GPU: {error}")
            return
        try:
            self._reader = GpuReader(Gpu(self._nvml, self._address), self._own_count)
            self._uuid = self._reader.uuid
        except NvmlAbsent as error:
            self._notes.append(f"no readings of the GPU: {error}")
            shut_down(self._nvml)

    def _close(self) -> None:
        if self._reader is not None:
            self._notes += self._reader.notes
            self._reader.close()
            self._reader = None
            shut_down(self._nvml)

    def _read_until_ended(self) -> None:
        """Read at fixed moments; a moment that passed during a reading is left out."""
        interval_ns = round(self._interval_s * NS_PER_S)
        due_ns = perf_counter_ns()
        while True:
            self._rows.append(self._row())
            late_ns = perf_counter_ns() - due_ns
            due_ns += interval_ns * (late_ns // interval_ns + 1)
            if self._ended.wait(max(0.0, (due_ns - perf_counter_ns()) / NS_PER_S)):
                return

    def _row(self) -> tuple[int, ...]:
        before_ns = perf_counter_ns()
        found = self._host() | self._gpu_row(before_ns)
        cost_ns = perf_counter_ns() - before_ns
        found |= {"at_ns": before_ns + cost_ns // 2, "cost_ns": cost_ns}
        return tuple(found.get(name, UNKNOWN) for name in TELEMETRY_COLUMNS)

    def _gpu_row(self, now_ns: int) -> dict[str, int]:
        if self._reader is None:
            return {}
        try:
            return self._reader.read(now_ns)
        except NvmlAbsent as error:
            self._lost(str(error), now_ns)
            return {}

    def _lost(self, why: str, now_ns: int) -> None:
        first_ns = self._rows[0][0] if self._rows else now_ns
        self._notes.append(
            f"NVML stopped answering {(now_ns - first_ns) / NS_PER_S:.1f} s into telemetry ({why});"
            " from then on only the host was read"
        )
        self._close()


class RunTelemetry:
    """Telemetry of one run: begun once its sides are known, ended with it.

    Args:
        interval_s: between two readings; None: there is no telemetry.
    """

    def __init__(self, interval_s: float | None) -> None:
        self._interval_s = interval_s
        self._sampler: Sampler | None = None

    def begin(self, gpus: Mapping[str, Mapping[str, Any]], *, shared: bool) -> None:
        """Begin with the first side's GPU, unless telemetry has begun.

        Args:
            gpus: fields of a GpuAddress by side; empty on a CPU.
            shared: whether one process holds all sides.
        """
        if self._interval_s is None or self._sampler is not None:
            return
        address = next((GpuAddress(**fields) for fields in gpus.values()), None)
        own_count = 1 if shared else max(1, len(gpus))
        self._sampler = Sampler(self._interval_s, address, own_count)
        self._sampler.start()

    def end(self) -> Telemetry | None:
        """End; return what was read, None where it never began."""
        return None if self._sampler is None else self._sampler.stop()
