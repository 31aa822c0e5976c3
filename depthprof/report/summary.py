"""What `--json` gives: the verdicts and what they stand on. Documented in docs/json.md."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from depthprof.records import (
    WARM_UP_TURN,
    Comparison,
    Decision,
    Estimate,
    Result,
    Side,
    StageComparison,
    StageSummary,
    Verdict,
)
from depthprof.report import found
from depthprof.verdict.timer_view import is_asynchronous

SUMMARY_SCHEMA = 2


def summary(judged: Result, folder: Path | None = None) -> dict[str, Any]:
    """Give the documented summary of a judged run; strict JSON, without samples.

    Args:
        judged: the run and its outcome. folder: where its report was written, if it was.
    """
    run = judged.run
    document: dict[str, Any] = {
        "schema": SUMMARY_SCHEMA,
        "kind": "comparison" if judged.comparison else "profile",
        "created": run.created,
        "baseline": asdict(run.sides[0]),
    }
    if judged.comparison and judged.judgement:
        document |= _compared(judged.comparison, judged.judgement, run.sides[1])
    else:
        document |= _profiled(judged)
    finite: dict[str, Any] = _finite(
        document
        | _measured(judged)
        | {
            "policy": asdict(judged.policy),
            "environment": asdict(run.environment),
            "report": None if folder is None else str(folder),
            "exit_code": judged.exit_code,
        }
    )
    return finite


def _profiled(judged: Result) -> dict[str, Any]:
    known = judged.measured
    return {
        "stages": [
            {"stage": name, "clock": known.clocks[name], **_figures(one)}
            for name, one in known.sides[0].items()
        ],
        "drilled": None if judged.drilled is None else asdict(judged.drilled),
    }


def _measured(judged: Result) -> dict[str, Any]:
    """What a run of one side gives like one of two."""
    run, known = judged.run, judged.measured
    return {
        "timer_view": [
            asdict(view) if is_asynchronous(run, side) else None
            for side, view in enumerate(known.timers)
        ],
        "findings": found.findings_document(judged),
        "floors": found.floors_document(judged),
        "skipped_samples": asdict(known.skipped),
        "pictures": [asdict(picture) for picture in run.pictures],
        "left_out": [asdict(one) for one in run.left_out],
        "failures": [asdict(failure) for failure in run.failures],
        "launches": len(run.launches),
        "turns": sum(launch.turns for launch in run.launches),
        "iterations": int((run.samples.turn != WARM_UP_TURN).sum()),
        "ended": run.ended,
        "elapsed_s": run.elapsed_s,
        "activity": None if known.activity is None else asdict(known.activity),
    }


def _compared(comparison: Comparison, judgement: Decision, candidate: Side) -> dict[str, Any]:
    return {
        "candidate": asdict(candidate),
        "verdicts": [_verdict(row, judgement.verdict(row.stage)) for row in comparison.stages],
        "culprit": judgement.culprit,
        "followers": list(judgement.followers),
        "explained_ratio": judgement.explained_ratio,
        "sentence": judgement.sentence,
        "per": comparison.per,
        "confidence": comparison.confidence,
        "analysis": comparison.analysis,
        "background_load_ratio": comparison.background_load_ratio,
    }


def _verdict(row: StageComparison, verdict: Verdict) -> dict[str, Any]:
    return {
        "stage": row.stage,
        "status": verdict.status.value,
        "reason": asdict(verdict.reason),
        "clock": row.clock,
        "baseline_ns": _estimate(row.baseline.median_ns),
        "candidate_ns": _estimate(row.candidate.median_ns),
        "ratio": _estimate(row.ratio),
        "difference_ns": _estimate(row.difference_ns),
        "share_ratio": row.candidate.share_ratio,
        "process_ratios": list(row.process_ratios),
        "pairs": row.pairs,
        "rejected_ratio": row.rejected_ratio,
        "grounds": asdict(row.grounds),
    }


def _figures(summary: StageSummary) -> dict[str, Any]:
    return {
        "ns": _estimate(summary.median_ns),
        "quartiles_ns": list(summary.quartiles_ns),
        "share_ratio": summary.share_ratio,
        "host_ns": summary.host_ns,
        "device_ns": summary.device_ns,
    }


def _estimate(estimate: Estimate | None) -> dict[str, float] | None:
    return None if estimate is None else asdict(estimate)


def _finite(value: Any) -> Any:
    """Replace what JSON has no word for (NaN, infinity) by null, and tuples by lists."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
