"""A measurement for many tests: taken when the first of them needs it, then kept."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from depthprof.errors import DepthprofError
from depthprof.records import Judged, Policy, Run
from depthprof.runner import Plan
from depthprof.storage.settings import GateSettings
from depthprof.verdict.policy import policy_for

Measure = Callable[[Plan, Policy], Judged]


@dataclass(slots=True)
class Measurements:
    """Every plan that was carried out in this session, with what came of it.

    A plan that was refused or failed is not tried again: each test that needs it hears the same.

    Attributes:
        measure: carries out a plan. settings: what counts as slower, by model.
    """

    measure: Measure
    settings: GateSettings = field(default_factory=GateSettings)
    _judged: dict[Plan, Judged] = field(default_factory=dict)
    _refused: dict[Plan, DepthprofError] = field(default_factory=dict)

    def of(self, plan: Plan) -> Judged:
        """Return what a plan came to, carrying it out if no test needed it before.

        Raises:
            DepthprofError: it was refused, or failed before anything was measured.
            KeyboardInterrupt: Ctrl-C while measuring; what was measured is dropped, since a run
                that was cut short is not to be compared with later ones.
        """
        if plan in self._refused:
            raise self._refused[plan]
        if plan not in self._judged:
            self._judged[plan] = self._carried_out(plan)
        return self._judged[plan]

    @property
    def all(self) -> tuple[Judged, ...]:
        """Every measurement so far, in the order taken."""
        return tuple(self._judged.values())

    def _carried_out(self, plan: Plan) -> Judged:
        try:
            model = plan.sides[-1].workload.model
            judged = self.measure(plan, policy_for("paired", self.settings, model))
        except DepthprofError as error:
            self._refused[plan] = error
            raise
        if judged.run.ended == "interrupted":
            raise KeyboardInterrupt
        return judged


@dataclass(frozen=True, slots=True)
class Account:
    """Where the time of a session went, in seconds.

    Attributes:
        iterations_s: of all iterations that were kept, warm-up included.
        checks_s: of the iteration by which each launch checks each side, at least: it is part of
            loading and was no slower than that launch's fastest one.
        workers_s: starting workers and loading, without the checks.
        whole_s: of the session.
    """

    iterations_s: float
    checks_s: float
    workers_s: float
    whole_s: float

    @property
    def other_s(self) -> float:
        """Everything else: imports, hand-over, judging, feeding, saving."""
        return max(0.0, self.whole_s - self.iterations_s - self.checks_s - self.workers_s)

    @property
    def overhead_ratio(self) -> float:
        """Part of the session that was no iteration."""
        return (self.workers_s + self.other_s) / self.whole_s


def account_of(measured: tuple[Judged, ...], whole_s: float) -> Account:
    """Sum up where the time of a session went."""
    runs = [judged.run for judged in measured]
    iterations_s = sum(float(_whole_ns(run).sum()) * 1e-9 for run in runs)
    setup_s = sum(launch.setup_s for run in runs for launch in run.launches)
    checks_s = min(setup_s, sum(_checks_s(run) for run in runs))
    return Account(iterations_s, checks_s, setup_s - checks_s, whole_s)


def account_sentence(account: Account, runs: int) -> str:
    """Tell where the time went, in one line."""
    parts = {
        "iterations": account.iterations_s,
        "checking iterations": account.checks_s,
        "starting and loading workers": account.workers_s,
        "everything else": account.other_s,
    }
    told = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in parts.items())
    count = "1 run" if runs == 1 else f"{runs} runs"
    return (
        f"depthprof: {count} in {account.whole_s:.1f} s: {told};"
        f" {account.overhead_ratio:.0%} was no iteration"
    )


def _whole_ns(run: Run) -> NDArray[np.int64]:
    whole_ns: NDArray[np.int64] = run.samples.host_ns.clip(min=0).sum(axis=1)
    return whole_ns


def _checks_s(run: Run) -> float:
    """The fastest iteration of each launch and side, summed up."""
    whole_ns, samples = _whole_ns(run), run.samples
    places = set(zip(samples.launch.tolist(), samples.side.tolist(), strict=True))
    return sum(
        float(whole_ns[(samples.launch == launch) & (samples.side == side)].min()) * 1e-9
        for launch, side in places
    )
