"""A new memory layout within a process: weights and pictures of the sides move to fresh memory.

Where data lie changes how long the same code takes, by 3 to 8 % for copies of a megabyte
(measured), so a process with one layout is a sample of one. A pipeline whose arrays or tensors are
not those of a network may have a method `relocate(move)`, called at each new layout: `move(value)`
gives a copy of an array or tensor in fresh memory, to be kept in its place, and what two places
share stays shared if both are handed in. Precedent: Curtsinger and Berger, Stabilizer, ASPLOS 2013.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from types import FunctionType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from depthprof.errors import PipelineError
from depthprof.runner.checking import networks, objects_of, weights, weights_bytes
from depthprof.runner.places import LINE_BYTES, ROOM_BYTES, Places
from depthprof.system.machine import free_memory_bytes

PADDINGS = 32
"""About so many paddings lie between the tensors of a side: some 30 MB, which nobody touches."""

MOVED_RATIO = 0.9
"""A layout is new if at least this part of each side's weights was moved."""

MEMORY_RATIO = 0.5
"""Weights are moved if a copy takes no more than this part of the free memory."""

Owner = tuple[Any, list[list[Any]]]
"""A side: its pipeline, and its batches of pictures, which are replaced in their lists."""


class Relocation:
    """Moves what sides own. Padding lives until the next layout, so that nothing moves back."""

    def __init__(self) -> None:
        self._padding: list[Any] = []

    def renew(self, owners: Mapping[str, Owner], seed: str) -> bool:
        """Move everything, the sides in random order; values stay as they are, bit for bit.

        Modules and parameters stay the same objects, tied weights tied, strides as they were.

        Args:
            owners: by the side's name. seed: of order, paddings and offsets.

        Returns:
            Whether this is a new layout: False where networks are compiled, scripted, captured in
            a CUDA graph or too large to be copied, and where a pipeline has neither weights that
            are found nor a `relocate`: what it computes with is not known then.

        Raises:
            PipelineError: a pipeline's own `relocate` raised.
        """
        places = Places(Random(seed))
        names = places.random.sample(sorted(owners), len(owners))
        moved = [_Move(places).side(name, *owners[name]) for name in names]
        self._padding = places.padding  # and the one before is gone
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
            torch.cuda.empty_cache()  # so that the next layout does not get the same pieces
        return bool(moved) and all(moved)


