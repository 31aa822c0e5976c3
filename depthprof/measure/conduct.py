"""A whole run: launch after launch until the budget ends or the intervals are narrow enough."""

from functools import partial
from time import monotonic

from depthprof.errors import DepthprofError, OutOfMemory, PipelineError, WorkerLost
from depthprof.measure.launch import LaunchTaker
from depthprof.measure.ledger import Ledger
from depthprof.measure.plan import Enough, OnProgress, Plan, Progress
from depthprof.records import Failure, Run

FEWEST_TURNS = 4
"""A launch of a run that is precise already still takes so many turns: it has a layout to show."""

LOOK_GROWTH_RATIO = 1.25
"""The intervals are looked at again once the pairs have grown by this ratio."""


def measure(plan: Plan, on_progress: OnProgress, enough: Enough) -> Run:
    """Measure what was planned.

    The parent measures nothing itself: it tells workers whose turn it is. Ctrl-C and a failing
    side end the run early; what was measured by then stays.

    Args:
        plan: sides, pictures, budget.
        on_progress: told where the run stands after each block.
        enough: asked now and then whether the run so far is precise enough.

    Raises:
        DepthprofError: a side was refused or failed before anything was measured.
        KeyboardInterrupt: Ctrl-C before anything was measured.
    """
    return _Conduct(plan, on_progress, enough).run()


class _Conduct:
    def __init__(self, plan: Plan, on_progress: OnProgress, enough: Enough) -> None:
        self._plan = plan
        self._on_progress = on_progress
        self._enough = enough
        self._ledger = Ledger(plan)
        self._started = monotonic()
        self._measured_s = 0.0
        self._turns_begun: float | None = None
        self._next_look = 0.0
        self._precise = False

    def run(self) -> Run:
        ended = "budget"
        try:
            for index in range(self._plan.launch_count):
                self._launch(index)
            ended = "precise" if self._precise else "budget"
        except KeyboardInterrupt:
            if not self._ledger.judged_samples:
                raise
            ended = "interrupted"
        except DepthprofError as error:
            if not self._ledger.judged_samples:
                raise
            self._ledger.failures.append(_failure(error, len(self._ledger.launches) - 1))
            ended = "failed"
        return self._ledger.run(monotonic() - self._started, ended)

    def _launch(self, index: int) -> None:
        left_s = max(0.0, self._plan.budget_s - self._measured_s)
        share_s = left_s / (self._plan.launch_count - index)
        tell = partial(self._tell, index)
        with LaunchTaker(self._plan, index, self._ledger, tell) as taker:
            try:
                taker.load()
                taker.warm_up(share_s)
                self._turns_begun = monotonic()
                for turns in taker.turns(share_s):
                    if turns >= FEWEST_TURNS and self._is_precise():
                        break
            finally:
                self._measured_s = self._spent_s()
                self._turns_begun = None
                self._ledger.launches.append(taker.record())

    def _spent_s(self) -> float:
        """Seconds of turns so far, those of the launch under way included."""
        begun = self._turns_begun
        return self._measured_s + (0.0 if begun is None else monotonic() - begun)

    def _is_precise(self) -> bool:
        """Look at the intervals, but only when the pairs have grown by a good part."""
        pairs = self._ledger.pairs
        if pairs >= self._next_look:
            self._next_look = pairs * LOOK_GROWTH_RATIO
            self._precise = self._enough(self._ledger.run(0.0, "budget"))
        return self._precise

    def _tell(self, launch: int, phase: str) -> None:
        self._on_progress(
            Progress(
                phase=phase,
                launch=launch + 1,
                launches=self._plan.launch_count,
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
