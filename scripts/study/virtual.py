"""An asynchronous device in virtual time: nothing is measured, so the truth is exact.

The host launches work and goes on; the device does it in order; `sync` waits for it. Lengths are
drawn around known centres, forced switches of the measuring thread are drawn and recorded as the
system would, the device's speed drifts, and each memory layout has an effect of its own where
layouts are shuffled.
"""

import itertools
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from depthprof.records import UNKNOWN, WITNESSES, Launch, Policy, Run, Workload
from depthprof.runner import Plan, SidePlan
from depthprof.runner.recorder import Recorder
from depthprof.stats.interim import FEWEST_PROCESSES, is_analysis
from depthprof.verdict.stopping import may_end
from scripts.study.cells import Cell

HOST_NS = {"preprocess": 1_300_000.0, "return": 500_000.0}
DEVICE_NS = {"h2d": 40_000.0, "forward": 5_000_000.0, "postprocess": 100_000.0, "d2h": 40_000.0}
"""Centres of the stages, by the clock that owns them."""

ORDER = ("preprocess", "h2d", "forward", "postprocess", "sync", "d2h", "return")
LAUNCH_NS = 8_000.0
"""What it costs the host to launch a stage's work."""

NOISE_RATIO = 0.02
"""Standard deviation of a length's logarithm."""

LAYOUT_RATIOS = (0.003, 0.01, 0.03)
"""Standard deviations between layouts of a side's lengths, where they are shuffled; they take turns
from cell to cell. Copies of a megabyte differ by 3 to 8 % between processes (measured)."""

DRIFT_RATIO, DRIFT_PAIRS = 0.05, 40
"""Both sides' lengths drift up and down by so much, over so many pairs."""

SLICE_NS = 4_000_000.0
"""What a neighbour takes when it preempts, about a scheduler's slice."""

PREEMPTIONS_PER_S = {"quiet": 1.0, "shuffled": 1.0, "loaded": 100.0}
MOST_PAIRS, PAIRS_PER_SEGMENT = 600, 4
ITERATIONS = 4


def virtual_run(cell: Cell, policy: Policy) -> Run:
    """Take pairs in virtual time until decided or out of pairs, as `measure` does in real time."""
    work = Workload(device="cpu", threads=1, seed=cell.seed)
    plan = Plan((SidePlan("a", "baseline", "a", work), SidePlan("b", "candidate", "b", work)))
    recorder = Recorder(plan)
    recorder.loaded({side.name: _facts(work) for side in plan.sides}, _environment())
    random = np.random.default_rng([cell.seed, len(cell.name), *cell.name.encode()])
    layouts = _layouts(cell, random)
    processes = [_Process(index) for index in range(FEWEST_PROCESSES)]
    for process in processes:
        recorder.started(process)
    for pair in range(MOST_PAIRS):
        segment, place = divmod(pair, PAIRS_PER_SEGMENT)
        process = processes[segment % FEWEST_PROCESSES]
        if place == 0:
            process.segments.append(process.pairs)
        drift = 1 + DRIFT_RATIO * math.sin(2 * math.pi * pair / DRIFT_PAIRS)
        for side in (0, 1) if process.pairs % 2 else (1, 0):
            device = _Device(cell, side, drift * layouts[segment, side], random)
            block = 2 * process.pairs + side
            recorder.add(process.index, process.pairs, block, side, device.block())
        process.pairs += 1
        recorder.pairs += 1
        if place + 1 == PAIRS_PER_SEGMENT and is_analysis(segment + 1):
            run = recorder.run(0.0, "decided")
            if may_end(run, policy):
                return run
    return recorder.run(0.0, "budget")


@dataclass(slots=True)
class _Process:
    """A process that takes its segments in virtual time."""

    index: int
    pairs: int = 0
    segments: list[int] = field(default_factory=list)

    def described(self) -> Launch:
        return Launch(
            index=self.index,
            padding_bytes=(),
            setup_s=0.0,
            warm_up_s=0.0,
            warm_up_iterations=(0, 0),
            warm_up_end="checked",
            iterations_per_block=ITERATIONS,
            turns=self.pairs,
            segments=tuple(self.segments),
            new_layouts=True,
        )


