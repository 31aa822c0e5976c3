"""Where values that are not finite arise: in which parameter, and in which layer first."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from depthprof.errors import PipelineError
from depthprof.runner.observe.networks import networks

MOST_FP16 = 65504
NAN = "NaN"


def where_nonfinite(pipeline: object, forward: Callable[[Any], Any], batch: Any) -> str:
    """Say in words where values of a pipeline's networks stop being finite, once.

    Runs forward once more, with a hook on every layer; so it is asked only of bad outputs.

    Args:
        pipeline: whose attributes are searched for networks.
        forward: the stage, raising PipelineError only. batch: what it is given.

    Returns:
        Phrases joined by "; "; empty where the pipeline holds no network that is found.
    """
    found = networks(pipeline)
    phrases = [_of_parameters(module) for module in found]
    phrases.append(_of_layers(found, forward, batch))
    return "; ".join(phrase for phrase in phrases if phrase)


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
    first: list[tuple[str, nn.Module, bool]] = []

    def hook_of(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(layer: nn.Module, given: Any, gave: Any) -> None:
            if not first and not all(map(_is_finite, _tensors(gave))):
                first.append((name, layer, all(map(_is_finite, _tensors(given)))))

        return hook

    handles = [
        layer.register_forward_hook(hook_of(name or type(layer).__name__))
        for network in found
        for name, layer in network.named_modules()
    ]
    try:
        forward(batch)
    except PipelineError:  # it ran before, and what it gave then is what is told
        return ""
    finally:
        for handle in handles:
            handle.remove()
    if not first:
        return ""
    name, layer, was_finite = first[0]
    return _words(name, layer, was_finite=was_finite)


def _words(name: str, layer: nn.Module, *, was_finite: bool) -> str:
    kind = next((value.dtype for value in layer.parameters()), None)
    limit = f" (fp16 ends at {MOST_FP16})" if kind is torch.float16 else ""
    if was_finite:
        return f"the first layer to give such values is {name}{limit}"
    return f"such values arise before {name}, in the arithmetic around it{limit}"


def _is_finite(values: Tensor) -> bool:
    return not values.is_floating_point() or bool(torch.isfinite(values).all())


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
