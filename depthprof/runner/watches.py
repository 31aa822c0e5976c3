"""What one stage does, seen from inside: its Python frames, and the operators of torch it calls."""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

LIBRARIES = frozenset(
    {"torch", "torchvision", "numpy", "scipy", "matplotlib", "cv2", "PIL", "skimage"}
)
"""What happens inside these is reported at the line that called them."""

OWN = ("depthprof.runner.watches", "depthprof.runner.observe")

_FAST, _SUSPENDS = 0x1, 0x20 | 0x80 | 0x200
"""Bits of co_flags (inspect): a function's frame; a generator's or coroutine's, which lives on and
would keep what is looked at."""

NO_KERNEL = frozenset(
    f"aten::{name}"
    for name in (
        *("_unsafe_view", "empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"),
        *("is_pinned", "lift_fresh", "sym_size", "sym_stride", "sym_numel", "sym_storage_offset"),
    )
)
"""Operators that only look at a tensor or make room for one; views are known by their schema."""

SOFTMAX = frozenset({"aten::_softmax", "aten::_safe_softmax"})
FUSED_NAMESPACES = ("xformers", "xformers_flash", "xformers_flash3", "flash_attn")

FORMULA_FAILS = (AssertionError, AttributeError, IndexError, TypeError, ValueError)
"""What a formula raises that is given shapes it does not know; the operator then counts none."""


class FrameWatch:
    """Sees the values of local variables when a function returns, and what it returns.

    A value that was replaced before that is not seen. No array is kept (sys.setprofile).

    Attributes:
        float64_bytes, float64_where: the largest float64 array, and the line that had it.
        colour_maps: calls by "matplotlib.colors" and "cv2.applyColorMap".
        fused_calls: calls of torch's scaled_dot_product_attention.

    Args:
        least: elements from which on an array counts.
        operators: counts no softmax in a fused call: if torch writes it out, it is torch's own.
    """

    def __init__(self, least: int, operators: "OperatorWatch | None" = None) -> None:
        self._least = least
        self._operators = operators
        self.float64_bytes = 0
        self.float64_where = ""
        self.colour_maps: Counter[str] = Counter()
        self.fused_calls = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch what runs inside; a profiler that was set before is set again."""
        before = sys.getprofile()
        sys.setprofile(self._see)
        try:
            yield
        finally:
            sys.setprofile(before)

    def _see(self, frame: FrameType, event: str, value: Any) -> None:
        if event == "return":
            self._returned(frame, value)
        elif event == "call":
            name = frame.f_code.co_qualname
            if name.endswith("Colormap.__call__") and _module(frame) == "matplotlib.colors":
                self.colour_maps["matplotlib.colors"] += 1
        elif event in ("c_call", "c_return", "c_exception"):
            self._compiled(getattr(value, "__name__", ""), event)

    def _compiled(self, name: str, event: str) -> None:
        if name == "scaled_dot_product_attention":
            self.fused_calls += event == "c_call"
            if self._operators is not None:
                self._operators.silent = SOFTMAX if event == "c_call" else frozenset()
        elif name == "applyColorMap" and event == "c_call":
            self.colour_maps["cv2.applyColorMap"] += 1

    def _returned(self, frame: FrameType, value: Any) -> None:
        flags = frame.f_code.co_flags
        if not flags & _FAST or flags & _SUSPENDS or _module(frame) in OWN:
            return
        held = max(map(self._size_bytes, (value, *frame.f_locals.values())))
        if held > self.float64_bytes:
            self.float64_bytes, self.float64_where = held, _line(frame)

    def _size_bytes(self, value: Any) -> int:
        """Bytes of a float64 array or tensor on the host that is large enough, else 0."""
        kind = type(value)  # isinstance would ask a stand-in for its class, which may raise
        if issubclass(kind, np.ndarray):
            return value.nbytes if value.dtype == np.float64 and value.size >= self._least else 0
        if issubclass(kind, Tensor):
            counts = value.dtype == torch.float64 and value.is_cpu
            return 8 * value.numel() if counts and value.numel() >= self._least else 0
        return 0


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _line(frame: FrameType) -> str:
    """The line that is to blame, "file.py:12": the nearest one outside libraries."""
    blamed: FrameType | None = frame
    while blamed is not None and _module(blamed).partition(".")[0] in LIBRARIES:
        blamed = blamed.f_back
    if blamed is None or _module(blamed) in OWN:  # the stage itself is a library's
        blamed = frame
    return f"{Path(blamed.f_code.co_filename).name}:{blamed.f_lineno}"


class OperatorWatch(TorchDispatchMode):
    """Counts operators and copies through pageable memory, as torch hands them to the device.

    Where the side is on a GPU, operators of host tensors alone are no kernels. An operator that
    torch composes of others is taken apart, as torch's own counters do, so that inference mode
    counts the same as without gradients. No tensor is kept.

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

    def __init__(self, *, on_gpu: bool = False) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._on_gpu = on_gpu
        self._formulas = formulas()
        self.flops = self.convolution_flops = self.kernels = 0
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
        """Whether torch is to keep its compiler away: importing it takes seconds and 100s of MB."""
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
        try:
            return 0 if formula is None else int(formula(*args, **kwargs, out_val=out))
        except FORMULA_FAILS:
            return 0


def formulas() -> dict[Any, Callable[..., int]]:
    """The formulas of torch.utils.flop_counter by operator, and the one it lacks.

    The counter itself is not entered, because that imports torch's compiler. What it lacks is fused
    attention on a CPU: two products a head.
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


def _is_fused(name: str) -> bool:
    namespace, _, short = name.partition("::")
    fused = "scaled_dot_product" in short or short.endswith("_attention_forward")
    return fused or namespace in FUSED_NAMESPACES


def host_end(name: str, args: tuple[Any, ...], out: Any) -> Tensor | None:
    """The host's tensor of a copy between the host and a device; None for anything else."""
    if name not in ("aten::_to_copy", "aten::copy_"):
        return None
    ends: tuple[Tensor, Tensor] = (args[0], out if name == "aten::_to_copy" else args[1])
    on_host = [tensor for tensor in ends if tensor.device.type == "cpu"]
    return on_host[0] if len(on_host) == 1 else None


def _touches_gpu(values: Iterable[Any]) -> bool:
    """Whether a tensor among some values, or in a list of them, is not on the host."""
    return any(
        value.device.type != "cpu"
        if isinstance(value, Tensor)
        else isinstance(value, list | tuple) and _touches_gpu(value)
        for value in values
    )


def _name(func: Any) -> str:
    """Name of an operator without its overload: "aten::add"."""
    return str(func.name()).partition(".")[0]
