"""What a foreign file, or the names of its tensors, look like; transformers' names made ours.

Facts: huggingface/transformers, models/depth_anything/convert_depth_anything_to_hf.py at 13d23e0
and models/dinov2/modeling_dinov2.py. Only names differ, but for two things: a block's q, k and v
are three matrices there and one here (rows in that order), and fusion layers are counted from the
coarsest there (0) and from the finest here (1).
"""

import re
import zipfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import torch
from torch import Tensor

ZIP = b"PK"
PICKLE = b"\x80"
_JSON_AT = 8  # a safetensors file is the length of its header in 8 bytes, then JSON

_AGAIN = "download it again"
_EXPORTED = "give the PyTorch weights that it was exported from"

_MAGIC = (
    (b"ftrt", "it begins as a TensorRT engine does", _EXPORTED),
    (b"GGUF", "it is a GGUF file", _EXPORTED),
    (b"\x89HDF", "it is an HDF5 file, as Keras writes", _EXPORTED),
    (b"\x1f\x8b", "it is compressed by gzip", "unpack it first"),
    (b"7z\xbc\xaf", "it is a 7z archive", "unpack it first"),
    (b"\x93NUMPY", "it is a NumPy array", "give the PyTorch weights"),
    (b"\xff\xd8\xff", "it is a JPEG picture", "give pictures by --images"),
    (b"\x89PNG", "it is a PNG picture", "give pictures by --images"),
)
_SUFFIXES = {
    ".onnx": ("its name says ONNX", _EXPORTED),
    ".engine": ("its name says TensorRT engine", _EXPORTED),
    ".trt": ("its name says TensorRT engine", _EXPORTED),
    ".plan": ("its name says TensorRT engine", _EXPORTED),
    ".tflite": ("its name says TensorFlow Lite", _EXPORTED),
}
_TEXTS = {
    "version https://git-lfs": (
        "a git LFS pointer in place of the file",
        "fetch the file with `git lfs pull`",
    ),
    "<!doctype": ("a web page", "download the file itself, not the page about it"),
    "<html": ("a web page", "download the file itself, not the page about it"),
}

Names = Collection[str]


def is_safetensors(path: Path, head: bytes) -> bool:
    """Whether the content is safetensors, or nothing known and the name says so."""
    if head[_JSON_AT : _JSON_AT + 1] == b"{":
        return True
    return path.suffix == ".safetensors" and not head.startswith((ZIP, PICKLE))


def file_appearance(path: Path, head: bytes) -> tuple[str, str]:
    """Say what a file that cannot be read looks like, and what to do.

    Args:
        path: of the file. head: its first bytes.
    """
    if head.startswith(ZIP):
        return _archive(path)
    if head.startswith(PICKLE):
        return "its pickle is not whole", _AGAIN
    for magic, looks, remedy in _MAGIC:
        if head.startswith(magic):
            return looks, remedy
    if path.suffix.lower() in _SUFFIXES:
        return _SUFFIXES[path.suffix.lower()]
    if is_safetensors(path, head):
        return "its header and its length do not agree", _AGAIN
    return _text(head) or ("its bytes are no archive of tensors", _AGAIN)


def names_appearance(names: Names) -> str | None:
    """Say what a file with these names of tensors looks like, where that is known.

    Args:
        names: of all tensors in the file, mappings within it joined by dots.
    """
    return next((looks for belongs, looks in _NETWORKS if belongs(names)), None)


def is_zoedepth(names: Names) -> bool:
    """Whether these are names of ZoeDepth, which holds V1's network among others of its own."""
    return _any("seed_bin_regressor", "conditional_log_binomial")(names)


def _archive(path: Path) -> tuple[str, str]:
    try:
        with zipfile.ZipFile(path) as file:
            members = file.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return "its archive is not whole", _AGAIN
    if any("/code/" in name or name.endswith("constants.pkl") for name in members):
        return "it is a TorchScript program", "save the weights of its model instead"
    if not any(name.endswith("data.pkl") for name in members):
        return "it is a zip archive without weights of PyTorch", "unpack it first"
    return "its archive is not whole", _AGAIN


def _text(head: bytes) -> tuple[str, str] | None:
    if not head.isascii() or not head.decode().strip().replace("\n", " ").isprintable():
        return None
    text = head.decode().lstrip()
    said = f'it is text that begins "{text.splitlines()[0][:40]}"'
    for begins, (looks, remedy) in _TEXTS.items():
        if text.lower().startswith(begins):
            return f"{said}, {looks}", remedy
    return said, _AGAIN


def _any(*parts: str) -> Callable[[Names], bool]:
    return lambda names: any(part in name for name in names for part in parts)


def _encoder_alone(names: Names) -> bool:
    blocks = _any("blocks.0.attn.qkv", "encoder.layer.0.attention", "layer.0.attention")(names)
    return blocks and not _any("depth_head.", "scratch.", "neck.", "head.conv1", "dpt.")(names)


def _head_alone(names: Names) -> bool:
    return _any("depth_head.", "scratch.output_conv1")(names) and not _any("cls_token")(names)


def _optimizer(names: Names) -> bool:
    return all("exp_avg" in n or "momentum" in n or n.endswith(".step") for n in names)


_NETWORKS: tuple[tuple[Callable[[Names], bool], str], ...] = (
    (_any("lora_A", "lora_B", "lora_down", "lora_up"), "a LoRA adapter; merge it first"),
    (is_zoedepth, "ZoeDepth, the metric network of V1, which is another one"),
    (_any("motion_modules"), "Video Depth Anything, which is another network"),
    (_optimizer, "the state of an optimizer, without weights"),
    (_encoder_alone, "a DINOv2 encoder alone, without the depth head"),
    (_head_alone, "the depth head alone, without the encoder"),
    (
        lambda names: (
            _any("scratch.refinenet1", "dpt.embeddings")(names) and not _any("depth_head.")(names)
        ),
        "MiDaS or DPT, which are other networks",
    ),
    (_any("register_tokens"), "a DINOv2 with register tokens, which Depth Anything has not"),
    (_any(".absmax", ".quant_map", ".SCB", "._packed_params"), "quantised weights"),
)


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
