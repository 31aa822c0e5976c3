"""Errors of the plugin itself: pytest's exit code for internal errors, not that of failed tests."""

from typing import Any

import pytest

from depthprof.pytest_plugin import measuring
from depthprof.pytest_plugin import session as sessions
from depthprof.records import traits
from depthprof.storage import run_files
from tests.pytest_plugin.sessions import MINE, Measured, Session, saved


def fault(*_: Any) -> Any:
    raise LookupError("odd")


PLACES: dict[str, tuple[Any, str]] = {
    "the account at the end": (measuring, "time_sentence"),
    "what is saved of the machine": (traits, "fingerprint"),
    "what is saved of the samples": (run_files, "own_part"),
    "measuring and recording": (sessions, "chosen_entries"),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_fault_of_ours_ends_the_session_with_3_and_one_sentence(
    place: str,
    pytester: pytest.Pytester,
    session: Session,
    measured: Measured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytester.makepyfile(MINE + "\ndef test_other():\n    pass\n")
    module, name = PLACES[place]
    monkeypatch.setattr(module, name, fault)
    outcome = session("--benchmark-json=out.json")
    assert outcome.ret == pytest.ExitCode.INTERNAL_ERROR
    outcome.stdout.fnmatch_lines(
        ["*INTERNAL ERROR of depthprof: LookupError: odd; this error was not expected*"]
    )
    assert "Traceback" not in str(outcome.stdout) + str(outcome.stderr)
    failed = int(place == "measuring and recording")
    outcome.assert_outcomes(passed=2 - failed, failed=failed)
    (file,) = (pytester.path / ".depthprof").glob("crash-*.txt")
    assert "LookupError: odd" in file.read_text(encoding="utf-8")
    assert len(measured.plans) == 1
    if not failed:
        assert len(saved(pytester.path)) == 1  # what was measured is saved
