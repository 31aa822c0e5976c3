"""Pictures from disk as the published code reads them, or a sentence why not."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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


def _for_opencv_alone(file: Path) -> bool:
    """Whether a file is of a format that OpenCV reads and Pillow does not, such as .hdr."""
    return file.suffix.lower() not in Image.registered_extensions() and _may_be_picture(file)


def _may_be_picture(file: Path) -> bool:
    try:
        return bool(cv2.haveImageReader(str(file)))
    except cv2.error:
        return False


def _load(path: Path, keeps_aspect: bool) -> tuple[Pixels, Picture]:
    _check_whole(path)
    pixels = _decoded(path, cv2.IMREAD_COLOR)
    note = _conversion(_decoded(path, cv2.IMREAD_UNCHANGED))
    height, width = pixels.shape[:2]
    ratio = max(height, width) / min(height, width)
    if keeps_aspect and ratio > LONGEST_RATIO:
        raise BadPicture(
            f"the picture {path} is {width}x{height}, its sides {ratio:.0f} to 1: with its aspect"
            f" ratio kept (up to {LONGEST_RATIO} to 1) the network input would be far too long;"
            " crop it, or give --fixed-size"
        )
    return pixels, Picture(path.name, height, width, note)


def _check_whole(path: Path) -> None:
    """Refuse what Pillow finds cut short: OpenCV would fill the missing part with grey."""
    if not path.is_file():
        raise BadPicture(
            f"the picture {path} {'is no file' if path.exists() else 'does not exist'}"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # size and metadata warnings are not ours to print
            with Image.open(path) as picture:
                picture.load()
    except UnidentifiedImageError:
        if not _for_opencv_alone(path):
            raise BadPicture(f"{path} is not a picture, or damaged, or of no known kind") from None
    except Image.DecompressionBombError as error:
        raise BadPicture(f"the picture {path} is too large to be read: {error}") from error
    except PermissionError as error:
        raise BadPicture(f"the picture {path} cannot be read: {error.strerror}") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise BadPicture(f"the picture {path} is cut short or damaged ({error})") from error


def _decoded(path: Path, flag: int) -> NDArray[Any]:
    try:
        pixels = cv2.imread(str(path), flag)
    except cv2.error as error:
        raise BadPicture(f"the picture {path} cannot be decoded ({error.err})") from error
    if pixels is None or not pixels.size:
        raise BadPicture(
            f"the picture {path} cannot be decoded by OpenCV: it is cut short, or of a kind that"
            " OpenCV does not read; save it anew as PNG"
        )
    return np.ascontiguousarray(pixels)


def _conversion(stored: NDArray[Any]) -> str:
    """What reading a picture as 8-bit BGR changed, from its pixels as they are stored."""
    channels = 1 if stored.ndim == 2 else stored.shape[2]
    bits = 8 * stored.itemsize
    kind = {1: "grayscale", 3: "colour"}.get(channels, "picture with alpha")
    if bits == 8 and channels == 3:
        return ""
    return f"{kind if bits == 8 else f'{bits}-bit {kind}'}, read as 8-bit BGR"
