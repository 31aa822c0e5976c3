"""What GPU and host did while measuring, in words: one line or two, and a table."""

from collections.abc import Callable, Sequence

from depthprof.records import Activity, GpuActivity, HostActivity, Run
from depthprof.units import binary_size, percent
from depthprof.verdict.timer_view import is_asynchronous

OURS = "busy share (our events)"
NVML = "NVML utilisation (a kernel ran in the sampling period)"

DETAIL = "NVML does not tell"
"""Notes that begin so name single readings; they stay out of the terminal."""

Cell = Callable[[GpuActivity], str | None]


def uses_gpu(run: Run) -> bool:
    """Whether any side is on a GPU."""
    return any(is_asynchronous(run, side) for side in range(len(run.sides)))


def title(run: Run) -> str:
    """What stands over the table of `activity_rows`."""
    return f"{'GPU and host' if uses_gpu(run) else 'Host'} while measuring"


def activity_lines(
    run: Run, known: Activity | None, labels: Sequence[str]
) -> list[tuple[str, str]]:
    """Pairs of a word and a text for the terminal; none where nothing is known.

    Args:
        run: as measured. known: what GPU and host did. labels: of the sides, short.
    """
    if known is None:
        return []
    lines = [("gpu", text) for text in _gpu_texts(known, labels) if text]
    host = _host_text(known.host) if known.readings else ""
    lines += [("host", host)] if host else []
    notes = run.telemetry.notes if run.telemetry else ()
    telling = [note for note in notes if not note.startswith(DETAIL)]
    return lines + [("telemetry", note) for note in telling[:1]]


def activity_rows(known: Activity | None) -> list[tuple[str, ...]]:
    """Rows of a table: a figure's name and its text for each side; empty where nothing is known."""
    if known is None:
        return []
    rows = [(name, *(_cell(side, cell) for side in known.sides)) for name, cell in _CELLS]
    rows = [row for row in rows if any(row[1:])]
    if known.readings:
        more = [""] * (len(known.sides) - 1)  # the host's are of both sides together
        both = " (both sides)" if more else ""
        rows += [(f"{name}{both}", text, *more) for name, text in _host_cells(known)]
    return rows


def activity_notes(known: Activity | None) -> tuple[str, ...]:
    """What could not be had, and what the figures are not."""
    return () if known is None else known.notes


def _gpu_texts(known: Activity, labels: Sequence[str]) -> list[str]:
    sides = [(label, side) for label, side in zip(labels, known.sides, strict=True) if side]
    if not sides:
        return []
    busy = _by_side(sides, lambda side: _percent(side.busy_ratio))
    parts = [f"busy by our events: {busy}"] if busy else []
    nvml = _by_side(sides, lambda side: _percent(side.nvml_busy_ratio))
    if nvml:
        parts.append(f"NVML utilisation (a kernel ran): {nvml}")
    return ["; ".join(parts), _state(sides)]


def _state(sides: list[tuple[str, GpuActivity]]) -> str:
    """Clocks, power, heat and energy; equal sides are named once."""
    shared = len(sides) > 1 and not all(side.own_stretch for _, side in sides)
    cells: list[tuple[str, Cell]] = [
        ("", _clock),
        ("", lambda side: None if side.power_w is None else f"{side.power_w:.0f} W"),
        ("", lambda side: _degrees(side.highest_temperature_c)),
        ("an iteration at that power " if shared else "an iteration ", _energy),
        ("faults: ", lambda side: _shares(side.faults) or None),
        ("other processes: ", lambda side: str(side.other_processes or "") or None),
    ]
    texts = [(name, _by_side(sides, cell)) for name, cell in cells]
    return ", ".join(f"{name}{text}" for name, text in texts if text)


def _by_side(sides: list[tuple[str, GpuActivity]], cell: Cell) -> str:
    """Join the sides' texts, "v1 62 %, v2 93 %"; just "62 %" where all say the same."""
    known = [(label, text) for label, side in sides if (text := cell(side)) is not None]
    if len({text for _, text in known}) == 1 and len(known) == len(sides):
        return known[0][1]
    return ", ".join(f"{label} {text}" for label, text in known)


