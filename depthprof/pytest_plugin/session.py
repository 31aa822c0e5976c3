"""One pytest session: what is asked for, measured, recorded and compared. Kept in config.stash."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from depthprof.errors import BadInput, DepthprofError, nearest
from depthprof.pytest_plugin.absent import Entries
from depthprof.pytest_plugin.earlier import Allowed, Earlier
from depthprof.pytest_plugin.entries import Entry, Recorded, feed
from depthprof.pytest_plugin.measuring import Measurements
from depthprof.pytest_plugin.options import PROCESSES, Asked
from depthprof.records import STAGES, TOTAL, Policy, Result, Workload
from depthprof.report.conditions import describe_failure, left_out_lines
from depthprof.runner import Plan, SidePlan
from depthprof.storage.run_files import own_part

PLAN_OPTIONS = ("budget_s", "processes", "launches", "images", "strict", "checkpoint", "allow")


def carried_out(plan: Plan, policy: Policy) -> Result:
    """Measure and judge a plan: `depthprof.api.carry_out`, loaded when first needed."""
    from depthprof import api

    return api.carry_out(plan, policy)


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


@dataclass(slots=True)
class DepthSession:
    """What the tests of a session share.

    Attributes:
        asked: options and settings. facts: of this machine.
        allowed: what --benchmark-compare-fail allows. earlier: the runs of --benchmark-compare.
        measurements: by plan, each taken once.
        compared: how many times an entry was compared with one of an earlier run.
        remarks: what the terminal summary says of entries that were not compared.
    """

    asked: Asked
    facts: dict[str, Any]
    allowed: Allowed = field(default_factory=Allowed)
    earlier: tuple[Earlier, ...] = ()
    compared: int = 0
    measurements: Measurements = field(init=False)
    remarks: list[str] = field(default_factory=list)
    _carried: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.measurements = Measurements(carried_out, self.asked.settings.gate)

    def plan(self, variants: tuple[str, ...], options: dict[str, Any]) -> Plan:
        """Make the plan of one or two variants, "v2@fp16" included.

        Raises:
            BadInput: another number of variants, or an option that means nothing.
        """
        if len(variants) not in (1, 2):
            count = len(variants)
            raise BadInput(f"depth_profile takes one or two variants, and was given {count}")
        settings = self.asked.settings
        measured = {name: options.pop(name, None) for name in PLAN_OPTIONS}
        budget_s = measured["budget_s"] or self.asked.budget_s
        known = (*Workload.__dataclass_fields__, *PLAN_OPTIONS)
        for name in options:
            if name not in known:
                raise BadInput(f'depth_profile has no option "{name}"; {nearest(name, known)}')
        work = settings.workload(**options)
        return Plan(
            sides=_sides(variants, work, measured["checkpoint"], tuple(measured["allow"] or ())),
            images=tuple(Path(image) for image in measured["images"] or ()),
            budget_s=budget_s,
            launches=_processes(measured) or self.asked.processes or PROCESSES,
            seed=work.seed,
            command="pytest",
            strict=bool(measured["strict"]),
        )

    def compare_with(self, runs: Mapping[Any, Entries]) -> None:
        """Take the earlier runs, by file."""
        gate = self.asked.settings.gate
        self.earlier = tuple(Earlier(path, runs[path], self.allowed, gate) for path in runs)

    def record(
        self, benchmark: Any, recorded: Recorded, chosen: tuple[Entry, ...], *, alone: bool
    ) -> dict[str, tuple[str, ...]]:
        """Feed entries of a run and compare them with the earlier runs.

        Args:
            benchmark: the fixture of the test. alone: whether the test stands for one entry.

        Returns:
            What got slower, a sentence for each way it did, by "variant stage".
        """
        identity = recorded.identity
        slower: dict[str, tuple[str, ...]] = {}
        left_out = recorded.judged.run.left_out
        self.remarks += [f"left out: {text}" for text in left_out_lines(left_out)]
        for entry in chosen:
            carried = {} if identity in self._carried else recorded.packed()
            self._carried.add(identity)
            known = {**entry.known, "run": identity, **carried}
            made = feed(benchmark, entry, known, alone=alone)
            found = [earlier.held(made, entry, recorded) for earlier in self.earlier]
            self.compared += sum(item.is_compared for item in found)
            self.remarks += [item.remark for item in found if item.remark is not None]
            texts = tuple(text for item in found for text in item.slower)
            if texts:
                slower[f"{entry.variant} {entry.stage}"] = texts
        return slower


def chosen_entries(
    recorded: Recorded, of: str | None, stages: tuple[str, ...] | None
) -> tuple[Entry, ...]:
    """Entries of a run that a test wants: of one variant, of some stages, or all.

    Raises:
        BadInput: no such variant or stage in the run.
    """
    known = recorded.entries
    labels = {side.name: side.label for side in recorded.judged.run.sides}
    named = {word for entry in known for word in (entry.variant, labels[entry.known["side"]])}
    if of is not None and of not in named:
        raise BadInput(f'depth_profile has no variant "{of}"; {nearest(of, sorted(named))}')
    for stage in stages or ():
        if stage not in (*STAGES, TOTAL):
            raise BadInput(f'unknown stage "{stage}"; {nearest(stage, (*STAGES, TOTAL))}')
    return tuple(
        entry
        for entry in known
        if of in (None, entry.variant, labels[entry.known["side"]])
        and (stages is None or entry.stage in stages)
    )


@dataclass(frozen=True, slots=True)
class OthersOnly:
    """A check of pytest-benchmark that leaves our entries to us.

    Its own way ends the session in a traceback that no JUnit file knows of.
    """

    check: Any

    def fails(self, current: Any, compared: Any) -> Any:
        """What pytest-benchmark asks for each entry."""
        if own_part(current.extra_info) is not None:
            return None
        return self.check.fails(current, compared)


session_key = pytest.StashKey[DepthSession]()


def _processes(options: Mapping[str, Any]) -> int | None:
    """The number of processes, by the old name of the keyword too."""
    if options["launches"] is not None:
        warnings.warn("launches= is now processes=", DeprecationWarning, stacklevel=6)
    known: int | None = options["processes"] or options["launches"]
    return known


def _sides(
    variants: tuple[str, ...], work: Workload, checkpoint: Any, allow: tuple[str, ...]
) -> tuple[SidePlan, ...]:
    from depthprof.runner.plan import split_side

    sides = []
    for name, text in zip("ab", variants, strict=False):
        variant, fields = split_side(text)
        label = f"{text} ({name})" if variants.count(text) > 1 else text
        path = None if checkpoint is None else Path(checkpoint)
        side = SidePlan(name, label, variant, work.changed(**fields), path, allow=allow)
        sides.append(side)
    return tuple(sides)


def answer(request: pytest.FixtureRequest, benchmark: Any, call: Call) -> Result:
    """Measure what a test asked for, record it, and fail what got slower."""
    __tracebackhide__ = True
    session = request.config.stash[session_key]
    try:
        recorded = session.measurements.of(session.plan(call.variants, call.options))
        chosen = chosen_entries(recorded, call.of, call.stages)
        _check_whole(recorded.judged, chosen, call)
        slower = session.record(benchmark, recorded, chosen, alone=call.alone)
    except DepthprofError as error:
        pytest.fail(f"depthprof: {error}", pytrace=False)
    _fail(request, slower, alone=call.alone)
    return recorded.judged


def _check_whole(judged: Result, chosen: tuple[Entry, ...], call: Call) -> None:
    __tracebackhide__ = True
    if judged.run.failures:
        texts = [describe_failure(judged.run, failure) for failure in judged.run.failures]
        pytest.fail(f"depthprof: {'; '.join(texts)}", pytrace=False)
    if not chosen:
        pytest.skip(
            f"{call.of or ' and '.join(call.variants)} has no {' or '.join(call.stages or ())}"
        )


def _fail(
    request: pytest.FixtureRequest, slower: dict[str, tuple[str, ...]], *, alone: bool
) -> None:
    """Fail a subtest for each entry that got slower; the test itself where it is that entry."""
    __tracebackhide__ = True
    if not slower:
        return
    try:
        subtests = None if alone else request.getfixturevalue("subtests")
    except pytest.FixtureLookupError:  # below pytest 9, without pytest-subtests
        subtests = None
    if subtests is None:
        texts = [text for found in slower.values() for text in found]
        pytest.fail("\n".join(texts), pytrace=False)
    for name, found in slower.items():
        with subtests.test(name):
            pytest.fail("\n".join(found), pytrace=False)
