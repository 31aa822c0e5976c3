"""The contract of the stages, checked once before measuring; and what a raised error means."""

import sysconfig
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from depthprof.errors import DepthprofError, OutOfMemory, PipelineError
from depthprof.pipelines.contract import Pipeline
from depthprof.pipelines.outputs import OnFault, constant_fault, nonfinite_fault, refuse
from depthprof.records import Workload

_OWN_FOLDER = Path(__file__).parents[1]
_LIBRARY_FOLDERS = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "purelib", "platlib"))
_MEMORY_WORDS = (  # of torch on the CPU and on a GPU, and of OpenCV
    "not enough memory",
    "out of memory",
    "can't allocate memory",
    "insufficient memory",
)


def checked_iteration(
    pipeline: Pipeline,
    images: Sequence[NDArray[np.uint8]],
    workload: Workload,
    on_fault: OnFault = refuse,
) -> tuple[int, ...]:
    """Run one untimed iteration and check what each stage gives.

    Args:
        pipeline: with all methods. images: B pictures uint8 [H, W, 3].
        workload: with its device made concrete.
        on_fault: called with values that can be no depth; what it does not refuse goes on.

    Returns:
        The shape of the network's input, (B, 3, h, w).

    Raises:
        PipelineError: a stage raised, or gave what the next cannot take; names the stage.
        BadOutput: values that are not finite, or the same everywhere, unless `on_fault` goes on.
        OutOfMemory: a stage asked for more memory than there is.
    """
    sizes = [image.shape[:2] for image in images]
    flat = [bool((image == image[:1, :1]).all()) for image in images]
    batch = _checked_batch(pipeline, images, workload.device, on_fault)
    depth = _stage("forward", pipeline.forward, batch)
    _check_forward(depth, len(sizes), workload.device)
    _check_values("forward", depth, flat, on_fault)
    depth = _stage("postprocess", pipeline.postprocess, depth)
    _check_depths("postprocess", depth, sizes, workload.device)
    _check_values("postprocess", depth, flat, on_fault)
    depth = _stage("d2h", pipeline.d2h, depth)
    _check_depths("d2h", depth, sizes, "cpu")
    products = _stage("return", pipeline.deliver, depth)
    _check_products(products, sizes, workload.product)
    _check_values("return", products, flat, on_fault)
    return tuple(batch.shape)


def _checked_batch(
    pipeline: Pipeline, images: Sequence[NDArray[np.uint8]], device: str, on_fault: OnFault
) -> Tensor:
    """Run the stages before forward, checked: the network's input on the device."""
    before = [image.copy() for image in images]
    batch: Tensor = _stage("preprocess", pipeline.preprocess, list(images))
    _check_untouched(images, before)
    _check_batch("preprocess", batch, (len(images), 3, None, None), "cpu")
    shape = tuple(batch.shape)
    _check_values("preprocess", batch, None, on_fault)
    batch = _stage("h2d", pipeline.h2d, batch)
    _check_batch("h2d", batch, shape, device)
    return batch


def network_input(
    pipeline: Pipeline, images: Sequence[NDArray[np.uint8]]
) -> tuple[Callable[[Any], Any], Any]:
    """Run the stages before forward, once more, and give forward and what it is to be given.

    Raises:
        PipelineError: a stage raised.
    """
    batch = _stage("preprocess", pipeline.preprocess, list(images))
    batch = _stage("h2d", pipeline.h2d, batch)
    return partial(_stage, "forward", pipeline.forward), batch


