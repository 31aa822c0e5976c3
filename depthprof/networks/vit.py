"""The encoder: a DINOv2 vision transformer whose tapped blocks the depth head reads.

Source: facebookresearch/dinov2, as vendored by both versions: patch 14, LayerScale, LayerNorm with
eps 1e-6, no register tokens. Keys and shapes are those of the published checkpoints. Attention can
be computed in three ways, which differ in speed and memory alone.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from depthprof.errors import BadInput, nearest
from depthprof.networks.configs import IMAGE_PIXELS, ModelConfig
from depthprof.records import ATTENTIONS, PATCH_PIXELS

NORM_EPS = 1e-6
OFFSET = 0.1
"""Added to the target grid before the position embedding is scaled, as DINOv2 does."""


class PatchEmbed(nn.Module):
    """Pictures to patch tokens: [B, 3, h, w] -> [B, h/14 * w/14, dim]."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, kernel_size=PATCH_PIXELS, stride=PATCH_PIXELS)

    def forward(self, batch: Tensor) -> Tensor:
        """Cut and project the patches."""
        return self.proj(batch).flatten(2).transpose(1, 2)  # type: ignore[no-any-return]


class LayerScale(nn.Module):
    """One factor a channel."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, tokens: Tensor) -> Tensor:
        """Scale the channels of [B, N, dim]."""
        return tokens * self.gamma


class Mlp(nn.Module):
    """Two linear maps with GELU between them, four times as wide inside."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map [B, N, dim] to [B, N, dim]."""
        return self.fc2(functional.gelu(self.fc1(tokens)))  # type: ignore[no-any-return]


class FusedSwiGlu(nn.Module):
    """SwiGLU with its two inner maps in one matrix; 8/3 dim wide inside, in multiples of 8."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        inside = (int(4 * dim * 2 / 3) + 7) // 8 * 8
        self.w12 = nn.Linear(dim, 2 * inside)
        self.w3 = nn.Linear(inside, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map [B, N, dim] to [B, N, dim]."""
        gate, value = self.w12(tokens).chunk(2, dim=-1)
        return self.w3(functional.silu(gate) * value)  # type: ignore[no-any-return]


class Block(nn.Module):
    """One transformer block with pre-norms and layer scales."""

    def __init__(self, config: ModelConfig, attention: str) -> None:
        super().__init__()
        dim = config.dim
        self.norm1 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.attn = Attention(dim, config.heads, attention)
        self.ls1 = LayerScale(dim)
        self.norm2 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.mlp = FusedSwiGlu(dim) if config.fused_mlp else Mlp(dim)
        self.ls2 = LayerScale(dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map [B, N, dim] to [B, N, dim]."""
        tokens = tokens + self.ls1(self.attn(self.norm1(tokens)))
        out: Tensor = tokens + self.ls2(self.mlp(self.norm2(tokens)))
        return out


class Encoder(nn.Module):
    """Pictures to the four tapped features, layer-normed, without their class token."""

    def __init__(self, config: ModelConfig, attention: str) -> None:
        super().__init__()
        self.taps = frozenset(config.taps)
        grid = IMAGE_PIXELS // PATCH_PIXELS
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + grid * grid, config.dim))
        self.mask_token = nn.Parameter(torch.zeros(1, config.dim))  # in the file, unused here
        self.patch_embed = PatchEmbed(config.dim)
        self.blocks = nn.ModuleList(Block(config, attention) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.dim, eps=NORM_EPS)

    def forward(self, batch: Tensor) -> list[Tensor]:
        """Map [B, 3, h, w] to four features [B, h/14 * w/14, dim]."""
        rows, columns = batch.shape[-2] // PATCH_PIXELS, batch.shape[-1] // PATCH_PIXELS
        patches = self.patch_embed(batch)
        cls_token = self.cls_token.expand(len(batch), -1, -1)
        tokens = torch.cat((cls_token, patches), dim=1) + self._positions(rows, columns)
        features = []
        for index, block in enumerate(self.blocks):
            tokens = block(tokens)
            if index in self.taps:
                features.append(self.norm(tokens)[:, 1:])
        return features

    def _positions(self, rows: int, columns: int) -> Tensor:
        """Position embedding for a grid of patches: [1, 1 + rows * columns, dim].

        Away from the trained square it is interpolated at every forward, as published: bicubic, in
        float32, by the ratio of sides with an offset of 0.1.
        """
        count = self.pos_embed.shape[1] - 1
        side = math.isqrt(count)
        if rows == columns == side:
            return self.pos_embed
        trained = self.pos_embed.float()
        square = trained[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
        scaled = functional.interpolate(
            square,
            scale_factor=(
                (rows + OFFSET) / math.sqrt(count),
                (columns + OFFSET) / math.sqrt(count),
            ),
            mode="bicubic",
        )
        flat = scaled.permute(0, 2, 3, 1).reshape(1, rows * columns, -1)
        return torch.cat((trained[:, :1], flat), dim=1).to(self.pos_embed.dtype)


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
