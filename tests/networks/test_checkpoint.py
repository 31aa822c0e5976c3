"""Checkpoints: what is saved comes back; what is no checkpoint is refused in one sentence."""

import hashlib
import io
import os
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save, save_file

from depthprof.errors import BadCheckpoint
from depthprof.networks import DepthAnything, load_model
from depthprof.networks.checkpoint import read_checkpoint
from depthprof.networks.fitting import Fitted, fitted
from depthprof.networks.loading import load_strictly
from tests.networks.test_network import tiny

TENSORS = {"first": torch.arange(600.0).reshape(20, 30), "second": torch.zeros(100)}


def saved(value: object, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def legacy(value: object) -> bytes:
    return saved(value, _use_new_zipfile_serialization=False)


def scripted() -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(torch.nn.ReLU(), torch.ones(1)), buffer)
    return buffer.getvalue()


def plain_archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("readme.txt", "no tensors here")
    return buffer.getvalue()


class Code:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.system, ("touch ran",)


RANDOM = np.random.default_rng(0).bytes(5000)
CORRUPT = "is corrupt, cut short, or no checkpoint at all"
REFUSED = {
    "empty.pth": (b"", "is empty; download it again"),
    "random.pth": (RANDOM, CORRUPT),
    "random.safetensors": (RANDOM, CORRUPT),
    "zeros.pth": (bytes(4096), CORRUPT),
    "text.pth": (b"version https://git-lfs.github.com/spec/v1\noid 1\n", 'begins "version https:'),
    "page.pth": (b"<!DOCTYPE html>", "it is text that begins"),
    "latin.pth": ("größer".encode("latin-1") * 9, CORRUPT),
    "text.safetensors": (b"hello", CORRUPT),
    "half.pth": (saved(TENSORS)[:1500], "its archive is not whole"),
    "almost.pth": (saved(TENSORS)[:-30], "its archive is not whole"),
    "half_legacy.pth": (legacy(TENSORS)[:1500], CORRUPT),
    "almost_legacy.pth": (legacy(TENSORS)[:-20], "its pickle is not whole"),
    "half.safetensors": (save(TENSORS)[:1500], CORRUPT),
    "archive.pth": (plain_archive(), CORRUPT),
    "code.pth": (saved({"first": Code()}), "holds pickled code or objects and is refused"),
    "code_legacy.pth": (legacy({"first": Code()}), "holds pickled code or objects"),
    "code_pickle.pth": (pickle.dumps(Code()), "holds pickled code or objects"),
    "array.pth": (saved({"first": np.ones(3)}), "holds pickled code or objects"),
    "list.pth": (saved([torch.ones(2)]), "holds a list, not a mapping"),
    "nothing.pth": (saved({}), "holds an empty dict"),
    "numbers.pth": (saved({"epoch": 3}), 'its entry "epoch" is of type int'),
    "sparse.pth": (saved({"w": torch.eye(3).to_sparse()}), 'its entry "w" is of type Tensor'),
    "module.pth": (saved(torch.nn.ReLU()), "objects (torch.nn.modules.activation.ReLU) and is"),
    "script.pt": (scripted(), "it is a TorchScript program; save the weights of its model"),
    "export.onnx": (b"\x08\x07\x12\x07pytorch" + RANDOM, "its name says ONNX; give the PyTorch"),
    "engine.pth": (b"ftrt" + RANDOM, "it begins as a TensorRT engine does; give the PyTorch"),
    "lfs.bin": (b"version https://git-lfs.github.com/spec/v1\noid 1", "with `git lfs pull`"),
    "page.bin": (b"<html lang=en>", "a web page; download the file itself"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_no_checkpoint_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content, said = REFUSED[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BadCheckpoint) as refusal:
        fitted(read_checkpoint(path), TENSORS, path)
    assert said in str(refusal.value)
    assert name in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "ran").exists()


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint, match="does not exist"):
        read_checkpoint(tmp_path / "none.pth")
    with pytest.raises(BadCheckpoint, match="is a folder"):
        load_model("v2", "small", checkpoint=tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(BadCheckpoint, match=r"name .* in it, such as .*/model\.safetensors$"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("content", [saved(TENSORS), legacy(TENSORS), save(TENSORS)])
@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors", "weights"])
def test_a_checkpoint_is_read_by_its_content(content: bytes, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    found = read_checkpoint(tmp_path / name)
    assert found.keys() == TENSORS.keys()
    assert all(torch.equal(found[key], TENSORS[key]) for key in TENSORS)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_model_survives_its_checkpoint(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"small{suffix}"
    model = load_model("v1", "vits", seed=4)
    (save_file if suffix == ".safetensors" else torch.save)(model.state_dict(), path)
    loaded = load_model("v2", "small", checkpoint=path)
    for key, value in model.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[key]), key
    weights = loaded.weights
    assert weights.source == str(path)
    assert weights.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (weights.seed, weights.parameters) == (None, 24_785_089)
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}


def tiny_state() -> dict[str, torch.Tensor]:
    return {key: value.detach() for key, value in DepthAnything(tiny()).state_dict().items()}


def as_found(tensors: dict[str, torch.Tensor]) -> Fitted:
    return Fitted(tensors, (), tuple(tensors))


def test_half_precision_weights_become_float32() -> None:
    model = DepthAnything(tiny())
    halved = {key: value.half() for key, value in tiny_state().items()}
    load_strictly(model, as_found(halved), Path("half.pth"), "small")
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32}


def test_another_size_is_named_and_guessed() -> None:
    other = tiny_state() | {"pretrained.cls_token": torch.zeros(1, 1, 768)}
    with pytest.raises(BadCheckpoint) as refusal:
        load_strictly(DepthAnything(tiny()), as_found(other), Path("b.pth"), "small")
    assert str(refusal.value) == (
        "b.pth is not a checkpoint of model small: pretrained.cls_token has shape (1, 1, 768)"
        " there, (1, 1, 32) in small; the file looks like model base"
    )


def test_missing_and_unknown_keys_are_counted_and_the_first_named() -> None:
    state = tiny_state()
    del state["pretrained.norm.weight"], state["pretrained.norm.bias"]
    state["module.extra"] = torch.ones(1)
    with pytest.raises(BadCheckpoint) as refusal:
        load_strictly(DepthAnything(tiny()), as_found(state), Path("c.pth"), "small")
    assert "missing keys: 2 (first: pretrained.norm.weight)" in str(refusal.value)
    assert "unknown keys: 1 (first: module.extra)" in str(refusal.value)
