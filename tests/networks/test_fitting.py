"""Checkpoints as people have them: wrapped, prefixed, averaged, halved, with foreign names."""

import argparse
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from depthprof.errors import BadCheckpoint
from depthprof.networks import DepthAnything, config_for, load_model
from depthprof.networks.checkpoint import read_checkpoint
from depthprof.networks.configs import ModelConfig
from depthprof.networks.fitting import fitted
from depthprof.networks.loading import load_strictly
from tests.networks.test_network import tiny

State = dict[str, Tensor]
PATH = Path("c.pth")


def state_of(config: ModelConfig, seed: int = 0) -> State:
    """Random tensors with a network's names and shapes."""
    random = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        meta = DepthAnything(config).state_dict()
    return {name: torch.randn(value.shape, generator=random) for name, value in meta.items()}


OURS = state_of(tiny())
OTHERS = state_of(tiny(), seed=1)


def behind(prefix: str, state: Mapping[str, Tensor] = OURS) -> State:
    return {f"{prefix}{name}": value for name, value in state.items()}


def with_word(word: str, after: str) -> State:
    return {name.replace(after, f"{after}{word}"): value for name, value in OURS.items()}


TRAINED = {
    "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 0.1}]},
    "epoch": 3,
}
SET_ASIDE = "1 other tensor set aside (first: optimizer.state.0.exp_avg)"
WRAPPED: dict[str, tuple[Mapping[Any, Any], tuple[str, ...]]] = {
    "plain": (OURS, ()),
    "the published training script": (
        {"model": behind("module."), **TRAINED},
        ('taken from "model"', 'prefix "module." removed', SET_ASIDE),
    ),
    "state_dict": ({"state_dict": OURS}, ('taken from "state_dict"',)),
    "model_state_dict": ({"model_state_dict": OURS}, ('taken from "model_state_dict"',)),
    "two mappings": ({"state": {"net": OURS}}, ('taken from "state.net"',)),
    "a mapping a part": (
        {
            "model": {
                part: {n.removeprefix(f"{part}."): v for n, v in OURS.items() if n.startswith(part)}
                for part in ("pretrained", "depth_head")
            }
        },
        ('taken from "model"',),
    ),
    "Lightning with a loss": (
        {"state_dict": behind("model.") | {"loss.weight": torch.ones(2)}},
        (
            'taken from "state_dict"',
            'prefix "model." removed',
            "1 other tensor set aside (first: state_dict.loss.weight)",
        ),
    ),
    "compiled and parallel": (
        behind("module._orig_mod."),
        ('prefix "module._orig_mod." removed',),
    ),
    "depth_anything": (behind("depth_anything."), ('prefix "depth_anything." removed',)),
    "only the encoder compiled": (
        with_word("_orig_mod.", "pretrained."),
        ('"_orig_mod." removed from within the names',),
    ),
    "blocks wrapped": (
        with_word("_checkpoint_wrapped_module.", "blocks.1."),
        ('"_checkpoint_wrapped_module." removed from within the names',),
    ),
    "an average before the weights": (
        {"model_ema": OTHERS, "model": OURS},
        ('taken from "model"', 'not taken: "model_ema", which would fit too'),
    ),
    "an average alone": ({"ema": OURS}, ('taken from "ema"',)),
    "a teacher before its student": (
        {"teacher": OTHERS, "student": behind("module.")},
        (
            'taken from "student"',
            'prefix "module." removed',
            'not taken: "teacher", which would fit too',
        ),
    ),
    "a teacher in the same mapping": (
        OURS | behind("teacher.", OTHERS),
        ('not taken: "teacher", which would fit too',),
    ),
    "halves": (
        {name: value.bfloat16().float().bfloat16() for name, value in OURS.items()},
        ("bfloat16 converted to float32",),
    ),
    "some doubles": (
        {n: v.double() if "blocks" in n else v.half() for n, v in OURS.items()},
        ("float16 and float64 converted to float32",),
    ),
}


@pytest.mark.parametrize("case", WRAPPED)
def test_weights_are_found_and_every_step_is_told(case: str, tmp_path: Path) -> None:
    content, steps = WRAPPED[case]
    path = tmp_path / "c.pt"
    torch.save(content, path)
    found = fitted(read_checkpoint(path), OURS, path)
    assert found.steps == steps
    model = DepthAnything(tiny())
    load_strictly(model, found, path, "small")
    for name, value in model.state_dict().items():
        assert torch.allclose(value, OURS[name], atol=0.05), name
        assert value.dtype == torch.float32


