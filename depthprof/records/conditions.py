"""What the machine did while samples were taken. It decides which are spoilt, never their value."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

UNKNOWN = -1
"""Stands where the system does not tell, or nothing was asked."""

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Interruptions:
    """Of every iteration, what happened to the thread that measured it. -1 is unknown.

    The stage columns are filled only where asking after each mark costs no more than a thousandth
    of an iteration; else the iteration as a whole is known.

    Attributes:
        involuntary: int64 [n], context switches forced upon the thread: another took its core.
        voluntary: int64 [n], switches it asked for: sleeping, waiting for a lock or for a device.
        stage_cpu_ns: int64 [n, stages], CPU time of the thread.
        stage_involuntary: int64 [n, stages]; stage_voluntary: int64 [n, stages].

    Sources: getrusage(2), RUSAGE_THREAD; clock_gettime(2), CLOCK_THREAD_CPUTIME_ID.
    """

    involuntary: Integers
    voluntary: Integers
    stage_cpu_ns: Integers
    stage_involuntary: Integers
    stage_voluntary: Integers


@dataclass(frozen=True, slots=True, eq=False)
class BlockConditions:
    """Of every block, what the machine did meanwhile: int64 columns of length m, -1 is unknown.

    Attributes:
        launch: the launch of the block. block: its number within the launch.
        wall_ns: from the block's beginning to its end. cpu_ns: CPU time of the whole process.
        busy_ns: time in which any core of the machine worked, this process included.
        stolen_ns: time in which the hypervisor ran somebody else (proc_stat(5), steal).
        pressure_ns: time in which some task of the machine waited for a core
            (kernel Documentation/accounting/psi.rst, cpu, some).
        others_involuntary: forced switches of the process's other threads.
        throttled: NVML's clocks event reasons that are faults, as bits. sm_clock_mhz: of the GPU.
    """

    launch: Integers
    block: Integers
    wall_ns: Integers
    cpu_ns: Integers
    busy_ns: Integers
    stolen_ns: Integers
    pressure_ns: Integers
    others_involuntary: Integers
    throttled: Integers
    sm_clock_mhz: Integers

    def __len__(self) -> int:
        return len(self.block)


WITNESSES = tuple(field.name for field in fields(BlockConditions))[2:]
"""What is asked once a block, in the order of the columns."""
