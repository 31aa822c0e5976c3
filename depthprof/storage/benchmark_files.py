"""Runs inside a file of pytest-benchmark: packed into an entry's extra_info, and read back."""

import base64
import binascii
import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from depthprof.errors import BadRunFile
from depthprof.records import Policy, Run, decode, encode
from depthprof.storage.text_files import NotText, read_text

KEY = "depthprof"
"""Key of what is ours in an entry's extra_info and in machine_info."""

PACKED = "run_zlib_base64"
"""Key, within ours, of the packed run; the first entry that a run feeds carries it."""


def pack(run: Run, policy: Policy) -> str:
    """Write a run and its policy as base64 of zlib of its JSON: a tenth of its length."""
    return base64.b64encode(zlib.compress(encode(run, policy).encode(), 9)).decode()


def unpack(text: str, name: str) -> tuple[Run, Policy]:
    """Read what `pack` wrote.

    Raises:
        BadRunFile: cut short or no run; the sentence carries `name`.
    """
    try:
        plain = zlib.decompress(base64.b64decode(text, validate=True)).decode()
    except (binascii.Error, zlib.error, UnicodeDecodeError, ValueError) as error:
        raise BadRunFile(f"{name} holds a packed run that cannot be unpacked: {error}") from error
    return decode(plain, name)


def is_benchmark_file(file: Path) -> bool:
    """Whether a file looks as pytest-benchmark's do; a file that cannot be read does not."""
    try:
        document = json.loads(read_text(file))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(document, dict) and isinstance(document.get("benchmarks"), list)


def read_runs(path: str | Path) -> tuple[tuple[Run, Policy], ...]:
    """Read every run that the suites put into a file of pytest-benchmark.

    Returns:
        The runs in the order of their entries; none if no entry is of depthprof.

    Raises:
        BadRunFile: missing, unreadable, not of pytest-benchmark, or with a damaged run.
    """
    file = Path(path)
    try:
        document = json.loads(read_text(file))
    except OSError as error:
        raise BadRunFile(f"{file} cannot be read: {error.strerror}") from error
    except NotText as error:
        raise BadRunFile(f"{file} is not text: {error}") from None
    except (ValueError, RecursionError) as error:
        raise BadRunFile(f"{file} is not JSON, or was cut short ({error})") from error
    if not isinstance(document, dict) or not isinstance(document.get("benchmarks"), list):
        raise BadRunFile(f'{file} is not of pytest-benchmark: it has no list "benchmarks"')
    return tuple(unpack(text, str(file)) for text in _packed(document["benchmarks"]))


def own_part(extra_info: object) -> Mapping[str, Any] | None:
    """What depthprof wrote into an entry's extra_info; None where it wrote nothing."""
    part = extra_info.get(KEY) if isinstance(extra_info, Mapping) else None
    return part if isinstance(part, Mapping) else None


def _packed(entries: list[Any]) -> Iterator[str]:
    for entry in entries:
        part = own_part(entry.get("extra_info") if isinstance(entry, dict) else None)
        text = None if part is None else part.get(PACKED)
        if isinstance(text, str):
            yield text
