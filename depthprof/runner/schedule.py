"""A whole run: which process is measured when, until decided or out of budget."""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from time import monotonic

from depthprof.errors import DepthprofError, NotTogether
from depthprof.records import Limits, Run
from depthprof.runner.plan import LookAt, OnProgress, Plan, Progress
from depthprof.runner.process_group import ProcessGroup, Taken
from depthprof.runner.recorder import Recorder
from depthprof.runner.telemetry import RunTelemetry
from depthprof.stats.interim import Look, is_look, look_number
from depthprof.system.machine import free_memory_bytes

FEWEST_PAIRS, FEWEST_PAIRS_AFTER = 2, 4
"""A process takes so many pairs at least, since its memory layout counts too; the second where
processes follow each other and the case was clear before this one, which cannot be asked again."""

SEGMENT_S = 0.5
"""Seconds a process is measured before the next one goes on."""

MOST_OVERDRAWN = 2.0
"""Up to so many times the budget are spent to reach the second interim analysis."""

GROWTH_TIME_RATIO, PAIRS_TO_GROW = 0.5, 4
"""More processes are started if at least this part of the time spent is left for them, and if the
present ones have so many pairs on average: with fewer, the variance between them is hardly known,
and a clear case may only lack some pairs."""

MEMORY_RATIO = 0.5
"""Processes are held side by side if they take no more than this part of the free memory."""


def measure(
    plan: Plan,
    on_progress: OnProgress,
    look_at: LookAt,
    known_limits: Mapping[str, Limits] | None = None,
) -> Run:
    """Measure what was planned.

    Ctrl-C and a failing side end the run early; what was measured by then stays. Sides that one
    process cannot hold are measured anew in separate ones, and the run notes why.

    Args:
        plan: what to measure. on_progress: called after each block with where the run stands.
        look_at: the interim analysis, at scheduled numbers of pairs (depthprof.stats.interim).
        known_limits: peak rates measured before, by fingerprint; used only where the plan observes.

    Raises:
        DepthprofError: a side was refused or failed before anything was measured.
        KeyboardInterrupt: Ctrl-C before anything was measured.
    """
    try:
        return _Measurement(plan, on_progress, look_at).run(known_limits or {})
    except NotTogether as clash:
        if not plan.shared or len(plan.sides) == 1:
            raise
        apart = plan.apart(str(clash))
        return _Measurement(apart, on_progress, look_at).run(known_limits or {})


