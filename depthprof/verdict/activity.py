"""What the GPU and the host did while each side was measured: telemetry and our own events.

Two figures that are easily taken for each other are kept apart: NVML's utilisation (a kernel ran in
the sampling period) and the busy share of our own events.
"""

import numpy as np
from numpy.typing import NDArray

from depthprof.records import (
    CLOCK_FAULTS,
    CLOCK_REASONS,
    DEVICE_STAGES,
    UNKNOWN,
    WARM_UP_TURN,
    Activity,
    GpuActivity,
    HostActivity,
    Run,
    Telemetry,
)
from depthprof.units import NS_PER_S
from depthprof.verdict.quality import background_load_ratio
from depthprof.verdict.stretches import LOOK_BACK_NS, Stretches, any_stretches, side_stretches

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


LEAST_ENERGY_NS = 500_000_000
"""NVML's energy counter steps every few tens of milliseconds: over less time than this a
difference of it says little."""

TOGETHER = (
    "the sides took turns faster than NVML looks back (up to 1 s), so utilisation, power, energy,"
    " GPM and PCIe traffic are of all turns together and not of a side"
)
APART_CLOCKS = "no reading falls into a block: telemetry and samples have unlike clocks here"


def activity(run: Run) -> Activity | None:
    """Sum up what is known of GPU and host during the measured turns; None where nothing is."""
    telemetry = run.telemetry
    if telemetry is None and run.samples.device_ns is None:
        return None
    sides = tuple(_side(run, number, telemetry) for number in range(len(run.sides)))
    if telemetry is None or not len(telemetry):
        notes = () if telemetry is None else telemetry.notes
        return Activity(sides, HostActivity(background_load_ratio(run)), notes=notes)
    together = any(side is not None and side.readings and not side.own_stretch for side in sides)
    return Activity(
        sides=sides,
        host=_host(run, telemetry),
        readings=len(telemetry),
        interval_s=telemetry.interval_s,
        reading_ns=float(np.median(telemetry.columns.cost_ns)),
        notes=(
            *telemetry.notes,
            *([TOGETHER] if together and len(sides) > 1 else []),
            *_unwatched(run),
            *_unaligned(run, telemetry),
        ),
    )


def busy_ratio(run: Run, side: int) -> float | None:
    """Device time of h2d, forward, postprocess and d2h over wall time; None without a device clock.

    Events stand between stages, so gaps between the kernels of a stage count as busy: it is the
    most that the GPU can have been busy with this side's iterations.
    """
    samples = run.samples
    if samples.device_ns is None:
        return None
    mine = (samples.side == side) & (samples.turn != WARM_UP_TURN)
    columns = [samples.stages.index(stage) for stage in DEVICE_STAGES if stage in samples.stages]
    device_ns = samples.device_ns[mine][:, columns]
    wall_ns = int(samples.host_ns[mine].sum())
    if not wall_ns or not (device_ns >= 0).all():
        return None
    return float(device_ns.sum() / wall_ns)


def watched_device(run: Run) -> str | None:
    """The device that telemetry read, that of the first side on a GPU; None: it read none."""
    if run.telemetry is None or run.telemetry.gpu is None:
        return None
    return next((side.device for side in run.sides if side.device != "cpu"), None)


def _side(run: Run, side: int, telemetry: Telemetry | None) -> GpuActivity | None:
    busy = busy_ratio(run, side)
    if telemetry is None or run.sides[side].device != watched_device(run):
        return None if busy is None else GpuActivity(busy_ratio=busy)
    return _Readings(run, side, telemetry).summed_up(busy)


