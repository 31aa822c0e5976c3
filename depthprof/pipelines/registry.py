"""From the name of a variant to a pipeline. Imports nothing heavy until one is loaded."""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from depthprof.errors import BadInput, PipelineError, nearest
from depthprof.pipelines.contract import METHODS, Pipeline
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
    if _is_file(place):
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
    from depthprof.pipelines.check import blame, is_out_of_memory
    from depthprof.pipelines.device import resolve_device

    workload = resolve_device(workload)
    if variant in VARIANTS:
        try:
            return _built_in(variant)(workload, checkpoint)
        except (MemoryError, RuntimeError) as error:
            if is_out_of_memory(error):
                raise blame(error, "load") from error
            raise
    make = _callable(variant)
    options = {} if checkpoint is None else {"checkpoint": _accepted(make, variant, checkpoint)}
    pipeline = _guarded(lambda: make(workload, **options))
    _check_methods(pipeline, variant)
    return pipeline  # type: ignore[no-any-return]


def _built_in(variant: str) -> "type[Published]":
    if variant == "v1":
        from depthprof.pipelines.v1 import V1

        return V1
    from depthprof.pipelines.v2 import V2

    return V2


def _callable(variant: str) -> Callable[..., Any]:
    place, _, name = variant.rpartition(":")
    module = _from_file(Path(place)) if _is_file(place) else _from_module(place, variant)
    found = getattr(module, name, None)
    if found is None:
        public = [word for word in vars(module) if not word.startswith("_")]
        raise BadInput(f'{place} has no "{name}"; {nearest(name, public)}')
    if not callable(found):
        raise BadInput(
            f"{variant} is a {type(found).__name__}, not a callable that takes the Workload"
        )
    return found  # type: ignore[no-any-return]


def _from_file(path: Path) -> ModuleType:
    path = path.resolve()
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise BadInput(f"{path} cannot be imported as a Python file")
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)  # dataclasses and pickle look their module up
    loader = spec.loader
    _guarded(lambda: loader.exec_module(module))
    return module


def _from_module(name: str, variant: str) -> ModuleType:
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise BadInput(f'the module {name} of the variant "{variant}" cannot be found from here')
    module: ModuleType = _guarded(lambda: importlib.import_module(name))
    return module


def _accepted(make: Callable[..., Any], variant: str, checkpoint: Path) -> Path:
    parameters = inspect.signature(make).parameters.values()
    if any(p.name == "checkpoint" or p.kind is p.VAR_KEYWORD for p in parameters):
        return checkpoint
    raise BadInput(
        f"{variant} takes no checkpoint: give its callable a keyword argument `checkpoint`, or"
        " name another side with --checkpoint SIDE=FILE"
    )


def _check_methods(pipeline: object, variant: str) -> None:
    missing = {s: m for s, m in METHODS.items() if not callable(getattr(pipeline, m, None))}
    if missing:
        names = ", ".join(f"{method}()" for method in missing.values())
        raise PipelineError(
            f"the pipeline of {variant}, a {type(pipeline).__name__}, lacks {names};"
            " see docs/own-pipeline.md",
            stage=next(iter(missing)),
        )


def _guarded(act: Callable[[], Any]) -> Any:
    """Run the user's own code; whatever it raises becomes one sentence."""
    from depthprof.pipelines.check import blame

    try:
        return act()
    except (BadInput, PipelineError):
        raise  # it built on a published pipeline, which was refused: that sentence is the clearer
    except Exception as error:
        raise blame(error, "load") from error


def _is_file(place: str) -> bool:
    return place.endswith(".py") or "/" in place or "\\" in place


def _own_hint(variant: str) -> str | None:
    if not _is_file(variant):
        return None
    return f"to name a pipeline of your own, write {variant}:NAME"
