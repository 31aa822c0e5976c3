"""The fixtures of a test. Nothing of depthprof's is imported until a test calls one."""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from depthprof.pytest_plugin.options import Asked
    from depthprof.records import Result

XDIST = (
    "depthprof measures one thing at a time and was asked to run beside other tests: pytest-xdist"
    " is active. Run these tests by themselves with -n 0 (or -p no:xdist)"
)
WITHOUT = (
    "depth_profile records its figures with pytest-benchmark, which is switched off"
    " (-p no:benchmark) or not installed; leave the option out, or install pytest-benchmark"
)
DISABLED = "nothing is measured: benchmarks are disabled (--benchmark-disable)"

MODE = "depth_profile(...)"

DepthProfile = Callable[..., "Result"]


@pytest.fixture
def depth_profile(request: pytest.FixtureRequest, benchmark: Any) -> DepthProfile:
    """Measure one or two variants stage by stage and make each stage a benchmark of its own.

    Call it as `depth_profile("v1", "v2", input_size=98)`: the first variant is the baseline, and
    keywords are those of `depthprof.Workload`, or budget_s, processes, images, strict, checkpoint.
    What is not given comes from the options --depth-..., from [tool.depthprof], or is the default.
    `of` and `stage` record one variant or some stages alone; all the tests of a session that ask
    for the same measurement share it. It returns a `depthprof.Result`. With --benchmark-compare a
    stage that got slower is a failing subtest, or fails the test where it records that one alone.
    """

    def measured(
        *variants: str,
        of: str | None = None,
        stage: str | Sequence[str] | None = None,
        **options: Any,
    ) -> "Result":
        __tracebackhide__ = True
        benchmark._mode = MODE  # or pytest-benchmark warns that its fixture was not used
        _refuse_or_skip(request.config, benchmark)
        from depthprof.pytest_plugin.beside import guarded

        stages = (stage,) if isinstance(stage, str) else None if stage is None else tuple(stage)
        with guarded(request.config):
            from depthprof.pytest_plugin.session import Call, answer

            return answer(request, benchmark, Call(variants, options, of, stages))
        pytest.fail("depthprof: not measured, see the end of the session", pytrace=False)

    return measured


class Without:
    """Takes the place of these fixtures where pytest-benchmark is missing."""

    @pytest.fixture
    def depth_profile(self) -> NoReturn:
        """Fail the test with a sentence."""
        pytest.fail(WITHOUT, pytrace=False)


@pytest.fixture
def depth_asked(request: pytest.FixtureRequest) -> "Asked":
    """What --depth-... and [tool.depthprof] come to."""
    from depthprof.pytest_plugin.session import session_key

    return request.config.stash[session_key].asked


@pytest.fixture
def depth_gpu(request: pytest.FixtureRequest) -> str:
    """The GPU to measure on, such as "cuda"; skips the test where there is none."""
    from depthprof.pytest_plugin.session import session_key

    session = request.config.stash[session_key]
    device = session.asked.settings.device
    if session.facts["gpu"] is None:
        pytest.skip(f"needs a GPU; the device is {device} and this machine uses its CPU")
    return "cuda" if device == "auto" else device


def _refuse_or_skip(config: pytest.Config, benchmark: Any) -> None:
    __tracebackhide__ = True
    if config.getoption("benchmark_disable") and not config.getoption("benchmark_enable"):
        pytest.skip(DISABLED)
    if hasattr(config, "workerinput") or os.environ.get("PYTEST_XDIST_WORKER"):
        pytest.fail(XDIST, pytrace=False)
    if benchmark.disabled:
        pytest.skip("nothing is measured: pytest-benchmark has disabled itself")
