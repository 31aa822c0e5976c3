"""A browser for the tests that look at pages as they are laid out."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def page() -> Iterator[Any]:
    """A page of a Chromium that is started once; each test gives it a size and a content."""
    known = filter(None, map(shutil.which, NAMES))
    place = os.environ.get("DEPTHPROF_TEST_CHROMIUM") or next(known, None)
    if place is None:
        pytest.skip("no Chromium here: apt-get install chromium, or set DEPTHPROF_TEST_CHROMIUM")
    if "DEPTHPROF_TEST_CHROMIUM" not in os.environ:  # in CI a lack of it is an error
        pytest.importorskip("playwright", reason="needs playwright (the dev extra)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=place, args=list(FLAGS))
        yield browser.new_page()
        browser.close()
