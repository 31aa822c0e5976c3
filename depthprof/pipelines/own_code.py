"""The user's own code, imported from a file or a module; what it raises becomes one sentence.

Imports nothing heavy: the code may be refused before torch is needed.
"""

import importlib
import importlib.util
import inspect
import os
import re
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from depthprof.errors import BadInput, DepthprofError, NamesClash, nearest

NOT_A_NAME = r"\W"
"""What a module's name cannot have, and a file's can: spaces, bytes that are no UTF-8."""

_folders: list[Path] = []
"""Folders that pipelines came from so far in this process."""

_entries: set[Path] = set()
"""Files that variants named so far in this process."""


def own_folders() -> tuple[Path, ...]:
    """Folders that pipelines came from so far in this process."""
    return tuple(_folders)


def entry_files() -> set[Path]:
    """Files that variants named so far in this process."""
    return set(_entries)


def is_file(place: str) -> bool:
    """Whether the part before the colon of a variant means a file and not a module."""
    return place.endswith(".py") or "/" in place or "\\" in place


def own_callable(variant: str) -> Callable[..., Any]:
    """Import what "path/to/file.py:NAME" or "package.module:NAME" names.

    Raises:
        BadInput: there is no such file, module or name, or it cannot be called.
        PipelineError: the code raised while it was imported.
    """
    place, _, name = variant.rpartition(":")
    importlib.invalidate_caches()
    module = _from_file(Path(place)) if is_file(place) else _from_module(place, variant)
    found = getattr(module, name, None)
    if found is None:
        public = [word for word in vars(module) if not word.startswith("_")]
        raise BadInput(f'{place} has no "{name}"; {nearest(name, public)}')
    if not callable(found):
        kind = type(found).__name__
        raise BadInput(f"{variant} is of type {kind}, not a callable that takes the Workload")
    return found  # type: ignore[no-any-return]


def takes_checkpoint(make: Callable[..., Any]) -> bool:
    """Whether a callable can be given a checkpoint by keyword."""
    try:
        parameters = inspect.signature(make).parameters.values()
    except (TypeError, ValueError):  # compiled callables may have no signature to read
        return False
    named = any(p.name == "checkpoint" and p.kind is not p.POSITIONAL_ONLY for p in parameters)
    return named or any(p.kind is p.VAR_KEYWORD for p in parameters)


def guarded(act: Callable[[], Any]) -> Any:
    """Run the user's own code; whatever it raises becomes one sentence.

    Raises:
        PipelineError: with the exception's type and text, and the last line of the user's file.
        DepthprofError: as it was; it built on a published pipeline, which was refused.
    """
    try:
        return act()
    except DepthprofError:
        raise
    except (Exception, SystemExit) as error:  # the border: foreign code may raise anything
        from depthprof.pipelines.check import blame

        raise blame(error, "load") from error


def _from_file(path: Path) -> ModuleType:
    path = path.resolve()
    _refuse_namesakes(path.parent)
    # a name of its own: both sides may be a file of the same name, in two folders
    name = f"{re.sub(NOT_A_NAME, '_', path.stem)}_{zlib.crc32(os.fsencode(path)):08x}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadInput(f"{path} cannot be imported, because its name does not end in .py")
    _search_first(path.parent)
    _entries.add(path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look their module up
    loader = spec.loader
    guarded(lambda: loader.exec_module(module))
    return module


def _from_module(name: str, variant: str) -> ModuleType:
    _search_first(Path.cwd())

    def act() -> ModuleType:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if not f"{name}.".startswith(f"{error.name}."):
                raise  # found, but something that it imports is not
            raise BadInput(
                f'the module {name} of the variant "{variant}" cannot be found from {Path.cwd()}'
            ) from None

    module: ModuleType = guarded(act)
    return module


def _refuse_namesakes(folder: Path) -> None:
    """Refuse a folder whose own modules would be taken from another side's folder instead.

    Python keeps one module of a name in a process: of two checkouts, the second would silently
    run with the first one's code. Where both are the same to the byte, that is no harm.
    """
    others = [other for other in _folders if other != folder]
    for name, module in list(sys.modules.items()):
        loaded = Path(getattr(module, "__file__", None) or "/")
        for tail in (f"{name}.py", f"{name}/__init__.py"):
            if loaded in [other / tail for other in others] and is_unlike(loaded, folder / tail):
                raise NamesClash(clash(loaded, folder / tail))


def is_unlike(file: Path, other: Path) -> bool:
    """Whether another file is there, and its content differs."""
    return other.is_file() and file != other and file.read_bytes() != other.read_bytes()


def clash(file: Path, other: Path) -> str:
    """Say that two files cannot be modules of one process."""
    return (
        f"{file} and {other} have the same name and different content, and one process can import"
        " one of them only"
    )


def _search_first(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    if folder not in _folders:
        _folders.append(folder)
