"""One pytest session: what is asked for, measured, fed and compared. Kept in config.stash."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from depthprof.errors import BadInput, nearest
from depthprof.pytest_plugin.absent import Entries
from depthprof.pytest_plugin.earlier import Earlier, Held, bars_of, held
from depthprof.pytest_plugin.entries import Entry, entries, packed, run_identity
from depthprof.pytest_plugin.feeding import feed
from depthprof.pytest_plugin.measuring import Measurements
from depthprof.pytest_plugin.options import LAUNCHES, Asked
from depthprof.records import STAGES, TOTAL, Judged, Policy, Workload
from depthprof.report.pictured import left_out_lines
from depthprof.runner import Plan, SidePlan
from depthprof.storage.benchmark_files import own_part


def carried_out(plan: Plan, policy: Policy) -> Judged:
    """Measure and judge a plan: `depthprof.api.carry_out`, loaded when first needed."""
    from depthprof import api

    return api.carry_out(plan, policy)


@dataclass(slots=True)
class DepthSession:
    """What the tests of a session share.

    Attributes:
        asked: options and settings. facts: of this machine.
        measurements: by plan, each taken once.
        checks: of --benchmark-compare-fail. earlier: by file, the runs of --benchmark-compare.
        compared: how many times an entry was held against one of an earlier run.
        remarks: what the terminal summary says of entries that were not compared.
    """

    asked: Asked
    facts: dict[str, Any]
    checks: tuple[Any, ...] = ()
    earlier: Mapping[Any, Earlier] = field(default_factory=dict)
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
        measured = {name: options.pop(name, None) for name in _PLAN_OPTIONS}
        budget_s = measured["budget_s"] or self.asked.budget_s
        known = (*Workload.__dataclass_fields__, *_PLAN_OPTIONS)
        for name in options:
            if name not in known:
                raise BadInput(f'depth_profile has no option "{name}"; {nearest(name, known)}')
        work = settings.workload(**options)
        return Plan(
            sides=_sides(variants, work, measured["checkpoint"], tuple(measured["allow"] or ())),
            images=tuple(Path(image) for image in measured["images"] or ()),
            budget_s=budget_s,
            launches=measured["launches"] or self.asked.launches or LAUNCHES,
            seed=work.seed,
            command="pytest",
            strict=bool(measured["strict"]),
        )

    def hold_against(self, runs: Mapping[Any, Entries], unlike: Sequence[str | None]) -> None:
        """Take the earlier runs by file, and in what the machine of each was another."""
        self.earlier = {
            path: Earlier(runs[path], reason) for path, reason in zip(runs, unlike, strict=True)
        }

    def record(
        self, benchmark: Any, judged: Judged, chosen: tuple[Entry, ...], alone: bool
    ) -> dict[str, tuple[str, ...]]:
        """Feed entries of a run and compare them with the earlier runs.

        Args:
            benchmark: the fixture of the test. alone: whether the test stands for one entry.

        Returns:
            What got slower, a sentence for each bar that it failed, by "variant stage".
        """
        identity = run_identity(judged)
        slower: dict[str, tuple[str, ...]] = {}
        self.remarks += [f"left out: {text}" for text in left_out_lines(judged.run.left_out)]
        for entry in chosen:
            carried = {} if identity in self._carried else packed(judged)
            self._carried.add(identity)
            made = feed(benchmark, entry, alone, {**entry.known, "run": identity, **carried})
            found = self._compared(made, entry)
            self.compared += sum(item.remark is None for item in found)
            self.remarks += [item.remark for item in found if item.remark is not None]
            texts = tuple(text for item in found for text in item.slower)
            if texts:
                slower[f"{entry.variant} {entry.stage}"] = texts
        return slower

    def _compared(self, made: Any, entry: Entry) -> tuple[Held, ...]:
        model = entry.known["workload"]["model"]
        bars = bars_of(self.checks, self.asked.settings, model, entry.stage)
        return tuple(held(made, entry, self.earlier, bars))


def chosen_entries(
    judged: Judged, of: str | None, stages: tuple[str, ...] | None
) -> tuple[Entry, ...]:
    """Entries of a run that a test wants: of one variant, of some stages, or all.

    Raises:
        BadInput: no such variant or stage in the run.
    """
    known = entries(judged)
    labels = {side.name: side.label for side in judged.run.sides}
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
    """A check of pytest-benchmark that leaves our entries to our own rule.

    Its own way ends the session in a traceback that no JUnit file knows of.
    """

    check: Any

    def fails(self, current: Any, compared: Any) -> Any:
        """What pytest-benchmark asks for each entry."""
        if own_part(current.extra_info) is not None:
            return None
        return self.check.fails(current, compared)


session_key = pytest.StashKey[DepthSession]()

_PLAN_OPTIONS = ("budget_s", "launches", "images", "strict", "checkpoint", "allow")


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
