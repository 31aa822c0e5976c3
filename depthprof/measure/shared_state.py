"""What the sides of one process share besides memory: settings, environment, patched modules.

Read before and after each side is loaded. Left out on purpose:

- what the harness sets for every block itself: the garbage collector, gradients;
- what plain use of a library changes and no stage sees: new modules, entries of sys.path, import
  hooks, warnings filters, the recursion limit (torch.compile raises it), names that a library adds
  to itself when first used.
"""

import builtins
import locale
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import FunctionType, ModuleType
from typing import Any

import cv2
import torch

LIBRARIES = (
    *("builtins", "cv2", "depthprof", "math", "matplotlib", "numpy", "os", "PIL", "random"),
    *("scipy", "threading", "time", "torch", "torchvision", "xformers"),
)
"""Packages whose functions, classes and constants are watched, with all modules in them."""

PATCHED_CLASSES = ("torch.Tensor", "cv2.UMat")
"""Classes watched besides those of torch.nn and of depthprof."""

PLAIN_USE = frozenset(
    (
        *("torch.manual_seed", "torch.jit.trace", "torch.jit.trace_module"),
        *(f"torch.nn.modules.module.Module.{name}" for name in ("__init__", "__setstate__")),
    )
)
"""What torch.compile replaces in torch when it is first used; no iteration calls it."""

QUIET_VARIABLES = ("_CACHE_DIR", "PWD")
"""Ends of names of environment variables that steer no computation."""

MISSING = object()

PLAIN = (bool, int, float, str, bytes, torch.dtype, dict, list, set, type(None))
"""Types whose values are alike where they are equal."""

Write = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Setting:
    """One global: its name for people, how it is read, and how written (None: it cannot be)."""

    name: str
    read: Callable[[], Any]
    write: Write | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One name that changed: what it was, what it is, and how to put a value there."""

    before: Any
    after: Any
    write: Write | None


def _attribute(holder: Any, name: str, label: str) -> Setting:
    return Setting(label, partial(getattr, holder, name), partial(setattr, holder, name))


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


def _told(setting: Setting) -> Any:
    """What a setting says; torch refuses to tell where its old and new names are mixed."""
    try:
        return setting.read()
    except RuntimeError as error:
        return str(error)


def read() -> State:
    """Read everything; some milliseconds, so never beside timed iterations."""
    holders = {**_modules(), **_classes()}
    return State(
        {one.name: _told(one) for one in SETTINGS},
        dict(os.environ),
        {label: (holder, dict(vars(holder))) for label, holder in holders.items()},
    )


def changes(before: State, after: State) -> dict[str, Change]:
    """What a side changed between two readings, by name, as people know it."""
    found = {
        one.name: Change(old, new, one.write)
        for one in SETTINGS
        if (old := before.settings[one.name]) != (new := after.settings[one.name])
    }
    for name in sorted(before.environment.keys() | after.environment.keys()):
        old, new = (state.environment.get(name) for state in (before, after))
        if old != new and not name.endswith(QUIET_VARIABLES):
            found[f"the variable {name}"] = Change(old, new, partial(_set_variable, name))
    for label, (holder, known) in before.names.items():
        if label in after.names and after.names[label][0] is holder:
            found |= _patched(label, holder, known, after.names[label][1])
    return found


def are_alike(first: Mapping[str, Change], second: Mapping[str, Change], name: str) -> bool:
    """Whether two sides changed a name to the same."""
    if name not in first or name not in second:
        return False
    return _alike(first[name].after, second[name].after)


def undo(made: Mapping[str, Change]) -> None:
    """Put back what a side changed; what stays is seen as a change of that side alone."""
    for change in made.values():
        if change.write is not None:
            with suppress(RuntimeError):  # of torch: old and new names of a setting are mixed
                change.write(change.before)


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


def _patched(
    label: str, holder: Any, known: Mapping[str, Any], now: Mapping[str, Any]
) -> dict[str, Change]:
    """Names of a module or class that stand for something else now."""
    found = {}
    short = "" if holder is builtins else f"{label}."
    for name, value in now.items():
        old = known.get(name, MISSING)
        is_new = old is not value and f"{label}.{name}" not in PLAIN_USE
        if is_new and _counts(label, name, old, value, holder):
            found[f"{short}{name}"] = Change(old, value, partial(_set_name, holder, name))
    for name, old in known.items():
        if name not in now and _is_code(old) and not name.startswith("_"):
            found[f"{short}{name}"] = Change(old, MISSING, partial(_set_name, holder, name))
    return found


def _counts(label: str, name: str, old: Any, new: Any, holder: Any) -> bool:
    """Whether a name that stands for something else changes what others run."""
    private = name.startswith("_") and not name.startswith("__")
    if private and not label.startswith("depthprof"):
        return False
    if old is MISSING:  # a class may hide what it inherits; a library adds names when first used
        bases = holder.__mro__[1:-1] if isinstance(holder, type) else ()
        return _is_code(new) and any(name in vars(base) for base in bases)
    constant = name.isupper() and "._" not in label and isinstance(old, int | float | str)
    return (constant and old != new) or (_is_code(old) and not isinstance(old, ModuleType))


def _is_code(value: Any) -> bool:
    return callable(value) or isinstance(value, property | staticmethod | classmethod)


def _alike(first: Any, second: Any) -> bool:
    """Whether two values do the same: equal, or functions made of the same code and values."""
    if first is second:
        return True
    if isinstance(first, FunctionType) and isinstance(second, FunctionType):
        inside = [
            (f.__defaults__ or (), [cell.cell_contents for cell in f.__closure__ or ()])
            for f in (first, second)
        ]
        parts = [[*defaults, *cells] for defaults, cells in inside]
        return (
            first.__code__ == second.__code__
            and len(parts[0]) == len(parts[1])
            and all(map(_alike, *parts))
        )
    return isinstance(first, PLAIN) and isinstance(second, PLAIN) and bool(first == second)


def _set_variable(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def _set_name(holder: Any, name: str, value: Any) -> None:
    if value is MISSING:
        delattr(holder, name)
    else:
        setattr(holder, name, value)
