"""Errors that nobody foresaw, in our part of a session: no failed test, but pytest's exit code 3.

pytest does not catch what is raised at a session's end: Python would end with 1, which means that
tests failed.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

unforeseen_key = pytest.StashKey[list[str]]()
"""A sentence for each such error of the session."""


@contextmanager
def guarded(config: pytest.Config) -> Iterator[None]:
    """Go on after what is not foreseen: it is noted, and its details are in a file."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the one place of the plugin: a hook must not raise
        from depthprof.storage import crash_reports

        text = crash_reports.reported(error, ["pytest", *map(str, config.invocation_params.args)])
        config.stash.setdefault(unforeseen_key, []).append(text)


class LastWord:
    """Outside all other plugins' ends of a session: what was noted is said last, and decides."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        """Let errors of ours that nobody foresaw be the last that is said."""
        try:
            return (yield)
        finally:
            _end(session)


def _end(session: pytest.Session) -> None:
    """Say what was noted, and let the session end as after an internal error of pytest."""
    noted = session.config.stash.get(unforeseen_key, [])
    reporter = session.config.pluginmanager.getplugin("terminalreporter")
    for text in dict.fromkeys(noted):
        if reporter is not None:
            reporter.write_line(f"INTERNAL ERROR of depthprof: {text}", red=True)
    if noted:
        session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
