"""Theoretical rates: arithmetic units times operations a cycle times the clock.

A CPU's float32 operations a cycle are the multiply-add units times their lanes times two. Sources:
Fog, The microarchitecture of Intel, AMD and VIA CPUs (2024); Intel 64 and IA-32 Architectures
Optimization Reference Manual (units of each generation, TMUL of AMX); AMD, Software Optimization
Guides for the families 17h, 19h and 1Ah; Arm, Software Optimization Guides of the Neoverse and
Cortex cores. Of a processor that is not in the tables, the most that its flags allow.

A GPU's are two for each multiply-add of a multiprocessor. Sources: CUDA C++ Programming Guide,
"Arithmetic Instructions" (float32); NVIDIA's architecture white papers of Volta, Turing, Ampere
(GA100, GA102), Ada, Hopper and Blackwell (tensor cores, dense, the faster accumulation).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from depthprof.records import TheoreticalRate
from depthprof.storage.text_files import system_text
from depthprof.system.machine import usable_cores
from depthprof.system.peak_rates.timing import measured_clock_hz

AMX_FLOPS = 2048
"""Products of tiles of bfloat16 or float16 (Intel's manual, TMUL: 1024 multiply-adds a cycle)."""

AMD_FLOPS = (
    # family, from model on, what it is, float32 operations a cycle
    (26, 0x00, "AMD Zen 5", 64),
    (25, 0x00, "AMD Zen 3 or 4", 32),  # Zen 4 has AVX-512 in two halves of 256 bits
    (23, 0x30, "AMD Zen 2", 32),
    (23, 0x00, "AMD Zen", 16),
    (24, 0x00, "Hygon Dhyana", 16),
    (21, 0x00, "AMD Bulldozer to Excavator", 16),
)
INTEL_ONE_UNIT = {102, 125, 126, 140, 141, 167}
"""Models of family 6 with one unit of 512 bits: Cannon, Ice, Tiger and Rocket Lake of clients.

Servers with one unit (Xeon Bronze and some Silver) have the models of those with two.
"""

ARM_FLOPS = {
    # implementer, part: what it is, float32 operations a cycle
    ("0x41", "0xd03"): ("Arm Cortex-A53", 8),
    ("0x41", "0xd08"): ("Arm Cortex-A72", 8),
    ("0x41", "0xd0b"): ("Arm Cortex-A76", 16),
    ("0x41", "0xd0c"): ("Arm Neoverse N1", 16),
    ("0x41", "0xd40"): ("Arm Neoverse V1", 32),
    ("0x41", "0xd49"): ("Arm Neoverse N2", 16),
    ("0x41", "0xd4f"): ("Arm Neoverse V2", 32),
    ("0x46", "0x001"): ("Fujitsu A64FX", 64),
}
X86_FLAGS = (("avx512f", 64), ("fma", 32), ("fma4", 16), ("avx", 16), ("sse2", 8))
"""At most: two multiply-adds of the widest registers a cycle, without FMA one of each."""

ARM_FLAGS = (("sve", 64), ("asimd", 32), ("neon", 16))
"""At most: two units of SVE of 512 bits, or four of 128."""


@dataclass(frozen=True, slots=True)
class Core:
    """A core: what it is, and operations a cycle by dtype ("fp32", "fp16", "bf16")."""

    name: str
    flops: Mapping[str, int]


def core_of(cpuinfo: str) -> Core | None:
    """The widest core of a text as /proc/cpuinfo has it; None where it says too little."""
    cores = [core for block in cpuinfo.split("\n\n") if (core := _core(fields_of(block)))]
    return max(cores, key=lambda core: core.flops["fp32"], default=None)


def fields_of(cpuinfo: str) -> dict[str, str]:
    """Names and values of the first processor in the text."""
    fields: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip(), value.strip())
    return fields


def _core(known: Mapping[str, str]) -> Core | None:
    arm = set(known.get("Features", "").split())
    x86 = set(known.get("flags", "").split())
    if known.get("CPU implementer"):
        return _arm(known, arm)
    allowed = _allowed(x86, X86_FLAGS)
    if allowed is None:
        return None
    name, flops = _x86(known, allowed)
    # a virtual machine may hide what the core has; then it cannot be used
    flops = min(flops, allowed)
    return Core(name, {"fp32": flops, **_x86_halves(x86, flops)})


