"""Record what NVML answers to depthprof on a GPU: `python -m scripts.record_nvml FILE`.

The file is JSON: for every call that was made, the function, its plain arguments, and the answers
in the order given (tests/system/nvml/replay.py plays them back). Give --work to keep the GPU busy
meanwhile; without it the answers are an idle GPU's. Mask the UUID before the file is shared.
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from depthprof.system.nvml import (
    Gpu,
    GpuAddress,
    GpuReader,
    NvmlAbsent,
    connected,
    driver_version,
    located,
    torch_address,
)
from depthprof.system.nvml.library import refusals, shut_down
from depthprof.system.nvml.questions import QUESTIONS

FORMAT = 1
QUIET = ("nvmlInit", "nvmlShutdown")
"""Calls that have nothing to be told."""

STRUCTURES = {
    "nvmlDeviceGetUtilizationRates": ("gpu", "memory"),
    "nvmlDeviceGetMemoryInfo": ("total", "free", "used"),
    "nvmlGpmQueryDeviceSupport": ("version", "isSupportedDevice"),
    "nvmlSystemGetConfComputeState": ("environment", "ccFeature", "devToolsMode"),
}
HANDLES = (
    "nvmlDeviceGetHandleByUUID",
    "nvmlDeviceGetHandleByPciBusId",
    "nvmlDeviceGetHandleByIndex",
    "nvmlDeviceGetDeviceHandleFromMigDeviceHandle",
    "nvmlGpmSampleAlloc",
    "nvmlGpmSampleGet",
    "nvmlGpmMigSampleGet",
)


class Recorder:
    """Stands for pynvml: hands every call on and notes what came of it."""

    def __init__(self, nvml: Any) -> None:
        self._nvml = nvml
        self.calls: dict[tuple[str, tuple[Any, ...]], list[Any]] = {}

    def __getattr__(self, name: str) -> Any:
        known = getattr(self._nvml, name)
        is_function = name.startswith("nvml") and callable(known) and not isinstance(known, type)
        return self._recording(name, known) if is_function and name not in QUIET else known

    def _recording(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def ask(*arguments: Any) -> Any:
            plain = tuple(one for one in arguments if isinstance(one, int | str))
            answers = self.calls.setdefault((name, plain), [])
            try:
                answer = function(*arguments)
            except refusals(self._nvml) as error:
                code = getattr(error, "value", None)
                name_of = {"raises": type(error).__name__}
                answers.append(name_of if code is None else {"error": code})
                raise
            answers.append({"value": plain_answer(name, answer)})
            return answer

        return ask

    def document(self, about: dict[str, Any]) -> dict[str, Any]:
        """What was recorded, as JSON takes it."""
        calls = [
            {"function": name, "arguments": list(arguments), "answers": answers}
            for (name, arguments), answers in self.calls.items()
        ]
        return {"format": FORMAT, "about": about, "calls": calls}


def plain_answer(name: str, answer: Any) -> Any:
    """An answer of NVML's as JSON takes it; a handle or a buffer is null."""
    if name in HANDLES:
        return None
    if name in STRUCTURES:
        return {field: getattr(answer, field) for field in STRUCTURES[name]}
    if "RunningProcesses" in name:
        return [process.pid for process in answer]
    if name == "nvmlGpmMetricsGet":
        metrics = [answer.metrics[place] for place in range(answer.numMetrics)]
        return [[one.metricId, one.nvmlReturn, one.value] for one in metrics]
    if isinstance(answer, bytes):
        return answer.decode()
    if isinstance(answer, list | tuple):
        return list(answer)
    return getattr(answer, "value", answer)  # pynvml gives a c_uint here and there


def record(nvml: Any, address: GpuAddress, rows: int, interval_s: float) -> Recorder:
    """Ask every question once, then read some rows as telemetry does, through a recorder.

    Raises:
        NvmlAbsent: there is no NVML or no such GPU, or it went away.
    """
    recorder = Recorder(connected(nvml))
    gpu = Gpu(recorder, address)
    reader = GpuReader(gpu)
    try:
        for name in QUESTIONS:
            gpu.answer(name)
        for _ in range(rows):
            reader.read(time.perf_counter_ns())
            time.sleep(interval_s)
    finally:
        reader.close()
        shut_down(recorder)
    return recorder


def main(arguments: list[str] | None = None) -> int:
    """Record; exit with 2 where there is nothing to be recorded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--rows", type=int, default=40)
    parser.add_argument("--work", action="store_true", help="multiply matrices meanwhile")
    asked = parser.parse_args(arguments)
    try:
        address = _working(asked.device) if asked.work else located(asked.device)
        recorder = record(None, address, asked.rows, 0.1)
    except NvmlAbsent as error:
        print(f"record_nvml: {error}", file=sys.stderr)
        return 2
    about = {
        "what": f"recorded, {'at work' if asked.work else 'idle'}",
        "driver": driver_version(),
        "platform": platform.platform(),
    }
    asked.file.write_text(json.dumps(recorder.document(about), indent=1) + "\n")
    return 0


def _working(device: str) -> GpuAddress:
    """Queue some seconds of matrix products on the device, and tell which GPU it is."""
    import torch

    values = torch.randn(8192, 8192, device=device)
    for _ in range(200):
        values = torch.nn.functional.normalize(values @ values)
    return torch_address(device)


if __name__ == "__main__":
    sys.exit(main())
