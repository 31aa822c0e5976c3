"""The settings that all code of a process shares: how each is called, read and written."""

import locale
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import torch

Write = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Setting:
    """One global: its name for people, how it is read, and how written (None: it cannot be)."""

    name: str
    read: Callable[[], Any]
    write: Write | None = None


def _attribute(holder: Any, name: str, label: str) -> Setting:
    """An attribute; None where this version of the library does not have it."""
    write = partial(setattr, holder, name) if hasattr(holder, name) else None
    return Setting(label, partial(getattr, holder, name, None), write)


def _flush_denormal() -> bool:
    """Whether this thread takes the smallest numbers for zero; torch does not tell."""
    smallest = sys.float_info.min * sys.float_info.epsilon
    return smallest * 1.0 == 0.0


def _torch_settings() -> list[Setting]:
    cuda, cudnn = torch.backends.cuda, torch.backends.cudnn
    return [
        Setting("torch's threads", torch.get_num_threads, torch.set_num_threads),
        Setting("torch's inter-op threads", torch.get_num_interop_threads),
        Setting("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
        Setting("torch's default device", lambda: str(torch.get_default_device()), _set_device),
        Setting(
            "torch's float32 matmul precision",
            torch.get_float32_matmul_precision,
            torch.set_float32_matmul_precision,
        ),
        Setting(
            "torch's deterministic algorithms",
            torch.get_deterministic_debug_mode,
            torch.set_deterministic_debug_mode,
        ),
        Setting("flushing denormal numbers", _flush_denormal, torch.set_flush_denormal),
        *(
            Setting(
                f"autocast on {device}",
                partial(torch.is_autocast_enabled, device),
                partial(torch.set_autocast_enabled, device),
            )
            for device in ("cpu", "cuda")
        ),
        *(_attribute(cuda.matmul, n, f"torch.backends.cuda.matmul.{n}") for n in _MATMUL),
        *(_attribute(cudnn, n, f"torch.backends.cudnn.{n}") for n in _CUDNN),
        *(
            Setting(
                f"torch's {name} attention",
                getattr(cuda, f"{name}_sdp_enabled"),
                getattr(cuda, f"enable_{name}_sdp"),
            )
            for name in ("flash", "mem_efficient", "math", "cudnn")
            if hasattr(cuda, f"{name}_sdp_enabled")
        ),
        _attribute(torch.backends.mkldnn, "enabled", "torch.backends.mkldnn.enabled"),
        Setting("torch's hooks on all modules", _global_hooks),
    ]


_MATMUL = (
    "allow_tf32",
    "allow_fp16_reduced_precision_reduction",
    "allow_bf16_reduced_precision_reduction",
)
_CUDNN = ("enabled", "benchmark", "deterministic", "allow_tf32")


def _set_device(name: str) -> None:
    torch.set_default_device(None if name == "cpu" else name)


def _global_hooks() -> int:
    module = torch.nn.modules.module
    return sum(len(hooks) for name, hooks in vars(module).items() if name in _HOOKS)


_HOOKS = ("_global_forward_hooks", "_global_forward_pre_hooks")


def _opencv_settings() -> list[Setting]:
    return [
        Setting("OpenCV's threads", cv2.getNumThreads, cv2.setNumThreads),
        Setting("OpenCV's optimizations", cv2.useOptimized, cv2.setUseOptimized),
        Setting("OpenCV's OpenCL", cv2.ocl.useOpenCL, cv2.ocl.setUseOpenCL),
    ]


def _process_settings() -> list[Setting]:
    known = [
        Setting("the working folder", os.getcwd, os.chdir),
        Setting("the umask", _umask, os.umask),
        Setting(
            "the locale",
            partial(locale.setlocale, locale.LC_ALL),
            partial(locale.setlocale, locale.LC_ALL),
        ),
        Setting("sys.setswitchinterval", sys.getswitchinterval, sys.setswitchinterval),
        Setting("sys.setprofile", sys.getprofile, sys.setprofile),
        Setting("sys.settrace", sys.gettrace, sys.settrace),
        Setting("signal handlers", _handlers),
    ]
    if hasattr(signal, "getitimer"):
        kinds = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
        known.append(Setting("timers", lambda: [signal.getitimer(kind)[1] > 0 for kind in kinds]))
    if hasattr(os, "sched_getaffinity"):
        cores = Setting(
            "the cores it may use",
            partial(os.sched_getaffinity, 0),
            partial(os.sched_setaffinity, 0),
        )
        known.append(cores)
    if hasattr(os, "getpriority"):
        known.append(Setting("the priority", partial(os.getpriority, os.PRIO_PROCESS, 0)))
    return known


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _handlers() -> dict[int, Any]:
    return {number: signal.getsignal(number) for number in signal.valid_signals()}


SETTINGS = (*_torch_settings(), *_opencv_settings(), *_process_settings())
