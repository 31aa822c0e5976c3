"""What the sides of one process share besides memory: settings, environment, patched modules.

Read before and after each side is loaded. Left out on purpose:

- what the harness sets for every block itself: the garbage collector, gradients;
- what plain use of a library changes and no stage sees: new modules, entries of sys.path, import
  hooks, warnings filters, the recursion limit (torch.compile raises it), names that a library adds
  to itself when first used.
"""

import builtins
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

from depthprof.runner.alike import alike
from depthprof.runner.shared_settings import SETTINGS, Setting, Write

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

QUIET_VARIABLES = (
    *("_CACHE_DIR", "PWD", "CUDA_MODULE_LOADING", "CUDA_HOME", "KMP_DUPLICATE_LIB_OK"),
    *("TRITON_PTXAS_PATH", "TRITON_LIBDEVICE_PATH", "TORCH_WARM_POOL", "_TENSOR_DATA_PTR"),
)
"""Ends of names of environment variables that steer no computation, or that torch itself sets when
it first uses a GPU or compiles."""

MISSING = object()


@dataclass(frozen=True, slots=True)
class Change:
    """One name that changed: what it was, what it is, and how to put a value there."""

    before: Any
    after: Any
    write: Write | None


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
    return alike(first[name].after, second[name].after)


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
