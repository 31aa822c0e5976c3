"""The outcome of a gate in words, as Markdown and as a document for programs."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from depthprof.records import (
    TOTAL,
    Decision,
    Result,
    StageComparison,
    StageSummary,
    Status,
    Verdict,
)
from depthprof.report.markdown import escaped, table
from depthprof.report.rows import total_first
from depthprof.report.tables import calibration_sentence, longest_stage
from depthprof.report.wording import followers, rejected
from depthprof.units import duration, percent, signed_duration, times

GATE_SCHEMA = 2
HEAD = (
    "stage",
    "baseline",
    "candidate",
    "difference",
    "ratio",
    "interval",
    "detectable",
    "verdict",
)
WORDS = {0: "pass", 1: "slower", 2: "refused", 3: "inconclusive"}


@dataclass(frozen=True, slots=True)
class GateRow:
    """A stage of a side as text; `cells` are those of HEAD."""

    stage: str
    status: Status
    reason: str
    cells: tuple[str, ...]


def gate_rows(side: Decision) -> Iterator[GateRow]:
    """Rows of one side, the total first; none where nothing could be compared."""
    if side.comparison is None:
        return
    seen = dict(side.detectable)
    for row in total_first(side.comparison):
        verdict = side.verdict(row.stage)
        cells = (*_figures(row), _detectable(seen.get(row.stage)), verdict.status.value)
        yield GateRow(row.stage, verdict.status, verdict.reason.text, (row.stage, *cells))


def _figures(row: StageComparison) -> tuple[str, ...]:
    ratio, difference = row.ratio, row.difference_ns
    return (
        _median(row, row.baseline),
        _median(row, row.candidate),
        "-" if difference is None else signed_duration(difference.value),
        "-" if ratio is None else times(ratio.value),
        "-" if ratio is None else times(ratio.low, ratio.high),
    )


def _median(row: StageComparison, summary: StageSummary) -> str:
    """The median of a side, "-" where the side does not have the stage."""
    absent = row.problem is not None and row.problem.code == "absent_stage"
    return "-" if absent and not summary.median_ns.value else duration(summary.median_ns.value)


def _detectable(ratio: float | None) -> str:
    return "-" if ratio is None else f"+{percent(ratio)}"


def gate_title(gated: Result) -> str:
    """What was held against what."""
    how = "measured in pairs" if gated.is_paired else "runs of different times"
    return f"{gated.candidate} against {gated.baseline} ({how})"


def side_sentence(side: Decision) -> str:
    """One side's outcome in a sentence."""
    if side.differences:
        unlike = ", ".join(
            f"{one.field} (baseline {one.baseline}, candidate {one.candidate})"
            for one in side.differences
        )
        fields = " ".join(f"--allow {one.field}" for one in side.differences)
        return (
            f"{side.label}: INCOMPARABLE, the runs differ in {unlike};"
            f" set a new baseline, or compare all the same with {fields}."
        )
    if side.problem is not None:
        return f"{side.label}: {side.problem}"
    return "" if side.comparison is None else f"{side.label}: {side.sentence}"


def side_remarks(side: Decision) -> list[str]:
    """What else is to be said of a side."""
    remarks = followers(side)
    remarks += side.notes
    if side.is_same_code:
        remarks.append("code and weights are identical on both sides, by hash")
    if side.comparison is not None and min(side.launches, default=0) < side.fewest_launches:
        remarks.append(
            f"processes: {side.launches[0]} of the baseline, {side.launches[1]} of the candidate;"
            f" at least {side.fewest_launches} on each side are needed; measure both with"
            f" --processes {side.fewest_launches + 2}"
        )
    if (known := side.policy.calibration) is not None and side.comparison is not None:
        longest_known = longest_stage(known)
        floor = (
            ""
            if longest_known is None
            else f", {percent(longest_known.noise_ratio)} in {longest_known.stage}"
        )
        found = calibration_sentence(known)
        remarks.append(
            f"calibrated on {known.created[:10]}: what is called slower or faster clears the noise"
            f" floor of this machine too{floor}; in pairs, {found[0].lower()}{found[1:]}"
        )
    widest = max(
        (item for item in side.detectable if item[0] != TOTAL), key=lambda i: i[1], default=None
    )
    longest = _longest(side)
    if longest is not None and widest is not None:
        beside = f", {percent(widest[1])} in {widest[0]}, the least certain stage"
        remarks.append(
            f"minimum detectable change: {percent(longest[1])} in {longest[0]}"
            f"{'' if widest[0] == longest[0] else beside}"
        )
    return remarks + _rejected(side)


