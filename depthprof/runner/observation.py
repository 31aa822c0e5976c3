"""One untimed iteration of each side, after the pairs of the first process; and the peak rates."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from depthprof.errors import DepthprofError, WorkerLost
from depthprof.records import Limits, Observed, Workload, built
from depthprof.runner.plan import WORKER
from depthprof.runner.process import Layout, WorkerProcess

LIMITS_S = 120.0
"""Measuring the peak rates takes some seconds; after so long it is taken to hang."""


OBSERVED_S, OBSERVED_ITERATIONS, EXPECTED_LIMITS_S = 0.5, 2.0, 4.0
"""What is expected: so long a side and so many iterations; and for the peak rates. (Two sides of
0.1 s an iteration took 0.6 to 1.5 s, the rates 2.8 to 5.1 s; measured.)"""


@dataclass(slots=True)
class Observation:
    """What an iteration of each side showed, by side; `missing` gives reasons for what is not."""

    observed: dict[str, Observed] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    limits: Limits | None = None


def expected_s(sides: int, pair_s: float, known: Mapping[str, Limits]) -> float:
    """Seconds that observing so many sides will take, which take `pair_s` for a pair of blocks.

    Known peak rates are taken to be of this machine.
    """
    limits_s = 0.0 if known else EXPECTED_LIMITS_S
    return sides * OBSERVED_S + OBSERVED_ITERATIONS * pair_s + limits_s


def observe_sides(
    workers: Mapping[str, WorkerProcess],
    sides: Mapping[str, Mapping[str, Any]],
    known: Mapping[str, Limits],
    timeout_s: float,
) -> Observation:
    """Observe each side, and measure the peak rates of the device where they are not known.

    What fails is left out with a reason. A worker that is lost is not asked again.

    Args:
        workers: by side. sides: what they answered when they loaded it, baseline first.
        known: rates measured before, by fingerprint.
        timeout_s: seconds after which a worker is taken to hang.
    """
    found = Observation()
    lost: dict[WorkerProcess, str] = {}
    for name in sides:
        worker = workers[name]
        try:
            if worker in lost:
                raise WorkerLost(lost[worker])
            answer = worker.ask({"command": "observe", "side": name}, timeout_s)
            found.observed[name] = built(Observed, answer["observed"])
        except DepthprofError as error:
            found.missing[name] = f"not observed: {error}"
            if isinstance(error, WorkerLost):
                lost[worker] = str(error)
    name = next(
        (name for name, side in sides.items() if side["device"] != "cpu"), next(iter(sides))
    )
    if workers[name] not in lost:
        workload = built(Workload, sides[name]["workload"])
        try:
            workload = workload.changed(threads=sides[name]["threads"])
            found.limits = _limits(workers[name], workload, known)
        except DepthprofError as error:
            found.missing.setdefault(name, f"no limits: {error}")
    return found


def take_limits(workload: Workload, known: Mapping[str, Limits]) -> Limits:
    """Start a worker for nothing but the peak rates of this machine and the workload's device.

    Args:
        workload: its device and threads count.
        known: rates measured before, by fingerprint; these are not measured again.

    Raises:
        DepthprofError: there is no such device, or the measuring failed.
    """
    with WorkerProcess(Layout(0, 0), WORKER) as worker:
        return _limits(worker, workload, known)


def _limits(worker: WorkerProcess, workload: Workload, known: Mapping[str, Limits]) -> Limits:
    command = {"command": "limits", "workload": asdict(workload), "known": list(known)}
    answer = worker.ask(command, LIMITS_S)
    measured = answer["limits"]
    return known[answer["fingerprint"]] if measured is None else built(Limits, measured)
