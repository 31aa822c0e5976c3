"""Consoles, pipes and files that a command may print to, made by hand."""

# ruff: noqa: RUF001 - signs that look like others are what is tested
import errno
import io
from typing import Any

SHOWN = "fünf ± 3 % → ▁▄█ ≤ × … – “x” ─│┌ 深度 \udcff.png\n"
"""Signs that consoles lack, and a file name that is not UTF-8."""


class Console(io.TextIOWrapper):
    """A strict console of one encoding; `shown` is what it has been given."""

    def __init__(self, encoding: str, errors: str = "strict") -> None:
        super().__init__(io.BytesIO(), encoding=encoding, errors=errors, newline="\n")

    @property
    def shown(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)  # type: ignore[attr-defined, no-any-return]


class Terminal(Console):
    """The same, as a terminal."""

    def isatty(self) -> bool:
        return True


class Failing(io.StringIO):
    """Takes `room` characters, and fails with an error from then on."""

    encoding = "utf-8"

    def __init__(self, error: Exception, room: int = 0) -> None:
        super().__init__()
        self._error, self._room = error, room

    def write(self, text: str) -> int:
        if self.tell() + len(text) > self._room:
            raise self._error
        return super().write(text)

    def flush(self) -> None:
        if self._room == 0:
            raise self._error


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


class Bare:
    """The least that `print` takes: no encoding, no flush, no descriptor."""

    def __init__(self) -> None:
        self.shown = ""

    def write(self, text: str) -> None:
        self.shown += text


def full() -> Failing:
    return Failing(OSError(errno.ENOSPC, "No space left on device"))


def left() -> Failing:
    return Failing(BrokenPipeError(errno.EPIPE, "Broken pipe"))


def odd_encoding() -> Any:
    stream = Bare()
    stream.encoding = "no such encoding"  # type: ignore[attr-defined]
    return stream
