"""What the arithmetic units of a CPU's core do in a cycle, read from /proc/cpuinfo.

Float32 operations a cycle are the multiply-add units times their lanes times two. Sources: Fog, The
microarchitecture of Intel, AMD and VIA CPUs (2024); Intel 64 and IA-32 Architectures Optimization
Reference Manual (units of each generation, TMUL of AMX); AMD, Software Optimization Guides for the
families 17h, 19h and 1Ah; Arm, Software Optimization Guides of the Neoverse and Cortex cores. Of a
processor that is not in the tables, the most that its flags allow.
"""

from collections.abc import Mapping
from dataclasses import dataclass

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
    vendor, family, model = (
        known.get("vendor_id", ""),
        _number(known.get("cpu family")),
        _number(known.get("model")),
    )
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
