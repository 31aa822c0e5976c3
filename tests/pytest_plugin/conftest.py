"""Fixtures: a session of pytest in a folder of its own, and a stand-in for measuring."""

import pytest
from pytest_benchmark import plugin as benchmark_plugin

from depthprof.cli import measuring  # noqa: F401  (or each session imports it anew)
from depthprof.pytest_plugin import beside  # noqa: F401
from depthprof.pytest_plugin import session as sessions
from depthprof.system.doctor import gpu  # noqa: F401
from tests.pytest_plugin.sessions import LOADED, PLUGIN, Measured, Session


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Measured:
    stand_in = Measured()
    monkeypatch.setattr(sessions, "carried_out", stand_in)
    return stand_in


@pytest.fixture
def session(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Session:
    """Runs pytest in the folder, with the plugin, a store of its own and no other plugin."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setattr(benchmark_plugin, "get_cpu_info", dict)  # it takes seconds
    monkeypatch.setattr(benchmark_plugin, "get_commit_info", lambda *_: {"id": "none"})
    monkeypatch.setattr(benchmark_plugin, "get_tag", lambda *_: "tag")
    plugin = [] if LOADED else ["-p", PLUGIN]

    def run(*arguments: str) -> pytest.RunResult:
        return pytester.runpytest_inprocess(*plugin, "-p", "no:cacheprovider", *arguments)

    return run
