"""A whole run: its launches side by side or one after another, until decided or out of budget.

Where memory allows, every launch is loaded and warmed up before the first turn is measured, and
the turns rotate over the launches: then any moment of the run has heard all of them, a drift of
the machine falls on all alike, and a clear case can end within seconds. On a GPU, where idle
workers would hold its memory, and where memory is short, one launch follows the other. Where the
first launches scatter so much that they leave a stage undecided, and more would not, more follow.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from time import monotonic

from depthprof.errors import DepthprofError, NotTogether, OutOfMemory, PipelineError, WorkerLost
from depthprof.records import Failure, Limits, Run
from depthprof.runner.launch import LaunchTaker
from depthprof.runner.plan import LookAt, OnProgress, Plan, Progress
from depthprof.runner.recorder import Ledger
from depthprof.runner.telemetry import Watching
from depthprof.stats.interim import Look, is_look, look_number
from depthprof.system.machine import free_memory_bytes

FEWEST_TURNS = 2
"""A launch takes so many turns before anything is decided: it has a layout to show."""

FEWEST_TURNS_ALONE = 4
"""Where launches follow each other, one that comes after a clear case takes so many: it cannot be
asked again, and its centre is as good as they make it."""

SEGMENT_S = 0.5
"""Seconds a launch keeps its turn before the next one goes on."""

MOST_OVERDRAWN = 2.0
"""Where the budget is over before the second look, up to so many times of it are spent."""

HEARD_RATIO = 0.5
"""More launches are started if at least this part of the time spent so far is left for them, and
if loading them takes no longer than the budget."""

TURNS_TO_GROW = 4
"""More launches are started once those at work have taken so many turns on average: with fewer
their scatter is hardly known, and a clear case may only lack some turns."""

MEMORY_RATIO = 0.5
"""Launches are held side by side if they take no more than this part of the free memory."""


def measure(
    plan: Plan,
    on_progress: OnProgress,
    look_at: LookAt,
    known_limits: Mapping[str, Limits] | None = None,
) -> Run:
    """Measure what was planned.

    The parent measures nothing itself: it tells workers whose turn it is. Ctrl-C and a failing
    side end the run early; what was measured by then stays. Sides that one process cannot hold are
    measured anew in separate ones, and the run says why.

    Args:
        plan: sides, pictures, budget.
        on_progress: told where the run stands after each block.
        look_at: asked at the scheduled looks (depthprof.stats.interim) whether the run may end.
        known_limits: limits measured before, by fingerprint; asked only where the plan observes.

    Raises:
        DepthprofError: a side was refused or failed before anything was measured.
        KeyboardInterrupt: Ctrl-C before anything was measured.
    """
    try:
        return _Conduct(plan, on_progress, look_at, known_limits or {}).run()
    except NotTogether as clash:
        if not plan.shared or len(plan.sides) == 1:
            raise
        apart = plan.apart(str(clash))
        return _Conduct(apart, on_progress, look_at, known_limits or {}).run()


class _Conduct:
    def __init__(
        self,
        plan: Plan,
        on_progress: OnProgress,
        look_at: LookAt,
        known_limits: Mapping[str, Limits],
    ) -> None:
        self._plan = plan
        self._known_limits = known_limits
        self._on_progress = on_progress
        self._look_at = look_at
        self._launches = plan.launch_count
        self._ledger = Ledger(plan)
        self._watching = Watching(plan.telemetry_s)
        self._started = monotonic()
        self._measured_s = 0.0
        self._turns_begun: float | None = None
        self._found = Look.GO_ON
        self._loading_s = 0.0
        self._is_last = False
        self._at_work = 0

    def run(self) -> Run:
        ended = "budget"
        try:
            self._all_launches()
            ended = self._end()
        except KeyboardInterrupt:
            if not self._ledger.judged_samples:
                raise
            ended = "interrupted"
        except NotTogether:  # what was measured together is worth nothing
            raise
        except DepthprofError as error:
            if not self._ledger.judged_samples:
                raise
            self._ledger.failures.append(_failure(error, self._at_work))
            ended = "failed"
        finally:
            self._ledger.telemetry = self._watching.end()
        return self._ledger.run(monotonic() - self._started, ended)

    def _all_launches(self) -> None:
        first = 0
        while first < self._launches:
            with self._opened() as takers:
                left = self._launches - first
                share_s = max(0.0, self._plan.budget_s - self._measured_s) / left
                self._add(first, takers)
                self._make_ready(takers[0], share_s)
                if left > 1 and self._fit_beside(takers[0], left - 1):
                    for index in range(first + 1, self._launches):
                        self._add(index, takers)
                    for taker in takers[1:]:
                        self._make_ready(taker, share_s)
                first += len(takers)
                self._rotate(takers, share_s * len(takers), is_last=first == self._launches)
                if self._plan.observe and takers[0].index == 0:
                    takers[0].look(self._known_limits)
            if self._found is Look.MORE_LAUNCHES:
                self._launches = self._plan.most_launches
                self._found = Look.GO_ON

    def _end(self) -> str:
        """Why measuring is over: by the last look, if that heard all there is."""
        if not self._decided or not is_look(self._ledger.pairs):
            return "budget"
        if self._found is Look.SCATTERED:
            return "scattered"
        return "decided" if len(self._plan.sides) > 1 else "precise"

    @property
    def _decided(self) -> bool:
        """Whether the last look said that the launches at work have been heard enough."""
        return self._found is not Look.GO_ON

    def _may_grow(self) -> bool:
        """Whether more launches may follow: once, if there is time to load and to hear them."""
        if self._ledger.pairs < TURNS_TO_GROW * self._launches:
            return False
        more = self._plan.most_launches - self._launches
        is_short = self._loading_s * more <= self._plan.budget_s * self._launches
        left_s = self._plan.budget_s - self._spent_s()
        return self._is_last and more > 0 and is_short and left_s >= HEARD_RATIO * self._spent_s()

    @contextmanager
    def _opened(self) -> Iterator[list[LaunchTaker]]:
        """Hold launches open together; however they end, enter them into the ledger."""
        takers: list[LaunchTaker] = []
        self._stack = ExitStack()
        with self._stack:
            try:
                yield takers
            finally:
                self._ledger.launches += [taker.record() for taker in takers]

    def _add(self, index: int, takers: list[LaunchTaker]) -> None:
        """Start one launch."""
        self._at_work = index
        tell = partial(self._tell, index)
        takers.append(LaunchTaker(self._plan, index, self._ledger, tell))
        self._stack.enter_context(takers[-1])
        takers[-1].start()

    def _make_ready(self, taker: LaunchTaker, share_s: float) -> None:
        """Load and warm up one launch."""
        self._at_work = taker.index
        started = monotonic()
        taker.load()
        self._watch()
        taker.warm_up(share_s)
        self._loading_s += monotonic() - started

    def _watch(self) -> None:
        """Begin telemetry of the first side's GPU, now that the first launch has told which."""
        gpus = [self._ledger.gpus.get(side.name) for side in self._plan.sides]
        known = [gpu for gpu in gpus if gpu]
        own_count = 1 if self._plan.shared else max(1, len(known))
        self._watching.begin(known[0] if known else None, own_count)

    def _fit_beside(self, first: LaunchTaker, others: int) -> bool:
        """Whether the other launches can be held in memory beside the first."""
        if any(side.device != "cpu" for side in self._ledger.sides) or not first.memory_bytes:
            return False
        return others * first.memory_bytes <= MEMORY_RATIO * free_memory_bytes()

    def _rotate(self, takers: list[LaunchTaker], share_s: float, is_last: bool) -> None:
        """Let launches take turns, segment by segment, until decided or out of their share."""
        self._is_last = is_last
        self._turns_begun = started = monotonic()
        try:
            while True:
                for taker in takers:
                    self._at_work = taker.index
                    if self._segment(taker, takers, started, share_s):
                        return
        finally:
            self._measured_s = self._spent_s()
            self._turns_begun = None

    def _segment(
        self, taker: LaunchTaker, takers: list[LaunchTaker], started: float, share_s: float
    ) -> bool:
        """Take some turns of one launch; tell whether the rotation is over.

        A turn is begun only if the one before it suggests that it fits; every launch takes one.
        """
        if len(takers) > 1:
            taker.refill()
        begun = monotonic()
        turns = 0
        while True:
            turn_begun = monotonic()
            taker.turn()
            turns += 1
            now = monotonic()
            if self._is_decided(takers):
                return True
            if now - started + 0.5 * (now - turn_begun) > share_s and not self._is_too_short():
                return all(one.turns_taken for one in takers)
            if len(takers) == 1:
                continue
            if taker.turns_taken == FEWEST_TURNS:
                return False  # the first segment is short, so that all launches are heard soon
            if turns >= FEWEST_TURNS and now - begun >= SEGMENT_S:
                return False
            if now - begun + 0.5 * (now - turn_begun) > share_s / len(takers):
                return False

    def _is_too_short(self) -> bool:
        """Whether the budget is overdrawn, since it is over before anything could be decided.

        The second look is what is made for: where some pairs are spoilt, the first has too few.
        """
        few = self._is_last and look_number(self._ledger.pairs + 1) <= 2
        return few and self._spent_s() < MOST_OVERDRAWN * self._plan.budget_s

    def _spent_s(self) -> float:
        """Seconds of turns so far, those under way included."""
        begun = self._turns_begun
        return self._measured_s + (0.0 if begun is None else monotonic() - begun)

    def _is_decided(self, takers: list[LaunchTaker]) -> bool:
        """Look at the data, but only at the scheduled numbers of pairs.

        What was decided before the last launch lets each that follows take few turns; the run
        itself ends with a look, since its verdict is made of all its pairs.
        """
        follows = len(takers) == 1 and self._decided
        fewest = FEWEST_TURNS_ALONE if follows else FEWEST_TURNS
        if any(taker.turns_taken < fewest for taker in takers):
            return False
        looked = is_look(self._ledger.pairs)
        if looked and (self._is_last or not self._decided):
            self._found = self._look_at(self._ledger.run(0.0, "budget"), self._may_grow())
        return self._decided and (looked or not self._is_last)

    def _tell(self, launch: int, phase: str) -> None:
        self._on_progress(
            Progress(
                phase=phase,
                launch=launch + 1,
                launches=self._launches,
                blocks=self._ledger.blocks,
                pairs=self._ledger.pairs,
                elapsed_s=monotonic() - self._started,
                left_s=max(0.0, self._plan.budget_s - self._spent_s()),
            )
        )


def _failure(error: DepthprofError, launch: int) -> Failure:
    codes: dict[type[DepthprofError], str] = {
        OutOfMemory: "out_of_memory",
        WorkerLost: "worker_lost",
        PipelineError: "stage_failed",
    }
    side = stage = None
    if isinstance(error, PipelineError):
        side, stage = error.side, error.stage
    return Failure(side, stage, launch, codes.get(type(error), "refused"), str(error))
