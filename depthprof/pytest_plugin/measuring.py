"""A measurement for many tests: taken when the first of them needs it, then kept."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from depthprof.errors import DepthprofError
from depthprof.measure import Plan
from depthprof.records import Judged, Policy

Measure = Callable[[Plan, Policy], Judged]


@dataclass(slots=True)
class Measurements:
    """Every plan that was carried out in this session, with what came of it.

    A plan that was refused or failed is not tried again: each test that needs it hears the same.

    Attributes:
        measure: carries out a plan. spent_s: wall time of all measurements.
    """

    measure: Measure
    spent_s: float = 0.0
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
        started = monotonic()
        try:
            judged = self.measure(plan, Policy())
        except DepthprofError as error:
            self._refused[plan] = error
            raise
        finally:
            self.spent_s += monotonic() - started
        if judged.run.ended == "interrupted":
            raise KeyboardInterrupt
        return judged


@dataclass(frozen=True, slots=True)
class Account:
    """Where the time of a session went, in seconds.

    Attributes:
        iterations_s: of all iterations, warm-up included.
        workers_s: starting workers, loading, and checking each side by one iteration.
        whole_s: of the session.
    """

    iterations_s: float
    workers_s: float
    whole_s: float

    @property
    def other_s(self) -> float:
        """Everything else: imports, hand-over, judging, feeding, saving."""
        return max(0.0, self.whole_s - self.iterations_s - self.workers_s)


def account_of(measured: tuple[Judged, ...], whole_s: float) -> Account:
    """Sum up where the time of a session went."""
    runs = [judged.run for judged in measured]
    iterations_s = sum(float(run.samples.host_ns.clip(min=0).sum()) * 1e-9 for run in runs)
    workers_s = sum(launch.setup_s for run in runs for launch in run.launches)
    return Account(iterations_s, workers_s, whole_s)


def account_sentence(account: Account, runs: int) -> str:
    """Tell where the time went, in one line."""
    parts = {
        "iterations": account.iterations_s,
        "starting and loading workers": account.workers_s,
        "everything else": account.other_s,
    }
    shares = [
        f"{name} {seconds:.1f} s ({seconds / account.whole_s:.0%})"
        for name, seconds in parts.items()
    ]
    count = "1 run" if runs == 1 else f"{runs} runs"
    return f"depthprof: {count} in {account.whole_s:.1f} s: {', '.join(shares)}"
