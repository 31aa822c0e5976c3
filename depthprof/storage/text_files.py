"""Text files: read whatever system wrote them, written as UTF-8 with line feeds everywhere."""

import codecs
from pathlib import Path

MARKS = (  # the longer ones first: UTF-16's is the beginning of UTF-32's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks, and the codec that takes each off (Unicode 15, section 23.8)."""

PADDING = "\0\x1a"
"""What may follow the text: zeros after a power failure, Control-Z of old DOS editors."""

ESCAPE = "depthprof.escape"
"""Error handler for codecs: what cannot be encoded is shown escaped, a raw byte as `\\xff`."""


class NotText(ValueError):
    """Bytes that are no text; `str(error)` says why, without the name of the file."""


def read_text(file: Path) -> str:
    """Read a text file: UTF-8, or Unicode of any kind with a byte order mark; any line ends.

    Raises:
        NotText: it is neither, or it was cut within a character.
        OSError: it cannot be read.
    """
    return decoded(file.read_bytes())


def decoded(data: bytes) -> str:
    """Decode what `read_text` read; line ends become line feeds.

    Raises:
        NotText: as `read_text`.
    """
    codec = next((name for mark, name in MARKS if data.startswith(mark)), _unmarked(data))
    try:
        text = data.decode(codec)
    except UnicodeDecodeError as error:
        raise NotText(_why(error)) from None
    return text.rstrip(PADDING).replace("\r\n", "\n").replace("\r", "\n")


def system_text(file: Path) -> str:
    """Read what a kernel or a library wrote, such as /proc; bytes that are no UTF-8 become signs.

    Raises:
        OSError: it cannot be read.
    """
    return file.read_text(encoding="utf-8", errors="replace")


def write_text(file: Path, text: str) -> None:
    """Write a text file, which any system reads alike.

    Raises:
        OSError: it cannot be written.
    """
    file.write_text(text, encoding="utf-8", errors=ESCAPE, newline="\n")


def append_text(file: Path, text: str) -> None:
    """Write at the end of a text file.

    Raises:
        OSError: it cannot be written.
    """
    with file.open("a", encoding="utf-8", errors=ESCAPE, newline="\n") as open_file:
        open_file.write(text)


def escaped(text: str) -> str:
    """Show characters escaped; those by which Python passes raw bytes on, as the bytes."""
    return "".join(
        f"\\x{ord(sign) - 0xDC00:02x}"
        if "\udc80" <= sign <= "\udcff"  # PEP 383
        else sign.encode("ascii", "backslashreplace").decode()
        for sign in text
    )


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return escaped(error.object[error.start : error.end]), error.end


codecs.register_error(ESCAPE, _escape)


def _unmarked(data: bytes) -> str:
    """UTF-16 without a mark shows in its zeros, where the text begins with two ASCII signs."""
    begin = [byte == 0 for byte in data[:4]]
    kinds: dict[tuple[bool, ...], str] = {
        (False, True) * 2: "utf-16-le",
        (True, False) * 2: "utf-16-be",
    }
    return kinds.get(tuple(begin), "utf-8")


def _why(error: UnicodeDecodeError) -> str:
    data = error.object  # without the mark
    if not error.encoding.startswith("utf-8"):
        return f"it is not whole {error.encoding.upper()}"
    line = data[: error.start].count(b"\n") + 1
    return f"byte 0x{data[error.start]:02x} in line {line} is not UTF-8; save it as UTF-8"
