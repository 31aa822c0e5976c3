"""Pictures as OpenCV reads them, what is said of their conversion, and what is refused."""

import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from depthprof.errors import BadPicture
from depthprof.pipelines.pictures.loading import load_pictures
from tests.names import NAMES
from tests.pipelines.pictures.made import COLOUR, GRAY, jpeg, written


def test_without_paths_it_is_the_photograph_of_matplotlib() -> None:
    ((pixels, picture),) = load_pictures(None, keeps_aspect=True).pictures
    assert (picture.name, picture.height, picture.width) == ("grace_hopper.jpg", 600, 512)
    assert pixels.shape == (600, 512, 3)


def test_a_folder_means_its_pictures_in_order(tmp_path: Path) -> None:
    for name in ("b.png", "a.jpg", "c.bmp"):
        written(tmp_path / name, COLOUR)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "inside").mkdir()
    found = load_pictures([tmp_path, tmp_path / "b.png"], keeps_aspect=True).pictures
    assert [picture.name for _, picture in found] == ["a.jpg", "b.png", "c.bmp", "b.png"]
    assert np.array_equal(found[1][0], COLOUR)


@pytest.mark.parametrize(
    ("name", "pixels", "note"),
    [
        ("plain.png", COLOUR, ""),
        ("gray.png", GRAY, "grayscale, read as 8-bit BGR"),
        ("gray16.png", GRAY.astype(np.uint16) * 256, "16-bit grayscale, read as 8-bit BGR"),
        ("colour16.tif", COLOUR.astype(np.uint16) * 256, "16-bit colour, read as 8-bit BGR"),
        ("alpha.png", np.dstack([COLOUR, GRAY]), "picture with alpha, read as 8-bit BGR"),
        ("opencv.hdr", COLOUR.astype(np.float32), "32-bit colour, read as 8-bit BGR"),
        ("one.png", COLOUR[:1, :1], ""),
    ],
)
def test_the_note_says_what_was_converted(
    name: str, pixels: np.ndarray, note: str, tmp_path: Path
) -> None:
    path = written(tmp_path / name, pixels)
    ((read, picture),) = load_pictures([path], keeps_aspect=True).pictures
    assert picture.note == note
    assert read.dtype == np.uint8
    assert read.shape == (*pixels.shape[:2], 3)
    assert np.array_equal(read, cv2.imread(str(path), cv2.IMREAD_COLOR))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tif", ".jp2", ".hdr"])
def test_a_truncated_picture_is_refused(
    suffix: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / f"cut{suffix}", COLOUR)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(BadPicture, match=f"cut{suffix}.*(cut short|damaged)"):
        load_pictures([path], keeps_aspect=True)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "content", [b"", b"some text", np.random.default_rng(1).bytes(600), b"\xff\xd8\xff\xe0\x00\x10"]
)
def test_what_is_no_picture_is_refused(
    content: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(BadPicture, match=r"photo\.jpg is (not a picture|cut short)"):
        load_pictures([path], keeps_aspect=True)
    assert capfd.readouterr() == ("", "")


def test_a_missing_path_an_empty_folder_and_a_pipe_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadPicture, match=r"none\.png does not exist"):
        load_pictures([tmp_path / "none.png"], keeps_aspect=True)
    with pytest.raises(BadPicture, match="holds no pictures"):
        load_pictures([tmp_path], keeps_aspect=True)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(BadPicture, match="is no file"):
        load_pictures([tmp_path / "pipe.png"], keeps_aspect=True)


def test_a_strip_is_refused_unless_it_becomes_a_square(tmp_path: Path) -> None:
    path = written(tmp_path / "strip.png", np.zeros((3, 10_000, 3), np.uint8))
    with pytest.raises(BadPicture, match=r"10000x3, its sides 3333 to 1.*--fixed-size"):
        load_pictures([path], keeps_aspect=True)
    assert load_pictures([path], keeps_aspect=False).pictures[0][0].shape == (3, 10_000, 3)
    edge = written(tmp_path / "edge.png", np.zeros((100, 5, 3), np.uint8))
    assert load_pictures([edge], keeps_aspect=True).pictures[0][1].height == 100


def test_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    with pytest.raises(BadPicture, match="too large to be read"):
        load_pictures([tmp_path / "bomb.png"], keeps_aspect=True)


def test_a_picture_that_opencv_cannot_read_is_refused(tmp_path: Path) -> None:
    Image.fromarray(COLOUR).save(tmp_path / "icon.ico")
    with pytest.raises(BadPicture, match=r"cannot be decoded by OpenCV.*save it anew as PNG"):
        load_pictures([tmp_path / "icon.ico"], keeps_aspect=True)


@pytest.mark.parametrize("kind", NAMES)
def test_a_picture_of_any_name_is_read_and_named(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / NAMES[kind]
    folder.mkdir()
    (folder / f"{NAMES[kind]}.jpg").write_bytes(jpeg())
    ((pixels, picture),) = load_pictures([folder], keeps_aspect=True).pictures
    assert np.array_equal(pixels, cv2.imdecode(np.frombuffer(jpeg(), np.uint8), cv2.IMREAD_COLOR))
    assert picture.name.isprintable()
    assert picture.name.endswith(".jpg")
    with pytest.raises(BadPicture) as refused:
        load_pictures([folder / "gone.jpg"], keeps_aspect=True)
    assert str(refused.value).isprintable()
