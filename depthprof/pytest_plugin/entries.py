"""From a judged run to the entries of pytest-benchmark: samples in seconds, and what goes along.

pytest-benchmark has no public way to take samples that were measured elsewhere, so `feed` is the
one place that uses what its fixture uses itself: `_make_stats`, `name`, `fullname`, `group`,
`params` and `extra_info`, which are the same from 4.0 on.
"""

import copy
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from hashlib import sha256
from typing import Any

from depthprof.records import (
    TOTAL,
    WARM_UP_TURN,
    Digest,
    Level,
    Result,
    Run,
    Side,
    encode,
)
from depthprof.records.workload import workload_words
from depthprof.storage.run_files import KEY, PACKED, pack

NS = 1e-9


@dataclass(frozen=True, slots=True)
class Entry:
    """One stage (or "total") of one side, as pytest-benchmark is to have it.

    Attributes:
        variant: short label of the side. stage: its name.
        seconds: every iteration but warm-up, in the order taken.
        workload: in words, for the group. known: what goes into extra_info.
    """

    variant: str
    stage: str
    seconds: tuple[float, ...]
    workload: str
    known: Mapping[str, Any]


@dataclass(frozen=True)
class Recorded:
    """A judged run with what the tests that share it need, each made once."""

    judged: Result

    @cached_property
    def identity(self) -> str:
        """Name of the run: the first figures of the SHA-256 of its JSON."""
        return sha256(encode(self.judged.run, self.judged.policy).encode()).hexdigest()[:12]

    @cached_property
    def digest(self) -> Digest:
        """Medians of every process, by side and stage."""
        return replace(self.judged.measured.digest, run="this run")

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """An entry of every stage that a side has: stages in order, the baseline first."""
        run = self.judged.run
        labels = dict(zip((side.name for side in run.sides), short_labels(run), strict=True))
        order = {stage: place for place, stage in enumerate((*run.samples.stages, TOTAL))}
        levels = sorted(self.digest.levels, key=lambda level: (order[level.stage], level.side))
        made = [_entry(self.judged, level, labels[level.side]) for level in levels]
        return tuple(entry for entry in made if entry.seconds)

    def packed(self) -> dict[str, str]:
        """What the first entry of the run carries besides: the run itself."""
        return {PACKED: pack(self.judged.run, self.judged.policy)}


def short_labels(run: Run) -> tuple[str, ...]:
    """Labels of the sides without the path of a user's file; never alike."""
    short = [_without_path(side.label) for side in run.sides]
    if len(set(short)) < len(short):
        short = [f"{label}({side.name})" for label, side in zip(short, run.sides, strict=True)]
    return tuple(short)


def short_label(side: Side) -> str:
    """Label of a side without path, and without "(a)" or "(b)": the same from run to run."""
    return _without_path(side.label.removesuffix(f" ({side.name})"))


def _without_path(label: str) -> str:
    variant, at, options = label.partition("@")
    return variant.rpartition(":")[2] + at + options


def _entry(judged: Result, level: Level, label: str) -> Entry:
    run = judged.run
    place = [side.name for side in run.sides].index(level.side)
    known = {
        "stage": level.stage,
        "variant": run.sides[place].label,
        "side": level.side,
        "clock": level.clock,
        "spoilt_ratio": level.spoilt_ratio,
        "launches_s": [value * NS for value in level.launches_ns],
        "workload": asdict(run.sides[place].workload),
        **_judgement(judged, level.stage),
    }
    return Entry(
        variant=label,
        stage=level.stage,
        seconds=_seconds(run, place, level),
        workload=" ".join(workload_words(run.sides[0].workload, named=False)),
        known=known,
    )


def _judgement(judged: Result, stage: str) -> dict[str, Any]:
    """Verdict of the candidate against the baseline of the same run; empty for one side alone."""
    if judged.judgement is None or judged.comparison is None:
        return {}
    verdict, row = judged.judgement.verdict(stage), judged.comparison.stage(stage)
    return {
        "verdict": verdict.status.value,
        "reason": verdict.reason.code,
        "ratio": None if row.ratio is None else asdict(row.ratio),
    }


def _seconds(run: Run, place: int, level: Level) -> tuple[float, ...]:
    samples = run.samples
    mine = (samples.turn != WARM_UP_TURN) & (samples.side == place)
    if level.stage == TOTAL:
        spans_ns = samples.host_ns[mine].clip(min=0).sum(axis=1)
    else:
        by_device = level.clock == "device" and samples.device_ns is not None
        matrix = samples.device_ns if by_device else samples.host_ns
        if matrix is None:
            raise ValueError("there are no samples by the device's clock")
        spans_ns = matrix[mine, samples.stages.index(level.stage)]
    return tuple(float(ns) * NS for ns in spans_ns[spans_ns >= 0])


def feed(benchmark: Any, entry: Entry, known: Mapping[str, Any], *, alone: bool) -> Any:
    """Give pytest-benchmark the samples of an entry.

    Args:
        benchmark: the fixture of the test. known: what goes into extra_info, under "depthprof".
        alone: whether the entry is the only one of the test; it then bears the test's name, else
            the variant and stage are added to it.

    Returns:
        pytest-benchmark's record of the entry, with its figures.
    """
    fixture = copy.copy(benchmark)
    fixture.group = f"{benchmark.group or entry.workload} {entry.stage}"
    fixture.extra_info = {**benchmark.extra_info, KEY: dict(known)}
    if not alone:
        fixture.name = entry_name(benchmark.name, entry)
        fixture.fullname = entry_name(benchmark.fullname, entry)
        fixture.param = f"{entry.variant}-{entry.stage}"
        own = {"variant": entry.variant, "stage": entry.stage}
        fixture.params = {**(benchmark.params or {}), **own}
    made = fixture._make_stats(iterations=1)
    for seconds in entry.seconds:
        made.update(seconds)
    return made


def entry_name(test: str, entry: Entry) -> str:
    """Name of one of several entries: "test_mine[v2-forward]", "test_mine[x-v2-forward]"."""
    words = f"{entry.variant}-{entry.stage}"
    return f"{test[:-1]}-{words}]" if test.endswith("]") else f"{test}[{words}]"
