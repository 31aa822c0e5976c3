"""What one separate, untimed iteration of a side showed: its work, its memory, its habits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class StageWork:
    """What a stage has to do, counted and not timed.

    Attributes:
        stage: its name.
        flops: floating-point operations by torch's counter (a multiply-add is two); matrix
            products, convolutions and attention only, 0 where the stage has none.
        read_bytes: what the stage is given, and the weights it needs, each once.
        written_bytes: what it hands on.
        ops: calls into torch's operators, each at least one kernel on a GPU.
        convolution_flops: the part of `flops` that is convolutions, which on a GPU may use TF32
            where float32 products may not.
    """

    stage: str
    flops: int
    read_bytes: int
    written_bytes: int
    ops: int
    convolution_flops: int = 0


@dataclass(frozen=True, slots=True)
class Memory:
    """Peaks of one iteration of one side, in bytes; None where the system does not tell.

    Attributes:
        host_peak_bytes: resident memory of the process, in which both sides may be loaded.
        weights_bytes: parameters and buffers of this side.
        device_allocated_bytes, device_reserved_bytes: torch.cuda.max_memory_allocated and
            max_memory_reserved without the tensors of the other side; None on a CPU.
    """

    host_peak_bytes: int | None
    weights_bytes: int | None
    device_allocated_bytes: int | None = None
    device_reserved_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Trait:
    """One fact about how a stage does its work, such as a copy through pageable memory.

    Attributes:
        code: which fact; `docs/findings.md` lists them.
        stage: where it was seen.
        amount: its size, in `unit` ("B", "calls", ...).
        where: what did it: "file.py:12", a tensor's dtype, an operator's name.
    """

    code: str
    stage: str
    amount: int
    unit: str
    where: str = ""


@dataclass(frozen=True, slots=True)
class Observed:
    """What was seen of a side after the timed turns."""

    work: tuple[StageWork, ...]
    memory: Memory
    traits: tuple[Trait, ...] = ()

    def work_of(self, stage: str) -> StageWork | None:
        """The work of a stage, None where nothing is known."""
        return next((work for work in self.work if work.stage == stage), None)

    def trait(self, code: str, stage: str | None = None) -> Trait | None:
        """The first trait of a code (and stage), None if it was not seen."""
        return next(
            (one for one in self.traits if one.code == code and stage in (None, one.stage)), None
        )


def observed_from(data: Mapping[str, Any]) -> Observed:
    """Make what was observed from a plain mapping, as workers answer it and runs keep it."""
    return Observed(
        tuple(StageWork(**work) for work in data["work"]),
        Memory(**data["memory"]),
        tuple(Trait(**trait) for trait in data["traits"]),
    )
