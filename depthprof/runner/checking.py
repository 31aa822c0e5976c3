"""The check of a side before it is timed: whether it gives depths, and where faults arise."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from depthprof.errors import BadOutput, PipelineError
from depthprof.networks import DepthAnything
from depthprof.pipelines.check import checked_iteration, network_input
from depthprof.pipelines.outputs import NONFINITE, OutputFault
from depthprof.records import Workload

DEEPEST = 4
"""Attributes of attributes are followed so far: a pipeline that wraps one that has a network."""

MOST_SEARCHED = 2000
"""No more objects are searched, whatever a pipeline holds."""

MOST_FP16 = 65504
NAN = "NaN"

_WHY_CONSTANT = (
    "a metric checkpoint needs --max-depth METRES (20 indoor, 80 outdoor), and weights may be of"
    " another network or dead"
)
_WHY_CONSTANT_METRIC = "a relative checkpoint takes no --max-depth"


@dataclass(slots=True)
class OutputCheck:
    """Checks batches of one side and refuses faulty outputs, unless that is allowed.

    Attributes:
        pipeline: of the side. workload: with its device made concrete.
        allow: kinds of faults to go on with, "nonfinite" or "constant".
        names: of pictures, by the identity of their arrays.
        notes: what was found and allowed, a sentence each.
    """

    pipeline: Any
    workload: Workload
    allow: Collection[str]
    names: Mapping[int, str]
    notes: list[str] = field(default_factory=list)

    def shape(self, images: Sequence[Any]) -> tuple[int, ...]:
        """Check one iteration on B pictures uint8 [H, W, 3]; return the network's input shape.

        Raises:
            PipelineError: as `checked_iteration`. BadOutput: a fault that is not allowed.
        """
        kinds: set[str] = set()

        def on_fault(fault: OutputFault) -> None:
            if not kinds & {fault.kind, NONFINITE}:  # the stages after it have the same
                kinds.add(fault.kind)
                self._found(fault, images)

        return checked_iteration(self.pipeline, images, self.workload, on_fault)

    def _found(self, fault: OutputFault, images: Sequence[Any]) -> None:
        text = fault.sentence([self.names.get(id(image), "?") for image in images])
        if fault.kind in self.allow:
            self.notes.append(f"allowed: {text}")
            return
        why = self._why(fault, images) if fault.stage == "forward" else ""
        reasons = f"; {why}" if why else ""
        raise BadOutput(
            f"{text}{reasons}; --allow-{fault.kind} measures it all the same", stage=fault.stage
        )

    def _why(self, fault: OutputFault, images: Sequence[Any]) -> str:
        """In which parameter and layer; and a remedy where fp16 is too narrow."""
        if fault.kind != NONFINITE:
            return _WHY_CONSTANT if self.workload.max_depth is None else _WHY_CONSTANT_METRIC
        forward, batch = network_input(self.pipeline, images)
        found = where_nonfinite(self.pipeline, forward, batch)
        narrow = self.workload.dtype == "fp16" and NAN not in found  # which no overflow gives
        return "; ".join(filter(None, (found, "try --dtype bf16 or fp32" if narrow else "")))


def checkpoint_notes(pipeline: object) -> tuple[str, ...]:
    """What was done to checkpoints to load the networks that a pipeline holds, a sentence each."""
    held = [one.notes for one in networks(pipeline) if isinstance(one, DepthAnything)]
    return tuple(dict.fromkeys(note for notes in held for note in notes))


def where_nonfinite(pipeline: object, forward: Callable[[Any], Any], batch: Any) -> str:
    """Describe where values of a pipeline's networks stop being finite.

    Runs forward once more, with a hook on every layer.

    Args:
        pipeline: whose attributes are searched for networks.
        forward: the stage, raising PipelineError only. batch: what it is given.

    Returns:
        Phrases joined by "; "; empty where the pipeline holds no network that is found.
    """
    found = networks(pipeline)
    phrases = [*map(_of_parameters, found), _of_layers(found, forward, batch)]
    return "; ".join(filter(None, phrases))


def _of_parameters(network: nn.Module) -> str:
    named = dict((*network.named_parameters(), *network.named_buffers()))
    bad = {name: value for name, value in named.items() if not _is_finite(value)}
    if not bad:
        return ""
    name, first = next(iter(bad.items()))
    wrong = int((~torch.isfinite(first)).sum())
    kind = NAN if bool(torch.isnan(first).any()) else "infinity"
    return (
        f"{len(bad)} of {len(named)} parameters are not finite, the first {name}"
        f" ({kind} in {wrong} of {first.numel()} values)"
    )


def _of_layers(found: list[nn.Module], forward: Callable[[Any], Any], batch: Any) -> str:
    phrases: list[str] = []

    def hook_of(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(layer: nn.Module, given: Any, gave: Any) -> None:
            if phrases or all(map(_is_finite, _tensors(gave))):
                return
            kind = next((value.dtype for value in layer.parameters()), None)
            limit = f" (fp16 ends at {MOST_FP16})" if kind is torch.float16 else ""
            if all(map(_is_finite, _tensors(given))):
                phrases.append(f"the first layer to give such values is {name}{limit}")
            else:
                where = f"before {name}, in the arithmetic around it"
                phrases.append(f"such values arise {where}{limit}")

        return hook

    handles = [
        layer.register_forward_hook(hook_of(name or type(layer).__name__))
        for network in found
        for name, layer in network.named_modules()
    ]
    try:
        forward(batch)
    except PipelineError:  # it ran before, and what it gave then is what is reported
        return ""
    finally:
        for handle in handles:
            handle.remove()
    return "".join(phrases)


def _is_finite(values: Tensor) -> bool:
    return not values.is_floating_point() or bool(torch.isfinite(values).all())


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors(item)


def networks(pipeline: object) -> list[nn.Module]:
    """Find the modules a pipeline holds: in attributes, in lists, behind methods it borrowed."""
    return [one for one in objects_of(pipeline) if issubclass(type(one), nn.Module)]


def objects_of(pipeline: object) -> Iterator[Any]:
    """The pipeline and what it holds, level by level, each once; nothing inside a module."""
    seen: set[int] = set()
    level: list[Any] = [pipeline]
    for _ in range(DEEPEST + 1):
        below: list[Any] = []
        for one in level:
            if id(one) in seen or len(seen) >= MOST_SEARCHED:
                continue
            seen.add(id(one))
            yield one
            if not issubclass(type(one), nn.Module):
                below += _held(one)
        level = below


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
        for cell in one.__closure__ or ():
            with suppress(ValueError):  # a cell that is still empty
                yield cell.cell_contents
    elif kind.__dictoffset__:
        yield from object.__getattribute__(one, "__dict__").values()


def weights(modules: Iterable[nn.Module]) -> list[Tensor]:
    """Parameters and buffers, each once."""
    found = [tensor for module in modules for tensor in (*module.parameters(), *module.buffers())]
    return list({id(tensor): tensor for tensor in found}.values())


def weights_bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes of tensors."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def devices(tensors: Iterable[Tensor]) -> str:
    """Where tensors lie, such as "cuda:0", or "cpu, cuda:0" where they are spread."""
    return ", ".join(sorted({str(tensor.device) for tensor in tensors}))
