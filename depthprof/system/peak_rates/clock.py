"""The clock that a core runs at, from a chain of additions of one cycle each.

A virtual machine often shows a nominal frequency and hides the one in force, and the performance
counters with it. In a chain of additions each waits for the one before, for one cycle, on every
x86-64 core (Fog, Instruction tables, 2024; uops.info, ADD R64, R64). So the time of a known number
of them gives the clock, whatever else the core's units could do.

The chain is machine code, as Python reaches no register; py-cpuinfo asks CPUID the same way. On
other processors, and where the system lets no memory be executed, there is no measured clock.
"""

import ctypes
import mmap
import platform
import sys
from collections.abc import Callable

from depthprof.system.peak_rates.best import best_s, host_timed

CHAIN = 64
"""Additions in one round of the loop; its counting runs beside them and takes no time."""

ROUNDS = 20_000
PART_S = 0.06
"""Long enough for a governor to raise the clock."""

ADD = bytes.fromhex("4801d0")  # add rax, rdx
COUNT = bytes.fromhex("48ffcf")  # dec rdi
JUMP = bytes.fromhex("0f85")  # jnz, with 32 bits of distance
ZERO_AND_ONE = bytes.fromhex("31c0ba01000000")  # xor eax, eax; mov edx, 1
RETURN = bytes.fromhex("c3")

Chain = Callable[[int], int]
"""Adds one to nothing, CHAIN times a round, and gives the sum."""


def measured_clock_hz() -> float | None:
    """Highest clock of several measurements of the core in use, None where it cannot be had."""
    chain = _chain()
    if chain is None:
        return None
    return ROUNDS * CHAIN / best_s(host_timed, lambda: chain(ROUNDS), PART_S)


def _chain() -> Chain | None:
    # rdi counts down by the System V calling convention, so Linux alone
    if platform.machine() != "x86_64" or not sys.platform.startswith("linux"):
        return None
    rights = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    try:
        memory = mmap.mmap(-1, mmap.PAGESIZE, prot=rights)
    except OSError:  # a hardened system executes no memory that was written
        return None
    memory.write(_code())
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))  # keeps the memory mapped
    call = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_uint64)(address)

    def chain(rounds: int, _memory: mmap.mmap = memory) -> int:
        return int(call(rounds))

    return chain


def _code() -> bytes:
    body = ADD * CHAIN + COUNT
    back = -(len(body) + len(JUMP) + 4)
    return ZERO_AND_ONE + body + JUMP + back.to_bytes(4, "little", signed=True) + RETURN
