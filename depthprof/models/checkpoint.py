"""Checkpoints: read without running code, checked key by key, loaded strictly.

The published files of V1 and V2 have the same keys and shapes, so a file cannot tell which version
it is: that is the user's word, and the file's SHA-256 is recorded with the run.
"""

import hashlib
import pickle
import struct
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, load_file
from torch import Tensor, nn

from depthprof.errors import BadCheckpoint
from depthprof.records import SIZES

_CHUNK_BYTES = 1 << 22
_HEAD_BYTES = 64
_ZIP = b"PK"
_PICKLE = b"\x80"
_JSON_AT = 8  # a safetensors file is the length of its header in 8 bytes, then JSON
_UNREADABLE = (
    pickle.UnpicklingError,
    SafetensorError,
    RuntimeError,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    AssertionError,
    struct.error,
    OverflowError,
)
"""What the two readers raise on bytes that are no checkpoint."""

_DIM_KEY = "pretrained.cls_token"
_DIMS = dict(zip((384, 768, 1024, 1536), SIZES, strict=True))


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a .pth or .safetensors file, without running any code in it.

    Raises:
        BadCheckpoint: missing, unreadable, corrupt, holding code, or not a mapping of tensors.
    """
    head = _head(path)
    found = _safetensors(path, head) if _is_safetensors(path, head) else _pickled(path, head)
    return _tensors(found, path)


def load_strictly(model: nn.Module, tensors: Mapping[str, Tensor], path: Path, size: str) -> None:
    """Put tensors into a model of the same keys and shapes, in the model's place and dtype.

    Raises:
        BadCheckpoint: another size (names the first key and both shapes), or other keys.
    """
    expected = model.state_dict()
    for key, tensor in expected.items():
        if key in tensors and tensors[key].shape != tensor.shape:
            theirs, ours = tuple(tensors[key].shape), tuple(tensor.shape)
            raise BadCheckpoint(
                f"{path} is not a checkpoint of model {size}: {key} has shape {theirs} there,"
                f" {ours} in {size}{_guess(tensors)}"
            )
    missing = [key for key in expected if key not in tensors]
    extra = [key for key in tensors if key not in expected]
    if missing or extra:
        raise BadCheckpoint(
            f"{path} does not fit model {size}: {_keys('missing', missing)},"
            f" {_keys('unknown', extra)}{_guess(tensors)}"
        )
    model.load_state_dict({key: tensors[key].float() for key in expected}, assign=True)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _head(path: Path) -> bytes:
    """First bytes of a file that is there and not empty."""
    if path.is_dir():
        raise BadCheckpoint(f"the checkpoint {path} is a folder; name the .pth file in it")
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except FileNotFoundError:
        raise BadCheckpoint(f"the checkpoint {path} does not exist") from None
    except OSError as error:
        raise BadCheckpoint(f"the checkpoint {path} cannot be read: {error.strerror}") from error
    if not head:
        raise BadCheckpoint(f"the checkpoint {path} is empty; download it again")
    return head


def _is_safetensors(path: Path, head: bytes) -> bool:
    """Whether the content is safetensors, or nothing known and the name says so."""
    if head[_JSON_AT : _JSON_AT + 1] == b"{":
        return True
    return path.suffix == ".safetensors" and not head.startswith((_ZIP, _PICKLE))


def _safetensors(path: Path, head: bytes) -> object:
    try:
        return load_file(path) if _is_utf8(path) else load(path.read_bytes())
    except _UNREADABLE as error:
        raise _corrupt(path, head) from error


def _is_utf8(path: Path) -> bool:
    """Whether a path is UTF-8: the reader of safetensors opens no other."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _pickled(path: Path, head: bytes) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of old formats; the sentence is ours
            with path.open("rb") as file:  # by its content: torch would go by the name
                return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if head.startswith((_ZIP, _PICKLE)):
            raise BadCheckpoint(
                f"{path} holds pickled code or objects and is refused, because loading it could"
                " run that code; save the plain weights with torch.save(model.state_dict(), ...)"
            ) from error
        raise _corrupt(path, head) from error
    except _UNREADABLE as error:
        raise _corrupt(path, head) from error


def _corrupt(path: Path, head: bytes) -> BadCheckpoint:
    return BadCheckpoint(
        f"{path} is corrupt, cut short, or no checkpoint at all: {_appearance(path, head)};"
        " download it again"
    )


def _appearance(path: Path, head: bytes) -> str:
    """What a file that cannot be read looks like; a stray download is often a page of text."""
    if head.startswith(_ZIP):
        return "its archive is not whole"
    if head.startswith(_PICKLE):
        return "its pickle is not whole"
    if _is_safetensors(path, head):
        return "its header and its length do not agree"
    if head.isascii() and head.decode().strip().replace("\n", " ").isprintable():
        return f'it is text that begins "{head.decode().split(chr(10))[0][:40]}"'
    return "its bytes are no archive of tensors"


def _tensors(found: object, path: Path) -> dict[str, Tensor]:
    if not isinstance(found, dict) or not found:
        empty = "an empty" if isinstance(found, dict) else "a"
        raise BadCheckpoint(
            f"{path} holds {empty} {type(found).__name__}, not a mapping of names to tensors"
        )
    wrong = next((key for key, value in found.items() if not _is_dense(value)), None)
    if wrong is None:
        return {str(key): value for key, value in found.items()}
    inside = next((key for key, value in found.items() if _is_weights(value)), None)
    if inside is not None:
        raise BadCheckpoint(
            f'{path} is a training checkpoint: its weights are under the key "{inside}"; save'
            f' them alone with torch.save(torch.load(FILE)["{inside}"], ...)'
        )
    raise BadCheckpoint(
        f'{path} is no checkpoint of this network: its entry "{wrong}" is of type'
        f" {type(found[wrong]).__name__}, not a dense tensor"
    )


def _is_weights(value: object) -> bool:
    if not isinstance(value, dict) or not value:
        return False
    return all(isinstance(item, Tensor) for item in value.values())


def _is_dense(value: object) -> bool:
    return isinstance(value, Tensor) and value.layout is torch.strided and not value.is_quantized


def _guess(tensors: Mapping[str, Tensor]) -> str:
    known = tensors.get(_DIM_KEY)
    size = _DIMS.get(known.shape[-1]) if known is not None and known.ndim else None
    return f"; the file looks like model {size}" if size else ""


def _keys(what: str, keys: list[str]) -> str:
    return f"{what} keys: {len(keys)}" + (f" (first: {keys[0]})" if keys else "")
