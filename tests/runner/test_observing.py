"""One iteration looked at: of small pipelines of known habits, and of the published ones."""

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import torch

from depthprof.errors import PipelineError
from depthprof.networks.configs import config_for
from depthprof.records import STAGES, Observed, Workload, built
from depthprof.runner.observe import observe
from depthprof.runner.worker import Worker

HEIGHT, WIDTH = 40, 60


class Small:
    """A pipeline of one convolution, without any of the habits that are told of."""

    def __init__(self) -> None:
        self.network = torch.nn.Conv2d(3, 1, 3, padding=1)

    def preprocess(self, images: list[Any]) -> torch.Tensor:
        batch = np.stack([image.transpose(2, 0, 1).astype(np.float32) for image in images])
        return torch.from_numpy(batch)

    def h2d(self, batch: torch.Tensor) -> torch.Tensor:
        return batch.to("cpu")

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        depth: torch.Tensor = self.network(batch)[:, 0]
        return depth

    def postprocess(self, depth: torch.Tensor) -> torch.Tensor:
        return depth.relu()

    def d2h(self, depth: torch.Tensor) -> torch.Tensor:
        return depth.cpu()

    def deliver(self, depth: torch.Tensor) -> list[Any]:
        return [one.numpy() for one in depth]

    def calls(self) -> list[tuple[str, Any]]:
        names = ("preprocess", "h2d", "forward", "postprocess", "sync", "d2h", "deliver")
        found = [getattr(self, name, lambda value: value) for name in names]
        return list(zip(STAGES, found, strict=True))


def looked_at(pipeline: Small, count: int = 2) -> Observed:
    images = [np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8) for _ in range(count)]
    with torch.no_grad():
        return observe(pipeline, pipeline.calls(), images, "cpu")


def test_work_is_counted_stage_by_stage() -> None:
    pixels = 2 * HEIGHT * WIDTH
    found = looked_at(Small())
    assert [work.stage for work in found.work] == list(STAGES)
    rows = {work.stage: asdict(work) for work in found.work}
    assert rows["preprocess"]["read_bytes"] == 3 * pixels
    assert rows["preprocess"]["written_bytes"] == 12 * pixels
    assert rows["forward"]["flops"] == 2 * 9 * 3 * pixels
    assert rows["forward"]["read_bytes"] == 12 * pixels + 4 * (27 + 1)
    assert rows["forward"]["written_bytes"] == 4 * pixels
    assert rows["postprocess"]["ops"] == 1
    for stage in ("h2d", "sync", "d2h", "return"):  # handed through: nothing to do
        assert (rows[stage]["read_bytes"], rows[stage]["written_bytes"]) == (0, 0)
        assert (rows[stage]["flops"], rows[stage]["ops"]) == (0, 0)
    assert found.memory.weights_bytes == 4 * (27 + 1)


def test_a_pipeline_without_habits_has_no_traits_but_sizes_and_places() -> None:
    found = looked_at(Small())
    assert [trait.code for trait in found.traits] == ["weights_on", "input_on", "product_bytes"]
    product = found.trait("product_bytes", "return")
    assert product is not None
    assert product.amount == 4 * 2 * HEIGHT * WIDTH


class Wasteful(Small):
    """Every habit that a CPU can have."""

    def preprocess(self, images: list[Any]) -> torch.Tensor:
        wide = np.stack(images).transpose(0, 3, 1, 2) / 255.0
        return torch.from_numpy(wide.astype(np.float32))

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        half = torch.nn.functional.interpolate(batch, scale_factor=0.5, mode="bicubic")
        depth: torch.Tensor = self.network(half)[:, 0]
        rows = depth.reshape(1, 1, -1, 4)
        again = torch.nn.functional.scaled_dot_product_attention(rows, rows, rows)
        return again.reshape(depth.shape).softmax(-1)


