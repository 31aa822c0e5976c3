"""Sides of one process: loaded as if each were alone, and refused where they change each other."""

import builtins
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import torch

from depthprof.errors import OutOfMemory, PipelineError, SharedState
from depthprof.pipelines.own_modules import OwnModules, tree_of
from depthprof.runner.shared_state import SETTINGS, State, Write, alike, read

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

READ_BLOCKS = 2
"""After so many first blocks of a side, while it warms up, everything is read again, since a
pipeline may patch in a later call than its first. Reading takes 25 ms, so it is not done beside
measured blocks."""

MOST_NAMED = 6
"""So many changed names are listed; the rest are counted."""

NAMES = {"a": "the baseline", "b": "the candidate"}


@dataclass(frozen=True, slots=True)
class Change:
    """One name that changed: what it was, what it is, and how to put a value there."""

    before: Any
    after: Any
    write: Write | None


class Together:
    """The sides of one process, and what they share.

    Args:
        sides: of the command to load; one alone shares with nobody.
    """

    def __init__(self, sides: list[dict[str, Any]]) -> None:
        self._shares = len(sides) > 1
        self._modules = OwnModules()
        self._made: dict[str, dict[str, Change]] = {}
        self._settled: State | None = None
        self._blocks: Counter[str] = Counter()

    @contextmanager
    def loading(self, side: dict[str, Any]) -> Iterator[None]:
        """Load a side: with its own modules, from the same state as the sides before it.

        Raises:
            NamesClash: its modules cannot be beside those of another side.
            SharedState: it changes what all sides share, and another side does not do the same; or
                it cannot be loaded after another one.
        """
        name = side["name"]
        folders = [Path(side[key]) if side.get(key) else None for key in ("tree", "instead_of")]
        with self._modules.of(tree_of(side["variant"], *folders)):
            before = read() if self._shares else None
            try:
                yield
            except PipelineError as error:
                if not self._made or error.stage != "load" or isinstance(error, OutOfMemory):
                    raise
                who = NAMES.get(name, name)
                raise SharedState(f"{who} fails beside the other: {error}") from error
        if before is None:
            return
        made = self._made[name] = changes(before, read())
        first = next(iter(self._made))
        if name == first:
            undo(made)
        else:
            _refuse_unlike({first: self._made[first], name: made})

    def after_block(self, name: str, *, warming_up: bool) -> list[int]:
        """Threads of torch and OpenCV in force after a block of a side.

        Raises:
            SharedState: the side changed what all sides share in its iterations.
        """
        threads = [torch.get_num_threads(), cv2.getNumThreads()]
        known = self._settled
        if known is not None:
            self._blocks[name] += warming_up
            is_early = warming_up and self._blocks[name] <= READ_BLOCKS
            if is_early or threads != _threads(known):
                made = changes(known, read())
                if made:
                    raise SharedState(_sentence({name: list(made)}, " in its iterations"))
        return threads

    def settle(self) -> None:
        """All sides are loaded: from here on nothing that they share may change."""
        self._settled = read() if self._shares else None


def _threads(state: State) -> list[int]:
    return [state.settings["torch's threads"], state.settings["OpenCV's threads"]]


def _refuse_unlike(made: Mapping[str, dict[str, Change]]) -> None:
    """Refuse what one of two sides changes and the other does not, or to something else."""
    first, second = made.values()
    same = {
        name
        for name in first.keys() & second.keys()
        if alike(first[name].after, second[name].after)
    }
    unlike = {side: [name for name in own if name not in same] for side, own in made.items()}
    if any(unlike.values()):
        raise SharedState(_sentence(unlike))


def _sentence(changed: Mapping[str, list[str]], when: str = "") -> str:
    """Which side changes what."""
    parts = []
    for side, names in sorted(changed.items()):
        if names:
            more = len(names) - MOST_NAMED
            shown = ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
            parts.append(f"{NAMES.get(side, side)} changes what both sides share{when}: {shown}")
    return "; ".join(parts)


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


def undo(made: Mapping[str, Change]) -> None:
    """Put back what a side changed; what cannot be counts as a change of that side alone."""
    for change in made.values():
        if change.write is not None:
            with suppress(RuntimeError):  # of torch: old and new names of a setting are mixed
                change.write(change.before)


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
