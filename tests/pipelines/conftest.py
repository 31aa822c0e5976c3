"""Random weights are drawn once for all tests of the pipelines, and copied for each."""

from collections.abc import Iterator
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from depthprof.networks import DepthAnything, load_model
from depthprof.pipelines import published

_drawn = lru_cache(maxsize=4)(load_model)


def _load(
    version: str, size: str, *, checkpoint: Path | None = None, **options: Any
) -> DepthAnything:
    if checkpoint is not None:
        return load_model(version, size, checkpoint=checkpoint, **options)
    return deepcopy(_drawn(version, size, **options))


@pytest.fixture(autouse=True)
def _weights_are_drawn_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(published, "load_model", _load)
        yield
