"""Digests of simulated runs of eight launches."""

from dataclasses import replace
from typing import Any

from depthprof.records import STAGES, Digest, Picture, Policy
from depthprof.verdict import digest
from tests.runs import simulated

POLICY = Policy(threshold_ratio=0.05)


def measured(seed: int, lengths_ns: dict[str, int] | None = None, **options: Any) -> Digest:
    """A digest; `lengths_ns` are those of every sample of a stage (-1: it does not exist)."""
    run = simulated(**{"turns": 4, "launches": 8, "seed": seed, **options})
    run = replace(run, pictures=(Picture("a.jpg", 600, 512),))
    host_ns = run.samples.host_ns.copy()
    for stage, length_ns in (lengths_ns or {}).items():
        host_ns[:, STAGES.index(stage)] = length_ns
    run = replace(run, samples=replace(run.samples, host_ns=host_ns))
    environment = replace(run.environment, memory_bytes=8 * 2**30, driver="550.1", cuda="12.8")
    return digest(replace(run, environment=environment), POLICY, f"run{seed}")
