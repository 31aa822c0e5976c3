"""Outputs that are no depth: not finite, or the same everywhere; and what is none of that."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from depthprof.errors import BadOutput
from depthprof.pipelines.check import checked_iteration
from depthprof.pipelines.outputs import OutputFault
from depthprof.records import Workload
from tests.pipelines.test_check import Fake

RANDOM = np.random.default_rng(5)
SIZE = (6, 8)
IMAGES = [RANDOM.integers(0, 255, (*SIZE, 3), np.uint8) for _ in range(3)]
FLAT = np.full((*SIZE, 3), 90, np.uint8)
DEPTH = Workload(batch=3, input_size=14, device="cpu", product="depth")
IMAGE = DEPTH.changed(product="image")


def grids(dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.arange(48.0).reshape(1, *SIZE).repeat(3, 1, 1).to(dtype)


def damaged(place: Any, value: float, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    values = grids(dtype)
    values[place] = value
    return values


def pipeline(**replaced: Callable[[Any], Any]) -> Fake:
    """Keeps the contract with grids of depths, but for what is replaced."""
    whole: dict[str, Callable[[Any], Any]] = {
        "forward": lambda _: grids(),
        "postprocess": lambda depth: depth,
        "deliver": lambda depth: [one.float().numpy() for one in depth],
    }
    return Fake(**(whole | replaced))


def coloured(depth: torch.Tensor) -> list[np.ndarray]:
    return [np.repeat(one.byte().numpy()[..., None], 3, axis=2) for one in depth]


NAN, INF = float("nan"), float("inf")
NOT_FINITE: dict[str, tuple[dict[str, Any], str, str]] = {
    "all of NaN": (
        {"forward": damaged(slice(None), NAN)},
        "forward",
        "is not finite for 3 of 3 pictures, the first picture 1 of 3: NaN in 48 of 48 values",
    ),
    "one value of one picture": (
        {"forward": damaged((1, 2, 3), NAN)},
        "forward",
        "is not finite for picture 2 of 3: NaN in 1 of 48 values",
    ),
    "infinity in fp16": (
        {"forward": damaged((2, 0), INF, torch.float16)},
        "forward",
        "picture 3 of 3: infinity in 8 of 48 values",
    ),
    "infinity below": ({"forward": damaged((0, 0, 0), -INF)}, "forward", "infinity in 1 of"),
    "a small float": (
        {"forward": damaged((0, 0, 0), NAN, torch.float8_e5m2)},
        "forward",
        "NaN in 1 of 48",
    ),
    "nothing before postprocess": (
        {"postprocess": damaged((2, 1, 1), NAN)},
        "postprocess",
        "picture 3 of 3",
    ),
    "in the input": (
        {"preprocess": torch.full((3, 3, 14, 28), NAN)},
        "preprocess",
        "NaN in 1176 of 1176 values",
    ),
    "in the product alone": (
        {"deliver": [one.numpy() for one in damaged((1, 0, 0), INF)]},
        "return",
        "the stage return gave is not finite for picture 2 of 3",
    ),
}


def refusal(fake: Fake, workload: Workload = DEPTH, images: list[Any] = IMAGES) -> BadOutput:
    with pytest.raises(BadOutput) as refused, np.errstate(invalid="ignore"):
        checked_iteration(fake, images, workload)
    return refused.value


@pytest.mark.parametrize("case", NOT_FINITE)
def test_what_is_not_finite_is_refused_at_its_stage(case: str) -> None:
    values, stage, said = NOT_FINITE[case]
    fake = pipeline(**{name: lambda _, value=value: value for name, value in values.items()})
    error = refusal(fake)
    assert error.stage == stage
    assert said in str(error)


@pytest.mark.parametrize("value", [0.0, 20.0, -1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_one_depth_everywhere_is_refused(value: float, dtype: torch.dtype) -> None:
    fake = pipeline(forward=lambda _: torch.full((3, *SIZE), value, dtype=dtype))
    error = refusal(fake)
    assert error.stage == "forward"
    assert f"is the same everywhere for 3 of 3 pictures, the first picture 1 of 3: {value:g}" in (
        str(error)
    )


def test_a_batch_of_which_one_picture_is_filled_is_refused() -> None:
    error = refusal(pipeline(forward=lambda _: damaged(slice(1, None), 0.0)))
    assert "same everywhere for 2 of 3 pictures, the first picture 2 of 3: 0" in str(error)


def test_a_picture_of_one_colour_out_of_a_good_depth_is_refused() -> None:
    fake = pipeline(deliver=lambda _: [np.full((*SIZE, 3), (1, 2, 3), np.uint8)] * 3)
    error = refusal(fake, IMAGE)
    assert error.stage == "return"
    assert str(error).endswith(": 1 2 3")


@pytest.mark.parametrize("depth", [torch.zeros(3, *SIZE), grids()])
def test_a_picture_of_one_colour_may_have_one_depth(depth: torch.Tensor) -> None:
    fake = pipeline(forward=lambda _: depth, deliver=coloured)
    assert checked_iteration(fake, [FLAT] * 3, IMAGE)
    black = [np.zeros_like(FLAT)] * 3
    assert checked_iteration(fake, black, IMAGE)
    if not depth.any():
        error = refusal(fake, IMAGE, [FLAT, IMAGES[0], FLAT])
        assert "everywhere for picture 2 of 3: 0" in str(error)


@pytest.mark.parametrize(
    "values",
    [
        -grids(),  # a log of depth
        grids().double(),
        grids().int(),
        torch.where(grids() < 40, 0.0, grids()),  # much sky
        torch.nextafter(grids() * 0 + 1, grids()),
    ],
)
def test_what_differs_and_is_finite_is_a_depth(values: torch.Tensor) -> None:
    assert checked_iteration(pipeline(forward=lambda _: values), IMAGES, DEPTH)


def test_every_fault_is_told_to_who_goes_on() -> None:
    told: list[OutputFault] = []
    fake = pipeline(forward=lambda _: damaged((0, 0), NAN))
    assert checked_iteration(fake, IMAGES, DEPTH, told.append) == (3, 3, 14, 28)
    assert [fault.stage for fault in told] == ["forward", "postprocess", "return"]
    assert told[0].sentence(["a.jpg", "b.jpg", "c.jpg"]) == (
        "what the stage forward gave is not finite for picture 1 of 3 (a.jpg):"
        " NaN in 8 of 48 values"
    )
