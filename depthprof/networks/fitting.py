"""From what a checkpoint holds to the tensors of our network: unwrapped, renamed, strictly fitted.

Training writes weights into mappings ("model", "state_dict"), and wrappers write words before the
names ("module." by DataParallel, "_orig_mod." by torch.compile). All of it is joined to one dotted
name a tensor; the network is found by where its class token lies. Every step is reported.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from depthprof.errors import BadCheckpoint
from depthprof.networks.foreign import MASK, is_zoedepth, names_appearance, published_names

_DEEPEST = 4
_PARTS = ("pretrained.", "depth_head.", "backbone.", "neck.", "head.")
"""First words of the names of our network, and of the same in transformers."""

_WRAPPER = r"(?:module|_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\."
_ANCHOR = re.compile(
    rf"^(?P<prefix>(?:.*\.)?)(?:pretrained|(?P<foreign>backbone)\.embeddings)\.(?:{_WRAPPER})*"
    r"cls_token$"
)
_AVERAGED = re.compile(r"(?:^|[._])(?:ema|teacher|averaged?|momentum|target|swa)(?:[._]|$)", re.I)
"""Copies that training keeps beside the weights it trains."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """The tensors of a file that are most likely our network's.

    Attributes:
        tensors: by published name. steps: what was done to get them, a phrase each.
        names: of all tensors in the file.
    """

    tensors: Mapping[str, Tensor]
    steps: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Flat:
    """One tensor of a file: its name with the keys of the mappings above it, and those keys."""

    tensor: Tensor
    above: str


@dataclass(frozen=True, slots=True)
class _Group:
    """Tensors behind one prefix, which the keys of `tensors` are without.

    `above` is the part of the prefix that were mappings; `names` are the names in the file.
    """

    prefix: str
    above: str
    foreign: bool
    names: tuple[str, ...]
    tensors: dict[str, Tensor]

    @property
    def place(self) -> str:
        return self.prefix.rstrip(".") or "the top"

    def score(self, expected: Mapping[str, Tensor]) -> tuple[bool, int, bool]:
        """How well it fits: wholly, in how many tensors, and whether it is no averaged copy."""
        alike = sum(
            1 for key, value in self.tensors.items() if shape_of(expected.get(key)) == value.shape
        )
        whole = alike == len(expected) == len(self.tensors)
        return whole, alike, not _AVERAGED.search(self.prefix)


def fitted(found: Mapping[Any, Any], expected: Mapping[str, Tensor], path: Path) -> Fitted:
    """Find the network in what a checkpoint holds.

    Args:
        found: the mapping in the file. expected: names and shapes of the network.
        path: of the file, for refusals.

    Raises:
        BadCheckpoint: there are no tensors, or the file is a network that holds ours among others.
    """
    flat, other = _flattened(found)
    if not flat:
        name, kind = next(iter(other.items()), ("", "mapping without entries"))
        raise BadCheckpoint(
            f'{path} is no checkpoint of this network: its entry "{name}" is of type {kind},'
            " not a dense tensor"
        )
    names = tuple(flat)
    if is_zoedepth(names):
        raise BadCheckpoint(f"{path} does not fit: the file looks like {names_appearance(names)}")
    groups = _groups(flat, expected)
    best = max(groups, key=lambda group: group.score(expected))  # the first of the best
    _refuse_other_kinds(best, other, path)
    return Fitted(best.tensors, tuple(_steps(best, groups, flat, expected)), names)


def _flattened(found: Mapping[Any, Any]) -> tuple[dict[str, _Flat], dict[str, str]]:
    """All dense tensors by dotted name; and of the other entries the type, by dotted name."""
    flat: dict[str, _Flat] = {}
    other: dict[str, str] = {}

    def walk(inside: Mapping[Any, Any], above: str, depth: int) -> None:
        for key, value in inside.items():
            name = f"{above}{key}"
            if isinstance(value, Mapping) and depth < _DEEPEST:
                walk(value, f"{name}.", depth + 1)
            elif _is_dense(value):
                flat.setdefault(name, _Flat(value, above))
            else:
                other[name] = type(value).__name__

    walk(found, "", 0)
    return flat, other


def _groups(flat: Mapping[str, _Flat], expected: Mapping[str, Tensor]) -> list[_Group]:
    """The networks in a file, one a class token; or all there is, where no class token is."""
    anchors = [found for found in map(_ANCHOR.match, flat) if found is not None]
    prefixes = {anchor["prefix"] for anchor in anchors}
    groups = []
    for anchor in anchors:
        prefix, above = anchor["prefix"], flat[anchor[0]].above
        own = [name for name, one in flat.items() if _belongs(name, one, prefix, prefixes)]
        tensors = _own_names({name.removeprefix(prefix): flat[name].tensor for name in own})
        if anchor["foreign"]:
            tensors = published_names(tensors)
            if MASK in expected:
                tensors.setdefault(MASK, torch.zeros(expected[MASK].shape))
        above = above if prefix.startswith(above) else prefix
        groups.append(_Group(prefix, above, anchor["foreign"] is not None, tuple(own), tensors))
    whole = {name: one.tensor for name, one in flat.items()}
    return groups or [_Group("", "", False, tuple(flat), whole)]


def _belongs(name: str, one: _Flat, prefix: str, prefixes: set[str]) -> bool:
    """Whether a tensor is of the network behind a prefix: of no other, and of no other mapping."""
    if max((p for p in prefixes if name.startswith(p)), key=len, default=None) != prefix:
        return False
    return prefix.startswith(one.above) or name.removeprefix(prefix).startswith(_PARTS)


def _own_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Leave out the words of wrappers within names, unless two would have one name then."""
    short = {re.sub(rf"(^|\.)(?:{_WRAPPER})+", r"\1", name): name for name in tensors}
    if len(short) < len(tensors):
        return tensors
    return {new: tensors[old] for new, old in short.items()}


