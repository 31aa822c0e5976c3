"""One call of `depth_profile`: measured, or taken from what was, fed, and compared."""

from dataclasses import dataclass
from typing import Any

import pytest

from depthprof.errors import DepthprofError
from depthprof.pytest_plugin.entries import Entry
from depthprof.pytest_plugin.session import chosen_entries, session_key
from depthprof.records import Judged
from depthprof.report.wording import describe_failure


@dataclass(frozen=True, slots=True)
class Call:
    """What a test asked for.

    Attributes:
        variants: one or two. options: of the workload and the plan.
        of: variant to record; None records all. stages: stages to record; None records all.
    """

    variants: tuple[str, ...]
    options: dict[str, Any]
    of: str | None
    stages: tuple[str, ...] | None

    @property
    def alone(self) -> bool:
        """Whether the test stands for one entry, which then bears the test's name."""
        one_side = self.of is not None or len(self.variants) == 1
        return one_side and self.stages is not None and len(self.stages) == 1


def answer(request: pytest.FixtureRequest, benchmark: Any, call: Call) -> Judged:
    """Measure what a test asked for, record it, and fail what got slower."""
    __tracebackhide__ = True
    session = request.config.stash[session_key]
    try:
        judged = session.measurements.of(session.plan(call.variants, call.options))
        chosen = chosen_entries(judged, call.of, call.stages)
    except DepthprofError as error:
        pytest.fail(f"depthprof: {error}", pytrace=False)
    _check_whole(judged, chosen, call)
    _fail(request, session.record(benchmark, judged, chosen, call.alone), call.alone)
    return judged


def _check_whole(judged: Judged, chosen: tuple[Entry, ...], call: Call) -> None:
    __tracebackhide__ = True
    if judged.run.failures:
        texts = [describe_failure(judged.run, failure) for failure in judged.run.failures]
        pytest.fail(f"depthprof: {'; '.join(texts)}", pytrace=False)
    if not chosen:
        pytest.skip(
            f"{call.of or ' and '.join(call.variants)} has no {' or '.join(call.stages or ())}"
        )


def _fail(request: pytest.FixtureRequest, slower: dict[str, tuple[str, ...]], alone: bool) -> None:
    """Fail a subtest for each entry that got slower; the test itself where it is that entry."""
    __tracebackhide__ = True
    subtests = None if alone or not slower else _subtests(request)
    if subtests is not None:
        for name, found in slower.items():
            with subtests.test(name):
                pytest.fail("\n".join(found), pytrace=False)
    elif slower:
        texts = [text for found in slower.values() for text in found]
        pytest.fail("\n".join(texts), pytrace=False)


def _subtests(request: pytest.FixtureRequest) -> Any:
    """Pytest's subtests; None below pytest 9 without pytest-subtests."""
    try:
        return request.getfixturevalue("subtests")
    except pytest.FixtureLookupError:
        return None
