"""Theoretical rates of a GPU: multiprocessors times operations a cycle times the highest clock.

Operations a cycle and multiprocessor are two for each multiply-add. Sources: CUDA C++ Programming
Guide, "Arithmetic Instructions" (float32); NVIDIA's architecture white papers of Volta, Turing,
Ampere (GA100, GA102), Ada, Hopper and Blackwell (tensor cores, dense, the faster accumulation).
"""

from typing import Any

from depthprof.records import TheoreticalRate

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
"""Memory clocks are told as the half of what the bus transfers."""


def gpu_theory(properties: Any) -> tuple[TheoreticalRate, ...]:
    """Rates by dtype and of the memory, as far as torch tells the figures and the chip is known.

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
    return (*rates, *_memory(properties))


def _arithmetic(dtype: str, units: int, flops: int, clock_hz: float) -> TheoreticalRate:
    basis = f"{units} multiprocessors x {flops} FLOP a cycle x {clock_hz / 1e9:.2f} GHz (highest)"
    return TheoreticalRate(dtype, units * flops * clock_hz, basis)


def _memory(properties: Any) -> list[TheoreticalRate]:
    clock_hz = 1e3 * float(getattr(properties, "memory_clock_rate", 0) or 0)
    bits = int(getattr(properties, "memory_bus_width", 0) or 0)
    if not (clock_hz > 0 and bits > 0):
        return []
    basis = f"{bits} bits x {PER_TRANSFER} x {clock_hz / 1e9:.2f} GHz (highest)"
    return [TheoreticalRate("memory", bits / 8 * PER_TRANSFER * clock_hz, basis)]
