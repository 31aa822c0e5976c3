"""The worker: loads the sides and runs a block of one on command, in a process of its own."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import cv2
import torch

from depthprof.errors import PipelineError
from depthprof.pipelines.check import blame
from depthprof.pipelines.contract import Renamed, padding
from depthprof.pipelines.device import auto_note, resolve_device
from depthprof.pipelines.pictures.loading import load_pictures
from depthprof.pipelines.published import size_note
from depthprof.pipelines.registry import code_sha256, load_pipeline
from depthprof.records import Workload, built
from depthprof.runner.checking import OutputCheck, checkpoint_notes
from depthprof.runner.clock import clock_for
from depthprof.runner.iteration import Iteration, StageFailed, take_block
from depthprof.runner.process import Answer, Command, serve
from depthprof.runner.relocation import Relocation
from depthprof.runner.sharing import Together
from depthprof.system.conditions import BlockWatch
from depthprof.system.machine import device_name, environment, peak_memory_bytes, usable_cores
from depthprof.system.nvml import GpuWatch, driver_version, torch_address

MOST_CHECKED = 4
"""So many batches of unlike picture sizes are checked before measuring."""


@dataclass(frozen=True, slots=True)
class LoadedSide:
    """A side that is ready: checked pipeline, batches of pictures, resolved device."""

    pipeline: Any
    batches: list[list[Any]]
    device: str
    iteration: Iteration
    watch: BlockWatch


class Worker:
    """The sides of one process, loaded once, run block by block."""

    def __init__(self) -> None:
        self.sides: dict[str, LoadedSide] = {}
        self._together = Together([])
        self._relocation = Relocation()

    def load(self, command: Command) -> Answer:
        """Load every side of the command and check one iteration of each.

        Returns:
            The answer: what each side really is, the pictures, the environment.
        """
        sides = {}
        self._together = Together(command["sides"])
        for side in command["sides"]:
            _set_threads(resolve_device(built(Workload, side["workload"])))
            with self._together.loading(side), _named(side["name"]):
                sides[side["name"]] = self._load_side(side, command)
        self._together.settle()
        gc.collect()
        gc.freeze()  # what is loaded stays: later collections need not walk through it
        device = next((s["device"] for s in sides.values() if s["device"] != "cpu"), "cpu")
        driver = driver_version() if device.startswith("cuda") else None
        return {
            "sides": sides,
            "environment": asdict(environment(device, driver)),
            "memory_bytes": peak_memory_bytes(),
        }

    def block(self, command: Command) -> Answer:
        """Run a block of one side."""
        name = command["side"]
        side = self.sides[name]
        with _named(name):
            answer = take_block(side.iteration, side.watch, side.batches, command, torch.no_grad())
        threads = self._together.after_block(name, warming_up=command.get("warming_up", False))
        return {**answer, "threads": threads}

    def renew(self, command: Command) -> Answer:
        """Move weights and pictures of every side to fresh memory, as the seed says."""
        owners = {name: (side.pipeline, side.batches) for name, side in self.sides.items()}
        with torch.no_grad():
            return {"moved": self._relocation.renew(owners, command["seed"])}

    def prepare(self, command: Command) -> Answer:
        """Run the stages of one side that come before `forward`, untimed."""
        side = self.sides[command["side"]]
        with _named(command["side"]), torch.no_grad():
            side.iteration.prepare(side.batches[0])
        return {}

    def observe(self, command: Command) -> Answer:
        """Observe one untimed iteration of one side."""
        from depthprof.runner.observe import observe  # late: few workers are asked

        side = self.sides[command["side"]]
        with _named(command["side"]), torch.no_grad():
            seen = observe(side.pipeline, side.iteration.calls, side.batches[0], side.device)
        return {"observed": asdict(seen)}

    def _load_side(self, side: dict[str, Any], command: Command) -> Answer:
        workload = resolve_device(built(Workload, side["workload"]))
        pipeline = _pipeline(side, workload)
        loaded = load_pictures(
            [Path(image) for image in command["images"]] or None,
            keeps_aspect=not workload.square,
            strict=command.get("strict", False),
        )
        batches = _batches([array for array, _ in loaded.pictures], workload.batch)
        names = {id(array): picture.name for array, picture in loaded.pictures}
        check = OutputCheck(pipeline, workload, side.get("allow", ()), names)
        started = perf_counter_ns()
        with torch.no_grad():
            shapes = [check.shape(batch) for batch in _unlike(batches)]
        checked_ns = (perf_counter_ns() - started) / len(shapes)
        gpu = torch_address(workload.device) if workload.device.startswith("cuda") else None
        self.sides[side["name"]] = LoadedSide(
            pipeline,
            batches,
            workload.device,
            Iteration(pipeline, clock_for(workload.device)),
            BlockWatch(None if gpu is None else GpuWatch(gpu).read),
        )
        notes = (size_note(workload), auto_note(side["workload"]["device"], workload.device))
        return {
            **_facts(side["variant"], pipeline, workload),
            "input_shapes": sorted(set(shapes)),
            "notes": [*filter(None, notes), *checkpoint_notes(pipeline), *check.notes],
            "gpu": None if gpu is None else asdict(gpu),
            "checked_ns": checked_ns,
            "pictures": [asdict(picture) for _, picture in loaded.pictures],
            "left_out": [asdict(one) for one in loaded.left_out],
        }


def limits(command: Command) -> Answer:
    """Measure the peak rates of this machine and a device, unless they are known."""
    from depthprof.system.peak_rates import fingerprint_of, measure_limits  # late: few are asked

    workload = resolve_device(built(Workload, command["workload"]))
    _set_threads(workload)
    try:
        fingerprint = fingerprint_of(workload.device)
        known = fingerprint in command["known"]
        measured = None if known else asdict(measure_limits(workload.device))
    except (RuntimeError, MemoryError) as error:  # of CUDA, or no memory
        raise PipelineError(f"the limits of {workload.device} cannot be had: {error}") from error
    return {"fingerprint": fingerprint, "limits": measured}


def main() -> None:
    """Serve until the parent is done."""
    worker = Worker()
    acts = (worker.load, worker.block, worker.renew, worker.prepare, worker.observe, limits)
    serve({act.__name__: act for act in acts})


@contextmanager
def _named(side: str) -> Iterator[None]:
    """Note on a pipeline's error of whose side it is, and in which stage."""
    try:
        yield
    except PipelineError as error:
        error.side = side
        raise
    except StageFailed as failure:
        blamed = blame(failure.__cause__ or failure, failure.stage)
        blamed.side = side
        raise blamed from failure