class _Readings:
    """The readings of one side: those in its blocks, and those that look back on it alone."""

    def __init__(self, run: Run, side: int, telemetry: Telemetry) -> None:
        self._columns = telemetry.columns
        at_ns = telemetry.columns.at_ns
        own, everyone = side_stretches(run).of(side), any_stretches(run)
        self._in_blocks = own.holding(at_ns) >= 0
        self.own_stretch = bool((own.holding(at_ns, LOOK_BACK_NS) >= 0).any())
        self._stretches: Stretches = own if self.own_stretch else everyone
        self._looking_back = self._stretches.holding(at_ns, LOOK_BACK_NS) >= 0
        mine = (run.samples.side == side) & (run.samples.turn != WARM_UP_TURN)
        walls_ns = run.samples.host_ns[mine].sum(axis=1)
        self._iteration_s = float(walls_ns.mean()) / NS_PER_S if len(walls_ns) else None

    def summed_up(self, busy: float | None) -> GpuActivity:
        power_w, source = self._power()
        energy_j = None
        if power_w is not None and self._iteration_s is not None:
            energy_j = power_w * self._iteration_s
        return GpuActivity(
            busy_ratio=busy,
            nvml_busy_ratio=self._mean("gpu_busy_percent", 100),
            nvml_memory_busy_ratio=self._mean("memory_busy_percent", 100),
            power_w=power_w,
            power_from=source,
            energy_per_iteration_j=energy_j,
            sm_clock_mhz=_median(self._at("sm_clock_mhz")),
            least_sm_clock_mhz=_least(self._at("sm_clock_mhz")),
            memory_clock_mhz=_median(self._at("memory_clock_mhz")),
            highest_temperature_c=_most(self._at("temperature_c")),
            most_memory_bytes=_most(self._at("memory_used_bytes")),
            sm_active_ratio=self._mean("sm_active_permille", 1_000),
            tensor_active_ratio=self._mean("tensor_active_permille", 1_000),
            dram_active_ratio=self._mean("dram_active_permille", 1_000),
            pcie_sent_bytes_per_s=self._mean("pcie_sent_bytes_per_s", 1),
            pcie_received_bytes_per_s=self._mean("pcie_received_bytes_per_s", 1),
            other_processes=_most(self._at("other_processes")),
            faults=self._reasons(CLOCK_FAULTS),
            limits=self._reasons(~CLOCK_FAULTS),
            own_stretch=self.own_stretch,
            readings=int(self._in_blocks.sum()),
        )

    def _at(self, name: str) -> Integers:
        """What is known of a column at the readings in this side's blocks."""
        return _known(getattr(self._columns, name)[self._in_blocks])

    def _mean(self, name: str, unit: int) -> float | None:
        """Mean of a column that looks back, over the readings that it may be taken from."""
        values = _known(getattr(self._columns, name)[self._looking_back])
        return float(values.mean()) / unit if len(values) else None

    def _power(self) -> tuple[float | None, str | None]:
        """Mean power in W, from the energy counter where it covers long enough."""
        energy_mj, covered_ns = self._energy()
        if covered_ns >= LEAST_ENERGY_NS:
            return energy_mj / (covered_ns / NS_PER_S) / 1_000, "energy counter"
        power_mw = self._mean("power_mw", 1)
        return (None, None) if power_mw is None else (power_mw / 1_000, "power readings")

    def _energy(self) -> tuple[int, int]:
        """Differences of the counter within stretches, summed up, and the time they cover."""
        known = self._columns.energy_mj != UNKNOWN
        energy_mj, at_ns = self._columns.energy_mj[known], self._columns.at_ns[known]
        place = self._stretches.holding(at_ns)
        # A counter that falls has been reset with the driver: that difference is none.
        within = (place[1:] == place[:-1]) & (place[1:] >= 0) & (np.diff(energy_mj) >= 0)
        long_enough = self._stretches.end_ns - self._stretches.begin_ns >= LOOK_BACK_NS
        within &= long_enough[place[1:]] if len(long_enough) else False
        return int(np.diff(energy_mj)[within].sum()), int(np.diff(at_ns)[within].sum())

    def _reasons(self, bits: int) -> tuple[tuple[str, float], ...]:
        seen = self._at("throttle_reasons")
        shares = [
            (word, float(((seen & bit) != 0).mean()) if len(seen) else 0.0)
            for bit, word in CLOCK_REASONS.items()
            if bit & bits
        ]
        return tuple((word, share) for word, share in shares if share)


def _host(run: Run, telemetry: Telemetry) -> HostActivity:
    columns = telemetry.columns
    during = any_stretches(run).holding(columns.at_ns) >= 0
    available = _least(_known(columns.host_available_bytes[during]))
    stolen = _grown(columns.host_stolen_ns, columns.at_ns, during)
    return HostActivity(
        others_ratio=background_load_ratio(run),
        stolen_ratio=None if stolen is None else stolen / max(1, run.environment.cpu_cores),
        pressure_ratio=_grown(columns.host_pressure_ns, columns.at_ns, during),
        least_available_bytes=available,
    )


def _grown(counter: Integers, at_ns: Integers, during: Flags) -> float | None:
    """How fast a counter grew from the first to the last reading within the measured turns."""
    known = np.flatnonzero(during & (counter != UNKNOWN))
    if len(known) < 2:
        return None
    first, last = known[0], known[-1]
    return float((counter[last] - counter[first]) / (at_ns[last] - at_ns[first]))


def _unwatched(run: Run) -> list[str]:
    """Sides on another GPU than the one that was read."""
    watched = watched_device(run)
    elsewhere = [side.label for side in run.sides if side.device not in ("cpu", watched)]
    if watched is None or not elsewhere:
        return []
    return [f"only {watched} was read; nothing is known of the GPU of {', '.join(elsewhere)}"]


def _unaligned(run: Run, telemetry: Telemetry) -> list[str]:
    stretches = any_stretches(run)
    if not len(stretches.begin_ns):
        return []
    at_ns = telemetry.columns.at_ns
    measured_ns = int((stretches.end_ns - stretches.begin_ns).sum())
    many = measured_ns > 10 * telemetry.interval_s * NS_PER_S
    return [APART_CLOCKS] if many and (stretches.holding(at_ns) < 0).all() else []


def _known(column: Integers) -> Integers:
    known: Integers = column[column != UNKNOWN]
    return known


def _median(values: Integers) -> float | None:
    return float(np.median(values)) if len(values) else None


def _least(values: Integers) -> int | None:
    return int(values.min()) if len(values) else None


def _most(values: Integers) -> int | None:
    return int(values.max()) if len(values) else None
