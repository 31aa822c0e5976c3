"""The best of several repetitions: a peak rate is what can be reached, not what is usual.

On the host the clock is the host's; on a GPU two CUDA events around the work. The clock that a core
runs at comes from a chain of additions: a virtual machine often shows a nominal frequency and hides
the one in force, and the performance counters with it. Each addition waits for the one before, for
one cycle, on every x86-64 core (Fog, Instruction tables, 2024; uops.info, ADD R64, R64).

The chain is machine code, as Python reaches no register; py-cpuinfo asks CPUID the same way. On
other processors, and where the system lets no memory be executed, there is no measured clock.
"""

import ctypes
import mmap
import platform
import sys
from collections.abc import Callable
from time import monotonic, perf_counter_ns
from typing import Any

FEWEST = 2
"""Timed repetitions of every part, however long they take."""

ROW = 8
"""Acts between two events of a GPU."""

Act = Callable[[], object]
Timed = Callable[[Act], float]
"""Does something once and gives the seconds it took."""


def best_s(timed: Timed, act: Act, limit_s: float) -> float:
    """Repeat an act until its time is up, after one that does not count; give the shortest in s.

    Args:
        timed: how an act is timed. act: what to do.
        limit_s: seconds after which no further repetition begins, but not before FEWEST.
    """
    timed(act)  # warm: first touch of memory, choice of a kernel
    deadline = monotonic() + limit_s
    shortest, taken = timed(act), 1
    while taken < FEWEST or monotonic() < deadline:
        shortest = min(shortest, timed(act))
        taken += 1
    return shortest


def host_timed(act: Act) -> float:
    """Seconds of an act that has ended when it returns."""
    started = perf_counter_ns()
    act()
    return max(1, perf_counter_ns() - started) / 1e9


class CudaTimed:
    """Seconds between two CUDA events on the stream in use (resolution about half a microsecond).

    An act is done ROW times between them, so that the host launches the later ones while the
    device is at work; what it takes to launch the first is a small part of the whole.

    Source: CUDA Runtime API, cudaEventElapsedTime, which gives milliseconds.
    """

    def __init__(self, cuda: Any, device: Any) -> None:
        self._stream = cuda.current_stream(device)
        self._first, self._last = (cuda.Event(enable_timing=True) for _ in range(2))

    def __call__(self, act: Act) -> float:
        """Do it once, between the two events, and wait for the second."""
        self._stream.synchronize()
        self._first.record(self._stream)
        for _ in range(ROW):
            act()
        self._last.record(self._stream)
        self._last.synchronize()
        return max(float(self._first.elapsed_time(self._last)) / 1e3 / ROW, 1e-9)


CHAIN = 64
"""Additions in one round of the loop; its counting runs beside them and takes no time."""

ROUNDS = 20_000
CLOCK_PART_S = 0.06
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
    return ROUNDS * CHAIN / best_s(host_timed, lambda: chain(ROUNDS), CLOCK_PART_S)


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