def _rejected(side: Decision) -> list[str]:
    """Rejected samples: by rule where pairs were measured, else as a share."""
    if side.comparison is None:
        return []
    most = max(row.rejected_ratio for row in side.comparison.stages)
    if side.comparison.skipped.count or not most:
        return rejected(side.comparison.skipped)
    return [f"rejected samples: up to {percent(most)} of a stage"]


def _longest(side: Decision) -> tuple[str, float] | None:
    if side.comparison is None:
        return None
    seen = dict(side.detectable)
    rows = [row for row in side.comparison.stages if row.stage in seen and row.stage != TOTAL]
    row = max(rows, key=lambda row: row.baseline.median_ns.value, default=None)
    return None if row is None else (row.stage, seen[row.stage])


def gate_sentence(gated: Result) -> str:
    """The whole outcome in a line."""
    if gated.missing:
        names = ", ".join(gated.missing)
        return (
            f"REFUSED: the baseline has {names}, which the newer run does not: renamed or deleted?"
            " Measure it, or set a new baseline."
        )
    if not gated.sides and gated.added and gated.unasked:
        return (
            f"REFUSED: the baseline has no {', '.join(gated.added)}, so nothing can be compared; it"
            f" has {', '.join(gated.unasked)}. Name one of these, or set a new baseline."
        )
    if not gated.sides:
        return "REFUSED: nothing was compared."
    return f"{WORDS[gated.exit_code].upper()}: " + " ".join(
        side_sentence(side) for side in gated.sides
    )


def gate_remarks(gated: Result) -> list[str]:
    """Which sides only one of the runs has, or was asked for: they are not compared."""
    if not gated.sides and not gated.missing:
        return []
    lines = [f"{name} is not in the baseline, so it is not compared" for name in gated.added]
    return lines + [
        f"{name} of the baseline was not asked for, so it is not compared" for name in gated.unasked
    ]


def gate_document(gated: Result) -> dict[str, Any]:
    """The outcome for programs; documented in docs/gate.md."""
    return {
        "schema": GATE_SCHEMA,
        "kind": "gate",
        "baseline": gated.baseline,
        "candidate": gated.candidate,
        "is_paired": gated.is_paired,
        "missing": list(gated.missing),
        "added": list(gated.added),
        "unasked": list(gated.unasked),
        "sides": [_side_document(side) for side in gated.sides],
        "sentence": gate_sentence(gated),
        "exit_code": gated.exit_code,
    }


def _side_document(side: Decision) -> dict[str, Any]:
    seen = dict(side.detectable)
    stages = side.comparison.stages if side.comparison else ()
    return {
        "label": side.label,
        "differences": [asdict(one) for one in side.differences],
        "problem": side.problem,
        "notes": list(side.notes),
        "is_same_code": side.is_same_code,
        "launches": list(side.launches),
        "fewest_launches": side.fewest_launches,
        "culprit": side.culprit,
        "followers": list(side.followers),
        "left_out": dict(side.comparison.skipped.by_rule) if side.comparison else {},
        "calibration": asdict(known) if (known := side.policy.calibration) else None,
        "verdicts": [
            _verdict_document(row, verdict, seen.get(row.stage))
            for row, verdict in zip(stages, side.verdicts, strict=True)
        ],
    }


def _verdict_document(row: StageComparison, verdict: Verdict, seen: float | None) -> dict[str, Any]:
    return {
        "stage": row.stage,
        "status": verdict.status.value,
        "reason": asdict(verdict.reason),
        "clock": row.clock,
        "baseline_ns": row.baseline.median_ns.value,
        "candidate_ns": row.candidate.median_ns.value,
        "ratio": None if row.ratio is None else asdict(row.ratio),
        "difference_ns": None if row.difference_ns is None else asdict(row.difference_ns),
        "detectable_ratio": seen,
        "rejected_ratio": row.rejected_ratio,
    }


def gate_markdown(gated: Result) -> str:
    """Write the outcome of every side with its table."""
    parts = [f"# depthprof gate: {WORDS[gated.exit_code]}", "", escaped(gate_title(gated)), ""]
    if gated.missing or not gated.sides:
        parts += [f"**{escaped(gate_sentence(gated))}**", ""]
    for side in gated.sides:
        parts += [f"**{escaped(side_sentence(side))}**", ""]
        rows = [row.cells for row in gate_rows(side)]
        if rows:
            parts += [*table(HEAD, rows), ""]
        parts += [*(f"- {escaped(remark)}" for remark in side_remarks(side)), ""]
    parts += [f"- {escaped(remark)}" for remark in gate_remarks(gated)]
    return "\n".join(parts).rstrip() + "\n"
