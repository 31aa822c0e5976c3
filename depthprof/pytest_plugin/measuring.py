"""A measurement for many tests, the machine it is taken on, and where a session's time went."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthprof.errors import DepthprofError
from depthprof.pytest_plugin.entries import Recorded
from depthprof.records import Policy, Result, Run
from depthprof.records.traits import fingerprint
from depthprof.runner import Plan
from depthprof.storage.settings import GateSettings
from depthprof.system.machine import cpu_name, usable_cores
from depthprof.system.nvml import NvmlAbsent, driver_version
from depthprof.verdict.policy import policy_for

MACHINE_DIGITS = 8
"""Of the fingerprint of `machine_facts`, in the names of folders."""

Measure = Callable[[Plan, Policy], Result]


@dataclass(slots=True)
class Measurements:
    """Every plan that was carried out in this session, with what came of it.

    A plan that was refused or failed is not tried again: each test that needs it fails alike.

    Attributes:
        measure: carries out a plan. settings: what counts as slower, by model.
    """

    measure: Measure
    settings: GateSettings = field(default_factory=GateSettings)
    _known: dict[Plan, Recorded | DepthprofError] = field(default_factory=dict)

    def of(self, plan: Plan) -> Recorded:
        """Return what a plan came to, carrying it out if no test needed it before.

        Raises:
            DepthprofError: it was refused, or failed before anything was measured.
            KeyboardInterrupt: Ctrl-C while measuring; what was measured is dropped, since a run
                that was cut short is not to be compared with later ones.
        """
        if plan not in self._known:
            self._known[plan] = self._carried_out(plan)
        found = self._known[plan]
        if isinstance(found, DepthprofError):
            raise found
        return found

    @property
    def all(self) -> tuple[Result, ...]:
        """Every measurement so far, in the order taken."""
        return tuple(one.judged for one in self._known.values() if isinstance(one, Recorded))

    def _carried_out(self, plan: Plan) -> Recorded | DepthprofError:
        try:
            model = plan.sides[-1].workload.model
            judged = self.measure(plan, policy_for("paired", self.settings, model))
        except DepthprofError as error:
            return error
        if judged.run.ended == "interrupted":
            raise KeyboardInterrupt
        return Recorded(judged)


def time_sentence(measured: tuple[Result, ...], whole_s: float) -> str:
    """Say where the time of a session went, in one line.

    The iteration by which each process checks each side is part of loading, and was no faster than
    the fastest one that this process kept: so much is counted as checking.

    Args:
        measured: all runs. whole_s: duration of the session.
    """
    runs = [judged.run for judged in measured]
    iterations_s = sum(float(_whole_ns(run).sum()) * 1e-9 for run in runs)
    setup_s = sum(launch.setup_s for run in runs for launch in run.launches)
    checks_s = min(setup_s, sum(_checks_s(run) for run in runs))
    parts = {
        "iterations": iterations_s,
        "checking iterations": checks_s,
        "starting and loading workers": setup_s - checks_s,
        "everything else": max(0.0, whole_s - iterations_s - setup_s),
    }
    listed = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in parts.items())
    count = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
    overhead = (setup_s - checks_s + parts["everything else"]) / whole_s
    return f"{count} in {whole_s:.1f} s: {listed}; {overhead:.0%} was no iteration"


def _whole_ns(run: Run) -> NDArray[np.int64]:
    return np.asarray(run.samples.host_ns.clip(min=0).sum(axis=1))


def _checks_s(run: Run) -> float:
    """The fastest iteration of each process and side, summed up."""
    whole_ns, samples = _whole_ns(run), run.samples
    places = set(zip(samples.launch.tolist(), samples.side.tolist(), strict=True))
    return sum(
        float(whole_ns[(samples.launch == launch) & (samples.side == side)].min()) * 1e-9
        for launch, side in places
    )


def machine_facts(device: str, threads: int | None) -> dict[str, Any]:
    """Describe the machine and its software; gpu and driver are None where no GPU is used.

    Args:
        device, threads: as asked for; None leaves the threads to the number of cores.
    """
    torch = _version("torch")
    gpu = None if device == "cpu" or torch.endswith("+cpu") else gpu_name(device)
    return {
        "gpu": gpu,
        "driver": None if gpu is None else driver_version(),
        "cpu": cpu_name(),
        "cpu_cores": usable_cores(),
        "torch": torch,
        "numpy": _version("numpy"),
        "opencv": _version("opencv-python-headless"),
        "threads": "auto" if threads is None else threads,
    }


def gpu_name(device: str) -> str | None:
    """Name of a GPU by NVML, None where there is none."""
    from depthprof.system.doctor.gpu import gpu_facts

    try:
        return gpu_facts(device=device).name
    except NvmlAbsent:
        return None


def folder_name(usual: str, facts: dict[str, Any]) -> str:
    """Name of this machine's folder; `usual` is pytest-benchmark's, "Linux-CPython-3.12-64bit"."""
    words = [
        usual,
        facts["gpu"] or facts["cpu"],
        f"torch-{facts['torch']}",
        fingerprint(facts, MACHINE_DIGITS),
    ]
    return "-".join(re.sub(r"[^A-Za-z0-9._]+", "-", word).strip("-") for word in words)


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "unknown"
