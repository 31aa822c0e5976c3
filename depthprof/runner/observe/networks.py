"""The networks a pipeline holds, wherever it keeps them; their bytes and where they lie."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any

from torch import Tensor, nn

DEEPEST = 4
"""Attributes of attributes are followed so far: a pipeline that wraps one that has a network."""

MOST_LOOKED_AT = 2000
"""No more objects are looked at, whatever a pipeline holds."""


def networks(pipeline: object) -> list[nn.Module]:
    """Find the modules a pipeline holds: in attributes, in lists, behind methods it borrowed."""
    found: list[nn.Module] = []
    seen: set[int] = set()
    level: list[Any] = [pipeline]
    for _ in range(DEEPEST + 1):
        below: list[Any] = []
        for one in level:
            if id(one) in seen or len(seen) >= MOST_LOOKED_AT:
                continue
            seen.add(id(one))
            if issubclass(type(one), nn.Module):
                found.append(one)
            else:
                below += _held(one)
        level = below
    return found


def weights(modules: Iterable[nn.Module]) -> list[Tensor]:
    """Parameters and buffers, each once."""
    found: dict[int, Tensor] = {}
    for module in modules:
        for tensor in (*module.parameters(), *module.buffers()):
            found[id(tensor)] = tensor
    return list(found.values())


def weights_bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes of tensors."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def devices(tensors: Iterable[Tensor]) -> str:
    """Where tensors lie, such as "cuda:0", or "cpu, cuda:0" where they are spread."""
    return ", ".join(sorted({str(tensor.device) for tensor in tensors}))


def _held(one: Any) -> Iterator[Any]:
    """What an object holds, looked up without running its own code."""
    kind = type(one)  # isinstance would ask a stand-in for its class, which may raise
    if issubclass(kind, type | ModuleType | Tensor):
        return
    if issubclass(kind, list | tuple):
        yield from one
    elif issubclass(kind, dict):
        yield from one.values()
    elif issubclass(kind, MethodType):
        yield one.__self__
    elif issubclass(kind, partial):
        yield from (one.func, *one.args, *one.keywords.values())
    elif issubclass(kind, FunctionType):
        yield from _closed_over(one)
    elif kind.__dictoffset__:
        yield from object.__getattribute__(one, "__dict__").values()


def _closed_over(function: FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # a cell that is still empty
            yield cell.cell_contents
