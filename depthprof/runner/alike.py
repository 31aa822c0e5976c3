"""Whether two values do the same, as far as that can be seen; where it cannot, they do not."""

from collections.abc import Iterator
from types import CellType, CodeType, FunctionType
from typing import Any

import torch

PLAIN = (bool, int, float, str, bytes, torch.dtype, dict, list, set, type(None))
"""Types whose values are alike where they are equal."""


def alike(first: Any, second: Any, _seen: frozenset[int] = frozenset()) -> bool:
    """Whether two values are one or equal, or functions of the same code and the same values.

    What a function uses counts too: its defaults, what it closes over and the globals it names.
    """
    if first is second or id(first) in _seen:
        return True
    if isinstance(first, FunctionType) and isinstance(second, FunctionType):
        if first.__code__ != second.__code__:
            return False
        mine, other = dict(_uses(first)), dict(_uses(second))
        seen = _seen | {id(first)}
        return mine.keys() == other.keys() and all(
            alike(mine[name], other[name], seen) for name in mine
        )
    if isinstance(first, tuple) and isinstance(second, tuple):
        pairs = zip(first, second, strict=False)
        return len(first) == len(second) and all(alike(a, b, _seen) for a, b in pairs)
    return type(first) is type(second) and isinstance(first, PLAIN) and bool(first == second)


def _uses(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """What the code of a function works with, by where it comes from."""
    yield "defaults", function.__defaults__
    yield "keyword defaults", function.__kwdefaults__
    yield "cells", tuple(_content(cell) for cell in function.__closure__ or ())
    for name in _names(function.__code__):
        if name in function.__globals__:
            yield f"global {name}", function.__globals__[name]


def _content(cell: CellType) -> Any:
    """What a cell holds; the cell itself, which is like no other, where that is not yet set."""
    try:
        return cell.cell_contents
    except ValueError:
        return cell


def _names(code: CodeType) -> set[str]:
    """Names that a code object and those within it look up."""
    inner = [
        names
        for const in code.co_consts
        if isinstance(const, CodeType)
        for names in [_names(const)]
    ]
    return set(code.co_names).union(*inner)
