"""The fixture `depth_profile` where pytest-benchmark is missing: it says so."""

from typing import NoReturn

import pytest

SENTENCE = (
    "depth_profile records its figures with pytest-benchmark, which is switched off"
    " (-p no:benchmark) or not installed; leave the option out, or install pytest-benchmark"
)


@pytest.fixture
def depth_profile() -> NoReturn:
    """Fail the test with a sentence."""
    pytest.fail(SENTENCE, pytrace=False)
