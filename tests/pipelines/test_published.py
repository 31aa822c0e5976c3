"""The published pipelines beyond the golden cases: dtypes, batches, constant depths, devices."""

import hashlib
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from depthprof.errors import BadInput
from depthprof.networks import load_model
from depthprof.pipelines.check import checked_iteration
from depthprof.pipelines.device import resolve_device
from depthprof.pipelines.published import Published
from depthprof.pipelines.registry import load_pipeline
from depthprof.pipelines.v1 import V1
from depthprof.pipelines.v2 import V2, grey
from depthprof.records import Workload
from tests.parameters import golden_picture

BOTH = pytest.mark.parametrize("kind", [V1, V2])
FAST_V2 = Path(__file__).parents[2] / "docs" / "examples" / "fast_v2.py"


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def products(pipeline: object, images: list[np.ndarray]) -> list[np.ndarray]:
    value = images
    with torch.no_grad():
        for name in ("preprocess", "h2d", "forward", "postprocess", "d2h", "deliver"):
            value = getattr(pipeline, name)(value)
    return value


@BOTH
@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
def test_half_precision_gives_nearly_the_same_depth(kind: type[Published], dtype: str) -> None:
    image = golden_picture(60, 83)
    workload = Workload(input_size=56, device="cpu", product="depth")
    (exact,) = products(kind(workload), [image])
    (halved,) = products(kind(workload.changed(dtype=dtype)), [image])
    assert halved.dtype == np.float32
    assert np.isfinite(halved).all()
    assert 0 < np.abs(halved - exact).max() < (0.02 if dtype == "fp16" else 0.2)


@BOTH
@pytest.mark.parametrize("product", ["image", "depth"])
def test_a_batch_gives_each_picture_what_it_gets_alone(kind: type[Published], product: str) -> None:
    images = [golden_picture(60, 83), golden_picture(31, 20), golden_picture(60, 83)]
    workload = Workload(input_size=56, device="cpu", product=product, fixed_size=True)
    alone = kind(workload)
    batched = kind(workload.changed(batch=3))
    for pictures in (images, [images[0]] * 3):
        with torch.no_grad():
            shape = checked_iteration(batched, pictures, batched.workload)
        assert shape == (3, 3, 56, 56)
        for image, product_b in zip(pictures, products(batched, pictures), strict=True):
            (product_a,) = products(alone, [image])
            far = np.abs(product_a.astype(float) - product_b.astype(float))
            assert far.max() <= 1e-4 if product == "depth" else (far > 0).mean() < 0.02


@BOTH
@pytest.mark.parametrize("sizes", [[(4, 5)], [(4, 5), (4, 5)], [(4, 5), (3, 2)]])
def test_a_constant_depth_is_all_of_the_lowest_colour(
    kind: type[Published], sizes: list[tuple[int, int]]
) -> None:
    pipeline = kind(Workload(input_size=14, device="cpu", batch=len(sizes)))
    pipeline.preprocess([np.zeros((*size, 3), np.uint8) for size in sizes])
    depth = pipeline.d2h(pipeline.postprocess(torch.zeros(len(sizes), 14, 14)))
    images = pipeline.deliver(depth)
    lowest = pipeline.colour(np.zeros((1, 1), np.float32))[0, 0]
    assert [image.shape for image in images] == [(*size, 3) for size in sizes]
    assert all((image == lowest).all() for image in images)


def test_min_max_on_the_device_spans_0_to_255_and_is_0_for_a_constant() -> None:
    v1 = V1(Workload(input_size=14, device="cpu"))
    for count in (1, 2):
        depth = torch.linspace(3, 9, 12).reshape(1, 3, 4).repeat(count, 1, 1)
        scaled = v1.finish(depth)
        assert (scaled.min(), scaled.max()) == (0, 255)
        assert not v1.finish(torch.full((count, 3, 4), 7.3)).any()


def test_grey_spans_all_levels_and_is_zero_for_a_constant() -> None:
    assert grey(np.linspace(3, 9, 7, dtype=np.float32)[None]).tolist() == [
        [0, 42, 85, 127, 170, 212, 255]
    ]
    assert not grey(np.full((2, 3), 5.0, np.float32)).any()


@BOTH
def test_a_published_pipeline_says_what_it_is(kind: type[Published], tmp_path: Path) -> None:
    path = tmp_path / "small.pth"
    torch.save(load_model("v2", "small", seed=9).state_dict(), path)
    pipeline = load_pipeline(kind.version, Workload(input_size=14, device="cpu"), checkpoint=path)
    assert isinstance(pipeline, kind)
    assert pipeline.weights.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert pipeline.device == torch.device("cpu")


def test_metric_depth_is_coloured_so_that_near_is_red() -> None:
    work = Workload(input_size=14, device="cpu")
    near, far = np.float32([[0, 1]]), np.float32([[1, 0]])
    metric, relative = V2(work.changed(max_depth=20)), V2(work)
    assert np.array_equal(metric.colour(near), relative.colour(far))
    (metres,) = products(
        V2(work.changed(max_depth=20, product="depth", input_size=56)), [golden_picture(60, 83)]
    )
    assert metres.dtype == np.float32
    assert 0 < metres.min() < metres.max() < 20


def test_what_a_published_pipeline_refuses() -> None:
    with pytest.raises(BadInput, match="V1 has no model"):
        V1(Workload(model="giant", device="cpu"))
    with pytest.raises(BadInput, match="xformers has no CPU"):
        V2(Workload(attention="xformers", device="cpu"))


@pytest.mark.parametrize(
    ("asked", "count", "given"),
    [
        ("cpu", 2, "cpu"),
        ("auto", 0, "cpu"),
        ("auto", 2, "cuda:0"),
        ("cuda", 2, "cuda:0"),
        ("cuda:1", 2, "cuda:1"),
    ],
)
def test_the_device_becomes_concrete(
    asked: str, count: int, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    assert resolve_device(Workload(device=asked)).device == given


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BadInput, match=r"device cuda:3 was asked for, but .*use --device cpu"):
        resolve_device(Workload(device="cuda:3"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(
        BadInput, match="device cuda:3 was asked for, but there are: cuda:0, cuda:1"
    ):
        resolve_device(Workload(device="cuda:3"))


@pytest.mark.parametrize("product", ["image", "depth"])
@pytest.mark.parametrize("batch", [1, 2])
def test_the_example_gives_the_bytes_of_v2(product: str, batch: int) -> None:
    workload = Workload(input_size=56, device="cpu", product=product, batch=batch)
    images = [golden_picture(60, 83), golden_picture(31, 20)][:batch]
    fast = load_pipeline(f"{FAST_V2}:FastV2", workload)
    published = products(V2(workload), images)
    for ours, theirs in zip(products(fast, images), published, strict=True):
        assert ours.dtype == theirs.dtype
        assert np.array_equal(ours, theirs)


def test_the_example_colours_every_level_and_a_constant_as_v2_does() -> None:
    example = runpy.run_path(str(FAST_V2))["FastV2"](Workload(input_size=14, device="cpu"))
    v2 = V2(Workload(input_size=14, device="cpu"))
    for depth in (torch.arange(256.0).reshape(1, 16, 16), torch.full((1, 4, 4), 3.0)):
        assert np.array_equal(example.deliver(depth)[0], v2.deliver(depth)[0])
