"""A whole run: which process is measured when, until decided or out of budget."""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from time import monotonic

from depthprof.errors import DepthprofError, NotTogether
from depthprof.records import Limits, Run
from depthprof.runner.observation import expected_s
from depthprof.runner.plan import MayEnd, OnProgress, Plan, Progress
from depthprof.runner.process_group import ProcessGroup, Taken
from depthprof.runner.recorder import Recorder
from depthprof.runner.telemetry import RunTelemetry
from depthprof.stats.interim import (
    ANALYSED_PROCESSES,
    FEWEST_AT_THE_END,
    FEWEST_PROCESSES,
    is_analysis,
)
from depthprof.system.machine import free_memory_bytes, usable_cores

FIRST_SEGMENT_S, SEGMENT_S, SEGMENT_PAIRS = 0.1, 0.5, 3.5
"""Seconds of pairs in a segment, or time for three pairs and some more where that is longer: a new
layout takes about the time of one. In a process's first segment less, at least one pair, so that
the first interim analysis comes soon."""

SEGMENTS = 24
"""Where pairs are short enough, segments are so short that a run has as many: with fewer layouts
the t quantile is large, and with more their renewal takes a large part of the time."""

FEWEST_SEGMENTS = FEWEST_AT_THE_END + 1
"""Fewer decide nothing, and one may be rejected."""

MEMORY_RATIO = 0.5
"""Processes are held side by side if they take no more than this part of the free memory."""

MOST_RESERVED_RATIO = 0.25
"""No larger part of the budget is kept for observing."""


def measure(
    plan: Plan,
    on_progress: OnProgress,
    may_end: MayEnd,
    known_limits: Mapping[str, Limits] | None = None,
) -> Run:
    """Measure what was planned.

    Ctrl-C and a failing side end the run early; what was measured by then stays. Sides that one
    process cannot hold are measured anew in separate ones, with the whole budget, and the run notes
    why.

    Args:
        plan: what to measure. on_progress: called after each block with where the run stands.
        may_end: the interim analysis, at scheduled numbers of segments (depthprof.stats.interim).
        known_limits: peak rates measured before, by fingerprint; used only where the plan observes.

    Raises:
        DepthprofError: a side was refused or failed before anything was measured.
        KeyboardInterrupt: Ctrl-C before anything was measured.
    """
    known = known_limits or {}
    try:
        return _Measurement(plan, on_progress, may_end, known).run()
    except NotTogether as clash:
        if not plan.shared or len(plan.sides) == 1:
            raise
        return _Measurement(plan.apart(str(clash)), on_progress, may_end, known).run()


