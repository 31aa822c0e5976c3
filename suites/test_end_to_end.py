"""The whole iteration of v1 and v2, from the picture to what the caller gets."""

from typing import Any

import pytest


@pytest.mark.parametrize("variant", ["v1", "v2"])
def test_end_to_end(depth_profile: Any, depth_model: str, variant: str) -> None:
    depth_profile("v1", "v2", model=depth_model, of=variant, stage="total")
