"""A judged run to the rows of the store's tables."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from depthprof.errors import BadRunFile
from depthprof.records import Comparison, Judged, Run


def utc(moment: str) -> str:
    """A moment in UTC, so that texts sort as times do.

    Raises:
        BadRunFile: it is none.
    """
    try:
        known = datetime.fromisoformat(moment)
    except ValueError:
        raise BadRunFile(f'the run was created at "{moment}", which is no ISO 8601 date') from None
    known = known if known.tzinfo else known.replace(tzinfo=UTC)
    return known.astimezone(UTC).isoformat(timespec="seconds")


def run_row(run: Run, identity: str, sha256: str, environment: str) -> dict[str, Any]:
    """Row of a run, without its header and columns."""
    return {
        "id": identity,
        "sha256": sha256,
        "created": utc(run.created),
        "kind": "comparison" if run.is_comparison else "profile",
        "ended": run.ended,
        "commit_sha": run.environment.commit,
        "dirty": run.environment.dirty,
        "environment": environment,
        "command": run.command,
    }


def verdict_rows(judged: Judged, identity: str) -> list[dict[str, Any]]:
    """Rows of a run's verdicts; none of a profile."""
    judgement, comparison = judged.judgement, judged.comparison
    if judgement is None or comparison is None:
        return []
    return [
        {
            "run": identity,
            "stage": verdict.stage,
            "status": verdict.status.value,
            "code": verdict.reason.code,
            "text": verdict.reason.text,
            "is_culprit": verdict.stage == judgement.culprit,
            **_ratio(comparison, verdict.stage),
        }
        for verdict in judgement.verdicts
    ]


def _ratio(comparison: Comparison, stage: str) -> dict[str, float | None]:
    known = comparison.stage(stage).ratio
    if known is None:
        return {"ratio": None, "low_ratio": None, "high_ratio": None}
    return {"ratio": known.value, "low_ratio": known.low, "high_ratio": known.high}


def document(value: Mapping[str, Any]) -> dict[str, str]:
    """A value as JSON, and the digest that stands for it."""
    text = json.dumps(value, sort_keys=True)
    return {"id": hashlib.sha256(text.encode()).hexdigest(), "document": text}