def _x86(known: Mapping[str, str], allowed: int) -> tuple[str, int]:
    vendor = known.get("vendor_id", "")
    family, model = _number(known.get("cpu family")), _number(known.get("model"))
    if vendor in ("AuthenticAMD", "HygonGenuine"):
        for of_family, from_model, name, flops in AMD_FLOPS:
            if family == of_family and model >= from_model:
                return name, flops
    if vendor == "GenuineIntel" and family == 6 and model in INTEL_ONE_UNIT:
        return f"Intel model {model}, one unit of 512 bits", 32
    return "the most that its flags allow", allowed


def _x86_halves(flags: set[str], flops: int) -> dict[str, int]:
    twice = 2 * flops
    return {
        "fp16": AMX_FLOPS if "amx_fp16" in flags else twice if "avx512_fp16" in flags else flops,
        "bf16": AMX_FLOPS if "amx_bf16" in flags else twice if "avx512_bf16" in flags else flops,
    }


def _arm(known: Mapping[str, str], features: set[str]) -> Core | None:
    part = (known["CPU implementer"].lower(), known.get("CPU part", "").lower())
    allowed = _allowed(features, ARM_FLAGS)
    name, flops = ARM_FLOPS.get(part, ("the most that its flags allow", allowed))
    if flops is None:
        return None
    halves = {"fp16": 2 * flops, "bf16": 4 * flops}  # FMLA of half lanes, BFMMLA
    have = {"fp16": "asimdhp" in features, "bf16": "bf16" in features}
    return Core(name, {"fp32": flops, **{k: v if have[k] else flops for k, v in halves.items()}})


def _allowed(flags: set[str], table: tuple[tuple[str, int], ...]) -> int | None:
    return next((flops for flag, flops in table if flag in flags), None)


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else -1


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
    return (
        ()
        if core is None or clock is None
        else _cpu_rates(core, clock, min(threads, usable_cores()))
    )


def _cpu_rates(core: Core, clock: tuple[float, str], cores: int) -> tuple[TheoreticalRate, ...]:
    """Rates by dtype; `clock` is in Hz, and says where it is from."""
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
    """The highest known clock in Hz and where it is from; None where none is known."""
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


CYCLE_FLOPS = {
    # compute capability: float32; float16 of the tensor cores; whether they take bfloat16 and TF32
    (6, 0): (128, 256, False),
    (6, 1): (256, 256, False),
    (7, 0): (128, 1024, False),
    (7, 5): (128, 1024, False),
    (8, 0): (128, 2048, True),
    (8, 6): (256, 1024, True),
    (8, 7): (256, 2048, True),
    (8, 9): (256, 1024, True),
    (9, 0): (256, 4096, True),
    (10, 0): (256, 8192, True),
    (12, 0): (256, 1024, True),
}
"""TF32 goes at half the rate of float16 in all of them, or less."""

PER_TRANSFER = 2
"""Memory clocks are given as the half of what the bus transfers."""


def gpu_theory(properties: Any) -> tuple[TheoreticalRate, ...]:
    """Rates by dtype and of the memory, as far as torch gives the figures and the chip is known.

    Args:
        properties: torch.cuda.get_device_properties; some versions lack its clocks, in kHz.
    """
    known = CYCLE_FLOPS.get((getattr(properties, "major", 0), getattr(properties, "minor", 0)))
    clock_hz = 1e3 * float(getattr(properties, "clock_rate", 0) or 0)
    rates = []
    if known and clock_hz > 0:
        flops, half, modern = known
        by_dtype = {"fp32": flops, "fp16": half}
        by_dtype |= {"tf32": half // 2, "bf16": half} if modern else {}
        units = int(properties.multi_processor_count)
        rates = [_arithmetic(dtype, units, each, clock_hz) for dtype, each in by_dtype.items()]
    return (*rates, *_memory_rate(properties))


def _arithmetic(dtype: str, units: int, flops: int, clock_hz: float) -> TheoreticalRate:
    basis = f"{units} multiprocessors x {flops} FLOP a cycle x {clock_hz / 1e9:.2f} GHz (highest)"
    return TheoreticalRate(dtype, units * flops * clock_hz, basis)


def _memory_rate(properties: Any) -> list[TheoreticalRate]:
    clock_hz = 1e3 * float(getattr(properties, "memory_clock_rate", 0) or 0)
    bits = int(getattr(properties, "memory_bus_width", 0) or 0)
    if not (clock_hz > 0 and bits > 0):
        return []
    basis = f"{bits} bits x {PER_TRANSFER} x {clock_hz / 1e9:.2f} GHz (highest)"
    return [TheoreticalRate("memory", bits / 8 * PER_TRANSFER * clock_hz, basis)]
