"""A recording whose truth is known: a host and one stream, simulated to the nanosecond."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from depthprof.records import STAGES

BASE_NS = 4_000_000_000_000
"""Where the profiler's time begins; its trace holds microseconds, with three decimals."""

LAUNCH_NS, RECORD_NS, EDGE_NS, LATENCY_NS = 300, 200, 150, 400
"""What a launch, a mark and the edge of a range cost the host; how late the device starts."""

WAITS = ("sync", "d2h")


@dataclass
class Made:
    """One recording: the document as exported, both clocks' marks, and what is true."""

    document: dict[str, Any]
    host_marks_ns: list[list[int]]
    device_marks_ns: list[list[int]]
    spans_ns: dict[str, list[list[tuple[int, int]]]] = field(default_factory=dict)


class Machine:
    """Runs iterations; a stage is a list of (host gap, duration) of what it launches.

    Args:
        epoch_ns: what our host clock is behind the profiler's.
        records: whether the profiler sees events being recorded.
    """

    def __init__(self, epoch_ns: int = 0, records: bool = True) -> None:
        self.now_ns = BASE_NS
        self.done_ns = 0
        self.events: list[dict[str, Any]] = []
        self._epoch_ns = epoch_ns
        self._records = records
        self._number = 0

    def run(self, iterations: list[dict[str, list[tuple[int, int]]]]) -> Made:
        made = Made({"traceEvents": self.events}, [], [], {stage: [] for stage in STAGES})
        for stages in iterations:
            host, device = [], []
            self._mark(host, device)
            for stage in STAGES:
                made.spans_ns[stage].append(self._stage(stage, stages.get(stage, [])))
                self._mark(host, device)
            made.host_marks_ns.append([mark - self._epoch_ns for mark in host])
            made.device_marks_ns.append(device)
        first = made.device_marks_ns[0][0]
        made.device_marks_ns = [[mark - first for mark in row] for row in made.device_marks_ns]
        return made

    def _mark(self, host: list[int], device: list[int]) -> None:
        host.append(self.now_ns)
        start = self.now_ns
        self.now_ns += RECORD_NS
        if self._records:
            self._add("cuda_runtime", "cudaEventRecordWithFlags", start, self.now_ns)
        device.append(max(self.now_ns, self.done_ns))
        self.now_ns += EDGE_NS

    def _stage(self, stage: str, launches: list[tuple[int, int]]) -> list[tuple[int, int]]:
        start, spans = self.now_ns, []
        for gap_ns, ns in launches:
            self.now_ns += gap_ns
            spans.append(self._launch(ns))
        if stage in WAITS:
            self.now_ns = max(self.now_ns, self.done_ns)
        self._add("user_annotation", f"depthprof {stage}", start, self.now_ns)
        self.now_ns += EDGE_NS
        return spans

    def _launch(self, ns: int) -> tuple[int, int]:
        self._number += 1
        call, start = self.now_ns, max(self.now_ns + LATENCY_NS, self.done_ns)
        self.now_ns += LAUNCH_NS
        self.done_ns = start + ns
        self._add("cuda_runtime", "cudaLaunchKernel", call, self.now_ns, self._number)
        self._add("kernel", f"kernel {ns % 3}", start, self.done_ns, self._number)
        return start, self.done_ns

    def _add(self, cat: str, name: str, start: int, end: int, number: int | None = None) -> None:
        event = {"ph": "X", "cat": cat, "name": name, "pid": 1, "tid": 1}
        event |= {"ts": start / 1_000, "dur": (end - start) / 1_000}
        self.events.append(event | {"args": {} if number is None else {"correlation": number}})


launches = st.lists(
    st.tuples(st.integers(0, 20_000), st.integers(500, 3_000_000)), min_size=1, max_size=6
)
iterations = st.lists(
    st.fixed_dictionaries(
        {"h2d": launches, "forward": launches, "postprocess": launches, "d2h": launches}
    ),
    min_size=1,
    max_size=4,
)
