"""Pictures for a run: files as they are named, folders with what of them cannot be read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from depthprof.errors import BadPicture
from depthprof.pipelines.pictures.files import Unreadable, is_folder, pictures_in
from depthprof.pipelines.pictures.reading import Pixels, read_picture
from depthprof.records import LeftOut, Picture

LONGEST_RATIO = 20
"""Kept aspect ratio: the network input of a longer strip would be absurd."""

MOST_NAMED = 3
"""So many files a refusal names."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Pictures, uint8 [H, W, 3] BGR with what is said of each, and files that were not read."""

    pictures: list[tuple[Pixels, Picture]]
    left_out: tuple[LeftOut, ...]


def load_pictures(
    paths: Sequence[Path] | None, *, keeps_aspect: bool, strict: bool = False
) -> Loaded:
    """Read pictures as OpenCV does; a folder means all pictures in it.

    Args:
        paths: files and folders; None takes the photograph that matplotlib ships.
        keeps_aspect: whether the network input will keep each picture's aspect ratio.
        strict: refuse a folder with a picture that cannot be read, instead of leaving it out.

    Raises:
        BadPicture: a named file is missing, no picture or cut short; a folder has no picture that
            can be read, or one that cannot where this is strict; or a picture is a strip.
    """
    logging = cv2.utils.logging  # its warnings go past Python; what is wrong is said below
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    loaded = Loaded([], ())
    for path in [default_picture()] if paths is None else paths:
        found = (_folder if is_folder(path) else _file)(path, keeps_aspect=keeps_aspect)
        loaded = Loaded(loaded.pictures + found.pictures, loaded.left_out + found.left_out)
    if strict and loaded.left_out:
        named = _named(loaded.left_out)
        raise BadPicture(f"strict refuses a folder of which not every picture is read: {named}")
    return loaded


def default_picture() -> Path:
    """Path of the photograph that ships with matplotlib."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"


def _file(path: Path, *, keeps_aspect: bool) -> Loaded:
    try:
        return Loaded([_picture(path, keeps_aspect=keeps_aspect)], ())
    except Unreadable as error:
        raise BadPicture(f"the picture {path} {error}") from error


def _folder(folder: Path, *, keeps_aspect: bool) -> Loaded:
    pictures, left_out = [], []
    for path in pictures_in(folder):
        try:
            if path.name.startswith("."):  # such as ._a.jpg, which macOS lays beside a.jpg
                raise Unreadable("is hidden: its name begins with a dot")
            pictures.append(_picture(path, keeps_aspect=keeps_aspect))
        except Unreadable as error:
            left_out.append(LeftOut(path.name, str(error)))
    if not pictures:
        why = f": {_named(left_out)}" if left_out else ""
        raise BadPicture(f"the folder {folder} holds no pictures that can be read{why}")
    return Loaded(pictures, tuple(left_out))


def _picture(path: Path, *, keeps_aspect: bool) -> tuple[Pixels, Picture]:
    pixels, note = read_picture(path)
    height, width = pixels.shape[:2]
    ratio = max(height, width) / min(height, width)
    if keeps_aspect and ratio > LONGEST_RATIO:
        raise BadPicture(
            f"the picture {path} is {width}x{height}, its sides {ratio:.0f} to 1: with its aspect"
            f" ratio kept (up to {LONGEST_RATIO} to 1) the network input would be far too long;"
            " crop it, or give --fixed-size"
        )
    return pixels, Picture(path.name, height, width, note)


def _named(left_out: Sequence[LeftOut]) -> str:
    more = len(left_out) - MOST_NAMED
    texts = [f"{one.name} {one.why}" for one in left_out[:MOST_NAMED]]
    return "; ".join([*texts, f"and {more} more"] if more > 0 else texts)
