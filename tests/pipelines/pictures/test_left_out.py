"""What of a folder looks like a picture and is not read: left out by name, or refused."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFile

from depthprof import api
from depthprof.errors import BadPicture
from depthprof.pipelines.pictures import files
from depthprof.pipelines.pictures.loading import load_pictures
from depthprof.records import Workload
from depthprof.runner import Plan, SidePlan
from tests.pipelines.pictures.made import COLOUR, jpeg, written

HDR_BOMB = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 70000 +X 70000\n" + bytes(99)
HEIC = b"\0\0\0\x18ftypheic" + bytes(80)
APPLE_DOUBLE = b"\0\5\x16\7" + bytes(60)
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
TIFF = b"II*\0" + bytes(60)

BAD_FILES = {
    "empty.jpg": (b"", "is not a picture: the file is empty"),
    "EMPTY.JPG": (b"", "is not a picture: the file is empty"),
    "cut.jpg": (jpeg()[:-900], "cut short"),
    "text.png": (b"some text", "is not a picture"),
    "bomb.hdr": (HDR_BOMB, "CV_IO_MAX_IMAGE_PIXELS"),
    "phone.HEIC": (HEIC, "does not read HEIC"),
    "phone.jpg": (HEIC, "does not read HEIC"),
    "new.jxl": (b"\xff\x0a" + bytes(30), "does not read JPEG XL"),
    "drawing.svg": (SVG, "does not read SVG"),
    "camera.nef": (TIFF, "camera's raw file"),
    "camera.DNG": (TIFF, "camera's raw file"),
    "tags.tif": (TIFF, "damaged|cannot be decoded"),
    "._good.png": (APPLE_DOUBLE, "is hidden"),
    ".thumb.png": (jpeg(), "is hidden"),
    "begins-as-one": (jpeg()[:300], "cut short"),
}


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(path.parent)  # a socket's path has room for about 100 bytes
        try:
            server.bind(path.name)
        finally:
            os.chdir(here)


BAD_ENTRIES: dict[str, tuple[Callable[[Path], object], str]] = {
    "folder.jpg": (Path.mkdir, "is no file but a folder"),
    "pipe.png": (os.mkfifo, "is no file but a pipe"),
    "socket.png": (make_socket, "is no file but a socket"),
    "device.png": (lambda path: path.symlink_to("/dev/zero"), "is no file but a device"),
    "nothing.jpg": (lambda path: path.symlink_to("gone.jpg"), "is a link to nothing"),
    "loop.jpg": (lambda path: path.symlink_to(path.name), "cannot be read: Too many levels"),
    "icon.ico": (lambda path: Image.fromarray(COLOUR).save(path), "does not read ICO"),
}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    written(folder / "good.png", COLOUR)
    return folder


def left_out(folder: Path) -> dict[str, str]:
    loaded = load_pictures([folder], keeps_aspect=True)
    assert [picture.name for _, picture in loaded.pictures] == ["good.png"]
    return {one.name: one.why for one in loaded.left_out}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_not_read_is_left_out_by_name_or_refused(
    name: str, photos: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    content, why = BAD_FILES[name]
    (photos / name).write_bytes(content)
    found = left_out(photos)
    assert list(found) == [name]
    assert any(words in found[name] for words in why.split("|"))
    with pytest.raises(BadPicture, match="strict") as refused:
        load_pictures([photos], keeps_aspect=True, strict=True)
    assert name in str(refused.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", BAD_ENTRIES)
def test_what_is_no_file_is_left_out_without_waiting_for_it(name: str, photos: Path) -> None:
    make, why = BAD_ENTRIES[name]
    make(photos / name)
    assert why in left_out(photos)[name]
    with pytest.raises(BadPicture, match="strict"):
        load_pictures([photos], keeps_aspect=True, strict=True)


def test_what_does_not_look_like_a_picture_is_no_loss(photos: Path) -> None:
    for name, content in {
        "notes.txt": b"no picture",
        "BMW": b"BMW and other words",
        "P5": b"P5 is a page",
        ".DS_Store": b"\0\0\0\1Bud1",
        "clip.mp4": b"\0\0\0\x18ftypmp42" + bytes(80),
        "empty": b"",
    }.items():
        (photos / name).write_bytes(content)
    (photos / "inside").mkdir()
    os.mkfifo(photos / "pipe")
    loaded = load_pictures([photos], keeps_aspect=True, strict=True)
    assert [picture.name for _, picture in loaded.pictures] == ["good.png"]
    assert loaded.left_out == ()


@pytest.mark.parametrize("name", ["photo", "photo.txt", "photo.jpg.part", "PHOTO.JPG", "a.jpeg"])
def test_a_picture_is_known_by_how_it_begins(name: str, photos: Path) -> None:
    (photos / name).write_bytes(jpeg())
    loaded = load_pictures([photos], keeps_aspect=True, strict=True)
    assert {picture.name for _, picture in loaded.pictures} == {name, "good.png"}


def test_a_file_without_permission_is_left_out(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = written(photos / "secret.png", COLOUR)
    known = Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        if path == secret:
            raise PermissionError(13, "Permission denied")
        return known(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)  # root may read everything
    assert left_out(photos) == {"secret.png": "cannot be read: Permission denied"}


def test_a_file_of_absurd_size_is_not_read(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 100_000)
    with (photos / "sparse.png").open("wb") as file:
        file.truncate(1_000_000)
    assert left_out(photos) == {"sparse.png": "is too large to be read: 976.6 KiB"}


def test_a_folder_of_which_nothing_can_be_read_is_refused_with_the_reasons(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}.jpg").touch()
    with pytest.raises(BadPicture, match=r"holds no pictures.*0\.jpg is.*2\.jpg is.*; and 2 more"):
        load_pictures([tmp_path], keeps_aspect=True)


def test_pillow_refuses_what_is_cut_short_whatever_a_pipeline_told_it(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photos / "cut.jpg").write_bytes(jpeg()[:-900])
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert "cut.jpg" in left_out(photos)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


def test_whatever_a_decoder_raises_is_a_reason(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(_: object) -> None:
        raise IndexError("no such strip")

    Image.fromarray(COLOUR).save(photos / "odd.gif")
    (photos / "good.png").unlink()
    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    with pytest.raises(BadPicture, match=r"odd\.gif is cut short or damaged \(no such strip\)"):
        load_pictures([photos], keeps_aspect=True)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("gone.png", "does not exist"),
        ("n" * 300 + ".png", "cannot be read: File name too long"),
        ("zero\0byte.png", r"zero\\x00byte.png cannot be read"),
    ],
)
def test_a_named_picture_that_is_not_there_is_refused_before_anything_starts(
    name: str, why: str, tmp_path: Path
) -> None:
    plan = Plan((SidePlan("a", "v1", "v1", Workload()),), images=(tmp_path / name,))
    with pytest.raises(BadPicture, match=why):
        api.check_plan(plan)
    with pytest.raises(BadPicture, match=why):
        load_pictures([tmp_path / name], keeps_aspect=True)


def test_links_are_followed_and_keep_their_names(photos: Path) -> None:
    (photos.parent / "blobs").mkdir()
    (photos / "good.png").rename(photos.parent / "blobs" / "3f7a")
    (photos / "linked.png").symlink_to("../blobs/3f7a")
    (photos.parent / "link").symlink_to("photos")
    for path in (photos.parent / "link", photos / "linked.png"):
        plan = Plan((SidePlan("a", "v1", "v1", Workload()),), images=(path,))
        asked = [Path(image) for image in plan.load_command(())["images"]]
        loaded = load_pictures(asked, keeps_aspect=True)
        assert [picture.name for _, picture in loaded.pictures] == ["linked.png"]
    assert np.array_equal(loaded.pictures[0][0], cv2.imread(str(photos / "linked.png")))
