"""The worker: holds the sides, runs a block of one when told. Runs in its own process."""

import gc
from dataclasses import asdict
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import cv2
import torch

from depthprof.errors import PipelineError
from depthprof.pipelines.check import blame
from depthprof.pipelines.code_hash import code_sha256
from depthprof.pipelines.device import auto_note, resolve_device
from depthprof.pipelines.pictures.loading import load_pictures
from depthprof.pipelines.placebo import Renamed, padding
from depthprof.pipelines.registry import load_pipeline
from depthprof.pipelines.sizing import size_note
from depthprof.records import Workload, workload_from
from depthprof.runner.checking import OutputCheck, checkpoint_notes
from depthprof.runner.clock import clock_for
from depthprof.runner.iteration import Iteration, StageFailed
from depthprof.runner.serving import serve, take_block
from depthprof.runner.together import Together
from depthprof.system.conditions import BlockWatch
from depthprof.system.machine import device_name, environment, peak_memory_bytes, usable_cores
from depthprof.system.nvml import GpuAddress, GpuWatch, driver_version, torch_address

MOST_CHECKED = 4
"""So many batches of unlike picture sizes are checked before measuring."""


class Worker:
    """The sides of one process, loaded once, run block by block."""

    def __init__(self) -> None:
        self._iterations: dict[str, Iteration] = {}
        self._pipelines: dict[str, Any] = {}
        self._batches: dict[str, list[list[Any]]] = {}
        self._watches: dict[str, BlockWatch] = {}
        self._devices: dict[str, str] = {}
        self._together = Together([])

    def load(self, command: dict[str, Any]) -> dict[str, Any]:
        """Load every side of the command and check one iteration of each.

        Returns:
            The answer: what each side really is, the pictures, the environment.
        """
        sides = {}
        self._together = Together(command["sides"])
        for side in command["sides"]:
            _set_threads(resolve_device(workload_from(side["workload"])))
            with self._together.loading(side):
                sides[side["name"]] = self._load_side(side, command)
        self._together.settle()
        gc.collect()
        gc.freeze()  # what is loaded stays: later collections need not walk through it
        device = next((s["device"] for s in sides.values() if s["device"] != "cpu"), "cpu")
        return {
            "sides": sides,
            "environment": asdict(environment(device, _driver(device))),
            "memory_bytes": peak_memory_bytes(),
        }

    def block(self, command: dict[str, Any]) -> dict[str, Any]:
        """Run a block of one side."""
        name = command["side"]
        try:
            answer = take_block(
                self._iterations[name],
                self._watches[name],
                self._batches[name],
                command,
                torch.no_grad(),
            )
            threads = self._together.after_block(name, warming_up=command.get("warming_up", False))
            return {**answer, "threads": threads}
        except StageFailed as failure:
            raise _of_side(blame(_cause(failure), failure.stage), name) from failure

    def observe(self, command: dict[str, Any]) -> dict[str, Any]:
        """Look at one untimed iteration of one side."""
        from depthprof.runner.observe import observe  # late: few workers are asked

        name = command["side"]
        try:
            with torch.no_grad():
                seen = observe(
                    self._pipelines[name],
                    self._iterations[name].calls,
                    self._batches[name][0],
                    self._devices[name],
                )
        except PipelineError as error:
            raise _of_side(error, name) from error
        return {"observed": asdict(seen)}

    def _load_side(self, side: dict[str, Any], command: dict[str, Any]) -> dict[str, Any]:
        name = side["name"]
        try:
            workload = resolve_device(workload_from(side["workload"]))
            checkpoint = side["checkpoint"]
            before = padding() if side.get("placebo") else None
            pipeline: Any = load_pipeline(
                side["variant"],
                workload,
                checkpoint=None if checkpoint is None else Path(checkpoint),
            )
            if before is not None:
                pipeline = Renamed(pipeline, before)
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
        except PipelineError as error:
            raise _of_side(error, name) from error
        self._batches[name] = batches
        self._pipelines[name] = pipeline
        self._iterations[name] = Iteration(pipeline, clock_for(workload.device))
        gpu = _gpu(workload.device)
        self._watches[name] = BlockWatch(None if gpu is None else GpuWatch(gpu).read)
        self._devices[name] = workload.device
        weights = getattr(pipeline, "weights", None)
        return {
            "workload": asdict(workload),
            "device": workload.device,
            "device_name": device_name(workload.device),
            "threads": torch.get_num_threads(),
            "weights": None if weights is None else asdict(weights),
            "input_shapes": sorted(set(shapes)),
            "notes": [
                *_notes(side["workload"]["device"], workload),
                *checkpoint_notes(pipeline),
                *check.notes,
            ],
            "code_sha256": code_sha256(side["variant"]),
            "gpu": None if gpu is None else asdict(gpu),
            "checked_ns": checked_ns,
            "pictures": [asdict(picture) for _, picture in loaded.pictures],
            "left_out": [asdict(one) for one in loaded.left_out],
        }


def limits(command: dict[str, Any]) -> dict[str, Any]:
    """Measure what this machine and a device can do, unless these limits are known."""
    from depthprof.system.peak_rates import (  # late: few workers are asked
        fingerprint_of,
        measure_limits,
    )

    workload = resolve_device(workload_from(command["workload"]))
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
    acts = {"load": worker.load, "block": worker.block, "observe": worker.observe}
    serve({**acts, "limits": limits})


def _gpu(device: str) -> GpuAddress | None:
    return torch_address(device) if device.startswith("cuda") else None


def _driver(device: str) -> str | None:
    return driver_version() if device.startswith("cuda") else None


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

    A neighbour that takes a core from a parallel region makes all threads wait: with both of two
    cores in use the same forward took 1.2 to 5 s, with one of them 2.13 to 2.19 s (measured).
    """
    threads = workload.threads
    if threads is None and workload.device == "cpu":
        threads = max(1, min(torch.get_num_threads(), usable_cores() - 1))
    if threads is not None:
        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)


def _notes(asked_device: str, workload: Workload) -> list[str]:
    notes = (size_note(workload), auto_note(asked_device, workload.device))
    return [note for note in notes if note is not None]


def _of_side(error: PipelineError, side: str) -> PipelineError:
    error.side = side
    return error


def _cause(failure: StageFailed) -> BaseException:
    return failure.__cause__ or failure


if __name__ == "__main__":
    main()
