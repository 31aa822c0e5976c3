"""Checkpoint files: read without running code that is in them.

The published files of V1 and V2 have the same keys and shapes, so a file does not show
which version it is: the user says so, and the file's SHA-256 is recorded with the run.
"""

import hashlib
import pickle
import re
import struct
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, load_file

from depthprof.errors import BadCheckpoint
from depthprof.networks.foreign import PICKLE, ZIP, file_appearance, is_safetensors

_CHUNK_BYTES = 1 << 22
_HEAD_BYTES = 64
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

_WEIGHTS = ("*.safetensors", "*.pth", "*.pt", "*.bin")
_FORBIDDEN = re.compile(r"Unsupported global: GLOBAL (\S+)|Trying to call reduce for .*?(\S+)$")


class Ignored:
    """Stands for an object that training wrote beside the weights. It keeps and does nothing."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


_BESIDE_WEIGHTS = (
    *("argparse.Namespace", "types.SimpleNamespace"),
    *("numpy.dtype", "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"),
    *("pathlib.PosixPath", "pathlib.WindowsPath"),
    *("pathlib._local.PosixPath", "pathlib._local.WindowsPath"),
)
"""Names of classes that training scripts leave in their checkpoints: options, scores, paths. None
of them is imported or called: for each name an `Ignored` is made instead."""

_skipping: Callable[[list[Any]], AbstractContextManager[Any]] = getattr(
    torch.serialization, "safe_globals", nullcontext
)
"""From torch 2.5 on; before, what is beside the weights is refused by its name."""


def _stand_in(name: str) -> type[Ignored]:
    """An `Ignored` that bears a name, since torch finds what it may make by the name."""
    module, _, own = name.rpartition(".")
    return type(own, (Ignored,), {"__module__": module})


_STAND_INS: list[Any] = [_stand_in(name) for name in _BESIDE_WEIGHTS]


def read_checkpoint(path: Path) -> dict[Any, Any]:
    """Read the mapping in a checkpoint (.pth, .pt, .bin, .safetensors) without running its code.

    Returns:
        What the file holds: names to tensors, perhaps within further mappings.

    Raises:
        BadCheckpoint: missing, unreadable, corrupt, holding code, or no mapping.
    """
    head = _head(path)
    found = _safetensors(path, head) if is_safetensors(path, head) else _pickled(path, head)
    if not isinstance(found, dict) or not found:
        empty = "an empty" if isinstance(found, dict) else "a"
        raise BadCheckpoint(
            f"{path} holds {empty} {type(found).__name__}, not a mapping of names to tensors"
        )
    return found


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
        inside = sorted(file.name for pattern in _WEIGHTS for file in path.glob(pattern))
        named = f", such as {path / inside[0]}" if inside else ""
        raise BadCheckpoint(f"the checkpoint {path} is a folder; name the .pth file in it{named}")
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
        with warnings.catch_warnings(), _skipping(_STAND_INS):
            warnings.simplefilter("ignore")  # torch warns of old formats; the sentence is ours
            with path.open("rb") as file:  # by its content: torch would go by the name
                return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if head.startswith((ZIP, PICKLE)):
            raise _holds_code(path, str(error)) from error
        raise _corrupt(path, head) from error
    except _UNREADABLE as error:
        raise _corrupt(path, head) from error


def _holds_code(path: Path, said: str) -> BadCheckpoint:
    found = _FORBIDDEN.search(said)
    name = f" ({found[1] or found[2]})" if found else ""
    return BadCheckpoint(
        f"{path} holds pickled code or objects{name} and is refused, because loading it could"
        " run that code; save the plain weights with torch.save(model.state_dict(), ...) where"
        " the model was made"
    )


def _corrupt(path: Path, head: bytes) -> BadCheckpoint:
    looks, remedy = file_appearance(path, head)
    return BadCheckpoint(
        f"{path} is corrupt, cut short, or no checkpoint at all: {looks}; {remedy}"
    )
