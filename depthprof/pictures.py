"""Pictures from disk as the published code reads them, or a sentence why not."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from depthprof.errors import BadPicture
from depthprof.records import Picture

LONGEST_RATIO = 20
"""Kept aspect ratio: the network input of a longer strip would be absurd."""

Pixels = NDArray[np.uint8]


def load_pictures(
    paths: Sequence[Path] | None, *, keeps_aspect: bool
) -> list[tuple[Pixels, Picture]]:
    """Read pictures as OpenCV does (uint8 [H, W, 3] BGR); a folder means all pictures in it.

    Args:
        paths: files and folders; None takes the photograph that matplotlib ships.
        keeps_aspect: whether the network input will keep each picture's aspect ratio.

    Raises:
        BadPicture: missing, not a picture, cut short, a folder without pictures, or a strip.
    """
    logging = cv2.utils.logging  # its warnings go past Python; what is wrong is said below
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    files = [default_picture()] if paths is None else [f for path in paths for f in _files(path)]
    return [_load(file, keeps_aspect) for file in files]


def default_picture() -> Path:
    """Path of the photograph that ships with matplotlib."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.is_file() and _may_be_picture(file))
    if not found:
        raise BadPicture(f"the folder {path} holds no pictures that can be read")
    return found


def _may_be_picture(file: Path) -> bool:
    try:
        return bool(cv2.haveImageReader(str(file)))
    except cv2.error:
        return False


def _load(path: Path, keeps_aspect: bool) -> tuple[Pixels, Picture]:
    note = _whole(path)
    pixels = _decode(path)
    height, width = pixels.shape[:2]
    ratio = max(height, width) / min(height, width)
    if keeps_aspect and ratio > LONGEST_RATIO:
        raise BadPicture(
            f"the picture {path} is {width}x{height}, its sides {ratio:.0f} to 1: with its aspect"
            f" ratio kept (up to {LONGEST_RATIO} to 1) the network input would be far too long;"
            " crop it, or give --fixed-size"
        )
    return pixels, Picture(path.name, height, width, note)


def _whole(path: Path) -> str:
    """Make sure that the file is a whole picture, and describe what reading it converts."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # size and metadata warnings are not ours to print
            with Image.open(path) as picture:
                picture.load()
                return _conversion(picture)
    except FileNotFoundError:
        raise BadPicture(f"the picture {path} does not exist") from None
    except UnidentifiedImageError:
        if _may_be_picture(path):
            return ""  # a format that OpenCV alone knows
        raise BadPicture(f"{path} is not a picture, or of a format that cannot be read") from None
    except Image.DecompressionBombError as error:
        raise BadPicture(f"the picture {path} is too large to be read: {error}") from error
    except PermissionError as error:
        raise BadPicture(f"the picture {path} cannot be read: {error.strerror}") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise BadPicture(f"the picture {path} is cut short or damaged ({error})") from error


def _conversion(picture: Image.Image) -> str:
    kinds = {
        "1": "black and white",
        "L": "grayscale",
        "LA": "grayscale with alpha",
        "P": "palette",
        "RGBA": "with alpha, which is dropped",
        "CMYK": "CMYK",
        "F": "32-bit grayscale",
        "I": "32-bit grayscale",
    }
    if picture.mode.startswith("I;16"):
        return "16-bit grayscale, read as 8-bit BGR"
    kind = kinds.get(picture.mode)
    return f"{kind}, read as 8-bit BGR" if kind else ""


def _decode(path: Path) -> Pixels:
    try:
        pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise BadPicture(f"the picture {path} cannot be decoded ({error.err})") from error
    if pixels is None or not pixels.size:
        raise BadPicture(f"the picture {path} cannot be decoded by OpenCV; convert it to PNG")
    return np.ascontiguousarray(pixels, dtype=np.uint8)