class _Measurement:
    """One run under way; it alone writes to the recorder.

    Where memory allows, every process is loaded and warmed up before the first pair is measured,
    and the processes alternate: a drift of the machine falls on all alike, and a clear case can end
    within seconds. On a GPU, where idle workers would hold its memory, and where memory is short,
    one follows the other. Where the first processes differ so much that a stage stays undecided,
    and more pairs would not help, more processes follow.
    """

    def __init__(self, plan: Plan, on_progress: OnProgress, look_at: LookAt) -> None:
        self._plan = plan
        self._on_progress = on_progress
        self._look_at = look_at
        self._count = plan.launch_count
        self._groups: list[ProcessGroup] = []
        self._recorder = Recorder(plan)
        self._telemetry = RunTelemetry(plan.telemetry_s)
        self._started = monotonic()
        self._loading_s = self._measured_s = 0.0
        self._measuring_since: float | None = None
        self._found = Look.GO_ON
        self._is_last = False
        self._current = 0

    def run(self, known_limits: Mapping[str, Limits]) -> Run:
        try:
            self._all_processes(known_limits)
            ended = self._end()
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

    def _all_processes(self, known_limits: Mapping[str, Limits]) -> None:
        first = 0
        while first < self._count:
            self._groups = []
            with ExitStack() as stack:
                stack.callback(self._recorder.ended, self._groups)
                left = self._count - first
                share_s = max(0.0, self._plan.budget_s - self._measured_s) / left
                self._start(first, stack)
                self._make_ready(self._groups[0], share_s)
                if left > 1 and self._fit_beside(left - 1):
                    for index in range(first + 1, self._count):
                        self._start(index, stack)
                    for group in self._groups[1:]:
                        self._make_ready(group, share_s)
                first += len(self._groups)
                self._is_last = first == self._count
                self._alternate(share_s * len(self._groups))
                if self._plan.observe and self._groups[0].index == 0:
                    self._current = 0
                    self._report("observing")
                    self._recorder.observation = self._groups[0].observe(known_limits)
            if self._found is Look.MORE_LAUNCHES:
                self._count = self._plan.most_launches
                self._found = Look.GO_ON

    def _end(self) -> str:
        """Why measuring is over: by the last interim analysis, if that had all the pairs."""
        if self._found is Look.GO_ON or not is_look(self._recorder.pairs):
            return "budget"
        if self._found is Look.SCATTERED:
            return "scattered"
        return "decided" if len(self._plan.sides) > 1 else "precise"

    def _start(self, index: int, stack: ExitStack) -> None:
        self._current = index
        self._groups.append(stack.enter_context(ProcessGroup(self._plan, index)))
        self._groups[-1].start()

    def _make_ready(self, group: ProcessGroup, share_s: float) -> None:
        """Load and warm up one process."""
        self._current = group.index
        started = monotonic()
        self._report("starting")
        group.load()
        self._recorder.loaded(group.sides, group.environment)
        self._telemetry.begin(self._recorder.gpus, shared=self._plan.shared)
        self._report("warming up")
        self._record(group.warm_up(share_s), "warming up")
        self._loading_s += monotonic() - started

    def _record(self, blocks: Iterable[Taken], phase: str | None = None) -> None:
        """Record blocks of the current process as they are taken, and report each."""
        for block in blocks:
            self._recorder.add(self._current, *block)
            if phase is not None:
                self._report(phase)

    def _fit_beside(self, others: int) -> bool:
        """Whether other processes can be held in memory beside the first."""
        needed_bytes = others * self._groups[0].memory_bytes
        return self._groups[0].on_cpu and 0 < needed_bytes <= MEMORY_RATIO * free_memory_bytes()

    def _alternate(self, share_s: float) -> None:
        """Measure the present processes in segments, until decided or out of their share."""
        self._measuring_since = monotonic()
        while not any(self._segment(group, share_s) for group in self._groups):
            pass
        self._measured_s = self._spent_s()
        self._measuring_since = None

    def _segment(self, group: ProcessGroup, share_s: float) -> bool:
        """Take some pairs of one process; return whether the alternation is over.

        A pair is begun only if the one before it suggests that it fits; every process takes one.
        """
        self._current = group.index
        are_many = len(self._groups) > 1
        if are_many:
            self._record(group.refill())
        begun, pairs = monotonic(), 0
        while True:
            pair_begun = monotonic()
            self._record(group.pair(), "measuring")
            self._recorder.pairs += 1
            pairs += 1
            now = monotonic()
            next_s = 0.5 * (now - pair_begun)
            if self._is_decided():
                return True
            is_over = self._spent_s() - self._measured_s + next_s > share_s
            if is_over and not self._is_too_short():
                return all(one.pairs for one in self._groups)
            if not are_many:
                continue
            # The first segment is short, so that all processes have their first pairs soon.
            is_long = pairs >= FEWEST_PAIRS and now - begun >= SEGMENT_S
            is_fair = now - begun + next_s <= share_s / len(self._groups)
            if group.pairs == FEWEST_PAIRS or is_long or not is_fair:
                return False

    def _is_too_short(self) -> bool:
        """Whether to overdraw the budget to reach the second analysis.

        The first has too few pairs to decide anything once some are rejected.
        """
        are_few = self._is_last and look_number(self._recorder.pairs + 1) <= 2
        return are_few and self._spent_s() < MOST_OVERDRAWN * self._plan.budget_s

    def _spent_s(self) -> float:
        """Seconds of measuring so far, with what is under way."""
        now = monotonic()
        return self._measured_s + now - (self._measuring_since or now)

    def _is_decided(self) -> bool:
        """Analyse the data at the scheduled numbers of pairs; the run ends with an analysis."""
        follows = len(self._groups) == 1 and self._found is not Look.GO_ON
        fewest = FEWEST_PAIRS_AFTER if follows else FEWEST_PAIRS
        if any(group.pairs < fewest for group in self._groups):
            return False
        is_due = is_look(self._recorder.pairs)
        if is_due and (self._is_last or self._found is Look.GO_ON):
            self._found = self._look_at(
                self._recorder.run(0.0, "budget"), may_grow=self._may_grow()
            )
        return self._found is not Look.GO_ON and (is_due or not self._is_last)

    def _may_grow(self) -> bool:
        """Whether more processes may follow: once, if loading takes no longer than the budget."""
        more = self._plan.most_launches - self._count
        if not self._is_last or not more or self._recorder.pairs < PAIRS_TO_GROW * self._count:
            return False
        loads_soon = self._loading_s * more <= self._plan.budget_s * self._count
        return loads_soon and self._plan.budget_s >= (1 + GROWTH_TIME_RATIO) * self._spent_s()

    def _report(self, phase: str) -> None:
        self._on_progress(
            Progress(
                phase=phase,
                launch=self._current + 1,
                launches=self._count,
                blocks=self._recorder.blocks,
                pairs=self._recorder.pairs,
                elapsed_s=monotonic() - self._started,
                left_s=max(0.0, self._plan.budget_s - self._spent_s()),
            )
        )
