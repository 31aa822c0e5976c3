"""The check of a side before anything is timed: its contract, and whether it gives depths."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from depthprof.errors import BadOutput
from depthprof.networks import DepthAnything
from depthprof.pipelines.check import checked_iteration, network_input
from depthprof.pipelines.outputs import NONFINITE, OutputFault
from depthprof.records import Workload
from depthprof.runner.observe.networks import networks
from depthprof.runner.observe.nonfinite import NAN, where_nonfinite

_WHY_CONSTANT = (
    "a metric checkpoint needs --max-depth METRES (20 indoor, 80 outdoor), and weights may be of"
    " another network or dead"
)
_WHY_CONSTANT_METRIC = "a relative checkpoint takes no --max-depth"


@dataclass(slots=True)
class OutputCheck:
    """Checks batches of one side and refuses what is no depth, unless that is allowed.

    Attributes:
        pipeline: of the side. workload: with its device made concrete.
        allow: kinds of faults to go on with, "nonfinite" or "constant".
        names: of pictures, by the identity of their arrays.
        notes: what was found and allowed, a sentence each.
    """

    pipeline: Any
    workload: Workload
    allow: Collection[str]
    names: Mapping[int, str]
    notes: list[str] = field(default_factory=list)

    def shape(self, images: Sequence[Any]) -> tuple[int, ...]:
        """Check one iteration on B pictures uint8 [H, W, 3]; give the network's input shape.

        Raises:
            PipelineError: as `checked_iteration`. BadOutput: a fault that is not allowed.
        """
        kinds: set[str] = set()

        def on_fault(fault: OutputFault) -> None:
            if not kinds & {fault.kind, NONFINITE}:  # the stages after it have the same
                kinds.add(fault.kind)
                self._found(fault, images)

        return checked_iteration(self.pipeline, images, self.workload, on_fault)

    def _found(self, fault: OutputFault, images: Sequence[Any]) -> None:
        said = fault.sentence([self.names.get(id(image), "?") for image in images])
        if fault.kind in self.allow:
            self.notes.append(f"allowed: {said}")
            return
        why = self._where(fault, images) if fault.kind == NONFINITE else self._why(fault)
        reasons = f"; {why}" if why else ""
        raise BadOutput(
            f"{said}{reasons}; --allow-{fault.kind} measures it all the same", stage=fault.stage
        )

    def _where(self, fault: OutputFault, images: Sequence[Any]) -> str:
        """In which parameter and layer; and a remedy where fp16 is too narrow."""
        if fault.stage != "forward":
            return ""
        forward, batch = network_input(self.pipeline, images)
        found = where_nonfinite(self.pipeline, forward, batch)
        narrow = self.workload.dtype == "fp16" and NAN not in found  # which no overflow gives
        return "; ".join(filter(None, (found, "try --dtype bf16 or fp32" if narrow else "")))

    def _why(self, fault: OutputFault) -> str:
        if fault.stage != "forward":
            return ""
        return _WHY_CONSTANT if self.workload.max_depth is None else _WHY_CONSTANT_METRIC


def checkpoint_notes(pipeline: object) -> tuple[str, ...]:
    """What was done to checkpoints to load the networks that a pipeline holds, a sentence each."""
    held = [one.notes for one in networks(pipeline) if isinstance(one, DepthAnything)]
    return tuple(dict.fromkeys(note for notes in held for note in notes))
