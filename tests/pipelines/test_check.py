"""The contract of the stages: what each may give, and the sentence when it gives something else."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from depthprof.errors import BadInput, OutOfMemory, PipelineError
from depthprof.pipelines.check import blame, checked_iteration
from depthprof.records import Workload

IMAGES = [np.zeros((6, 8, 3), np.uint8), np.zeros((5, 4, 3), np.uint8)]
SIZES = [(6, 8), (5, 4)]
DEPTHS = [torch.zeros(size) for size in SIZES]
WORKLOAD = Workload(batch=2, input_size=14, device="cpu", product="depth")


class Fake:
    """A pipeline that keeps the contract, but for the methods replaced."""

    def __init__(self, **replaced: Callable[[Any], Any]) -> None:
        self.preprocess = lambda images: torch.zeros(len(images), 3, 14, 28)
        self.h2d = lambda batch: batch
        self.forward = lambda batch: batch[:, 0]
        self.postprocess = lambda _: DEPTHS
        self.d2h = lambda depth: depth
        self.deliver = lambda depth: [one.numpy() for one in depth]
        vars(self).update(replaced)


def gives(value: Any) -> Callable[[Any], Any]:
    return lambda _: value


def raises(error: BaseException) -> Callable[[Any], Any]:
    def stage(_: Any) -> Any:
        raise error

    return stage


def refusal_of(stage: str, **replaced: Callable[[Any], Any]) -> str:
    with pytest.raises(PipelineError) as refusal:
        checked_iteration(Fake(**replaced), IMAGES, WORKLOAD)
    assert refusal.value.stage == stage
    assert refusal.value.side is None
    return str(refusal.value)


def test_a_pipeline_that_keeps_the_contract_gives_its_input_shape() -> None:
    assert checked_iteration(Fake(), IMAGES, WORKLOAD) == (2, 3, 14, 28)
    together = torch.zeros(2, 6, 8, 4)
    alike = Fake(postprocess=gives(together), deliver=gives([np.zeros((6, 8), np.float32)] * 2))
    assert checked_iteration(alike, IMAGES[:1] * 2, WORKLOAD) == (2, 3, 14, 28)


def test_the_product_image_is_uint8_with_three_channels() -> None:
    workload = WORKLOAD.changed(product="image")
    right = [np.zeros((*size, 3), np.uint8) for size in SIZES]
    assert checked_iteration(Fake(deliver=gives(right)), IMAGES, workload)
    with pytest.raises(PipelineError, match=r"uint8 .H, W, 3. for the product image"):
        checked_iteration(Fake(), IMAGES, workload)


@pytest.mark.parametrize(
    ("stage", "method", "value", "said"),
    [
        ("preprocess", "preprocess", None, "gave a NoneType, expected a floating-point tensor"),
        ("preprocess", "preprocess", torch.zeros(2, 3, 14), "torch.float32 [2, 3, 14], expected"),
        ("preprocess", "preprocess", torch.zeros(1, 3, 14, 14), "expected a floating-point tensor"),
        ("preprocess", "preprocess", torch.zeros(2, 3, 1, 1).int(), "a tensor torch.int32"),
        ("preprocess", "preprocess", np.zeros((2, 3, 1, 1)), "an array float64 [2, 3, 1, 1]"),
        ("preprocess", "preprocess", torch.zeros(2, 3, 1, 1, device="meta"), "expected on cpu"),
        (
            "h2d",
            "h2d",
            torch.zeros(2, 3, 14, 14),
            "expected a floating-point tensor [2, 3, 14, 28]",
        ),
        ("h2d", "h2d", torch.zeros(2, 3, 14, 28, device="meta"), "left its tensor on meta"),
        ("forward", "forward", torch.zeros(2, 1, 98, 126), "[2, 1, 98, 126], expected a tensor [2"),
        ("forward", "forward", (torch.zeros(1),), "gave a tuple of 1, the first a tensor"),
        ("postprocess", "postprocess", torch.tensor(1.0), "a tensor torch.float32 []"),
        ("postprocess", "postprocess", DEPTHS[:1], "gave a list of 1"),
        ("postprocess", "postprocess", DEPTHS[::-1], "with H, W = 6, 8"),
        ("d2h", "d2h", [depth.numpy() for depth in DEPTHS], "expected a tensor [2, H, W, ...]"),
        ("d2h", "d2h", [depth.to("meta") for depth in DEPTHS], "on meta, expected on cpu"),
        ("return", "deliver", np.zeros((2, 6, 8), np.float32), "expected a list of 2 arrays"),
        ("return", "deliver", [np.zeros(size) for size in SIZES], "an array float64 [6, 8]"),
        ("return", "deliver", DEPTHS, "a tensor torch.float32 [6, 8], expected a list"),
        ("return", "deliver", [], "gave a list of 0"),
    ],
)
def test_what_breaks_the_contract_is_named(stage: str, method: str, value: Any, said: str) -> None:
    text = refusal_of(stage, **{method: gives(value)})
    assert text.startswith(f"the stage {stage} ")
    assert said in text


def test_what_a_stage_raises_is_one_sentence_with_its_place() -> None:
    text = refusal_of("forward", forward=raises(ValueError("bad\nnews")))
    line = raises.__code__.co_firstlineno + 2
    assert text == f"the stage forward raised ValueError: bad ({__file__}:{line})"
    assert "raised KeyError: no text" in refusal_of("d2h", d2h=raises(KeyError()))
    assert "raised SystemExit: 1 (" in refusal_of("d2h", d2h=raises(SystemExit(1)))
    assert "raised SystemExit: no text" in refusal_of("return", deliver=raises(SystemExit()))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried 8 bytes"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
    ],
)
def test_memory_errors_come_with_a_remedy(error: Exception) -> None:
    found = blame(error, "forward")
    assert isinstance(found, OutOfMemory)
    assert str(found).startswith("out of memory in the stage forward: ")
    for remedy in ("--batch", "--input-size", "fp16", "sdpa"):
        assert remedy in str(found)


def test_memory_that_the_allocator_really_refuses_is_recognised() -> None:
    def huge(batch: torch.Tensor) -> torch.Tensor:
        return batch.new_zeros(1 << 50)

    with pytest.raises(OutOfMemory, match="out of memory in the stage forward"):
        checked_iteration(Fake(forward=huge), IMAGES, WORKLOAD)


def test_an_error_that_is_ours_already_keeps_its_words() -> None:
    error = PipelineError("said before", stage="h2d")
    assert blame(error, "forward") is error
    assert blame(PipelineError("no stage yet"), "forward").stage == "forward"
    refused = blame(BadInput("xformers has no CPU implementation"), "forward")
    assert str(refused) == "the stage forward was refused: xformers has no CPU implementation"


def test_a_preprocess_that_writes_into_its_pictures_is_refused() -> None:
    def overwrite(images: list[np.ndarray]) -> torch.Tensor:
        images[1][:] = 7
        return torch.zeros(len(images), 3, 14, 28)

    images = [image.copy() for image in IMAGES]
    with pytest.raises(PipelineError, match="wrote into its pictures") as refusal:
        checked_iteration(Fake(preprocess=overwrite), images, WORKLOAD)
    assert refusal.value.stage == "preprocess"
