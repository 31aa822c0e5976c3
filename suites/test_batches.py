"""Several pictures an iteration, by stage; `--depth-batches 1,4` says how many."""

from typing import Any

import pytest

from depthprof.records import STAGES, TOTAL


@pytest.mark.parametrize("variant", ["v1", "v2"])
@pytest.mark.parametrize("stage", [*STAGES, TOTAL])
def test_batch(
    depth_profile: Any,
    depth_model: str,
    depth_batch: int,
    depth_batch_options: dict[str, Any],
    stage: str,
    variant: str,
) -> None:
    options = {"model": depth_model, "batch": depth_batch, **depth_batch_options}
    depth_profile("v1", "v2", of=variant, stage=stage, **options)
