"""Runs to keep, and stores to keep them in."""

from dataclasses import replace
from typing import Any

from depthprof.records import Policy, Result, Run
from depthprof.storage.database import Store
from depthprof.verdict.decision import judge
from tests.runs import simulated

POLICY = Policy()


def run_at(number: int, **options: Any) -> Run:
    """A run whose moment and samples are those of its number."""
    run = simulated(turns=4, seed=number, **options)
    created = f"2026-01-{1 + number // 1440:02d}T{number // 60 % 24:02d}:{number % 60:02d}:00+00:00"
    return replace(run, created=created)


def judged_at(number: int, **options: Any) -> Result:
    return judge(run_at(number, **options), POLICY)


def add(store: Store, judged: Result, *tags: str) -> str:
    return store.add(judged, judged.measured.digest, tags)
