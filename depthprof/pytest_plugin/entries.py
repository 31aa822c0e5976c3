"""From a judged run to the entries of pytest-benchmark: samples in seconds, and what we know."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

from depthprof.records import TOTAL, WARM_UP_TURN, Judged, Level, Run, Workload, encode
from depthprof.storage.benchmark_files import PACKED, pack
from depthprof.verdict import digest

NS = 1e-9


@dataclass(frozen=True, slots=True)
class Entry:
    """One stage (or "total") of one side, as pytest-benchmark is to have it.

    Attributes:
        variant: short label of the side. stage: its name.
        seconds: every measured iteration, in the order taken; warm-up is left out.
        launches_s: median of each launch's sound blocks.
        workload: in words, for the group. known: what goes into extra_info.
    """

    variant: str
    stage: str
    seconds: tuple[float, ...]
    launches_s: tuple[float, ...]
    workload: str
    known: Mapping[str, Any]


def entries(judged: Judged) -> tuple[Entry, ...]:
    """Make an entry of every stage that a side has: stages in order, sides in turn."""
    run = judged.run
    levels = digest(run, judged.policy).levels
    labels = dict(zip((side.name for side in run.sides), short_labels(run), strict=True))
    order = {stage: place for place, stage in enumerate((*run.samples.stages, TOTAL))}
    made = [
        _entry(judged, level, labels[level.side])
        for level in sorted(levels, key=lambda level: (order[level.stage], level.side))
    ]
    return tuple(entry for entry in made if entry.seconds)


def run_identity(judged: Judged) -> str:
    """Name of a run: the first figures of the SHA-256 of its JSON."""
    return sha256(encode(judged.run, judged.policy).encode()).hexdigest()[:12]


def packed(judged: Judged) -> dict[str, str]:
    """What the first entry of a run carries besides: the run itself."""
    return {PACKED: pack(judged.run, judged.policy)}


def short_labels(run: Run) -> tuple[str, ...]:
    """Labels of the sides without the path of a user's file; never alike."""
    short = []
    for side in run.sides:
        variant, at, options = side.label.partition("@")
        short.append(variant.rpartition(":")[2] + at + options)
    if len(set(short)) < len(short):
        short = [f"{label}({side.name})" for label, side in zip(short, run.sides, strict=True)]
    return tuple(short)


def describe(workload: Workload) -> str:
    """Model and input size in words, and whatever is not as usual: "small 518 batch 4"."""
    usual, words = Workload(), [workload.model, str(workload.input_size)]
    if workload.batch != usual.batch:
        words.append(f"batch {workload.batch}")
    words += ["square"] if workload.fixed_size else []
    plain = ("dtype", "attention", "product")
    words += [getattr(workload, n) for n in plain if getattr(workload, n) != getattr(usual, n)]
    words += [] if workload.max_depth is None else [f"max-depth {workload.max_depth:g}"]
    return " ".join(words)


def _entry(judged: Judged, level: Level, label: str) -> Entry:
    run = judged.run
    place = [side.name for side in run.sides].index(level.side)
    launches_s = tuple(value * NS for value in level.launches_ns)
    known = {
        "stage": level.stage,
        "variant": run.sides[place].label,
        "side": level.side,
        "clock": level.clock,
        "spoilt_ratio": level.spoilt_ratio,
        "launches_s": list(launches_s),
        "workload": asdict(run.sides[place].workload),
        **_judgement(judged, level.stage),
    }
    return Entry(
        variant=label,
        stage=level.stage,
        seconds=_seconds(run, place, level),
        launches_s=launches_s,
        workload=describe(run.sides[0].workload),
        known=known,
    )


def _judgement(judged: Judged, stage: str) -> dict[str, Any]:
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
