"""Names that the transformers library gives to the same parameters, and what they are here.

Facts: huggingface/transformers, models/depth_anything/convert_depth_anything_to_hf.py at 13d23e0
and models/dinov2/modeling_dinov2.py. Only names differ, but for two things: a block's q, k and v
are three matrices there and one here (rows in that order), and fusion layers are counted from the
coarsest there (0) and from the finest here (1).
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

MASK = "pretrained.mask_token"
"""Some of their files lack it. Inference does not use it."""

_QKV = re.compile(
    r"^backbone\.encoder\.layer\.(\d+)\.attention\.attention\.(query|key|value)\.(weight|bias)$"
)
_WORDS = (
    (r"^backbone\.embeddings\.(cls_token|mask_token)$", r"pretrained.\1"),
    (r"^backbone\.embeddings\.position_embeddings$", "pretrained.pos_embed"),
    (r"^backbone\.embeddings\.patch_embeddings\.projection\.", "pretrained.patch_embed.proj."),
    (r"^backbone\.layernorm\.", "pretrained.norm."),
    (r"^backbone\.encoder\.layer\.(\d+)\.attention\.output\.dense\.", r"\1.attn.proj."),
    (r"^backbone\.encoder\.layer\.(\d+)\.layer_scale(\d)\.lambda1$", r"\1.ls\2.gamma"),
    (r"^backbone\.encoder\.layer\.(\d+)\.mlp\.weights_in\.", r"\1.mlp.w12."),
    (r"^backbone\.encoder\.layer\.(\d+)\.mlp\.weights_out\.", r"\1.mlp.w3."),
    (r"^backbone\.encoder\.layer\.(\d+)\.(norm[12]|mlp\.fc[12])\.", r"\1.\2."),
    (r"^(\d+)\.", r"pretrained.blocks.\1."),
    (r"^neck\.reassemble_stage\.layers\.(\d)\.projection\.", r"depth_head.projects.\1."),
    (r"^neck\.reassemble_stage\.layers\.(\d)\.resize\.", r"depth_head.resize_layers.\1."),
    (r"^head\.conv1\.", "depth_head.scratch.output_conv1."),
    (r"^head\.conv2\.", "depth_head.scratch.output_conv2.0."),
    (r"^head\.conv3\.", "depth_head.scratch.output_conv2.2."),
    (r"\.residual_layer(\d)\.convolution(\d)\.", r".resConfUnit\1.conv\2."),
)
_CONVS = re.compile(r"^neck\.convs\.(\d)\.")
_FUSION = re.compile(r"^neck\.fusion_stage\.layers\.(\d)\.(projection\.)?")


def published_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give tensors with the names of transformers those of the published checkpoints.

    Names that are not known stay as they are. The q, k and v of a block are joined where all three
    are there.
    """
    found: dict[str, Tensor] = {}
    split: dict[str, dict[str, str]] = {}
    for name in tensors:
        part = _QKV.match(name)
        if part is None:
            found[_published(name)] = tensors[name]
        else:
            joined = f"pretrained.blocks.{part[1]}.attn.qkv.{part[3]}"
            split.setdefault(joined, {})[part[2]] = name
    for joined, names in split.items():
        if len(names) == 3:
            ordered = [tensors[names[kind]] for kind in ("query", "key", "value")]
            found[joined] = torch.cat(ordered)
        else:
            found |= {name: tensors[name] for name in names.values()}
    return found


def _published(name: str) -> str:
    fusion, convolution = _FUSION.match(name), _CONVS.match(name)
    if fusion is not None:
        own = f"depth_head.scratch.refinenet{4 - int(fusion[1])}."
        name = own + ("out_conv." if fusion[2] else "") + name[fusion.end() :]
    if convolution is not None:
        layer = f"depth_head.scratch.layer{int(convolution[1]) + 1}_rn."
        name = layer + name[convolution.end() :]
    for pattern, published in _WORDS:
        name = re.sub(pattern, published, name)
    return name
