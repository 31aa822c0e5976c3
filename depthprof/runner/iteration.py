"""One iteration of one pipeline, marked between its stages; and a block of them."""

import gc
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

from depthprof.records import STAGES, UNKNOWN
from depthprof.runner.clock import Clock
from depthprof.system.conditions import CPU_NS, BlockWatch, can_watch, switches

MARKS = len(STAGES) + 1


class StageFailed(Exception):
    """A stage of the pipeline raised; `stage` is its name and `__cause__` what it raised."""

    def __init__(self, stage: str) -> None:
        super().__init__(stage)
        self.stage = stage


@dataclass(frozen=True, slots=True)
class Block:
    """Iterations of one side without a break, a row an iteration.

    Attributes:
        marks_ns: MARKS host time stamps. device_ns: a span a stage; empty where the device has no
            clock. switches: forced and own context switches.
        witness: at each mark CPU time of the thread, forced and own switches; empty where the block
            was not watched.
    """

    marks_ns: list[list[int]]
    device_ns: list[list[int]]
    switches: list[tuple[int, int]] = field(default_factory=list)
    witness: list[list[tuple[int, int, int]]] = field(default_factory=list)


class Iteration:
    """A pipeline and its clock, ready to be run again and again.

    The marks are plain calls into a preallocated row, because whatever the harness does is charged
    to a stage. Host spans add up to the iteration's wall time exactly: each mark ends one stage and
    begins the next.

    Args:
        pipeline: any object with the methods of `pipelines.contract.Pipeline`.
        clock: the clock of the device the pipeline runs on.
    """

    def __init__(self, pipeline: Any, clock: Clock) -> None:
        self.pipeline = pipeline
        self._clock = clock
        self._calls = (
            pipeline.preprocess,
            pipeline.h2d,
            pipeline.forward,
            pipeline.postprocess,
            clock.wait,
            pipeline.d2h,
            pipeline.deliver,
        )

    @property
    def calls(self) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
        """The stages in order: name, and what is called."""
        return tuple(zip(STAGES, self._calls, strict=True))

    def prepare(self, images: Any) -> None:
        """Run the stages before `forward` once, untimed.

        Raises:
            StageFailed: a stage raised; its cause is the exception.
        """
        value = images
        for stage, call in self.calls[: STAGES.index("forward")]:
            try:
                value = call(value)
            except (Exception, SystemExit) as error:
                raise StageFailed(stage) from error

    def block(self, batches: Sequence[Any], iterations: int, *, watch: bool = False) -> Block:
        """Run some iterations, one after the other, the batches taken in turn.

        Args:
            batches: one list of pictures an iteration, taken from the start again when used up.
            iterations: how many to run.
            watch: read CPU time and context switches at every mark too: about 1.2 us a mark.

        Raises:
            StageFailed: a stage raised; its cause is the exception.
        """
        rows = [[0] * MARKS for _ in range(iterations)]
        witness = [[(UNKNOWN, UNKNOWN, UNKNOWN)] * MARKS for _ in range(iterations if watch else 0)]
        counts = []
        self._clock.begin(iterations, MARKS)
        for number, row in enumerate(rows):
            images = batches[number % len(batches)]
            forced, own = switches()
            try:
                if watch:
                    self._run_watched(images, row, number, witness[number])
                elif self._clock.has_device:
                    self._run_with_device(images, row, number)
                else:
                    self._run(images, row)
            except (Exception, SystemExit) as error:  # foreign code may end its process
                raise StageFailed(STAGES[MARKS - 1 - row.count(0)]) from error
            forced_now, own_now = switches()
            counts.append((forced_now - forced, own_now - own))
        if UNKNOWN in switches():  # this system does not count them
            counts = [(UNKNOWN, UNKNOWN)] * iterations
        return Block(rows, self._clock.device_ns(), counts, witness)

    def _run(self, images: Any, row: list[int]) -> None:
        now = self._clock.now
        value = images
        mark = 1
        row[0] = now()
        for call in self._calls:
            value = call(value)
            row[mark] = now()
            mark += 1

    def _run_with_device(self, images: Any, row: list[int], number: int) -> None:
        now, record = self._clock.now, self._clock.record
        value = images
        mark = 1
        record(number, 0)
        row[0] = now()
        for call in self._calls:
            value = call(value)
            row[mark] = now()
            record(number, mark)
            mark += 1

    def _run_watched(
        self, images: Any, row: list[int], number: int, seen: list[tuple[int, int, int]]
    ) -> None:
        """As the others, and read after each mark what happened to the thread.

        The reading is charged to the stage that follows, in wall and in CPU time alike.
        """
        now, record = self._clock.now, self._clock.record
        value = images
        mark = 1
        record(number, 0)
        seen[0] = (CPU_NS(), *switches())
        row[0] = now()
        for call in self._calls:
            value = call(value)
            row[mark] = now()
            seen[mark] = (CPU_NS(), *switches())
            record(number, mark)
            mark += 1


def take_block(
    iteration: Iteration,
    watch: BlockWatch,
    batches: Sequence[Any],
    command: dict[str, Any],
    within: AbstractContextManager[Any] | None = None,
) -> dict[str, Any]:
    """Run one block and answer what it measured; the garbage collector runs before it, not in it.

    Args:
        iteration: of the side. watch: of the side's device.
        batches: the side's pictures. command: `first` (the batch to begin with), `iterations`,
            and `watch`, as `Iteration.block`.
        within: a context to run the iterations in.

    Raises:
        StageFailed: a stage raised.
    """
    start = command["first"] % len(batches)
    in_order = [*batches[start:], *batches[:start]]
    watched = command.get("watch", False) and can_watch()
    gc.collect()
    gc.disable()
    try:
        with within or nullcontext():
            watch.begin()
            block = iteration.block(in_order, command["iterations"], watch=watched)
            conditions = watch.end()
    finally:
        gc.enable()
    return {**asdict(block), "conditions": conditions}
