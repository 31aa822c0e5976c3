"""What is kept on disk for a machine: a JSON file each, named after its fingerprint."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from depthprof.errors import BadRunFile, OutputError
from depthprof.storage.text_files import NotText, read_text, write_text


class Fingerprinted(Protocol):
    """What is kept: it knows what it holds for."""

    @property
    def fingerprint(self) -> str:
        """What it holds for, in hexadecimal digits."""


Kept = TypeVar("Kept", bound=Fingerprinted)


@dataclass(frozen=True, slots=True)
class Words:
    """How refusals speak of one kind of file.

    Attributes:
        name: "calibration". broken: "is not a whole calibration". again: how to make it anew.
        newer: what to do with one of a newer depthprof, short of upgrading. its: "that", "those".
    """

    name: str
    broken: str
    again: str
    newer: str
    its: str


def write_kept(folder: Path, fingerprint: str, schema: int, fields: Mapping[str, Any]) -> Path:
    """Write a file and return it; an older one of the same fingerprint is replaced.

    Raises:
        OutputError: it cannot be written.
    """
    file = folder / f"{fingerprint}.json"
    text = json.dumps({"schema": schema, **fields}, indent=2, allow_nan=False) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(file, text)
    except OSError as error:
        raise OutputError(f"could not write {file}: {error.strerror}") from error
    return file


def read_kept(
    file: Path, schema: int, make: Callable[[dict[str, Any]], Kept], words: Words
) -> Kept:
    """Read a file.

    Args:
        file: to read. schema: the newest that is understood.
        make: what it holds from its fields; raises KeyError, TypeError or ValueError where it is
            not whole. words: for the refusals.

    Raises:
        BadRunFile: it cannot be read, is not whole, is of a newer schema, or holds for another
            fingerprint than that of its name.
        FileNotFoundError: there is no such file.
    """
    try:
        text = read_text(file)
    except FileNotFoundError:
        raise
    except NotText as error:
        raise BadRunFile(
            f"the {words.name} {file} cannot be read (it is not text: {error})"
        ) from None
    except OSError as error:
        raise BadRunFile(f"the {words.name} {file} cannot be read ({error})") from error
    try:
        document = json.loads(text)
        newer = document.pop("schema") > schema
        known = None if newer else make(document)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise BadRunFile(
            f"{file} {words.broken} ({type(error).__name__}: {error});"
            f" delete it, or run {words.again}"
        ) from error
    if known is None:
        raise BadRunFile(f"{file} is of a newer depthprof; {words.newer} or upgrade")
    if known.fingerprint != file.stem:
        raise BadRunFile(
            f"{file} holds the {words.name} {known.fingerprint}, not {words.its} of its name;"
            " delete it"
        )
    return known


def kept_files(folder: Path) -> list[Path]:
    """All files in a folder, none where there is no folder."""
    return sorted(folder.glob("*.json")) if folder.is_dir() else []