def test_habits_are_told_with_amount_and_place() -> None:
    found = looked_at(Wasteful())
    traits = {(trait.code, trait.stage): trait for trait in found.traits}
    wide = traits["float64_host", "preprocess"]
    assert wide.amount == 2 * 3 * HEIGHT * WIDTH * 8
    assert wide.where.startswith("test_observing.py:")
    assert traits["positions_interpolated", "forward"].amount == 1
    assert traits["published_attention", "forward"].amount == 1
    assert traits["sdpa_attention", "forward"].amount == 1
    assert ("float64_host", "return") not in traits
    pixels = 2 * (HEIGHT // 2) * (WIDTH // 2)
    tokens = pixels // 4
    fused, conv = 4 * tokens**2 * 4, 2 * 27 * pixels
    work = found.work_of("forward")
    assert work is not None
    assert work.flops == fused + conv


class Failing(Small):
    def postprocess(self, depth: torch.Tensor) -> torch.Tensor:
        raise ValueError(f"not twice\n{depth}")


def test_a_stage_that_raises_is_a_sentence() -> None:
    with pytest.raises(PipelineError, match="the stage postprocess raised ValueError") as caught:
        looked_at(Failing())
    assert caught.value.stage == "postprocess"
    assert str(caught.value).endswith("not twice")


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    """A worker with three sides at a small input, in this process, each looked at once."""
    options = {"a": ("v1", {}), "b": ("v2", {}), "c": ("v2", {"attention": "sdpa"})}
    sides = [
        {
            "name": name,
            "variant": variant,
            "workload": asdict(Workload(input_size=28, device="cpu", threads=1, **changes)),
            "checkpoint": None,
        }
        for name, (variant, changes) in options.items()
    ]
    worker = Worker()
    loaded = worker.load({"sides": sides, "images": []})
    found: dict[str, Any] = {"shape": loaded["sides"]["a"]["input_shapes"][0]}
    for name in options:
        answer = json.loads(json.dumps(worker.observe({"side": name})))
        found[name] = built(Observed, answer["observed"])
    return found


def flops_by_hand(rows: int, columns: int) -> float:
    """Products and convolutions of the small network, a multiply-add being two operations.

    From the shapes of the encoder (patch embedding, 12 blocks of width 384 with an MLP four times
    as wide) and of the depth head (features 64).
    """
    config = config_for("v2", "small")
    dim, wide, features = config.dim, 4 * config.dim, config.features
    patches = rows * columns
    tokens = patches + 1
    block = tokens * dim * (3 * dim + dim + 2 * wide) + 2 * tokens**2 * dim
    encoder = patches * dim * 3 * 14**2 + config.depth * block
    first, second, _, fourth = config.out_channels
    coarse = -(-rows // 2) * -(-columns // 2)
    pixels = (16 * patches, 4 * patches, patches, coarse)  # of the four levels, finest first
    head = sum(patches * dim * channels for channels in config.out_channels)
    head += patches * (16 * first**2 + 4 * second**2) + coarse * 9 * fourth**2
    head += sum(n * 9 * c * features for n, c in zip(pixels, config.out_channels, strict=True))
    units = 2 * sum(pixels) - pixels[3]  # the coarsest level is refined once, the others twice
    head += units * 2 * 9 * features**2
    head += (64 * patches + sum(pixels[:3])) * features**2
    head += 64 * patches * 9 * features * features // 2
    head += 14**2 * patches * (9 * features // 2 * 32 + 32)
    return 2.0 * (encoder + head)


@pytest.mark.slow
@pytest.mark.parametrize("side", ["a", "b", "c"])
def test_the_flops_of_the_network_are_those_by_hand(side: str, published: Any) -> None:
    _, _, height, width = published["shape"]
    work = published[side].work_of("forward")
    assert work.flops == pytest.approx(flops_by_hand(height // 14, width // 14), rel=0.05)
    weights = published[side].memory.weights_bytes
    assert weights == 4 * 24_785_089
    assert work.read_bytes == weights + 4 * 3 * height * width
    assert work.written_bytes == 4 * height * width
    assert 200 < work.ops < 500


@pytest.mark.slow
def test_the_published_habits_are_found(published: Any) -> None:
    for side in "abc":
        found: Observed = published[side]
        wide = found.trait("float64_host", "preprocess")
        assert wide is not None
        assert wide.amount == 8 * 3 * 512 * 600  # the photograph, divided by 255
        assert wide.where.startswith("published.py:")
        product = found.trait("product_bytes", "return")
        assert product is not None
        assert product.amount == 3 * 512 * 600
        positions = found.trait("positions_interpolated", "forward")
        assert positions is not None
        assert positions.amount == 1
        for code in ("weights_on", "input_on"):
            place = found.trait(code, "forward")
            assert place is not None
            assert place.where == "cpu"
        assert found.trait("pageable_copy") is None
        memory = found.memory
        assert memory.device_allocated_bytes is None
        if memory.host_peak_bytes is not None:
            assert memory.host_peak_bytes > 3 * memory.weights_bytes  # three sides are loaded


@pytest.mark.slow
def test_the_versions_differ_in_attention_and_colours(published: Any) -> None:
    v1, v2, fused = (published[side] for side in "abc")
    assert v1.trait("colour_map_host").where == "cv2.applyColorMap"
    assert v1.trait("float64_host", "return") is None
    for one in (v2, fused):
        assert one.trait("colour_map_host").where == "matplotlib.colors"
        assert one.trait("float64_host", "return").amount == 8 * 4 * 512 * 600  # RGBA
        assert one.trait("float64_host", "return").where.startswith("v2.py:")
    for one in (v1, v2):
        assert one.trait("published_attention").amount == 12
        assert one.trait("sdpa_attention") is None
    assert fused.trait("sdpa_attention").amount == 12
    assert fused.trait("published_attention") is None
