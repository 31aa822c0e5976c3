"""From the name of a variant to a pipeline, and to the hash of its code.

Imports nothing heavy until a pipeline is loaded.
"""

import hashlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from depthprof.errors import BadInput, PipelineError, nearest
from depthprof.pipelines.contract import METHODS, Pipeline
from depthprof.pipelines.own_code import (
    entry_files,
    guarded,
    is_file,
    own_callable,
    own_folders,
    takes_checkpoint,
)
from depthprof.records import Workload

if TYPE_CHECKING:
    from depthprof.pipelines.published import Published

VARIANTS = {
    "v1": "Depth Anything V1 as published: min-max on the device, OpenCV's INFERNO",
    "v2": "Depth Anything V2 as published: min-max on the host, matplotlib's Spectral_r",
}
"""The built-in variants and what they are."""


def check_variant(variant: str) -> None:
    """Refuse a variant that names nothing, without importing anything.

    Raises:
        BadInput: an unknown name, a file that is not there, or no NAME after the colon.
    """
    if variant in VARIANTS:
        return
    place, colon, name = variant.rpartition(":")
    if not colon:
        hint = _own_hint(variant)
        raise BadInput(f'unknown variant "{variant}"; {hint or nearest(variant, VARIANTS)}')
    if not place or not name.isidentifier():
        raise BadInput(
            f'the variant "{variant}" has no name after its colon;'
            " write path/to/file.py:NAME or package.module:NAME"
        )
    if is_file(place):
        if not Path(place).is_file():
            raise BadInput(f'the file {place} of the variant "{variant}" does not exist')
    elif not all(part.isidentifier() for part in place.split(".")):
        raise BadInput(
            f'the variant "{variant}" names neither a .py file nor a module;'
            " write path/to/file.py:NAME or package.module:NAME"
        )


def load_pipeline(variant: str, workload: Workload, *, checkpoint: Path | None = None) -> Pipeline:
    """Make the pipeline of a variant, on the workload's device made concrete.

    Raises:
        BadInput: unknown variant; a device that is not there; a checkpoint for a callable that
            takes none.
        BadCheckpoint: see `depthprof.load_model`.
        PipelineError: the user's code raised while loading, or its pipeline lacks a method.
    """
    check_variant(variant)
    from depthprof.pipelines.device import resolve_device

    workload = resolve_device(workload)
    make = _built_in(variant) if variant in VARIANTS else own_callable(variant)
    if checkpoint is not None and not takes_checkpoint(make):
        raise BadInput(
            f"{variant} takes no checkpoint: give its callable a keyword argument `checkpoint`, or"
            " name another side with --checkpoint SIDE=FILE"
        )
    options = {} if checkpoint is None else {"checkpoint": checkpoint}
    pipeline = guarded(lambda: make(workload, **options))
    _check_methods(pipeline, variant)
    return pipeline  # type: ignore[no-any-return]


def _built_in(variant: str) -> "type[Published]":
    if variant == "v1":
        from depthprof.pipelines.v1 import V1

        return V1
    from depthprof.pipelines.v2 import V2

    return V2


def _check_methods(pipeline: object, variant: str) -> None:
    missing = {s: m for s, m in METHODS.items() if not callable(getattr(pipeline, m, None))}
    if missing:
        names = ", ".join(f"{method}()" for method in missing.values())
        raise PipelineError(
            f"the pipeline of {variant}, of type {type(pipeline).__name__}, lacks {names};"
            " see docs/own-pipeline.md",
            stage=next(iter(missing)),
        )


def _own_hint(variant: str) -> str | None:
    if not is_file(variant):
        return None
    return f"to name a pipeline of your own, write {variant}:NAME"


PACKAGE = Path(__file__).resolve().parents[1]


def code_sha256(variant: str) -> str:
    """SHA-256 of the source files a loaded variant is made of.

    Of a built-in one these are depthprof's models and pipelines. Of the user's own they are its
    file and every module that was imported from the folders variants came from; libraries are not
    in it, their versions are recorded.
    """
    if variant in VARIANTS:
        return _digest({f"{file.parent.name}/{file.name}": file for file in _own_sources()})
    place = variant.rpartition(":")[0]
    entry = Path(place).resolve() if is_file(place) else None
    others = entry_files() - ({entry} if entry else set())
    files = {} if entry is None else {"entry": entry}
    for module in list(sys.modules.values()):
        path = Path(getattr(module, "__file__", None) or "")
        if path.suffix == ".py" and path not in others and path != entry:
            name = _below(path)
            if name is not None:
                files[name] = path
    return _digest(files)


def _own_sources() -> list[Path]:
    packages = PACKAGE / "networks", PACKAGE / "pipelines"
    return [file for package in packages for file in package.glob("*.py")]


def _below(path: Path) -> str | None:
    """Path within the folder a variant came from; None for libraries and for depthprof."""
    if "site-packages" in path.parts or path.is_relative_to(PACKAGE):
        return None
    for folder in own_folders():
        if path.is_relative_to(folder):
            return path.relative_to(folder).as_posix()
    return None


def _digest(files: dict[str, Path]) -> str:
    found = hashlib.sha256()
    for name in sorted(files):
        try:
            content = files[name].read_bytes()
        except OSError:  # a module whose file is gone: its name still counts
            content = b""
        found.update(os.fsencode(f"{name}\0{len(content)}\0") + content)
    return found.hexdigest()