def _pipeline(side: dict[str, Any], workload: Workload) -> Any:
    """Load a side's pipeline; a placebo lies behind a padding and has another name."""
    before = padding() if side.get("placebo") else None
    checkpoint = None if side["checkpoint"] is None else Path(side["checkpoint"])
    pipeline: Any = load_pipeline(side["variant"], workload, checkpoint=checkpoint)
    return pipeline if before is None else Renamed(pipeline, before)


def _facts(variant: str, pipeline: Any, workload: Workload) -> Answer:
    """What a side is, by itself and in this process."""
    weights = getattr(pipeline, "weights", None)
    return {
        "workload": asdict(workload),
        "device": workload.device,
        "device_name": device_name(workload.device),
        "threads": torch.get_num_threads(),
        "weights": None if weights is None else asdict(weights),
        "code_sha256": code_sha256(variant),
    }


def _batches(arrays: list[Any], size: int) -> list[list[Any]]:
    """Cut the pictures into batches, beginning again with the first where the last falls short."""
    count = -(-len(arrays) // size)
    return [
        [arrays[(start * size + offset) % len(arrays)] for offset in range(size)]
        for start in range(count)
    ]


def _unlike(batches: list[list[Any]]) -> list[list[Any]]:
    """Some batches whose pictures differ in size, each such size once."""
    by_size = {tuple(array.shape for array in batch): batch for batch in batches}
    return list(by_size.values())[:MOST_CHECKED]


def _set_threads(workload: Workload) -> None:
    """Set torch's and OpenCV's threads as asked; on a CPU leave one core free by default.

    Another process that takes a core from a parallel region makes all threads wait: with both of
    two cores in use the same forward took 1.2 to 5 s, with one of them 2.13 to 2.19 s (measured).
    """
    threads = workload.threads
    if threads is None and workload.device == "cpu":
        threads = max(1, min(torch.get_num_threads(), usable_cores() - 1))
    if threads is not None:
        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)


if __name__ == "__main__":
    main()