@pytest.mark.skipif(not hasattr(torch.serialization, "safe_globals"), reason="from torch 2.5 on")
def test_what_training_leaves_beside_the_weights_is_not_in_the_way(tmp_path: Path) -> None:
    path = tmp_path / "latest.pth"
    beside = {"args": argparse.Namespace(lr=0.1), "best": np.float64(0.3), "out": tmp_path}
    torch.save({"model": OURS, **beside}, path)
    found = fitted(read_checkpoint(path), OURS, path)
    assert found.steps == ('taken from "model"',)
    assert found.tensors.keys() == OURS.keys()
    with pytest.raises(pickle.UnpicklingError):  # others' own loading is as strict as before
        torch.load(path, weights_only=True)


def foreign(state: Mapping[str, Tensor], prefix: str = "") -> State:
    """The same tensors as transformers names and cuts them, written out name by name."""
    found: State = {}
    for name, value in state.items():
        words = name.split(".")
        rest = ".".join(words[-2:])
        if name.startswith("pretrained.blocks."):
            layer = f"backbone.encoder.layer.{words[2]}."
            if "qkv" in name:
                for kind, part in zip(("query", "key", "value"), value.chunk(3), strict=True):
                    found[f"{layer}attention.attention.{kind}.{words[-1]}"] = part.clone()
                continue
            inner = {
                "attn.proj": f"attention.output.dense.{words[-1]}",
                "ls1.gamma": "layer_scale1.lambda1",
                "ls2.gamma": "layer_scale2.lambda1",
                "mlp.w12": f"mlp.weights_in.{words[-1]}",
                "mlp.w3": f"mlp.weights_out.{words[-1]}",
            }
            key = ".".join(words[3:5])
            found[layer + inner.get(key, ".".join(words[3:]))] = value
        elif name.startswith("pretrained."):
            inner = {
                "cls_token": "embeddings.cls_token",
                "mask_token": "embeddings.mask_token",
                "pos_embed": "embeddings.position_embeddings",
                "patch_embed": f"embeddings.patch_embeddings.projection.{words[-1]}",
                "norm": f"layernorm.{words[-1]}",
            }
            found[f"backbone.{inner[words[1]]}"] = value
        elif name.startswith("depth_head.projects."):
            found[f"neck.reassemble_stage.layers.{words[2]}.projection.{words[-1]}"] = value
        elif name.startswith("depth_head.resize_layers."):
            found[f"neck.reassemble_stage.layers.{words[2]}.resize.{words[-1]}"] = value
        elif "_rn." in name:
            found[f"neck.convs.{int(words[2][5]) - 1}.{words[-1]}"] = value
        elif "refinenet" in name:
            layer = f"neck.fusion_stage.layers.{4 - int(words[2][9])}."
            if words[3] == "out_conv":
                found[f"{layer}projection.{words[-1]}"] = value
            else:
                unit, number = words[3][-1], words[4][-1]
                found[f"{layer}residual_layer{unit}.convolution{number}.{words[-1]}"] = value
        else:
            heads = {"output_conv1": "conv1", "0": "conv2", "2": "conv3"}
            found[f"head.{heads[rest.split('.')[0]]}.{words[-1]}"] = value
    return {f"{prefix}{name}": value.contiguous() for name, value in found.items()}


MAPPED = "transformers' names mapped to the published ones, q, k and v joined"
GIANT = ModelConfig("giant", "v2", 32, 4, 2, 16, (8, 16, 16, 32), (0, 1, 2, 3), fused_mlp=True)


