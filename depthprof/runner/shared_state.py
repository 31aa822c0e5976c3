"""What the sides of one process share besides memory: settings, environment, patched modules.

Left out on purpose: what the harness sets for every block itself (the garbage collector,
gradients), and what plain use of a library changes and no stage sees (new modules, entries of
sys.path, import hooks, warnings filters, the recursion limit, which torch.compile raises, and names
that a library adds to itself when first used).
"""

import locale
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

import cv2
import torch

Write = Callable[[Any], Any]

PLAIN = (bool, int, float, str, bytes, torch.dtype, dict, list, set, type(None))
"""Types whose values are alike where they are equal."""

LIBRARIES = (
    *("builtins", "cv2", "depthprof", "math", "matplotlib", "numpy", "os", "PIL", "random"),
    *("scipy", "threading", "time", "torch", "torchvision", "xformers"),
)
"""Packages whose functions, classes and constants are watched, with all modules in them."""

PATCHED_CLASSES = ("torch.Tensor", "cv2.UMat")
"""Classes watched besides those of torch.nn and of depthprof."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One global: its name for people, how it is read, and how written (None: it cannot be)."""

    name: str
    read: Callable[[], Any]
    write: Write | None = None


def _of_torch(label: str, name: str) -> Setting:
    """A setting that torch reads by get_NAME and writes by set_NAME."""
    return Setting(f"torch's {label}", getattr(torch, f"get_{name}"), getattr(torch, f"set_{name}"))


def _of_backend(label: str, *names: str) -> Iterator[Setting]:
    """Attributes of a backend, not to be written where this version of torch has none."""
    backend = attrgetter(label)(torch.backends)
    for name in names:
        write = partial(setattr, backend, name) if hasattr(backend, name) else None
        yield Setting(
            f"torch.backends.{label}.{name}", partial(getattr, backend, name, None), write
        )


def _flush_denormal() -> bool:
    """Whether this thread takes the smallest numbers for zero; torch has no function for it."""
    smallest = sys.float_info.min * sys.float_info.epsilon
    return smallest * 1.0 == 0.0


def _torch_settings() -> list[Setting]:
    return [
        _of_torch("threads", "num_threads"),
        Setting("torch's inter-op threads", torch.get_num_interop_threads),
        _of_torch("default dtype", "default_dtype"),
        Setting("torch's default device", lambda: str(torch.get_default_device()), _set_device),
        _of_torch("float32 matmul precision", "float32_matmul_precision"),
        _of_torch("deterministic algorithms", "deterministic_debug_mode"),
        Setting("flushing denormal numbers", _flush_denormal, torch.set_flush_denormal),
        *(
            Setting(
                f"autocast on {device}",
                partial(torch.is_autocast_enabled, device),
                partial(torch.set_autocast_enabled, device),
            )
            for device in ("cpu", "cuda")
        ),
        *_backend_settings(),
        Setting("torch's hooks on all modules", _global_hooks),
    ]


def _backend_settings() -> Iterator[Setting]:
    cuda = torch.backends.cuda
    reduced = (f"allow_{dtype}_reduced_precision_reduction" for dtype in ("fp16", "bf16"))
    yield from _of_backend("cuda.matmul", "allow_tf32", *reduced)
    yield from _of_backend("cudnn", "enabled", "benchmark", "deterministic", "allow_tf32")
    for name in ("flash", "mem_efficient", "math", "cudnn"):
        if hasattr(cuda, f"{name}_sdp_enabled"):
            get, put = getattr(cuda, f"{name}_sdp_enabled"), getattr(cuda, f"enable_{name}_sdp")
            yield Setting(f"torch's {name} attention", get, put)
    yield from _of_backend("mkldnn", "enabled")


def _set_device(name: str) -> None:
    torch.set_default_device(None if name == "cpu" else name)


def _global_hooks() -> int:
    module = torch.nn.modules.module
    return len(module._global_forward_hooks) + len(module._global_forward_pre_hooks)


def _opencv_settings() -> list[Setting]:
    return [
        Setting("OpenCV's threads", cv2.getNumThreads, cv2.setNumThreads),
        Setting("OpenCV's optimizations", cv2.useOptimized, cv2.setUseOptimized),
        Setting("OpenCV's OpenCL", cv2.ocl.useOpenCL, cv2.ocl.setUseOpenCL),
    ]


