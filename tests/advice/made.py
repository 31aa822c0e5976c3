"""Result runs whose every stage is what a test says, on a GPU or on a CPU, noise left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from depthprof.records import (
    STAGES,
    BlockConditions,
    Finding,
    Limits,
    Memory,
    Observed,
    Picture,
    Policy,
    Result,
    Run,
    StageWork,
    Telemetry,
    Trait,
    Workload,
)
from depthprof.verdict.decision import judge
from tests.records.gpu import LIMITS
from tests.runs import recorder_of, with_samples

PICTURE = Picture("made.png", 480, 640)
DEPTH_BYTES = 480 * 640 * 4

HOST_US = {
    **{"preprocess": 1_000, "h2d": 100, "forward": 1_000, "postprocess": 50},
    **{"sync": 20_000, "d2h": 120, "return": 500},
}
DEVICE_US = {
    **{"preprocess": 1_000, "h2d": 90, "forward": 20_000, "postprocess": 300},
    **{"sync": 5, "d2h": 60, "return": 500},
}
WORK = {
    # stage: FLOPs, bytes read, bytes written, operators
    "preprocess": (0, 921_600, 3_400_000, 0),
    "h2d": (0, 2_000_000, 2_000_000, 1),
    "forward": (400_000_000_000, 110_000_000, 1_000_000, 600),
    "postprocess": (0, 1_000_000, DEPTH_BYTES, 4),
    "sync": (0, 0, 0, 0),
    "d2h": (0, DEPTH_BYTES, DEPTH_BYTES, 1),
    "return": (0, DEPTH_BYTES, DEPTH_BYTES, 0),
}
CPU_LIMITS = replace(LIMITS, device="cpu", copies=(), threads=1, memory_bytes_per_s=20e9)


@dataclass(frozen=True)
class Made:
    """One side as a test wants it; what it does not say is as on a well-kept GPU."""

    host_us: Mapping[str, float] = field(default_factory=dict)
    device_us: Mapping[str, float] | None = field(default_factory=dict)
    traits: Sequence[Trait] = ()
    work: Mapping[str, tuple[int, int, int, int]] | None = field(default_factory=dict)
    workload: Mapping[str, Any] = field(default_factory=dict)
    device: str = "cuda:0"
    threads: int = 4

    def workload_made(self) -> Workload:
        return Workload(**{"product": "depth", "device": self.device, **self.workload})

    def observed(self) -> Observed | None:
        if self.work is None:
            return None
        work = {**WORK, **self.work}
        stages = tuple(StageWork(stage, *work[stage]) for stage in STAGES)
        return Observed(stages, Memory(None, None), tuple(self.traits))


def on_cpu(**changes: Any) -> Made:
    """A side on one CPU thread: nothing waits, the copies copy nothing."""
    host_us = {"sync": 0.05, "forward": 60_000, "h2d": 2, "d2h": 2, **changes.pop("host_us", {})}
    return Made(host_us=host_us, device_us=None, device="cpu", threads=1, **changes)


def judged(
    *sides: Made,
    limits: Limits | None = LIMITS,
    telemetry: Telemetry | None = None,
    conditions: BlockConditions | None = None,
    labels: Sequence[str] = ("v1", "v2"),
    turns: int = 2,
    launches: int = 6,
) -> Result:
    run = made_run(sides, turns=turns, launches=launches)
    run = replace(
        run,
        limits=limits,
        telemetry=telemetry,
        conditions=conditions,
        pictures=(PICTURE,),
        sides=tuple(
            replace(
                side,
                label=label,
                device=made.device,
                threads=made.threads,
                observed=made.observed(),
            )
            for side, made, label in zip(run.sides, sides, labels, strict=False)
        ),
    )
    return judge(run, Policy())


def made_run(sides: Sequence[Made], *, turns: int, launches: int) -> Run:
    places, host, device = [], [], []
    for launch in range(launches):
        for turn in range(turns):
            for number, made in enumerate(sides):
                places.append((launch, turn, turn * len(sides) + number, number, 0))
                host.append(_spans_ns(HOST_US, made.host_us))
                unknown = made.device_us is None
                device.append([-1] * 7 if unknown else _spans_ns(DEVICE_US, made.device_us or {}))
    ledger = recorder_of([made.workload_made() for made in sides])
    run = with_samples(ledger.run(1.0, "budget"), places, host)
    device_ns = np.asarray(device, dtype=np.int64)
    known = device_ns if (device_ns >= 0).any() else None
    return replace(run, samples=replace(run.samples, device_ns=known))


def _spans_ns(usual_us: Mapping[str, float], own_us: Mapping[str, float]) -> list[int]:
    return [round({**usual_us, **own_us}[stage] * 1_000) for stage in STAGES]


def of_code(run: Result, code: str) -> list[Finding]:
    return [finding for finding in run.measured.findings if finding.code == code]


SLOW_SIDES = (
    Made(host_us={"preprocess": 8_000}, device_us={"d2h": 1_700}),
    Made(host_us={"return": 9_000}, device_us={"forward": 26_000}),
)
"""Two sides of which several rules speak."""
