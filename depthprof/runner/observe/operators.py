"""The operators of torch that a stage calls, counted where torch hands them to the device."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

NO_KERNEL = frozenset(
    f"aten::{name}"
    for name in (
        "_unsafe_view",
        "empty",
        "empty_like",
        "empty_strided",
        "new_empty",
        "new_empty_strided",
        "is_pinned",
        "lift_fresh",
        "sym_size",
        "sym_stride",
        "sym_numel",
        "sym_storage_offset",
    )
)
"""Operators that only look at a tensor or make room for one; views are known by their schema."""

FUSED_NAMESPACES = ("xformers", "xformers_flash", "xformers_flash3", "flash_attn")


FORMULA_FAILS = (AssertionError, AttributeError, IndexError, TypeError, ValueError)
"""What a formula raises that is given shapes it does not know; the operator then counts none."""


class OperatorWatch(TorchDispatchMode):
    """Counts operators and copies through pageable memory. It holds no tensor.

    Where the side is on a GPU, operators of host tensors alone are no kernels.

    An operator that torch composes of others is taken apart, as torch's own counters do, so that
    in inference mode the same is counted as without gradients.

    Attributes:
        flops: floating-point operations, by the formulas of torch's FlopCounterMode;
            convolution_flops: those of convolutions among them.
        kernels: calls that launch at least one kernel on a GPU.
        names: calls by name without the overload, such as "aten::_softmax", those kernels alone.
        pageable_bytes, pageable_where: copied between a device and host memory that is not
            pinned, and the last operator that did it.
        silent: names that are not counted for the moment.
    """

    supports_higher_order_operators = True

    def __init__(self, on_gpu: bool = False) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._on_gpu = on_gpu
        self._formulas = formulas()
        self.flops = self.convolution_flops = 0
        self.kernels = 0
        self.names: Counter[str] = Counter()
        self.pageable_bytes = 0
        self.pageable_where = ""
        self.silent: frozenset[str] = frozenset()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Count one call and let it go on."""
        del types
        known = kwargs or {}
        if hasattr(func, "decompose") and not _name(func).startswith("prim::"):
            with self:
                out = func.decompose(*args, **known)
            if out is not NotImplemented:
                return out
        out = func(*args, **known)
        self._count(func, args, known, out)
        return out

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Whether torch is to keep its compiler away from the counting.

        Nothing is compiled in here, and keeping it away would import it: seconds and some hundred
        megabytes, in the middle of the iteration.
        """
        return False

    def _count(self, func: Any, args: tuple[Any, ...], kwargs: Any, out: Any) -> None:
        name = _name(func)
        if name in NO_KERNEL or name.startswith("prim::") or getattr(func, "is_view", False):
            return
        flops = self._flops(func, args, kwargs, out)
        self.flops += flops
        self.convolution_flops += flops if "conv" in name else 0
        if self._on_gpu and not _touches_gpu((*args, out)):
            return  # arithmetic of the host's, no kernel
        self.kernels += 1
        if name not in self.silent:
            self.names[name] += 1
        host = host_end(name, args, out)
        if host is not None and not host.is_pinned():
            self.pageable_bytes += host.numel() * host.element_size()
            self.pageable_where = name

    def _flops(self, func: Any, args: tuple[Any, ...], kwargs: Any, out: Any) -> int:
        formula = self._formulas.get(getattr(func, "_overloadpacket", None))
        if formula is None:
            return 0
        try:
            return int(formula(*args, **kwargs, out_val=out))
        except FORMULA_FAILS:
            return 0


def formulas() -> dict[Any, Callable[..., int]]:
    """The formulas of torch's counter by operator, and the one that it lacks.

    Source: torch.utils.flop_counter. The counter itself is not entered, because that imports
    torch's compiler. What it lacks is fused attention on a CPU: two products a head.
    """

    def flash_on_cpu(queries: Any, keys: Any, values: Any, *_: Any, **__: Any) -> int:
        batch, heads, count, width = queries
        return int(2 * batch * heads * count * keys[2] * (width + values[3]))

    found = getattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu", None)
    own = {} if found is None else {found: flash_on_cpu}
    return FlopCounterMode(display=False, custom_mapping=own).flop_registry


def fused_attention(names: Counter[str]) -> Counter[str]:
    """Calls of a fused attention of any backend, by name."""
    return Counter({name: count for name, count in names.items() if _is_fused(name)})


def host_end(name: str, args: tuple[Any, ...], out: Any) -> Tensor | None:
    """The host's tensor of a copy between the host and a device; None for anything else."""
    if name == "aten::_to_copy":
        ends = (args[0], out)
    elif name == "aten::copy_":
        ends = (args[0], args[1])
    else:
        return None
    first, second = ends
    if (first.device.type == "cpu") == (second.device.type == "cpu"):
        return None
    host: Tensor = first if first.device.type == "cpu" else second
    return host


def _touches_gpu(values: Iterable[Any]) -> bool:
    """Whether a tensor among some values, or in a list of them, is not on the host."""
    for value in values:
        if isinstance(value, Tensor):
            if value.device.type != "cpu":
                return True
        elif isinstance(value, list | tuple) and _touches_gpu(value):
            return True
    return False


def _name(func: Any) -> str:
    """Name of an operator without its overload: "aten::add"."""
    return str(func.name()).partition(".")[0]


def _is_fused(name: str) -> bool:
    namespace, _, short = name.partition("::")
    if namespace in FUSED_NAMESPACES:
        return True
    return "scaled_dot_product" in short or short.endswith("_attention_forward")
