"""Whether what a stage gave can be a depth: finite, and not one value everywhere."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from depthprof.errors import BadOutput
from depthprof.records import OUTPUT_FAULTS

NONFINITE, CONSTANT = OUTPUT_FAULTS
_PLAIN = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


@dataclass(frozen=True, slots=True)
class OutputFault:
    """What is wrong with what a stage gave.

    Attributes:
        kind: NONFINITE or CONSTANT. stage: that gave it.
        pictures: places in the batch (from 0) of the pictures concerned. count: of the batch.
        detail: of the first of them, such as "NaN in 12 of 3136 values".
    """

    kind: str
    stage: str
    pictures: tuple[int, ...]
    count: int
    detail: str

    def sentence(self, names: Sequence[str] = ()) -> str:
        """What is wrong and where.

        Args:
            names: of the pictures of the batch, where they are known.
        """
        first = self.pictures[0]
        name = f" ({names[first]})" if names else ""
        which = f"picture {first + 1} of {self.count}{name}"
        if len(self.pictures) > 1:
            which = f"{len(self.pictures)} of {self.count} pictures, the first {which}"
        what = "is not finite" if self.kind == NONFINITE else "is the same everywhere"
        return f"what the stage {self.stage} gave {what} for {which}: {self.detail}"


OnFault = Callable[[OutputFault], None]


def refuse(fault: OutputFault) -> None:
    """Take every fault for a reason to stop.

    Raises:
        BadOutput: always.
    """
    raise BadOutput(fault.sentence(), stage=fault.stage)


def nonfinite_fault(stage: str, values: Any) -> OutputFault | None:
    """Find pictures with values that are not finite.

    Args:
        stage: that gave the values. values: a tensor or array [B, ...], or a list of B of them.
    """
    found = [(place, _nonfinite(torch.as_tensor(one))) for place, one in enumerate(values)]
    return _fault(NONFINITE, stage, found)


def constant_fault(stage: str, values: Any, flat: Sequence[bool]) -> OutputFault | None:
    """Find pictures that came out the same everywhere, though they were not when they came in.

    Args:
        stage: that gave the values. values: a tensor [B, H, W, ...], or a list of B [H, W, ...].
        flat: of each picture, whether it is of one colour, and may well have one depth.
    """
    found = [
        (place, None if flat[place] else _constant(torch.as_tensor(one)))
        for place, one in enumerate(values)
    ]
    return _fault(CONSTANT, stage, found)


def _fault(kind: str, stage: str, found: list[tuple[int, str | None]]) -> OutputFault | None:
    bad = [(place, detail) for place, detail in found if detail is not None]
    if not bad:
        return None
    places = tuple(place for place, _ in bad)
    return OutputFault(kind, stage, places, len(found), bad[0][1])


def _nonfinite(values: Tensor) -> str | None:
    if values.is_floating_point() and values.dtype not in _PLAIN:
        values = values.float()  # the small floats have no tests of their own
    wrong = int((~torch.isfinite(values)).sum())
    if not wrong:
        return None
    kind = "NaN" if bool(torch.isnan(values).any()) else "infinity"
    return f"{kind} in {wrong} of {values.numel()} values"


def _constant(values: Tensor) -> str | None:
    pixel = values[:1, :1]
    if not bool((values == pixel).all()):
        return None
    numbers = pixel.flatten().tolist()
    return " ".join(f"{number:g}" for number in numbers[:4])
