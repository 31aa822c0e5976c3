"""One picture: decoded by OpenCV, held whole by Pillow, and what reading it left away."""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageFile, UnidentifiedImageError

from depthprof.pipelines.pictures.files import RAW, UNREAD, Unreadable, bytes_of

Pixels = NDArray[np.uint8]

CHECKED = re.compile("AVIF|BMP|DIB|GIF|JPEG|JPEG2000|MPO|PNG|PPM|SUN|TIFF|WEBP")
"""What OpenCV and Pillow both read, by Pillow's names. Pillow does not load others: to load some,
it starts programs."""

ALONE = re.compile(rb"#\?R|\x76\x2f\x31\x01|P7\n|P[Ff]\n|II[*+]\0|MM\0[*+]|\x59\xa6\x6a\x95")
"""How files begin that OpenCV reads and Pillow may not: .hdr, .exr, .pam, .pfm, some .tif, .sr."""

FRAMES = {"TIFF": "pages", "MPO": "pictures"}
COLOURS = {"CMYK": "CMYK", "LAB": "Lab"}
LONGEST_PROFILE = 40
HEIF = {b"avi": "AVIF", b"hei": "HEIC", b"hev": "HEIC", b"mif": "HEIF", b"msf": "HEIF"}
"""What follows `ftyp` in what phones save as HEIC, at times under the ending .jpg."""

ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")


@dataclass(frozen=True, slots=True)
class Facts:
    """What Pillow knows of a picture: its format and mode, frames, alpha, colour profile."""

    format: str = ""
    mode: str = ""
    frames: int = 1
    has_alpha: bool = False
    profile: str = ""


def read_picture(path: Path) -> tuple[Pixels, str]:
    """Read a picture as OpenCV does.

    Returns:
        uint8 [H, W, 3] BGR, and what was converted or left away, "" if nothing was.

    Raises:
        Unreadable: not there, no picture, cut short, damaged, too large, or of an unread kind.
    """
    content = bytes_of(path)
    if RAW.fullmatch(path.suffix):
        raise Unreadable("is by its name a camera's raw file; save it anew as PNG")
    facts = _facts(content, path.suffix)
    pixels = _decoded(content, cv2.IMREAD_COLOR, facts.format)
    return pixels, _note(_decoded(content, cv2.IMREAD_UNCHANGED, facts.format), facts)


def _facts(content: bytes, suffix: str) -> Facts:
    """Ask Pillow, and refuse what it finds cut short: OpenCV would fill the rest with grey."""
    try:
        with _strictly(), Image.open(io.BytesIO(content)) as picture:
            if not CHECKED.fullmatch(picture.format or ""):
                return Facts(picture.format or "")
            picture.load()
            return _facts_of(picture)
    except UnidentifiedImageError:
        if kind := _other_kind(content, suffix):
            raise Unreadable(_not_by_opencv(kind)) from None
        if ALONE.match(content) is None:
            raise Unreadable("is not a picture, or damaged, or of no known kind") from None
        return Facts()
    except Image.DecompressionBombError as error:
        raise Unreadable(f"is too large to be read: {error}") from error
    except Exception as error:  # the border: what damaged bytes raise in a decoder, no list tells
        raise Unreadable(f"is cut short or damaged ({error})") from error


def _facts_of(picture: Image.Image) -> Facts:
    return Facts(
        format=picture.format or "",
        mode=picture.mode,
        has_alpha=picture.mode in ALPHA or "transparency" in picture.info,
        profile=_profile(picture.info.get("icc_profile")),
        frames=getattr(picture, "n_frames", 1),  # last: counting walks on to later frames
    )


@contextmanager
def _strictly() -> Iterator[None]:
    """Have Pillow refuse what is cut short, even where a pipeline told it not to, and be quiet."""
    known = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # size and metadata warnings are not ours to print
            yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = known


def _profile(profile: bytes | None) -> str:
    """Name of a colour profile other than sRGB, "" where there is none."""
    if not profile:
        return ""
    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    except (ImageCms.PyCMSError, OSError, ImportError):
        name = "unknown"
    return "" if "srgb" in name.lower() else name.strip()[:LONGEST_PROFILE]


def _other_kind(content: bytes, suffix: str) -> str:
    """Name of a kind of picture that neither Pillow nor OpenCV reads, "" where it is none."""
    if content[4:8] == b"ftyp" and content[8:11] in HEIF:
        return HEIF[content[8:11]]
    if content.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL ")):
        return "JPEG XL"
    return suffix[1:].upper() if UNREAD.fullmatch(suffix) else ""


def _not_by_opencv(kind: str) -> str:
    kinds = f", which does not read {kind}" if kind else ""
    return f"cannot be decoded by OpenCV{kinds}; save it anew as PNG"


def _decoded(content: bytes, flag: int, kind: str) -> NDArray[Any]:
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flag)
    except cv2.error as error:
        raise Unreadable(f"cannot be decoded by OpenCV ({error.err})") from error
    if pixels is None or not pixels.size:
        if kind and not CHECKED.fullmatch(kind):
            raise Unreadable(_not_by_opencv(kind))
        raise Unreadable(
            "cannot be decoded by OpenCV: it is cut short, or of a kind that OpenCV does not read;"
            " save it anew as PNG"
        )
    return np.ascontiguousarray(pixels)


def _note(stored: NDArray[Any], facts: Facts) -> str:
    """What reading as one frame of 8-bit BGR changed, from the pixels as they are stored."""
    notes = []
    if kind := _unlike_bgr(stored, facts):
        notes.append(f"{kind}, read as 8-bit BGR")
    if facts.frames > 1:
        notes.append(f"first of {facts.frames} {FRAMES.get(facts.format, 'frames')}")
    if facts.profile:
        notes.append(f'colour profile "{facts.profile}" ignored')
    return "; ".join(notes)


def _unlike_bgr(stored: NDArray[Any], facts: Facts) -> str:
    channels = 1 if stored.ndim == 2 else stored.shape[2]
    bits = 1 if facts.mode == "1" else 8 * stored.itemsize
    if facts.mode in COLOURS:
        kind = COLOURS[facts.mode]
    elif facts.has_alpha or (channels > 3 and not facts.mode):  # OpenCV says it of all of a GIF
        kind = "picture with alpha"
    elif channels >= 3 and bits == 8:
        return ""  # a palette too: its colours are kept as they are
    else:
        kind = "grayscale" if channels == 1 else "colour"
    return kind if bits == 8 else f"{bits}-bit {kind}"