class _Device:
    """One side's block: a host that launches, a device that works, a clock for each."""

    def __init__(
        self, cell: Cell, side: int, layout: "np.ndarray[Any, Any]", random: np.random.Generator
    ) -> None:
        self._random = random
        self._layout = dict(zip(ORDER, layout, strict=True))
        self._preemptions_per_ns = PREEMPTIONS_PER_S[cell.condition] / 1e9
        self._slowed = cell.injection if side else None
        self._host_ns = self._ready_ns = 0.0

    def block(self) -> dict[str, Any]:
        """Some iterations, as a worker answers them."""
        marks, device, switches, witness = [], [], [], []
        for _ in range(ITERATIONS):
            rows = self._iteration()
            marks.append([round(row[0]) for row in rows])
            events = [row[1] for row in rows]
            device.append([round(b - a) for a, b in itertools.pairwise(events)])
            witness.append([(round(row[2]), row[3], 0) for row in rows])
            switches.append((rows[-1][3] - rows[0][3], 0))
        return {
            "marks_ns": marks,
            "device_ns": device,
            "switches": switches,
            "witness": witness,
            "conditions": [UNKNOWN] * len(WITNESSES),
        }

    def _iteration(self) -> list[tuple[float, float, float, int]]:
        """Marks: host time, device event, CPU time, forced switches."""
        cpu_ns, forced = self._host_ns, 0
        lost_ns = 0.0
        rows = [(self._host_ns, max(self._ready_ns, self._host_ns), cpu_ns, forced)]
        for stage in ORDER:
            began = self._host_ns
            if stage in HOST_NS:
                self._host_ns += self._length(stage, HOST_NS[stage])
            elif stage == "sync":
                self._host_ns = max(self._host_ns, self._ready_ns)
            else:
                start = max(self._ready_ns, self._host_ns)
                self._ready_ns = start + self._length(stage, DEVICE_NS[stage])
                self._host_ns += LAUNCH_NS
                if stage == "d2h":  # the copy to the host blocks
                    self._host_ns = max(self._host_ns, self._ready_ns)
            if self._random.random() < (self._host_ns - began) * self._preemptions_per_ns:
                self._host_ns += SLICE_NS
                lost_ns += SLICE_NS
                forced += 1
            event = max(self._ready_ns, self._host_ns)
            rows.append((self._host_ns, event, self._host_ns - lost_ns, forced))
        return rows

    def _length(self, stage: str, centre_ns: float) -> float:
        slowed = self._slowed
        added = slowed.ratio if slowed is not None and slowed.stage == stage else 0.0
        noise = self._random.lognormal(0.0, NOISE_RATIO)
        return float(centre_ns * (1.0 + added) * self._layout[stage] * noise)


def _layouts(cell: Cell, random: np.random.Generator) -> "np.ndarray[Any, Any]":
    """Layout effects, float64 [segments, sides, stages]: all 1 unless layouts are shuffled."""
    shuffled = cell.condition == "shuffled"
    deviation = LAYOUT_RATIOS[cell.number % len(LAYOUT_RATIOS)] if shuffled else 0.0
    return random.lognormal(0.0, deviation, (MOST_PAIRS // PAIRS_PER_SEGMENT, 2, len(ORDER)))


def _facts(work: Workload) -> dict[str, Any]:
    return {
        "workload": {name: getattr(work, name) for name in Workload.__dataclass_fields__},
        "device": "cuda:0",
        "device_name": "virtual device",
        "threads": 1,
        "weights": None,
        "input_shapes": [],
        "notes": [],
        "pictures": [],
    }


def _environment() -> dict[str, Any]:
    none = {"torch": "-", "numpy": np.__version__, "opencv": "-", "platform": "virtual"}
    return {"depthprof": "-", "python": "-", "cpu": "-", "cpu_cores": 1, "memory_bytes": 0, **none}
