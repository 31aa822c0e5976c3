"""Both versions against outputs of the published code, stage by stage."""

from pathlib import Path

import numpy as np
import pytest
import torch

from depthprof.networks import loading
from depthprof.pipelines import published
from depthprof.pipelines.published import Published
from depthprof.pipelines.v1 import V1
from depthprof.pipelines.v2 import V2, grey
from depthprof.records import Workload
from tests.parameters import golden_picture, put_golden_parameters

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = [
    ("upstream_98.npz", "vits", 98),
    ("upstream_98.npz", "vitb", 98),
    ("upstream_vitl_56.npz", "vitl", 56),
]


@pytest.fixture(autouse=True)
def _one_thread_and_no_weights_that_are_replaced_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(loading, "fill", lambda *_: None)
    monkeypatch.setattr(published, "load_model", loading.load_model)


@pytest.mark.parametrize("kind", [V1, V2])
@pytest.mark.parametrize(("file", "encoder", "size"), CASES)
def test_a_published_pipeline_agrees_with_the_published_code(
    kind: type[Published], file: str, encoder: str, size: int
) -> None:
    golden = np.load(GOLDEN / file)
    pipeline = kind(Workload(model=encoder, input_size=size, device="cpu"))
    put_golden_parameters(pipeline.model)
    images = [golden["image_bgr"]]
    assert np.array_equal(images[0], golden_picture(*images[0].shape[:2]))
    version, both = kind.version, f"{kind.version}.{encoder}"

    with torch.no_grad():
        batch = pipeline.preprocess(images)
        assert np.abs(batch[0].numpy() - golden[f"{version}.network_input"]).max() <= 1e-4
        output = pipeline.forward(pipeline.h2d(batch))
        assert np.abs(output.numpy() - golden[f"{both}.network_output"]).max() <= 1e-4
        resized = pipeline._resized(output.float(), images[0].shape[:2])
        assert np.abs(resized[0].numpy() - golden[f"{both}.depth"]).max() <= 1e-4
        host = pipeline.d2h(pipeline.postprocess(output))
        (colour,) = pipeline.deliver(host)

    gray = host[0].numpy().astype(np.uint8) if kind is V1 else grey(host[0].numpy())
    expected = golden[f"{both}.gray"]
    assert np.abs(gray.astype(int) - expected.astype(int)).max() <= 1
    equal = gray == expected
    assert equal.mean() > 0.9
    assert np.array_equal(colour[equal], golden[f"{both}.color_bgr"][equal])


@pytest.mark.parametrize("kind", [V1, V2])
def test_the_product_depth_is_the_published_depth(kind: type[Published]) -> None:
    golden = np.load(GOLDEN / "upstream_98.npz")
    pipeline = kind(Workload(input_size=98, product="depth", device="cpu"))
    put_golden_parameters(pipeline.model)
    with torch.no_grad():
        value = pipeline.preprocess([golden["image_bgr"]])
        for stage in (pipeline.h2d, pipeline.forward, pipeline.postprocess, pipeline.d2h):
            value = stage(value)
        (depth,) = pipeline.deliver(value)
    assert depth.dtype == np.float32
    assert np.abs(depth - golden[f"{kind.version}.vits.depth"]).max() <= 1e-4
