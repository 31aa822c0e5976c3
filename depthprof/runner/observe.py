"""One untimed iteration of a side: its work, its memory, and traits that rules make findings of."""

import gc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from depthprof.errors import PipelineError
from depthprof.records import Memory, Observed, StageWork, Trait
from depthprof.runner.checking import devices, networks, weights, weights_bytes
from depthprof.runner.watches import SOFTMAX, FrameWatch, OperatorWatch, fused_attention
from depthprof.storage.text_files import system_text

Calls = Sequence[tuple[str, Callable[[Any], Any]]]
"""The stages in order: name, and what is called."""

BICUBIC = "aten::upsample_bicubic2d"

DEEPEST = 4
"""Lists within lists are followed so far."""

PROCESS = Path("/proc/self")


def observe(pipeline: object, calls: Calls, images: Sequence[Any], device: str) -> Observed:
    """Run one iteration and watch it.

    Nothing that is seen is kept while it runs, so the peaks of memory are the iteration's.

    Args:
        pipeline: whose attributes are searched for the network.
        calls: its stages. images: B pictures uint8 [H, W, 3].
        device: resolved; where the pipeline runs.

    Raises:
        PipelineError: a stage raised.
    """
    held = weights(networks(pipeline))
    held_bytes = weights_bytes(held) if held else None
    least = min(image.shape[0] * image.shape[1] for image in images)
    on_gpu = device.startswith("cuda")
    work: list[StageWork] = []
    traits: list[Trait] = []
    peaks = PeakWatch(device, torch.cuda)
    _watched("sync", torch.relu, torch.zeros(1), least)  # what torch imports late is imported now
    gc.collect()
    peaks.begin()
    value: Any = images
    for stage, call in calls:
        given = extents(value)
        operators, frames, value = _watched(stage, call, value, least, on_gpu=on_gpu)
        gives = extents(value)
        read, written = traffic(given, gives)
        read += (held_bytes or 0) if stage == "forward" else 0
        counts = (operators.flops, read, written, operators.kernels, operators.convolution_flops)
        work.append(StageWork(stage, *counts))
        traits += traits_of(stage, operators, frames, (given, gives), devices(held))
    return Observed(tuple(work), peaks.end(held_bytes), tuple(traits))


def _watched(
    stage: str, call: Callable[[Any], Any], value: Any, least: int, *, on_gpu: bool = False
) -> tuple[OperatorWatch, FrameWatch, Any]:
    """Run one stage under both watches; with them, what it returned."""
    operators = OperatorWatch(on_gpu=on_gpu)
    frames = FrameWatch(least, operators)
    try:
        with operators, frames.watching():
            return operators, frames, call(value)
    except (Exception, SystemExit) as error:  # the border: a stage may be foreign code
        text = (str(error).strip() or "no text").splitlines()[0]
        raise PipelineError(
            f"the stage {stage} raised {type(error).__name__} while it was observed: {text}",
            stage=stage,
        ) from error


@dataclass(frozen=True, slots=True)
class Extent:
    """One tensor or array: its own bytes, and the memory [start, end) it lies in or is a view of.

    `place` is the device; memory of unknown place has start and end 0.
    """

    place: str
    start: int
    end: int
    size_bytes: int

    def shares(self, other: "Extent") -> bool:
        """Whether both lie in the same memory."""
        return self.place == other.place and self.start < other.end and other.start < self.end


def extents(value: Any, depth: int = 0) -> list[Extent]:
    """The tensors and arrays in a value, and in lists, tuples and dictionaries of them."""
    if isinstance(value, Tensor):
        return [_of_tensor(value)]
    if isinstance(value, np.ndarray):
        return [_of_array(value)]
    if depth >= DEEPEST or not isinstance(value, list | tuple | dict):
        return []
    items = value.values() if isinstance(value, dict) else value
    return [extent for item in items for extent in extents(item, depth + 1)]


def traffic(given: Sequence[Extent], gives: Sequence[Extent]) -> tuple[int, int]:
    """Bytes a stage has to read and bytes it has to write, at least.

    What is handed through (the same memory comes out that went in, such as a copy to the device it
    is on already) is neither.
    """
    read = sum(one.size_bytes for one in given if not any(map(one.shares, gives)))
    written = sum(one.size_bytes for one in gives if not any(map(one.shares, given)))
    return read, written


def _of_tensor(tensor: Tensor) -> Extent:
    own = tensor.numel() * tensor.element_size()
    try:
        storage = tensor.untyped_storage()
        start = storage.data_ptr()
    except (RuntimeError, NotImplementedError):  # sparse and other tensors without a storage
        return Extent(str(tensor.device), 0, 0, own)
    return Extent(str(tensor.device), start, start + storage.nbytes() if start else 0, own)