@pytest.mark.parametrize(
    ("config", "prefix", "steps"),
    [
        (tiny(), "", (MAPPED,)),
        (tiny(), "model.", ('prefix "model." removed', MAPPED)),
        (GIANT, "", (MAPPED,)),
    ],
)
def test_transformers_names_come_back_as_ours(
    config: ModelConfig, prefix: str, steps: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    state = state_of(config)
    save_file(foreign(state, prefix), path)
    found = fitted(read_checkpoint(path), state, path)
    assert found.steps == steps
    assert found.tensors.keys() == state.keys()
    assert all(torch.equal(found.tensors[name], value) for name, value in state.items())


def test_transformers_names_of_the_real_sizes_are_all_known() -> None:
    with torch.device("meta"):
        small = DepthAnything(config_for("v2", "vits")).state_dict()
    found = fitted(foreign(small), small, PATH)
    assert found.tensors.keys() == small.keys()
    assert {n: v.shape for n, v in found.tensors.items()} == {n: v.shape for n, v in small.items()}


def test_a_mask_token_that_transformers_left_out_is_not_missed() -> None:
    content = foreign(OURS)
    del content["backbone.embeddings.mask_token"]
    found = fitted(content, OURS, PATH)
    assert found.steps == (MAPPED, "mask_token, which inference does not use, was not there")
    load_strictly(DepthAnything(tiny()), found, PATH, "small")


def without(state: State, part: str) -> State:
    return {name: value for name, value in state.items() if part not in name}


def named(*names: str) -> State:
    return {name: torch.ones(2) for name in names}


def encoder(prefix: str) -> State:
    return {
        name.replace("pretrained.", prefix): value
        for name, value in OURS.items()
        if name.startswith("pretrained.")
    }


REFUSED: dict[str, tuple[Callable[[], Mapping[Any, Any]], tuple[str, ...]]] = {
    "the encoder under our names": (
        lambda: encoder("pretrained."),
        (
            "missing keys: 64 (first: depth_head.projects.0.weight)",
            "looks like a DINOv2 encoder alone, without the depth head",
        ),
    ),
    "DINOv2 as published": (
        lambda: encoder(""),
        ("unknown keys: 63 (first: cls_token)", "looks like a DINOv2 encoder alone"),
    ),
    "DINOv2 of transformers": (
        lambda: {
            n.removeprefix("backbone."): v for n, v in foreign(OURS).items() if "backbone" in n
        },
        ("missing keys: ", "looks like a DINOv2 encoder alone"),
    ),
    "the head alone": (
        lambda: without(OURS, "pretrained"),
        ("first: pretrained.cls_token", "looks like the depth head alone"),
    ),
    "MiDaS": (
        lambda: named("pretrained.model.cls_token", "scratch.refinenet1.out_conv.weight"),
        ("looks like MiDaS or DPT",),
    ),
    "a LoRA adapter": (
        lambda: named("base_model.model.pretrained.blocks.0.attn.qkv.lora_A.weight"),
        ("looks like a LoRA adapter",),
    ),
    "ZoeDepth, which holds V1's network": (
        lambda: behind("core.core.") | named("seed_bin_regressor._net.0.weight"),
        ("looks like ZoeDepth, the metric network of V1",),
    ),
    "an optimizer": (lambda: TRAINED["optimizer"], ("looks like the state of an optimizer",)),
    "wrapped, and with a key too many": (
        lambda: {"model": behind("module.", OURS | named("depth_head.extra"))},
        ('taken from "model", prefix "module." removed)', "unknown keys: 1 (first: depth_head.e"),
    ),
    "prefixed, and with a key too few": (
        lambda: behind("net.", without(OURS, "pretrained.norm.bias")),
        ('(prefix "net." removed) does not fit', "missing keys: 1 (first: pretrained.norm.bias)"),
    ),
    "another size": (
        lambda: OURS | {"pretrained.cls_token": torch.ones(1, 1, 768)},
        ("has shape (1, 1, 768) there, (1, 1, 32) in small", "looks like model base"),
    ),
    "all kinds at once": (
        lambda: (
            without(OURS, "mask_token")
            | named("pretrained.more", "depth_head.scratch.output_conv1.bias")
        ),
        (
            "depth_head.scratch.output_conv1.bias has shape (2,) there, (8,) in small",
            "missing keys: 1 (first: pretrained.mask_token)",
            "unknown keys: 1 (first: pretrained.more)",
        ),
    ),
    "q without k and v": (
        lambda: without(foreign(OURS), "layer.1.attention.attention.key"),
        ("missing keys: 2 (first: pretrained.blocks.1.attn.qkv.weight)", "attention.query"),
    ),
    "integers": (
        lambda: OURS | {"pretrained.norm.bias": torch.ones(32, dtype=torch.int8)},
        ("pretrained.norm.bias is of type int8, as quantised weights are",),
    ),
    "a sparse matrix in a wrapper": (
        lambda: {"model": OURS | {"pretrained.norm.bias": torch.ones(32).to_sparse()}},
        ('entry "model.pretrained.norm.bias" is of type Tensor, not a dense tensor',),
    ),
    "nothing but numbers": (lambda: {"model": {"lr": 0.1}}, ('entry "model.lr" is of type float',)),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_with_what_it_looks_like(case: str) -> None:
    make, said = REFUSED[case]
    with pytest.raises(BadCheckpoint) as refusal:
        load_strictly(DepthAnything(tiny()), fitted(make(), OURS, PATH), PATH, "small")
    for words in said:
        assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_model_notes_what_was_done_to_its_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "latest.pth"
    plain = load_model("v2", "small", seed=3)
    torch.save({"epoch": 1, "model": behind("module.", plain.state_dict())}, path)
    loaded = load_model("v1", "small", checkpoint=path)
    assert loaded.notes == ('checkpoint latest.pth: taken from "model", prefix "module." removed',)
    assert plain.notes == ()
    name = "depth_head.scratch.output_conv1.weight"
    assert torch.equal(loaded.state_dict()[name], plain.state_dict()[name])
