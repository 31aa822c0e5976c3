"""Ways to the device and back: pageable as published, page-locked, and half as many bytes.

On a CPU there is no way to go, so these are skipped by name.
"""

from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).with_name("transfer_paths.py")
PATHS = {
    "pageable": ("v1", "v2"),
    "pinned": (f"{FILE}:PinnedV1", f"{FILE}:PinnedV2"),
    "reduced": (f"{FILE}:ReducedV1", f"{FILE}:ReducedV2"),
}


@pytest.mark.parametrize("variant", ["v1", "v2"])
@pytest.mark.parametrize("stage", ["h2d", "sync", "d2h", "total"])
@pytest.mark.parametrize("path", PATHS)
def test_transfer(
    depth_profile: Any, depth_gpu: str, depth_model: str, path: str, stage: str, variant: str
) -> None:
    pair = PATHS[path]
    of = pair[int(variant == "v2")]
    depth_profile(*pair, model=depth_model, device=depth_gpu, of=of, stage=stage)