def blame(error: BaseException, stage: str) -> PipelineError:
    """Turn what a stage raised into a sentence that names it, the type, the text and the line."""
    if isinstance(error, PipelineError):
        error.stage = error.stage or stage
        return error
    text = (str(error).strip() or "no text").splitlines()[0]
    if is_out_of_memory(error):
        return OutOfMemory(
            f"out of memory in {_place(stage)}: {text}; try a smaller --batch, --input-size or"
            " --model, --dtype fp16, or --attention sdpa",
            stage=stage,
        )
    if isinstance(error, DepthprofError):
        return PipelineError(f"{_place(stage)} was refused: {text}", stage=stage)
    return PipelineError(
        f"{_place(stage)} raised {type(error).__name__}: {text}{_line(error)}", stage=stage
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that the host or the device has no more memory."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    said = "" if isinstance(error, DepthprofError) else str(error).lower()
    return any(word in said for word in _MEMORY_WORDS)


def _place(stage: str) -> str:
    return "loading the pipeline" if stage == "load" else f"the stage {stage}"


def _line(error: BaseException) -> str:
    """The last line of the user's own code that the error came through, in brackets."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({error.filename}:{error.lineno})"
    foreign = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<")
        and not Path(frame.filename).is_relative_to(_OWN_FOLDER)
    ]
    own = [frame for frame in foreign if not frame.filename.startswith(_LIBRARY_FOLDERS)]
    last = (own or foreign)[-1:]  # a pipeline may be installed like a library
    return f" ({last[0].filename}:{last[0].lineno})" if last else ""


def _stage(stage: str, call: Callable[[Any], Any], value: Any) -> Any:
    try:
        return call(value)
    except (Exception, SystemExit) as error:  # the border: a stage may be foreign code
        raise blame(error, stage) from error


def _check_untouched(images: Sequence[NDArray[np.uint8]], before: list[Any]) -> None:
    """Every iteration is given the same pictures, so a pipeline must not write into them."""
    if not all(map(np.array_equal, images, before)):
        raise PipelineError(
            "the stage preprocess wrote into its pictures; copy them first, because every"
            " iteration is given the same ones",
            stage="preprocess",
        )


def _check_batch(stage: str, value: Any, shape: Sequence[int | None], device: str) -> None:
    right = (
        isinstance(value, Tensor)
        and value.is_floating_point()
        and value.ndim == len(shape)
        and all(side in (None, given) for side, given in zip(shape, value.shape, strict=True))
    )
    if not right:
        sides = ", ".join(str(side or name) for side, name in zip(shape, "B3hw", strict=True))
        raise _unlike(stage, value, f"a floating-point tensor [{sides}]")
    _check_device(stage, value, device)


def _check_forward(value: Any, count: int, device: str) -> None:
    if not isinstance(value, Tensor) or value.ndim != 3 or len(value) != count:
        raise _unlike("forward", value, f"a tensor [{count}, h, w]")
    _check_device("forward", value, device)


def _check_depths(stage: str, value: Any, sizes: list[Any], device: str) -> None:
    expected = f"a tensor [{len(sizes)}, H, W, ...] or a list of {len(sizes)} tensors [H, W, ...]"
    batched = isinstance(value, Tensor) and value.ndim > 0
    if not (batched or isinstance(value, list | tuple)) or len(value) != len(sizes):
        raise _unlike(stage, value, expected)
    for one, size in zip(value, sizes, strict=True):
        if not isinstance(one, Tensor) or tuple(one.shape[:2]) != size:
            raise _unlike(stage, value, f"{expected}, with H, W = {size[0]}, {size[1]}")
        _check_device(stage, one, device)


def _check_products(value: Any, sizes: list[Any], product: str) -> None:
    dtype, tail, words = {
        "image": (np.uint8, (3,), "uint8 [H, W, 3]"),
        "depth": (np.float32, (), "float32 [H, W]"),
    }[product]
    expected = f"a list of {len(sizes)} arrays {words} for the product {product}"
    if not isinstance(value, list | tuple) or len(value) != len(sizes):
        raise _unlike("return", value, expected)
    for one, size in zip(value, sizes, strict=True):
        right = isinstance(one, np.ndarray) and one.shape == (*size, *tail) and one.dtype == dtype
        if not right:
            raise _unlike("return", one, f"{expected}, with H, W = {size[0]}, {size[1]}")


def _check_values(stage: str, values: Any, flat: Sequence[bool] | None, on_fault: OnFault) -> None:
    """Tell of values that are not finite, or else of pictures that are the same everywhere."""
    fault = nonfinite_fault(stage, values)
    if fault is None and flat is not None:
        fault = constant_fault(stage, values, flat)
    if fault is not None:
        on_fault(fault)


def _check_device(stage: str, value: Tensor, device: str) -> None:
    if value.device != torch.device(device):
        raise PipelineError(
            f"the stage {stage} left its tensor on {value.device}, expected on {device}",
            stage=stage,
        )


def _unlike(stage: str, value: Any, expected: str) -> PipelineError:
    return PipelineError(
        f"the stage {stage} gave {_described(value)}, expected {expected}", stage=stage
    )


def _described(value: Any) -> str:
    if isinstance(value, Tensor | np.ndarray):
        kind = "a tensor" if isinstance(value, Tensor) else "an array"
        return f"{kind} {value.dtype} {list(value.shape)}"
    if isinstance(value, list | tuple):
        inside = f", the first {_described(value[0])}" if value else ""
        return f"a {type(value).__name__} of {len(value)}{inside}"
    return f"a {type(value).__name__}"