def _of_array(array: np.ndarray[Any, Any]) -> Extent:
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    start = int(owner.__array_interface__["data"][0])
    return Extent("cpu", start, start + owner.nbytes, array.nbytes)


def traits_of(
    stage: str,
    operators: OperatorWatch,
    frames: FrameWatch,
    moved: tuple[Sequence[Extent], Sequence[Extent]],
    weights_on: str,
) -> Iterator[Trait]:
    """Yield the traits of a stage; what it did not do has none.

    Args:
        stage: its name. operators, frames: what the watches saw of it.
        moved: what it was given, and what it returned.
        weights_on: devices of the network, empty where none was found.
    """
    given, gives = moved
    if stage in ("h2d", "d2h") and operators.pageable_bytes:
        yield Trait("pageable_copy", stage, operators.pageable_bytes, "B", operators.pageable_where)
    if stage in ("preprocess", "return") and frames.float64_bytes:
        yield Trait("float64_host", stage, frames.float64_bytes, "B", frames.float64_where)
    if stage == "return":
        for where, calls in frames.colour_maps.items():
            yield Trait("colour_map_host", stage, calls, "calls", where)
        yield Trait("product_bytes", stage, sum(one.size_bytes for one in gives), "B")
    if stage == "forward":
        yield from _of_attention(operators.names, frames.fused_calls)
        input_on = ", ".join(sorted({one.place for one in given}))
        for code, where in (("weights_on", weights_on), ("input_on", input_on)):
            if where:
                yield Trait(code, stage, 1, "device", where)


def _of_attention(names: Counter[str], fused_calls: int) -> Iterator[Trait]:
    """Traits of the operators of forward: position embedding and attention."""
    fused = fused_attention(names)
    by_code = {
        "positions_interpolated": (names[BICUBIC], BICUBIC),
        "published_attention": (
            sum(names[name] for name in SOFTMAX),
            ", ".join(name for name in SOFTMAX if names[name]),
        ),
        "sdpa_attention": (
            max(fused.total(), fused_calls),
            ", ".join(fused) or "scaled_dot_product_attention",
        ),
    }
    for code, (calls, where) in by_code.items():
        if calls:
            yield Trait(code, "forward", calls, "calls", where)


class PeakWatch:
    """Peaks of memory from `begin` to `end`: of the process, and of torch's allocator on a GPU.

    On the host the kernel's high-water mark of resident memory: writing 5 to clear_refs resets it
    to what is resident now (proc(5), /proc/pid/clear_refs, VmHWM in /proc/pid/status). On a GPU
    torch.cuda.max_memory_allocated and max_memory_reserved: the cache is emptied first, and the
    tensors that another side holds in the same process are taken off both. What the allocator has
    reserved and not handed out stays in the figure, since the iteration is served from it: a small
    one may fit into the spare room of the segments that hold the weights and reserve nothing more.

    Args:
        device: resolved. cuda: torch.cuda, for the GPU. process: folder of the process in /proc.
    """

    def __init__(self, device: str, cuda: Any, process: Path = PROCESS) -> None:
        self._device = device
        self._cuda = cuda if device.startswith("cuda") else None
        self._process = process
        self._is_reset = False
        self._before_bytes = 0

    def begin(self) -> None:
        """Forget the peaks so far."""
        if self._cuda is not None:
            self._cuda.synchronize(self._device)
            self._cuda.empty_cache()
            self._cuda.reset_peak_memory_stats(self._device)
            self._before_bytes = int(self._cuda.memory_allocated(self._device))
        try:
            (self._process / "clear_refs").write_text("5")
            self._is_reset = True
        except OSError:  # not Linux, or a kernel without it
            self._is_reset = False

    def end(self, weights_bytes: int | None) -> Memory:
        """The peaks since `begin`, beside the bytes of the weights."""
        allocated = reserved = None
        if self._cuda is not None:
            others_bytes = self._before_bytes - (weights_bytes or 0)
            allocated = int(self._cuda.max_memory_allocated(self._device)) - others_bytes
            reserved = int(self._cuda.max_memory_reserved(self._device)) - others_bytes
        return Memory(self._host_peak_bytes(), weights_bytes, allocated, reserved)

    def _host_peak_bytes(self) -> int | None:
        if not self._is_reset:
            return None
        try:
            lines = system_text(self._process / "status").splitlines()
            peaks = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
        except (OSError, ValueError, IndexError):
            return None
        return peaks[0] * 1024 if peaks else None  # proc(5): in kB, which are KiB
