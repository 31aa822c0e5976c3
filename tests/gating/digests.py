"""Digests of simulated runs of eight launches."""

from dataclasses import replace
from typing import Any

from depthprof.comparison import digest
from depthprof.records import Digest, Picture, Policy
from tests.runs import simulated

POLICY = Policy(threshold_ratio=0.05)


def measured(seed: int, **options: Any) -> Digest:
    run = simulated(**{"turns": 4, "launches": 8, "seed": seed, **options})
    run = replace(run, pictures=(Picture("a.jpg", 600, 512),))
    environment = replace(run.environment, memory_bytes=8 * 2**30, driver="550.1", cuda="12.8")
    return digest(replace(run, environment=environment), POLICY, f"run{seed}")
