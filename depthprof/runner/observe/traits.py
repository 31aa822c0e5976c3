"""From what the watches saw of a stage to traits: facts that rules make findings of."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from depthprof.records import Trait
from depthprof.runner.observe.operators import fused_attention

BICUBIC = "aten::upsample_bicubic2d"
SOFTMAX = frozenset({"aten::_softmax", "aten::_safe_softmax"})


@dataclass(frozen=True, slots=True)
class Seen:
    """What one stage showed.

    Attributes:
        flops, convolution_flops, kernels: counted work. operators: calls by name.
        pageable_bytes, pageable_where: copied through pageable memory, and by which operator.
        float64_bytes, float64_where: the largest array on the host, and the line that had it.
        colour_maps: calls by what did it. fused_calls: of torch's fused attention.
        given_on: devices of what it was given. gives_bytes: size of what it gave.
    """

    flops: int
    kernels: int
    operators: Counter[str]
    pageable_bytes: int
    pageable_where: str
    float64_bytes: int
    float64_where: str
    colour_maps: Counter[str]
    fused_calls: int
    given_on: str
    gives_bytes: int
    convolution_flops: int = 0


def traits_of(stage: str, seen: Seen, weights_on: str) -> Iterator[Trait]:
    """Yield the traits of a stage; what it did not do has none.

    Args:
        stage: its name. seen: what it showed.
        weights_on: devices of the network, empty where none was found.
    """
    if stage in ("h2d", "d2h") and seen.pageable_bytes:
        yield Trait("pageable_copy", stage, seen.pageable_bytes, "B", seen.pageable_where)
    if stage in ("preprocess", "return") and seen.float64_bytes:
        yield Trait("float64_host", stage, seen.float64_bytes, "B", seen.float64_where)
    if stage == "return":
        for where, calls in seen.colour_maps.items():
            yield Trait("colour_map_host", stage, calls, "calls", where)
        yield Trait("product_bytes", stage, seen.gives_bytes, "B")
    if stage == "forward":
        yield from _of_forward(stage, seen, weights_on)


def _of_forward(stage: str, seen: Seen, weights_on: str) -> Iterator[Trait]:
    if seen.operators[BICUBIC]:
        yield Trait("positions_interpolated", stage, seen.operators[BICUBIC], "calls", BICUBIC)
    written_out = {name: seen.operators[name] for name in SOFTMAX if seen.operators[name]}
    if written_out:
        names = ", ".join(written_out)
        yield Trait("published_attention", stage, sum(written_out.values()), "calls", names)
    fused = fused_attention(seen.operators)
    calls = max(fused.total(), seen.fused_calls)
    if calls:
        names = ", ".join(fused) or "scaled_dot_product_attention"
        yield Trait("sdpa_attention", stage, calls, "calls", names)
    for code, where in (("weights_on", weights_on), ("input_on", seen.given_on)):
        if where:
            yield Trait(code, stage, 1, "device", where)