class _Move:
    """The move of one side; the old copies are kept until the whole side has its new ones."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._padding_share = 1.0
        self._old: list[Any] = []
        self._known: dict[int, Any] = {}  # of old values, which `_old` keeps alive

    def side(self, name: str, pipeline: Any, batches: list[list[Any]]) -> bool:
        """Move all that a side owns; return whether that was enough for a new layout."""
        wanted_bytes = weights_bytes(weights(networks(pipeline)))
        movable = weights(_eager(pipeline))
        self._padding_share = PADDINGS / max(PADDINGS, len(movable))
        moved_bytes = self._weights(movable) if _fits(movable) else 0
        for batch in batches:
            batch[:] = [self.value(picture) for picture in batch]
        movers = [one for one in objects_of(pipeline) if callable(_relocate(one))]
        for one in movers:  # a wrapper hands on the stages alone
            try:
                one.relocate(self.value)
            except (Exception, SystemExit) as error:  # the border to foreign code
                text = f"relocate raised {type(error).__name__}: {error}"
                raise PipelineError(text, side=name) from error
        is_known = bool(wanted_bytes or movers)
        return is_known and moved_bytes >= MOVED_RATIO * wanted_bytes and bool(self._old)

    def value(self, value: Any) -> Any:
        """An array or tensor in fresh memory; the same one again where it is asked for again."""
        if id(value) not in self._known:
            if type(value) is np.ndarray and not value.dtype.hasobject:
                self._known[id(value)] = self._places.array(value)
            elif _is_plain(value):
                copy = self._storage([value])[0]
                self._known[id(value)] = copy.requires_grad_(value.requires_grad)
            else:
                return value
            self._old.append(value)
        return self._known[id(value)]

    def _weights(self, tensors: Iterable[Tensor]) -> int:
        """Move tensors in place, those that share memory together; return the bytes moved.

        What anything else looks into as well stays where it is.
        """
        by_storage: defaultdict[int, list[Tensor]] = defaultdict(list)
        for tensor in filter(_is_plain, tensors):
            by_storage[tensor.untyped_storage()._cdata].append(tensor)
        moved: list[Tensor] = []
        for group in by_storage.values():
            if _has_other_users(group):
                continue
            try:
                copies = self._storage(group)
            except (RuntimeError, MemoryError):  # no memory: the rest stays where it is
                break
            self._old.append(group[0].untyped_storage())
            for tensor, copy in zip(group, copies, strict=True):
                tensor.data = copy
                self._known[id(tensor)] = tensor
            moved += group
        return weights_bytes(moved)

    def _storage(self, group: Sequence[Tensor]) -> list[Tensor]:
        """Copies of tensors that share their memory; the copies share theirs in the same way."""
        old = group[0].untyped_storage()
        spans = [_span_bytes(tensor) for tensor in group]
        start = min(begin for begin, _ in spans) // LINE_BYTES * LINE_BYTES
        size = max(end for _, end in spans) - start
        device = group[0].device
        if self._places.random.random() < self._padding_share:
            length = self._places.padding_bytes()
            padding = torch.empty(length, dtype=torch.uint8, device=device)
            self._places.padding.append(padding)
        piece = torch.empty(size + ROOM_BYTES, dtype=torch.uint8, device=device)
        offset = self._places.offset_bytes()
        bytes_of_old = torch.empty(0, dtype=torch.uint8, device=device)
        bytes_of_old.set_(old, start, (size,), (1,))
        piece[offset : offset + size].copy_(bytes_of_old)
        return [
            torch.empty(0, dtype=tensor.dtype, device=device).set_(
                piece.untyped_storage(),
                (offset + begin - start) // tensor.element_size(),
                tensor.shape,
                tensor.stride(),
            )
            for tensor, (begin, _) in zip(group, spans, strict=True)
        ]


def _relocate(value: Any) -> Any:
    return getattr(type(value), "relocate", None)


def _eager(pipeline: object) -> list[nn.Module]:
    """Networks whose weights may be given other addresses: no compiler or graph knows them."""
    held = list(objects_of(pipeline))
    if any(map(_is_captured, held)):
        return []
    found = [one for one in held if issubclass(type(one), nn.Module)]
    return [one for one in found if not any(map(_is_compiled, one.modules()))]


def _is_captured(value: Any) -> bool:
    """Whether a value is a CUDA graph or a compiled function; neither names its weights."""
    compiled = type(value) is FunctionType and "_torchdynamo_orig_callable" in vars(value)
    return compiled or type(value).__name__ == "CUDAGraph"


def _is_compiled(module: nn.Module) -> bool:
    """Whether a module is scripted, compiled or replayed.

    Torch's compiler is not imported to ask it: with it the pipelines were slower.
    """
    if isinstance(module, torch.jit.ScriptModule):
        return True
    own = vars(module)
    compiled = "_orig_mod" in own["_modules"] or own.get("_compiled_call_impl") is not None
    return compiled or "forward" in own or any(map(_is_captured, own.values()))


def _is_plain(value: Any) -> bool:
    """Whether a value is an ordinary tensor with memory of its own kind."""
    return (
        type(value) in (Tensor, nn.Parameter)
        and value.layout is torch.strided
        and value.device.type in ("cpu", "cuda")
        and value.numel() > 0
        and not (value.is_quantized or value.is_inference() or value.is_conj() or value.is_neg())
        and not (torch.cuda.is_initialized() and value.is_pinned())  # a copy would be pageable
    )


def _has_other_users(group: Sequence[Tensor]) -> bool:
    """Whether a tensor or array that is not in the group uses its memory too."""
    storage = group[0].untyped_storage()
    users: int = torch._C._storage_Use_Count(storage._cdata)
    return users > len(group) + 1  # and `storage` itself


def _span_bytes(tensor: Tensor) -> tuple[int, int]:
    """Where a tensor's values begin and end within its storage."""
    last = sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride(), strict=True))
    begin = int(tensor.storage_offset()) * tensor.element_size()
    return begin, begin + (int(last) + 1) * tensor.element_size()


def _fits(tensors: Sequence[Tensor]) -> bool:
    """Whether the host has memory for a copy; of a GPU's memory the attempt tells."""
    needed_bytes = weights_bytes(tensor for tensor in tensors if tensor.device.type == "cpu")
    free_bytes = free_memory_bytes()
    return not free_bytes or needed_bytes <= MEMORY_RATIO * free_bytes
