"""The worker of the light pipeline: the same protocol, marks and watches as the real one's.

A variant is "light", with ":placebo" (a side that differs only harmlessly: padding before it,
another class name) or with an injection (":forward-busy-5"), and ":shuffled" besides.
"""

import gc
from random import Random
from typing import Any

import numpy as np

from depthprof.runner.clock import HostClock
from depthprof.runner.iteration import Iteration, take_block
from depthprof.runner.places import Places
from depthprof.runner.process import Answer, Command, serve
from depthprof.system.conditions import BlockWatch
from depthprof.system.machine import cpu_name, host_environment, peak_memory_bytes
from scripts.study.injection import Injection, Slowed
from scripts.study.light import Light

PLACEBO_BYTES = 1_234_567


class LightByAnotherName(Light):
    """The same work under another name, as a renamed class in a new version is."""


class LightWorker:
    """Holds the sides of one launch."""

    def __init__(self) -> None:
        self._iterations: dict[str, Iteration] = {}
        self._watch = BlockWatch()
        self._pipelines: dict[str, Light] = {}
        self._padding: list[Any] = []
        picture = np.random.default_rng(1).integers(0, 255, (600, 512, 3), dtype=np.uint8)
        self._batches = [[picture]]
        self._kept: list[Any] = []

    def load(self, command: Command) -> Answer:
        """Make the sides, in an order that is shuffled where the variant says so."""
        random = Random(command["sides"][0]["workload"]["seed"])
        sides = list(command["sides"])
        if any("shuffled" in side["variant"] for side in sides):
            random.seed()  # each launch differs
            random.shuffle(sides)
        facts = {side["name"]: self._load_side(side, random) for side in sides}
        gc.collect()
        gc.freeze()  # as the real worker does
        return {
            "sides": facts,
            "environment": host_environment(),
            "memory_bytes": peak_memory_bytes(),
        }

    def block(self, command: Command) -> Answer:
        """Run a block of one side."""
        iteration = self._iterations[command["side"]]
        return take_block(iteration, self._watch, self._batches, command)

    def renew(self, command: Command) -> Answer:
        """Move the arrays of all sides, and their picture, to fresh memory."""
        places = Places(Random(command["seed"]))
        for name in places.random.sample(sorted(self._pipelines), len(self._pipelines)):
            self._pipelines[name].relocate(places.array)
        self._batches[0] = [places.array(self._batches[0][0])]
        self._padding = places.padding
        return {"moved": True}

    def prepare(self, command: Command) -> Answer:
        """Run the stages of one side that come before `forward`, untimed."""
        self._iterations[command["side"]].prepare(self._batches[0])
        return {}

    def _load_side(self, side: dict[str, Any], random: Random) -> dict[str, Any]:
        _, *words = side["variant"].split(":")
        shuffled = random if "shuffled" in words else None
        pipeline: Any
        if "placebo" in words:
            self._kept.append(bytearray(PLACEBO_BYTES))
            pipeline = LightByAnotherName(shuffled)
        else:
            pipeline = Light(shuffled)
        self._pipelines[side["name"]] = pipeline
        for word in words:
            if "-" in word:
                pipeline = Slowed(pipeline, Injection.named(word), self._batches[0][0])
        self._iterations[side["name"]] = Iteration(pipeline, HostClock())
        return {
            "workload": side["workload"],
            "device": "cpu",
            "device_name": cpu_name(),
            "threads": 1,
            "weights": None,
            "input_shapes": [],
            "notes": [],
            "checked_ns": 1e7,
            "pictures": [],
        }


if __name__ == "__main__":
    worker = LightWorker()
    acts = (worker.load, worker.block, worker.renew, worker.prepare)
    serve({act.__name__: act for act in acts})
