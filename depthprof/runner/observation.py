"""After the turns of the first launch: what each side does in an iteration, and the limits."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from depthprof.errors import DepthprofError, WorkerLost
from depthprof.records import Limits, Side, Workload, limits_from, observed_from
from depthprof.runner.plan import WORKER
from depthprof.runner.process import Layout, WorkerProcess
from depthprof.runner.recorder import Ledger

LIMITS_S = 120.0
"""Measuring the limits takes some seconds; this long means that it hangs."""


def look(
    workers: Mapping[str, WorkerProcess],
    ledger: Ledger,
    known: Mapping[str, Limits],
    limit_s: float,
) -> None:
    """Ask the workers of a launch, once its turns are over, and enter what they answer.

    A worker that is lost is not asked again. What fails is left out; the ledger notes why.

    Args:
        workers: by side. ledger: knows the sides; is told what was seen.
        known: limits measured before, by fingerprint.
        limit_s: seconds after which a worker is taken to hang.
    """
    lost: dict[int, str] = {}
    for side in ledger.sides:
        worker = workers[side.name]
        try:
            if id(worker) in lost:
                raise WorkerLost(lost[id(worker)])
            answer = worker.ask({"command": "observe", "side": side.name}, limit_s)
            ledger.observed[side.name] = observed_from(answer["observed"])
        except DepthprofError as error:
            ledger.unseen[side.name] = f"not looked at: {error}"
            if isinstance(error, WorkerLost):
                lost[id(worker)] = str(error)
    side = _limiting(ledger.sides)
    if id(workers[side.name]) not in lost:
        _enter_limits(workers[side.name], side, ledger, known)


def take_limits(workload: Workload, known: Mapping[str, Limits]) -> Limits:
    """Start a worker for nothing but the limits of this machine and the workload's device.

    Args:
        workload: its device and threads count.
        known: limits measured before, by fingerprint; these are not measured again.

    Raises:
        DepthprofError: there is no such device, or the measuring failed.
    """
    with WorkerProcess(Layout(0, 0), WORKER) as worker:
        return _limits(worker, workload, known)


def _enter_limits(
    worker: WorkerProcess, side: Side, ledger: Ledger, known: Mapping[str, Limits]
) -> None:
    try:
        ledger.limits = _limits(worker, side.workload.changed(threads=side.threads), known)
    except DepthprofError as error:
        ledger.unseen.setdefault(side.name, f"no limits: {error}")


def _limits(worker: WorkerProcess, workload: Workload, known: Mapping[str, Limits]) -> Limits:
    command = {"command": "limits", "workload": asdict(workload), "known": list(known)}
    answer: dict[str, Any] = worker.ask(command, LIMITS_S)
    measured = answer["limits"]
    return known[answer["fingerprint"]] if measured is None else limits_from(measured)


def _limiting(sides: tuple[Side, ...]) -> Side:
    """The side whose device the limits are of: the first on a GPU, else the first."""
    return next((side for side in sides if side.device != "cpu"), sides[0])