class _Measurement:
    """One run under way; it alone writes to the recorder.

    The budget begins once the first process has its imports, and bounds all that follows. What the
    first process takes to start says how many more are worth their time. Where memory allows, they
    are held side by side and take turns in segments: a drift of the machine falls on all alike, and
    a clear case is decided by the first segment of each. Only where it is not, the processes beyond
    the fewest are started. On a GPU, where idle workers would hold its memory, and where memory is
    short, one process follows another, each with an equal share of what is left.
    """

    def __init__(
        self,
        plan: Plan,
        on_progress: OnProgress,
        may_end: MayEnd,
        known_limits: Mapping[str, Limits],
    ) -> None:
        self._plan = plan
        self._on_progress = on_progress
        self._may_end = may_end
        self._known_limits = known_limits
        self._recorder = Recorder(plan)
        self._telemetry = RunTelemetry(plan.telemetry_s)
        self._started = self._begun = monotonic()
        self._startup_s = 0.0
        self._count = plan.fewest_processes
        self._present: list[ProcessGroup] = []
        self._segments = self._current = 0
        self._to_observe = plan.observe
        self._is_decided = False
        self._goal = "decided" if len(plan.sides) > 1 else "precise"

    def run(self) -> Run:
        try:
            self._all_processes()
            ended = self._goal if self._is_decided else "budget"
        except NotTogether:  # what was measured together is worth nothing
            raise
        except (KeyboardInterrupt, DepthprofError) as error:
            if not self._recorder.has_pairs:
                raise
            ended = "interrupted"
            if isinstance(error, DepthprofError):
                self._recorder.failed(error, self._current)
                ended = "failed"
        finally:
            self._recorder.telemetry = self._telemetry.end()
        return self._recorder.run(monotonic() - self._started, ended)

    def _all_processes(self) -> None:
        first = 0
        while first < self._count and not self._is_decided:
            with ExitStack() as stack:
                self._present = []
                begun = monotonic()
                self._start(range(first, first + 1), stack)
                if first == 0:
                    begun, self._count = self._begun, self._plan.first_processes(self._startup_s)
                    if self._fit_beside(self._count - 1):
                        self._start(range(1, self._count), stack)
                share = len(self._present) / (self._count - first)
                self._alternate(begun + share * (self._end() - begun), stack)
                first += len(self._present)
                self._observe()

    def _start(self, indices: range, stack: ExitStack) -> None:
        """Start processes: all import at once, then load and warm up one after the other."""
        begun = monotonic()
        groups = [stack.enter_context(ProcessGroup(self._plan, index)) for index in indices]
        for group in groups:
            self._current = group.index
            group.start()
            self._recorder.started(group)
        for group in groups:
            self._current = group.index
            self._report("starting")
            group.await_imports()
            if group.index == 0:
                self._begun = monotonic()
                self._startup_s = (self._begun - begun) / usable_cores()  # others' overlap
                begun = self._begun
            group.load()
            self._recorder.loaded(group.sides, group.environment)
            self._telemetry.begin(self._recorder.gpus, shared=self._plan.shared)
            self._report("warming up")
            self._record(group.warm_up(self._plan.budget_s / self._count), "warming up")
            self._present.append(group)
        self._startup_s += monotonic() - begun

    def _fit_beside(self, others: int) -> bool:
        """Whether other processes can be held in memory beside the first."""
        needed_bytes = others * self._present[0].memory_bytes
        return self._present[0].on_cpu and 0 < needed_bytes <= MEMORY_RATIO * free_memory_bytes()

    def _alternate(self, end: float, stack: ExitStack) -> None:
        """Measure the present processes in segments, until decided or until the clock says `end`.

        After the first round others may join them; the stack holds those.
        """
        whole_s = max(0.0, end - monotonic()) * self._count / len(self._present)
        while True:
            for group in self._present:
                if not self._has_time(group, end):
                    return
                self._segment(group, whole_s / SEGMENTS, end)
                if self._analysed():
                    self._is_decided = True
                    return
            self._join(stack)

    def _join(self, stack: ExitStack) -> None:
        """Start the processes beyond the fewest that there is time for; their turns come next."""
        before = self._present
        count = self._plan.all_processes(self._startup_s / len(before))
        is_due = len(before) == self._plan.fewest_processes < count
        if self._plan.launches is None and not all(group.new_layouts for group in before):
            count = max(count, FEWEST_PROCESSES)  # they are the layouts then
            is_due = len(before) < count
        if is_due and self._fit_beside(count - len(before)):
            self._present, self._count = [], count
            self._start(range(len(before), count), stack)
            self._present += before

    def _segment(self, group: ProcessGroup, longest_s: float, end: float) -> None:
        """Take some pairs of one process in a new memory layout."""
        self._current = group.index
        wanted_s = max(SEGMENT_S, SEGMENT_PAIRS * group.pair_s)
        limit_s = min(wanted_s if group.segments else FIRST_SEGMENT_S, longest_s)
        self._record(group.begin_segment())
        begun = now = monotonic()
        while now == begun or now + group.pair_s <= min(begun + limit_s, end):
            self._record(group.pair(), "measuring")
            self._recorder.pairs += 1
            now = monotonic()
        self._segments += 1

    def _has_time(self, group: ProcessGroup, end: float) -> bool:
        """Whether a process takes another segment.

        Each takes one, and all together FEWEST_SEGMENTS, even where that takes longer than the
        budget: by the time that starting took.
        """
        now = monotonic()
        mine = len(group.segments) * self._count
        if max(mine, self._segments) < FEWEST_SEGMENTS:
            overdrawn = now - self._begun >= self._plan.budget_s + self._startup_s
            return not group.segments or not overdrawn
        return now + group.renew_s + group.pair_s <= end

    def _analysed(self) -> bool:
        """Analyse the data where that is due; return whether measuring may end."""
        are_measured = all(group.segments for group in self._present)
        are_many = self._present[-1].index + 1 >= ANALYSED_PROCESSES
        if not (is_analysis(self._segments) and are_measured and are_many):
            return False
        return self._may_end(self._recorder.run(0.0, self._goal))

    def _end(self) -> float:
        """When the last pair has to be over, with time left to observe."""
        needed_s = expected_s(len(self._plan.sides), self._present[0].pair_s, self._known_limits)
        reserved_s = min(needed_s, MOST_RESERVED_RATIO * self._plan.budget_s)
        return self._begun + self._plan.budget_s - (reserved_s if self._to_observe else 0.0)

    def _observe(self) -> None:
        """Have the first process observed, once its pairs are taken."""
        if self._to_observe:
            self._current, self._to_observe = 0, False
            self._report("observing")
            group = next(group for group in self._present if group.index == 0)
            self._recorder.observation = group.observe(self._known_limits)

    def _record(self, blocks: Iterable[Taken], phase: str | None = None) -> None:
        """Record blocks of the current process as they are taken, and report each."""
        for block in blocks:
            self._recorder.add(self._current, *block)
            if phase is not None:
                self._report(phase)

    def _report(self, phase: str) -> None:
        self._on_progress(
            Progress(
                phase=phase,
                launch=self._current + 1,
                launches=self._count,
                blocks=self._recorder.blocks,
                pairs=self._recorder.pairs,
                elapsed_s=monotonic() - self._started,
                left_s=max(0.0, self._begun + self._plan.budget_s - monotonic()),
            )
        )