def _process_settings() -> list[Setting]:
    set_locale = partial(locale.setlocale, locale.LC_ALL)
    known = [
        Setting("the working folder", os.getcwd, os.chdir),
        Setting("the umask", _umask, os.umask),
        Setting("the locale", set_locale, set_locale),
        Setting("sys.setswitchinterval", sys.getswitchinterval, sys.setswitchinterval),
        Setting("sys.setprofile", sys.getprofile, sys.setprofile),
        Setting("sys.settrace", sys.gettrace, sys.settrace),
        Setting("signal handlers", _handlers),
    ]
    if hasattr(signal, "getitimer"):
        kinds = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
        known.append(Setting("timers", lambda: [signal.getitimer(kind)[1] > 0 for kind in kinds]))
    if hasattr(os, "sched_getaffinity"):
        get, put = partial(os.sched_getaffinity, 0), partial(os.sched_setaffinity, 0)
        known.append(Setting("the cores it may use", get, put))
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


@dataclass(frozen=True, slots=True)
class State:
    """What all sides of a process see at one moment.

    Attributes:
        settings: by the name of the setting. environment: the variables.
        names: by module or class, what its names stand for.
    """

    settings: Mapping[str, Any]
    environment: Mapping[str, str]
    names: Mapping[str, tuple[Any, Mapping[str, Any]]]


def _value(setting: Setting) -> Any:
    """The value of a setting; torch refuses to give it where its old and new names are mixed."""
    try:
        return setting.read()
    except RuntimeError as error:
        return str(error)


def read() -> State:
    """Read everything; some milliseconds, so never beside timed iterations."""
    holders = {**_modules(), **_classes()}
    return State(
        {one.name: _value(one) for one in SETTINGS},
        dict(os.environ),
        {label: (holder, dict(vars(holder))) for label, holder in holders.items()},
    )


def _modules() -> dict[str, ModuleType]:
    return {
        name: module
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in LIBRARIES and isinstance(module, ModuleType)
    }


def _classes() -> dict[str, type]:
    """Classes whose methods pipelines run: of torch.nn and of depthprof, and a few besides."""
    found = {}
    for label, module in _modules().items():
        if label.startswith(("torch.nn.modules", "depthprof")):
            for name, value in list(vars(module).items()):
                if isinstance(value, type) and value.__module__ == label:
                    found[f"{label}.{name}"] = value
    for label in PATCHED_CLASSES:
        place, _, name = label.rpartition(".")
        found[label] = getattr(sys.modules[place], name)
    return found


def alike(first: Any, second: Any, _seen: frozenset[int] = frozenset()) -> bool:
    """Whether two values are one or equal, or functions of the same code and the same values.

    What a function uses counts too: its defaults, what it closes over and the globals it names.
    """
    if first is second or id(first) in _seen:
        return True
    if isinstance(first, FunctionType) and isinstance(second, FunctionType):
        if first.__code__ != second.__code__:
            return False
        mine, other = dict(_uses(first)), dict(_uses(second))
        seen = _seen | {id(first)}
        return mine.keys() == other.keys() and all(
            alike(mine[name], other[name], seen) for name in mine
        )
    if isinstance(first, tuple) and isinstance(second, tuple):
        pairs = zip(first, second, strict=False)
        return len(first) == len(second) and all(alike(a, b, _seen) for a, b in pairs)
    return type(first) is type(second) and isinstance(first, PLAIN) and bool(first == second)


def _uses(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """What the code of a function works with, by where it comes from."""
    yield "defaults", function.__defaults__
    yield "keyword defaults", function.__kwdefaults__
    yield "cells", tuple(_content(cell) for cell in function.__closure__ or ())
    for name in _names(function.__code__):
        if name in function.__globals__:
            yield f"global {name}", function.__globals__[name]


def _content(cell: CellType) -> Any:
    """What a cell holds; the cell itself, which is like no other, where that is not yet set."""
    try:
        return cell.cell_contents
    except ValueError:
        return cell


def _names(code: CodeType) -> set[str]:
    """Names that a code object and those within it look up."""
    inner = (_names(const) for const in code.co_consts if isinstance(const, CodeType))
    return set(code.co_names).union(*inner)