def _host_text(host: HostActivity) -> str:
    parts = []
    if host.others_ratio is not None:
        parts.append(f"other processes {percent(host.others_ratio)} of the CPU")
    if host.pressure_ratio is not None:
        parts.append(f"tasks waited for a core {percent(host.pressure_ratio)} of the time")
    if host.least_available_bytes is not None:
        parts.append(f"at least {binary_size(host.least_available_bytes)} of memory free")
    return ", ".join(parts)


def _host_cells(known: Activity) -> list[tuple[str, str]]:
    host = known.host
    reading = known.reading_ns
    cells = [
        ("CPU used by other processes", _percent(host.others_ratio)),
        ("CPU taken by the hypervisor", _percent(host.stolen_ratio or None)),
        ("time in which a task waited for a core", _percent(host.pressure_ratio)),
        ("memory available, least", _size(host.least_available_bytes)),
        (
            "readings of telemetry",
            None if reading is None else f"{known.readings}, {reading / 1e6:.2g} ms each",
        ),
    ]
    return [(name, text) for name, text in cells if text is not None]


def _cell(side: GpuActivity | None, cell: Cell) -> str:
    return "" if side is None else cell(side) or ""


def _percent(ratio: float | None) -> str | None:
    return None if ratio is None else percent(ratio)


def _degrees(celsius: int | None) -> str | None:
    return None if celsius is None else f"{celsius} C"


def _size(size_bytes: int | None) -> str | None:
    return None if size_bytes is None else binary_size(size_bytes)


def _clock(side: GpuActivity) -> str | None:
    if side.sm_clock_mhz is None or side.least_sm_clock_mhz is None:
        return None
    lowest = f" (lowest {side.least_sm_clock_mhz})"
    alike = side.least_sm_clock_mhz == side.sm_clock_mhz
    return f"{side.sm_clock_mhz:.0f} MHz{'' if alike else lowest}"


def _power(side: GpuActivity) -> str | None:
    whose = "" if side.own_stretch else ", the whole run"
    return None if side.power_w is None else f"{side.power_w:.0f} W ({side.power_from}{whose})"


def _energy(side: GpuActivity) -> str | None:
    joules = side.energy_per_iteration_j
    if joules is None:
        return None
    return f"{joules:.3g} J" if joules >= 1 else f"{joules * 1e3:.3g} mJ"


def _rate(bytes_per_s: float | None) -> str | None:
    return None if bytes_per_s is None else f"{binary_size(bytes_per_s)}/s"


def _shares(reasons: tuple[tuple[str, float], ...]) -> str:
    return ", ".join(f"{word} {percent(share)} of readings" for word, share in reasons)


def _faults(side: GpuActivity) -> str | None:
    if not side.readings or side.sm_clock_mhz is None:
        return _shares(side.faults) or None
    return _shares(side.faults) or "none"


_CELLS: list[tuple[str, Cell]] = [
    (OURS, lambda side: _percent(side.busy_ratio)),
    (NVML, lambda side: _percent(side.nvml_busy_ratio)),
    (
        "NVML memory utilisation (memory was read or written)",
        lambda side: _percent(side.nvml_memory_busy_ratio),
    ),
    ("multiprocessors active (GPM)", lambda side: _percent(side.sm_active_ratio)),
    ("tensor cores active (GPM)", lambda side: _percent(side.tensor_active_ratio)),
    ("memory bandwidth used (GPM)", lambda side: _percent(side.dram_active_ratio)),
    ("PCIe, sent by the GPU", lambda side: _rate(side.pcie_sent_bytes_per_s)),
    ("PCIe, received by the GPU", lambda side: _rate(side.pcie_received_bytes_per_s)),
    ("SM clock, median", _clock),
    (
        "memory clock, median",
        lambda side: None if side.memory_clock_mhz is None else f"{side.memory_clock_mhz:.0f} MHz",
    ),
    ("power, mean", _power),
    ("energy of an iteration", _energy),
    ("temperature, highest", lambda side: _degrees(side.highest_temperature_c)),
    ("GPU memory in use, most", lambda side: _size(side.most_memory_bytes)),
    (
        "other processes on the GPU, most",
        lambda side: None if side.other_processes is None else str(side.other_processes),
    ),
    ("clock held down by a fault", _faults),
    ("clock limited otherwise", lambda side: _shares(side.limits) or None),
    ("readings in its blocks", lambda side: str(side.readings) if side.readings else None),
]
