"""One iteration of one pipeline, marked between its stages; and a block of them.

The marks are plain calls into a preallocated row, because whatever the harness does is charged to
a stage. Host spans add up to the iteration's wall time exactly: each mark ends one stage and
begins the next.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from depthprof.clock import Clock
from depthprof.records import STAGES

MARKS = len(STAGES) + 1


class StageFailed(Exception):
    """A stage of the pipeline raised; `stage` is its name and `__cause__` what it raised."""

    def __init__(self, stage: str) -> None:
        super().__init__(stage)
        self.stage = stage


@dataclass(frozen=True, slots=True)
class Block:
    """Iterations of one side without a break.

    `marks_ns` holds MARKS host time stamps an iteration; `device_ns` one span a stage and
    iteration, or is empty where the device has no clock.
    """

    marks_ns: list[list[int]]
    device_ns: list[list[int]]


class Iteration:
    """A pipeline and its clock, ready to be run again and again.

    Args:
        pipeline: any object with the methods of `pipelines.contract.Pipeline`.
        clock: the clock of the device the pipeline runs on.
    """

    def __init__(self, pipeline: Any, clock: Clock) -> None:
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

    def block(self, batches: Sequence[Any], iterations: int) -> Block:
        """Run some iterations, one after the other, the batches taken in turn.

        Args:
            batches: one list of pictures an iteration, taken from the start again when used up.
            iterations: how many to run.

        Raises:
            StageFailed: a stage raised; its cause is the exception.
        """
        rows = [[0] * MARKS for _ in range(iterations)]
        self._clock.begin(iterations, MARKS)
        run = self._run_with_device if self._clock.has_device else self._run
        for number, row in enumerate(rows):
            images = batches[number % len(batches)]
            try:
                run(images, row, number)
            except Exception as error:
                raise StageFailed(STAGES[MARKS - 1 - row.count(0)]) from error
        return Block(rows, self._clock.device_ns())

    def _run(self, images: Any, row: list[int], number: int) -> None:
        del number
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
