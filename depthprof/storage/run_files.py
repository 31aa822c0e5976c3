"""Runs in files: a report folder's run.json, and entries of a file of pytest-benchmark."""

import base64
import binascii
import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from depthprof.errors import BadRunFile
from depthprof.records import (
    DIGEST_KIND,
    Digest,
    Drilled,
    Policy,
    Run,
    decode,
    decode_digest,
    encode,
    explained,
    made,
)
from depthprof.storage.text_files import NotText, read_text

RUN_FILE = "run.json"
"""Name of the run's file in a report folder."""

DRILLED_FILE = "drilled.json"
"""Name of the file beside it that says what lies inside, where that was asked for."""


def read_run(path: str | Path) -> tuple[Run, Policy]:
    """Read a run and the policy it was judged by, from a report folder or its run.json.

    Raises:
        BadRunFile: missing, unreadable, cut short, no run, or of a newer schema.
    """
    file = _file(Path(path))
    return decode(_text(file), str(file))


def read_drilled(folder: Path) -> Drilled | None:
    """Read what lies inside from a report folder, None where nobody looked.

    Raises:
        BadRunFile: the file is there and is not whole.
    """
    file = folder / DRILLED_FILE
    if not file.exists():
        return None
    try:
        return made(Drilled, json.loads(_text(file)))
    except (KeyError, TypeError, ValueError) as error:
        raise BadRunFile(
            f"{file} is not whole ({explained(error)}); delete it to have the report without it"
        ) from error


def read_baseline(path: str | Path) -> Digest | tuple[Run, Policy]:
    """Read a committed baseline: what `baseline set --file` wrote, or a run.json.

    Raises:
        BadRunFile: it is neither.
    """
    file = _file(Path(path))
    text = _text(file)
    if _document(text).get("kind") == DIGEST_KIND:
        return decode_digest(text, str(file))
    return decode(text, str(file))


def _document(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _file(path: Path) -> Path:
    return path / RUN_FILE if path.is_dir() else path


def _text(file: Path) -> str:
    try:
        return read_text(file)
    except FileNotFoundError:
        where = f"{file} is not there"
        if file.name == RUN_FILE and file.parent.is_dir():
            where = f"the folder {file.parent} holds no {RUN_FILE}"
        raise BadRunFile(f"{where}; name a report folder or its {RUN_FILE}") from None
    except NotText as error:
        raise BadRunFile(f"{file} is not a depthprof run: it is not text ({error})") from None
    except OSError as error:
        raise BadRunFile(f"{file} cannot be read: {error.strerror}") from error


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
