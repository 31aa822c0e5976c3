"""A saved run, read back: all that the reports need, without torch."""

import json
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
