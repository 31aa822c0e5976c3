"""Which files are pictures, and their bytes. Imports nothing heavy."""

import re
import stat
from pathlib import Path

from depthprof.errors import BadPicture
from depthprof.units import binary_size

READ = re.compile(
    r"\.(a?png|avif|bmp|dib|exr|gif|hdr|j2k|jfif|jp2|jpe?g?|mpo|p[abfgnpx]m|pic|ras|sr|tiff?|webp)",
    re.IGNORECASE,
)
"""Endings of pictures that OpenCV reads, some of them only as it was built."""

RAW = re.compile(
    r"\.(3fr|arw|cr[23]|dng|iiq|nef|nrw|orf|pef|raf|raw|rw2|srw)",
    re.IGNORECASE,
)
"""Endings of cameras' raw files. OpenCV reads a small preview of some of them."""

UNREAD = re.compile(
    r"\.(dds|hei[cf]|hif|icns|ico|jxl|jxr|pcx|psd|qoi|svg|tga|wdp|xcf)",
    re.IGNORECASE,
)
"""Endings of other pictures that OpenCV does not read."""

BEGINNING = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n|GIF8[79]a|BM.{4}\0{4}|II[*+]\0|MM\0[*+]|RIFF.{4}WEBP|\0\0\0\x0cjP  "
    rb"|\xff\x4f\xff\x51|P[1-6]\s+[#\d]|P7\n|P[Ff]\n\d|#\?R(ADIANCE|GBE)|\x76\x2f\x31\x01"
    rb"|\x59\xa6\x6a\x95|.{4}ftyp(avi[fs]|he[iv][cmsx]|mif1|msf1)",
    re.DOTALL,
)
"""How files of pictures begin, whatever their names end in."""

BEGINNING_BYTES = 32
MOST_BYTES = 2**31
"""A larger file is not read: a picture of as many pixels as Pillow opens needs less."""

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class Unreadable(Exception):
    """A file cannot be used as a picture; the text goes on where the file's name ends."""


def why_absent(path: Path) -> str | None:
    """Why there is nothing to read at a path, going on where its name ends; None if there is."""
    try:
        path.stat()
    except FileNotFoundError:
        return "is a link to nothing" if path.is_symlink() else "does not exist"
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        return f"cannot be read: {getattr(error, 'strerror', None) or error}"
    return None


def is_folder(path: Path) -> bool:
    """Whether a path is a folder or a link to one."""
    return why_absent(path) is None and path.is_dir()


def pictures_in(folder: Path) -> list[Path]:
    """Entries of a folder that are pictures by their names or by how they begin, by name.

    Raises:
        BadPicture: the folder cannot be read.
    """
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise BadPicture(f"the folder {folder} cannot be read: {error.strerror}") from error
    return [entry for entry in entries if _ends(entry) or _begins(entry)]


def bytes_of(path: Path) -> bytes:
    """Read a picture's file; OpenCV is given its bytes, because it knows names in UTF-8 only.

    Raises:
        Unreadable: not there, no file (a pipe would block), empty, too large, or not permitted.
    """
    if (absent := why_absent(path)) is not None:
        raise Unreadable(absent)
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise Unreadable(f"is no file but {KINDS.get(stat.S_IFMT(found.st_mode), 'a device')}")
    if found.st_size > MOST_BYTES:
        raise Unreadable(f"is too large to be read: {binary_size(found.st_size)}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from error
    if not content:
        raise Unreadable("is not a picture: the file is empty")
    return content


def _ends(path: Path) -> bool:
    """Whether a name ends as a picture's does."""
    return any(ending.fullmatch(path.suffix) for ending in (READ, RAW, UNREAD))


def _begins(path: Path) -> bool:
    """Whether a file begins as a picture does; what cannot be opened does not."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        with path.open("rb") as file:
            return BEGINNING.match(file.read(BEGINNING_BYTES)) is not None
    except OSError:
        return False
