"""What is said of pictures that are more than one frame of 8-bit BGR."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from depthprof.pipelines.pictures.loading import load_pictures
from tests.pipelines.pictures.made import COLOUR

RGB = Image.fromarray(COLOUR)
FRAMES = [Image.fromarray(255 - COLOUR), Image.fromarray(COLOUR // 2)]
ALL: dict[str, Any] = {"save_all": True, "append_images": FRAMES}
CUT = ", read as 8-bit BGR"
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()

MADE: dict[str, tuple[Image.Image, dict[str, Any], str]] = {
    "animated.gif": (RGB, ALL, "first of 3 frames"),
    "animated.webp": (RGB, ALL, "first of 3 frames"),
    "animated.png": (RGB, ALL, "first of 3 frames"),
    "pages.tif": (RGB, ALL, "first of 3 pages"),
    "stereo.mpo": (RGB, ALL, "first of 3 pictures"),
    "gray pages.tif": (RGB.convert("L"), ALL, f"grayscale{CUT}; first of 3 pages"),
    "one.gif": (RGB, {}, ""),
    "cmyk.jpg": (RGB.convert("CMYK"), {}, f"CMYK{CUT}"),
    "cmyk.tif": (RGB.convert("CMYK"), {}, f"CMYK{CUT}"),
    "ycbcr.tif": (RGB.convert("YCbCr"), {}, ""),
    "lab.tif": (
        RGB.convert("LAB"),
        {},
        f'Lab{CUT}; colour profile "Lab identity built-in" ignored',
    ),
    "gray.jpg": (RGB.convert("L"), {}, f"grayscale{CUT}"),
    "gray alpha.png": (RGB.convert("LA"), {}, f"picture with alpha{CUT}"),
    "alpha.webp": (RGB, {}, ""),
    "bits.png": (RGB.convert("1"), {}, f"1-bit grayscale{CUT}"),
    "bits.tif": (RGB.convert("1"), {}, f"1-bit grayscale{CUT}"),
    "palette.png": (RGB.convert("P"), {}, ""),
    "palette alpha.png": (RGB.convert("P"), {"transparency": 3}, f"picture with alpha{CUT}"),
    "colour key.png": (RGB, {"transparency": (1, 2, 3)}, f"picture with alpha{CUT}"),
    "gray key.png": (RGB.convert("L"), {"transparency": 3}, f"picture with alpha{CUT}"),
    "srgb.jpg": (RGB, {"icc_profile": SRGB}, ""),
    "profile.jpg": (RGB, {"icc_profile": LAB}, 'colour profile "Lab identity built-in" ignored'),
    "odd profile.png": (RGB, {"icc_profile": b"odd"}, 'colour profile "unknown" ignored'),
}


def saved(path: Path) -> None:
    image, options, _ = MADE[path.name]
    more = [frame.copy() for frame in options.get("append_images", ())]
    image.copy().save(path, **{**options, "append_images": more})  # saving changes an image


@pytest.mark.parametrize("name", MADE)
def test_the_note_says_what_is_not_read(name: str, tmp_path: Path) -> None:
    *_, note = MADE[name]
    saved(tmp_path / name)
    ((pixels, picture),) = load_pictures([tmp_path / name], keeps_aspect=True).pictures
    assert picture.note == note
    assert (pixels.shape, pixels.dtype) == ((40, 50, 3), np.uint8)


@pytest.mark.parametrize("name", ["animated.gif", "animated.png", "pages.tif"])
def test_it_is_the_first_frame_that_is_read(name: str, tmp_path: Path) -> None:
    saved(tmp_path / name)
    ((pixels, _),) = load_pictures([tmp_path / name], keeps_aspect=True).pictures
    with Image.open(tmp_path / name) as image:
        first = np.asarray(image.convert("RGB"))
    assert np.array_equal(pixels, first[..., ::-1])


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_turned_photograph_is_read_upright(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    RGB.copy().save(tmp_path / "turned.jpg", exif=exif)
    ((_, picture),) = load_pictures([tmp_path / "turned.jpg"], keeps_aspect=True).pictures
    turned = (50, 40) if orientation in (6, 8) else (40, 50)
    assert (picture.height, picture.width, picture.note) == (*turned, "")
