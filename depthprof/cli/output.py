"""The one way out to the terminal: nothing printed here can end a command or lose a run.

A console that lacks a character gets a plain one for it. What cannot be written at all (a full
disk, a reader that went away, no standard output) is dropped, and `finish` says so.
"""

import codecs
import errno
import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from depthprof.errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

PLAIN = "depthprof.plain"
"""Error handler for codecs: characters that a console lacks become plain ones."""

_SIGNS = {
    **dict(zip("▁▂▃▄▅▆▇█", "_.:-=+*#", strict=True)),  # a course keeps its shape
    **dict(zip("±×÷·•…–—−", ("+-", *"x/.*", "...", *"---"), strict=True)),  # noqa: RUF001
    **dict(zip("←→↑↓≤≥≈≠µμ²³", ("<-", "->", *"^v", "<=", ">=", "~", "!=", *"uu23"), strict=True)),
    **dict(zip("‘’“”\u00a0\u2009\u202f", "''\"\"   ", strict=True)),  # noqa: RUF001
}
_RANGES = (  # of Unicode's blocks: box drawing, block elements, Braille (rich's spinner)
    ("─━┄┅┈┉╌╍═╴╶╸╺", "-"),
    ("│┃┆┇┊┋╎╏║╵╷╹╻", "|"),
    (map(chr, range(0x2500, 0x2580)), "+"),
    (map(chr, range(0x2580, 0x25A0)), "#"),
    (map(chr, range(0x2800, 0x2900)), "*"),
)
for _characters, _sign in _RANGES:
    _SIGNS = dict.fromkeys(_characters, _sign) | _SIGNS


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    from depthprof.storage.text_files import escaped  # late, as `--help` needs neither it nor JSON

    lacking = error.object[error.start : error.end]
    return "".join(_SIGNS.get(sign) or escaped(sign) for sign in lacking), error.end


codecs.register_error(PLAIN, _replace)


class Stream:
    """Standard output or standard error, as a file that takes every text and never raises.

    Args:
        name: "stdout" or "stderr"; it is looked up now, so that a live display may stand before it.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._stream: Any = getattr(sys, name)

    @property
    def encoding(self) -> str:
        """Of the console behind it, UTF-8 where it has none that Python knows."""
        try:
            return codecs.lookup(self._stream.encoding).name
        except (AttributeError, TypeError, LookupError):
            return "utf-8"

    def write(self, text: str) -> int:
        """Write a text, with what the console lacks replaced."""
        encoding = self.encoding
        plain = text.encode(encoding, PLAIN).decode(encoding)
        self._tried(lambda: self._stream.write(plain))
        return len(text)

    def flush(self) -> None:
        """Hand on what is buffered."""
        if hasattr(self._stream, "flush"):
            self._tried(lambda: self._stream.flush())

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        try:
            return bool(self._stream.isatty())
        except (AttributeError, ValueError):  # there is none, or it is closed
            return False

    def fileno(self) -> int:
        """The descriptor behind it.

        Raises:
            OSError: it has none.
        """
        try:
            return int(self._stream.fileno())
        except (AttributeError, ValueError) as error:
            raise io.UnsupportedOperation("no descriptor") from error

    def _tried(self, act: Any) -> None:
        if self._stream is None or self._name in _lost:
            return
        try:
            act()
        except (OSError, ValueError) as error:  # ValueError: it is closed
            _lost[self._name] = error


_lost: dict[str, Exception] = {}
"""What went wrong with a stream; nothing more is written to it then."""


def say(text: str) -> None:
    """Print a line on standard output."""
    Stream("stdout").write(f"{text}\n")


def warn(text: str) -> None:
    """Print a line on standard error, after our name."""
    note(f"depthprof: {text}")


def note(text: str) -> None:
    """Print a line on standard error."""
    stream = Stream("stderr")
    stream.write(f"{text}\n")
    stream.flush()


def console(name: str = "stdout") -> "Console":
    """A console of rich's on standard output, or on standard error."""
    from rich.console import Console

    return Console(file=Stream(name))  # type: ignore[arg-type]


def begin() -> None:
    """Forget what an earlier command of this process lost; wait for readers that are slow."""
    _lost.clear()
    for name in ("stdout", "stderr"):
        with suppress(OSError, AttributeError):  # no descriptor, or no such thing on this system
            os.set_blocking(Stream(name).fileno(), True)


def finish() -> str | None:
    """Hand on what is buffered, so that nothing is left to fail when the interpreter ends.

    Returns:
        Why standard output could not be written; None where it was, or where its reader left.
    """
    for name in ("stdout", "stderr"):
        Stream(name).flush()
        if name in _lost:
            _discard(Stream(name))
    error = _lost.get("stdout")
    if error is None or _reader_left(error):
        return None
    return getattr(error, "strerror", None) or str(error)


def _reader_left(error: Exception) -> bool:
    gone = (errno.EPIPE, errno.EINVAL) if os.name == "nt" else (errno.EPIPE,)
    return getattr(error, "errno", None) in gone


def _discard(stream: Stream) -> None:
    """Let the null device take what is still buffered."""
    with suppress(OSError):  # no descriptor: nothing is flushed at the end
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def hold_descriptors() -> None:
    """Open the null device on each standard descriptor that is closed (`>&-`, pythonw).

    Or the next file that is opened takes its number, and whatever is printed goes into it.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free


def write_json(target: str | None, document: dict[str, Any]) -> bool:
    """Write a document where it was asked for; tell whether that was standard output alone."""
    if target is None:
        return False
    import json
    from pathlib import Path

    from depthprof.storage import text_files

    text = json.dumps(document, indent=2, allow_nan=False)
    if target == "-":
        say(text)
        return True
    try:
        text_files.write_text(Path(target), text + "\n")
    except OSError as error:
        raise OutputError(f"could not write {target}: {error.strerror}") from error
    return False


def write_text(file: "Path", text: str) -> None:
    """Write a file below a folder that is made if need be.

    Raises:
        OutputError: it cannot be written.
    """
    from depthprof.storage import text_files

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        text_files.write_text(file, text)
    except OSError as error:
        raise OutputError(f"could not write {file}: {error.strerror}") from error
