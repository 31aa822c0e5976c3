"""The pytest plugin: `depth_profile` for tests, and the parametrizations of the suites.

pytest loads it in every session of an environment that depthprof is installed in, so it imports
nothing of depthprof's until a test of ours is collected.
"""

from time import monotonic

import pytest

from depthprof.errors import BadInput
from depthprof.pytest_plugin.options import add_options, any_given, asked

STARTED = monotonic()
"""When the session began, near enough."""

BENCHMARK = ("benchmark", "pytest_benchmark.plugin")
"""Names that pytest-benchmark may be registered by."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare --depth-..."""
    add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Choose the fixture that fits, and refuse options that mean nothing before anything runs."""
    if any_given(config):
        try:
            asked(config)
        except BadInput as error:
            raise pytest.UsageError(f"depthprof: {error}") from None
    from depthprof.pytest_plugin import fixture

    register = config.pluginmanager.register
    if any(config.pluginmanager.hasplugin(name) for name in BENCHMARK):
        from depthprof.pytest_plugin import beside

        register(fixture, "depthprof-fixture")
        register(beside.Beside(config, STARTED), "depthprof-beside-benchmark")
        register(beside.LastWord(), "depthprof-last-word")
    else:
        register(fixture.Without(), "depthprof-without-benchmark")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize `depth_model` and `depth_batch` by what is asked for."""
    wanted = [name for name in ("depth_model", "depth_batch") if name in metafunc.fixturenames]
    if not wanted:
        return
    try:
        known = asked(metafunc.config)
    except BadInput as error:
        raise pytest.Collector.CollectError(f"depthprof: {error}") from None
    if "depth_model" in wanted:
        metafunc.parametrize("depth_model", known.settings.models)
    if "depth_batch" in wanted:
        metafunc.parametrize("depth_batch", known.batches)
