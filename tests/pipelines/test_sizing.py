"""The network's input size: the published figures, and what holds for every picture."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from depthprof.pipelines.published import Preprocess, network_size, size_note
from depthprof.records import Workload

SIDES = st.integers(1, 6000)
INPUTS = st.integers(14, 2000)


@pytest.mark.parametrize(
    ("height", "width", "input_size", "expected"),
    [
        (480, 640, 518, (518, 686)),
        (720, 1280, 518, (518, 924)),
        (518, 518, 518, (518, 518)),
        (60, 83, 98, (98, 140)),
        (48, 40, 56, (70, 56)),
        (1, 1, 518, (518, 518)),
        (480, 640, 500, (504, 672)),
        (480, 640, 505, (518, 672)),
    ],
)
def test_known_sizes(height: int, width: int, input_size: int, expected: tuple[int, int]) -> None:
    assert network_size(height, width, input_size, square=False) == expected
    side = expected[0] if height <= width else expected[1]
    assert network_size(height, width, input_size, square=True) == (side, side)


@given(height=SIDES, width=SIDES, input_size=INPUTS, square=st.booleans())
def test_both_sides_are_multiples_of_14_and_at_least_the_input_size(
    height: int, width: int, input_size: int, square: bool
) -> None:
    sides = network_size(height, width, input_size, square=square)
    assert all(side % 14 == 0 for side in sides)
    assert all(side >= input_size for side in sides)
    assert min(sides) < input_size + 14


@given(height=SIDES, width=SIDES, input_size=INPUTS)
def test_the_aspect_ratio_is_kept_to_within_a_patch(
    height: int, width: int, input_size: int
) -> None:
    assume(max(height, width) <= 20 * min(height, width))
    scale = max(input_size / height, input_size / width)
    for side, pixels in zip(
        network_size(height, width, input_size, square=False), (height, width), strict=True
    ):
        assert abs(side - scale * pixels) < 14


@given(height=SIDES, width=SIDES, input_size=INPUTS)
def test_turning_the_picture_turns_the_input(height: int, width: int, input_size: int) -> None:
    turned = network_size(width, height, input_size, square=False)
    assert network_size(height, width, input_size, square=False) == turned[::-1]


def test_the_note_names_the_rounded_size() -> None:
    assert size_note(Workload(input_size=518)) is None
    said = "input size 500 is not a multiple of 14: rounded to 504, as published"
    assert size_note(Workload(input_size=500)) == said


@given(height=st.integers(1, 80), width=st.integers(1, 80))
def test_a_batch_of_unlike_pictures_has_one_size(height: int, width: int) -> None:
    image = np.full((height, width, 3), 128, np.uint8)
    alone = Preprocess(28, square=True)([image])
    both = Preprocess(28, square=True)([image, image[:1, :1]])
    assert alone.shape == (1, 3, 28, 28)
    assert both.shape == (2, 3, 28, 28)
    assert (both[0] == alone[0]).all()
