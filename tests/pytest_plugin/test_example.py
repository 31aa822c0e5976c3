"""The example of docs/suites.md, with real workers at a size that takes seconds."""

import shutil
from pathlib import Path

import pytest

from tests.pytest_plugin.sessions import Session

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLE = DOCS / "examples" / "test_depth.py"


@pytest.mark.slow
def test_the_example_runs(pytester: pytest.Pytester, session: Session) -> None:
    shutil.copy(EXAMPLE, pytester.path / EXAMPLE.name)
    outcome = session("--depth-input-size=28", "--depth-processes=1", "--depth-budget=1")
    outcome.assert_outcomes(passed=1)
    outcome.stdout.fnmatch_lines(["*test_v2_forward_is_no_slower?v2-forward?*"])


def test_the_page_shows_the_example() -> None:
    code = EXAMPLE.read_text().split('"""')[2].strip()
    assert code in (DOCS / "suites.md").read_text()
