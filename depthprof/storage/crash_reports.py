"""What was not foreseen: one sentence for the user, and a file for the bug report."""

import errno
import os
import re
import shlex
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from depthprof.storage.text_files import write_text

FOLDER = Path(".depthprof")
"""Where the details go, in the folder depthprof is called from."""

PACKAGES = (
    *("depthprof", "torch", "numpy", "opencv-python-headless", "opencv-python", "matplotlib"),
    *("rich", "sqlalchemy", "pytest", "pytest-benchmark", "nvidia-ml-py"),
)

VARIABLES = ("LANG", "LC_ALL", "PYTHONIOENCODING", "PYTHONUTF8", "TERM", "CUDA_VISIBLE_DEVICES")
"""Variables that are in the details; others may hold secrets."""

_OF_THE_MACHINE = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EIO),
)

_SECRETS = (
    (re.compile(r"://[^\s'\"]+@"), "://***@"),  # of a store's URL
    (
        re.compile(r"(?i)(password|passwd|token|secret)(['\"]?\s*[=:]\s*['\"]?)[^\s'\"&,)]+"),
        r"\1\2***",
    ),
)


def reported(error: BaseException, command: Sequence[str]) -> str:
    """Write the details of an error to a file; give the sentence that names it.

    Args:
        error: what was raised. command: the words of the command line, the program first.
    """
    file = write_details(error, command)
    where = "the details could not be written" if file is None else f"the details are in {file}"
    ours = "" if _is_the_machines(error) else "; this error was not expected, please report it"
    notes = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
    return f"{_what(error)}{notes}{ours}; {where}"


def write_details(error: BaseException, command: Sequence[str]) -> Path | None:
    """Write a traceback and what it happened on; None where nothing can be written."""
    now = datetime.now(UTC)
    text = masked("\n".join(_details(error, command, now)))
    name = f"crash-{now:%Y%m%d-%H%M%S}-{os.getpid()}.txt"
    for folder in (_own_folder, _temporary_folder):
        try:
            file = folder() / name
            write_text(file, text)
        except OSError:
            continue
        return file
    return None


def masked(text: str) -> str:
    """The text without passwords, as far as they can be recognised."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def _is_the_machines(error: BaseException) -> bool:
    """Whether it is no fault of the program: no memory, no space, no right to write."""
    return isinstance(error, MemoryError) or getattr(error, "errno", None) in _OF_THE_MACHINE


def _what(error: BaseException) -> str:
    """The error in a few words."""
    if isinstance(error, MemoryError):
        return "this process has no memory left"
    if isinstance(error, OSError) and error.strerror:
        place = "" if error.filename is None else f": {os.fsdecode(error.filename)}"
        return f"{error.strerror}{place}"
    lines = masked(str(error)).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _details(error: BaseException, command: Sequence[str], now: datetime) -> Iterator[str]:
    import platform  # late, as no command needs them
    from importlib import metadata

    yield f"{now:%Y-%m-%d %H:%M:%S} UTC"
    yield f"command: {shlex.join(command)}"
    yield f"Python {sys.version} on {platform.platform()}"
    for name in PACKAGES:
        try:
            yield f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue
    for name in VARIABLES:
        if name in os.environ:
            yield f"{name}={os.environ[name]}"
    for name in ("stdout", "stderr"):
        yield f"encoding of {name}: {getattr(getattr(sys, name), 'encoding', None)}"
    yield ""
    yield "".join(traceback.format_exception(error))
    yield getattr(error, "printed", "")  # of a worker


def _own_folder() -> Path:
    made = not FOLDER.exists()
    FOLDER.mkdir(exist_ok=True)
    if made:
        write_text(FOLDER / ".gitignore", "*\n")  # as the store does: it is this machine's own
    return FOLDER


def _temporary_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="depthprof-"))