def _steps(
    best: _Group,
    groups: Sequence[_Group],
    flat: Mapping[str, _Flat],
    expected: Mapping[str, Tensor],
) -> Iterator[str]:
    if best.above:
        yield f'taken from "{best.above.rstrip(".")}"'
    if best.prefix != best.above:
        yield f'prefix "{best.prefix.removeprefix(best.above)}" removed'
    yield from _changes(best, flat)
    rivals = [one for one in groups if one is not best and one.score(expected)[0]]
    if rivals:
        yield f"not taken: {_quoted(one.place for one in rivals)}, which would fit too"
    known = {name for group in (best, *rivals) for name in group.names}
    beside = [name for name in flat if name not in known]
    if beside:
        count = f"{len(beside)} other tensor{'s' if len(beside) > 1 else ''}"
        yield f"{count} set aside (first: {beside[0]})"


def _changes(best: _Group, flat: Mapping[str, _Flat]) -> Iterator[str]:
    inside = [name.removeprefix(best.prefix) for name in best.names]
    words = sorted({word for name in inside for word in re.findall(_WRAPPER, name)})
    if words and not any(re.search(_WRAPPER, name) for name in best.tensors):
        yield f"{_quoted(words)} removed from within the names"
    if best.foreign:
        yield "transformers' names mapped to the published ones, q, k and v joined"
        if not any(name.endswith("mask_token") for name in inside):
            yield "mask_token, which inference does not use, was not there"
    types = {str(flat[name].tensor.dtype).removeprefix("torch.") for name in best.names}
    floats = sorted(kind for kind in types - {"float32"} if "float" in kind)
    if floats:
        yield f"{' and '.join(floats)} converted to float32"


def _refuse_other_kinds(best: _Group, other: Mapping[str, str], path: Path) -> None:
    """Refuse entries under the network's names that are no dense tensors (sparse, quantised)."""
    for name, kind in other.items():
        inside = name.removeprefix(best.prefix)
        if name.startswith(best.prefix) and inside.startswith(_PARTS):
            raise BadCheckpoint(
                f'{path} is no checkpoint of this network: its entry "{name}" is of type {kind},'
                " not a dense tensor"
            )


def _is_dense(value: object) -> bool:
    return isinstance(value, Tensor) and value.layout is torch.strided and not value.is_quantized


def shape_of(tensor: Tensor | None) -> torch.Size | None:
    """Shape of a tensor; None where there is none."""
    return None if tensor is None else tensor.shape


def _quoted(words: Iterable[str]) -> str:
    return " and ".join(f'"{word}"' for word in words)
