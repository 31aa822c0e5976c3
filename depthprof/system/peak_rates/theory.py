"""Theoretical rates of a CPU: cores times operations a cycle times the clock."""

from pathlib import Path

from depthprof.records import TheoreticalRate
from depthprof.storage.text_files import system_text
from depthprof.system.machine import usable_cores
from depthprof.system.peak_rates.clock import measured_clock_hz
from depthprof.system.peak_rates.processor import Core, core_of, fields_of

CPUINFO = Path("/proc/cpuinfo")
HIGHEST = Path("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq")
"""In kHz, turbo included (Linux, Documentation/admin-guide/pm/cpufreq.rst)."""


def cpu_theory(threads: int) -> tuple[TheoreticalRate, ...]:
    """Theoretical rates of the matrix product on so many threads, none where too little is known.

    Threads beyond the cores that may be used add nothing. The clock is the highest that is known:
    the one measured on the core in use, the kernel's highest, the nominal one.
    """
    cpuinfo = _text(CPUINFO)
    core = core_of(cpuinfo)
    clock = highest_clock(measured_clock_hz(), _text(HIGHEST), cpuinfo)
    return () if core is None or clock is None else rates(core, clock, min(threads, usable_cores()))


def rates(core: Core, clock: tuple[float, str], cores: int) -> tuple[TheoreticalRate, ...]:
    """Rates by dtype.

    Args:
        clock: in Hz, and where it is from, in a word.
    """
    clock_hz, source = clock
    counted = "1 core" if cores == 1 else f"{cores} cores"
    return tuple(
        TheoreticalRate(
            dtype,
            cores * flops * clock_hz,
            f"{counted} x {flops} FLOP a cycle ({core.name}) x {clock_hz / 1e9:.2f} GHz ({source})",
        )
        for dtype, flops in core.flops.items()
    )


def highest_clock(
    measured_hz: float | None, highest_khz: str, cpuinfo: str
) -> tuple[float, str] | None:
    """The highest known clock in Hz and where it is from; None where none is known.

    Args:
        measured_hz: of the core in use. highest_khz: the kernel's text. cpuinfo: /proc/cpuinfo's.
    """
    known = (
        (measured_hz or 0.0, "measured"),
        (_figure(highest_khz) * 1e3, "the kernel's highest"),
        (_figure(fields_of(cpuinfo).get("cpu MHz", "")) * 1e6, "nominal"),
    )
    best = max(known, key=lambda one: one[0])
    return best if best[0] > 0 else None


def _figure(text: str) -> float:
    try:
        return max(0.0, float(text))
    except ValueError:
        return 0.0


def _text(file: Path) -> str:
    try:
        return system_text(file)
    except OSError:  # another system, or a hidden part of this one
        return ""
