"""Plays recorded answers of NVML back, and lets a test change or break them.

The format is that of scripts/record_nvml.py. `answers/nvidia-h200-driver-580.json` was recorded, on
an H200; its UUID is masked. What is called `...-by-hand.json` was written by hand from NVML's
documentation: a GPU of that generation at work, and GPUs of older drivers.
"""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml

from depthprof.system.nvml import Gpu, GpuAddress, GpuReader, connected

UUID = "GPU-5a1b0c2d-1111-2222-3333-444455556666"
ANSWERS = Path(__file__).parent / "answers"
HOPPER = ANSWERS / "hopper-by-hand.json"
RECORDED = ANSWERS / "nvidia-h200-driver-580.json"
HANDLES = ("nvmlDeviceGetHandleBy", "nvmlDeviceGetDeviceHandleFromMig")


def load(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text()))


def document() -> dict[str, Any]:
    return load(HOPPER)


class Replay:
    """Stands for pynvml. Answers are given in order, the last one again and again.

    Args:
        recorded: as scripts.record_nvml writes it; None takes the H200's.
        changes: by function, an error's number, an exception, None (the binding lacks it), or a
            list of answers in place of what is recorded.
    """

    NVMLError = pynvml.NVMLError

    def __init__(self, recorded: dict[str, Any] | None = None, **changes: Any) -> None:
        calls = (recorded or document())["calls"]
        self._answers = {
            (call["function"], tuple(call["arguments"])): list(call["answers"]) for call in calls
        }
        self.changes = changes
        self.asked: list[tuple[Any, ...]] = []
        self.users = 0
        self.samples = 0

    def nvmlInit(self) -> None:  # noqa: N802
        self._break("nvmlInit")
        if callable(self.changes.get("nvmlInit")):
            self.changes["nvmlInit"]()
        self.users += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self._break("nvmlShutdown")
        self.users -= 1

    def nvmlGpmSampleFree(self, sample: Any) -> None:  # noqa: N802
        del sample
        self.samples -= 1

    def __getattr__(self, name: str) -> Any:
        if name.startswith("nvml") and self.changes.get(name, 0) is None:
            raise AttributeError(name)
        if name.startswith("nvml") and not name.startswith("nvmlClocks"):
            return lambda *arguments: self._answer(name, arguments)
        return getattr(pynvml, name)

    def fail(self, name: str, error: int) -> None:
        """From now on a function is refused; "all" is every function."""
        self.changes[name] = error

    def _break(self, name: str) -> None:
        if self.changes.get(name, 0) is None:
            raise AttributeError(name)
        for key in (name, "all"):
            broken = self.changes.get(key)
            if isinstance(broken, int):
                raise pynvml.NVMLError(broken)
            if isinstance(broken, Exception):
                raise broken

    def _answer(self, name: str, arguments: tuple[Any, ...]) -> Any:
        plain = tuple(one for one in arguments if isinstance(one, int | str))
        self.asked.append((name, *plain))
        self._break(name)
        changed = self.changes.get(name)
        if callable(changed):
            return changed(*arguments)
        if changed is not None:
            return changed.pop(0) if len(changed) > 1 else changed[0]
        answers = self._answers.get((name, plain))
        if answers is None:
            not_here = pynvml.NVML_ERROR_NOT_FOUND if plain else pynvml.NVML_ERROR_NOT_SUPPORTED
            raise pynvml.NVMLError(not_here)
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        if "error" in found:
            raise pynvml.NVMLError(found["error"])
        if "raises" in found:
            raise getattr(pynvml, found["raises"])("as nvidia-ml-py has it")
        return self._shaped(name, found["value"], arguments)

    def _shaped(self, name: str, value: Any, arguments: tuple[Any, ...]) -> Any:
        """Give an answer the shape that pynvml gives it."""
        if name.startswith(HANDLES):
            return SimpleNamespace(handle=name)
        shapes: dict[str, Callable[[], Any]] = {
            "nvmlDeviceIsMigDeviceHandle": lambda: pynvml.c_uint(value),
            "nvmlGpmSampleAlloc": self._sample,
            "nvmlGpmMetricsGet": lambda: _metrics(arguments[0], value),
        }
        if "RunningProcesses" in name:
            return [SimpleNamespace(pid=pid) for pid in value]
        if name in shapes:
            return shapes[name]()
        return SimpleNamespace(**value) if isinstance(value, dict) else value

    def _sample(self) -> Any:
        self.samples += 1
        return pynvml.c_nvmlGpmSample_t()


def _metrics(wanted: Any, value: list[list[Any]]) -> Any:
    """Fill the structure as NVML does, by the numbers that were asked for."""
    by_number = {number: (code, found) for number, code, found in value}
    for place in range(wanted.numMetrics):
        metric = wanted.metrics[place]
        metric.nvmlReturn, metric.value = by_number[metric.metricId]
    return wanted


def reader(nvml: Any, address: GpuAddress | None = None) -> GpuReader:
    return GpuReader(Gpu(connected(nvml), address or GpuAddress(UUID)))


def rows(of: GpuReader, count: int, step_ns: int = 100_000_000) -> list[dict[str, int]]:
    return [of.read(number * step_ns) for number in range(count)]
