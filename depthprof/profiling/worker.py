"""The worker that looks inside: loads a side as the measuring one does. In its own process."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from depthprof.pipelines.check import blame
from depthprof.profiling.inside import drilled, timing
from depthprof.runner.clock import clock_for
from depthprof.runner.iteration import StageFailed
from depthprof.runner.serving import serve
from depthprof.runner.worker import Worker


class DrillWorker(Worker):
    """The sides of one process, loaded once, looked into when told."""

    def drill(self, command: dict[str, Any]) -> dict[str, Any]:
        """Trace some iterations of a side, time its parts, write a trace, as the command says."""
        trace = command["trace"]
        return self._looked_into(
            command,
            lambda pipeline, clock, batches: drilled(
                pipeline,
                clock,
                batches,
                command["iterations"],
                command["device"],
                modules=command["modules"],
                trace=None if trace is None else Path(trace),
            ),
        )

    def timing(self, command: dict[str, Any]) -> dict[str, Any]:
        """Hold the clocks of a side's device against torch.profiler's."""
        return self._looked_into(
            command,
            lambda pipeline, clock, batches: timing(
                pipeline, clock, batches, command["iterations"], command["device"]
            ),
        )

    def _looked_into(self, command: dict[str, Any], look: Callable[..., Any]) -> dict[str, Any]:
        name = command["side"]
        pipeline = self._iterations[name].pipeline
        try:
            with torch.no_grad():
                return asdict(look(pipeline, clock_for(command["device"]), self._batches[name]))
        except StageFailed as failure:
            raise blame(failure.__cause__ or failure, failure.stage) from failure


def main() -> None:
    """Serve until the parent is done."""
    worker = DrillWorker()
    serve({"load": worker.load, "drill": worker.drill, "timing": worker.timing})


if __name__ == "__main__":
    main()
