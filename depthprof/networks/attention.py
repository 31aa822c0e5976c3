"""Three ways to compute the same attention. The choice changes speed and memory alone."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from depthprof.errors import BadInput, nearest
from depthprof.records import ATTENTIONS


class Attention(nn.Module):
    """Multi-head self-attention over tokens, softmax(q k^T / sqrt(d)) v.

    Args:
        dim: width of the tokens. heads: number of heads.
        kind: "published" (softmax written out, what the published code does without xFormers),
            "sdpa" (torch's fused call) or "xformers".

    Raises:
        BadInput: unknown kind, or xformers where it is not installed.
    """

    def __init__(self, dim: int, heads: int, kind: str) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        check_attention(kind)
        self._attend = _KINDS[kind]

    def forward(self, tokens: Tensor) -> Tensor:
        """Map [B, N, dim] to [B, N, dim]."""
        batch, count, dim = tokens.shape
        qkv = self.qkv(tokens).reshape(batch, count, 3, self.heads, dim // self.heads)
        out: Tensor = self.proj(self._attend(qkv).reshape(batch, count, dim))
        return out


def check_attention(kind: str, device: str = "cuda") -> None:
    """Refuse an attention that is unknown, not installed, or not for a device.

    Raises:
        BadInput: with what there is.
    """
    if kind not in ATTENTIONS:
        raise BadInput(f'unknown attention "{kind}"; {nearest(kind, ATTENTIONS)}')
    if kind == "xformers" and device == "cpu":
        raise BadInput(
            "attention xformers has no CPU implementation (memory_efficient_attention raises"
            " there); use --attention published or sdpa, or --device cuda"
        )
    if kind == "xformers":
        _memory_efficient_attention()


def _published(qkv: Tensor) -> Tensor:
    queries, keys, values = qkv.permute(2, 0, 3, 1, 4)
    weights = (queries * qkv.shape[-1] ** -0.5) @ keys.transpose(-2, -1)
    mixed: Tensor = weights.softmax(dim=-1) @ values
    return mixed.transpose(1, 2)


def _sdpa(qkv: Tensor) -> Tensor:
    queries, keys, values = qkv.permute(2, 0, 3, 1, 4)
    return functional.scaled_dot_product_attention(queries, keys, values).transpose(1, 2)


def _xformers(qkv: Tensor) -> Tensor:
    check_attention("xformers", qkv.device.type)
    mixed: Tensor = _memory_efficient_attention()(*qkv.unbind(2))
    return mixed


_KINDS: dict[str, Callable[[Tensor], Tensor]] = {
    "published": _published,
    "sdpa": _sdpa,
    "xformers": _xformers,
}


def _memory_efficient_attention() -> Any:
    try:
        from xformers.ops import memory_efficient_attention
    except ImportError as error:
        raise BadInput(
            f"attention xformers needs the package xformers, which cannot be imported ({error});"
            " install it, or use --attention published or sdpa"
        ) from error
    return memory_efficient_attention
