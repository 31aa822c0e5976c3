"""One launch: workers started with a layout of their own, warmed up, and asked for turns."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from random import Random
from statistics import median
from time import monotonic
from typing import Any

from depthprof.errors import WorkerLost
from depthprof.records import WARM_UP_TURN, Launch, Limits
from depthprof.runner.observation import look
from depthprof.runner.plan import Plan, SidePlan, first_order, turn_order
from depthprof.runner.process import Layout, WorkerProcess
from depthprof.runner.recorder import Ledger
from depthprof.runner.warm_up import BLOCK_NS, ROUND_NS, iterations_for, warm_up_end

WATCH_FROM_NS = 2_000_000
"""From this length on an iteration is watched mark by mark, which costs it up to 0.7 percent,
both sides alike. (It was 7 ms. Then a neighbour left iterations of 6.9 ms INCONCLUSIVE: not
watched, they could only be left out as a whole, and most were.)"""

REFILL_NS = 10_000_000
REFILL_BELOW_NS = 250_000_000
"""After a break a launch first runs unjudged for so long, to have its caches back; a longer
iteration has nothing to gain from it."""

LOAD_LIMIT_S = 900.0
BLOCK_LIMIT_S = 600.0
"""A worker that gives no answer for so long is taken to hang."""

LOOK_LIMIT_S, LOOK_RATIO = 60.0, 20.0
"""Looking at an iteration may take so long, and so many times the iteration on top."""

Tell = Callable[[str], None]


class LaunchTaker:
    """Takes the turns of one launch and enters them in the ledger.

    Use it as a context manager: its workers end with it.
    """

    def __init__(self, plan: Plan, index: int, ledger: Ledger, tell: Tell) -> None:
        self._plan = plan
        self._index = index
        self._ledger = ledger
        self._tell = tell
        self._random = Random(f"{plan.seed}/{index}")
        names = tuple(side.name for side in plan.sides)
        self._order = first_order(names, self._random)
        self._loading = first_order(names, self._random)
        self._stack = ExitStack()
        self._workers: dict[str, WorkerProcess] = {}
        self._layouts: list[Layout] = []
        self._blocks = 0
        self._turns = 0
        self._iterations = 1
        self._watch = False
        self._started: list[tuple[tuple[SidePlan, ...], WorkerProcess]] = []
        self._memory_bytes = 0
        self._rounds_ns: dict[str, list[float]] = {side.name: [] for side in plan.sides}
        self._warm_up_counts = {side.name: 0 for side in plan.sides}
        self._setup_s = self._warm_up_s = 0.0
        self._warm_up_end = "not reached"

    def __enter__(self) -> "LaunchTaker":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self) -> None:
        """Start the workers; they import what they need while others are loaded."""
        if self._started:
            return
        for group in self._groups():
            layout = Layout.drawn(self._random)
            process = WorkerProcess(layout, self._plan.worker, group[0].folder, group[0].instead_of)
            worker = self._stack.enter_context(process)
            self._layouts.append(layout)
            self._started.append((group, worker))

    def load(self) -> None:
        """Have the workers load and check their sides."""
        self._tell("starting")
        started = monotonic()
        answers: dict[str, Any] = {}
        environment: dict[str, Any] = {}
        self.start()
        for group, worker in self._started:
            answer = worker.ask(self._load_command(group), LOAD_LIMIT_S)
            self._memory_bytes += answer["memory_bytes"]
            self._workers |= dict.fromkeys((side.name for side in group), worker)
            for name, facts in answer["sides"].items():
                self._rounds_ns[name] = [facts["checked_ns"]]
            answers |= answer["sides"]
            if environment.get("gpu") is None:  # the side with a GPU knows most
                environment = answer["environment"]
        self._ledger.loaded(answers, environment)
        self._setup_s = monotonic() - started

    def warm_up(self, share_s: float) -> None:
        """Run rounds of all sides in turns until the stated rule ends it."""
        self._tell("warming up")
        started = monotonic()
        on_cuda = any(side.device != "cpu" for side in self._ledger.sides)
        end = None
        while end is None:
            for side in reversed(self._order):  # so that the first turn comes after its own side
                count = iterations_for(ROUND_NS, self._rounds_ns[side][-1])
                self._rounds_ns[side].append(self._block(side, WARM_UP_TURN, count))
                self._warm_up_counts[side] += count
                self._tell("warming up")
            self._warm_up_s = monotonic() - started
            end = warm_up_end(self._rounds_ns, self._warm_up_s, share_s, on_cuda)
        self._warm_up_end = end
        latest_ns = [rounds[-1] for rounds in self._rounds_ns.values()]
        self._iterations = iterations_for(BLOCK_NS, max(latest_ns))
        self._watch = min(latest_ns) >= WATCH_FROM_NS

    @property
    def index(self) -> int:
        """Number of the launch, from 0 on."""
        return self._index

    @property
    def turns_taken(self) -> int:
        """Turns so far."""
        return self._turns

    @property
    def memory_bytes(self) -> int:
        """Memory its workers took to load, 0 where the system does not tell."""
        return self._memory_bytes

    def refill(self) -> None:
        """Run the side whose turn is next for a moment, unjudged, after another launch has run."""
        side = self._next_order()[0]
        length_ns = self._rounds_ns[side][-1]
        if length_ns < REFILL_BELOW_NS:
            self._block(side, WARM_UP_TURN, iterations_for(REFILL_NS, length_ns))

    def turn(self) -> None:
        """Take one turn: a block of each side."""
        for side in self._next_order():
            self._block(side, self._turns, self._iterations)
            self._tell("measuring")
        self._turns += 1
        self._ledger.pairs += 1

    def look(self, known: Mapping[str, Limits]) -> None:
        """Have each side looked at, and the limits measured where they are not known.

        What cannot be had is left out, with a note why; the run stays as it was measured.
        """
        self._tell("looking")
        slowest_s = max(rounds[-1] for rounds in self._rounds_ns.values()) / 1e9
        look(self._workers, self._ledger, known, LOOK_LIMIT_S + LOOK_RATIO * slowest_s)

    def _next_order(self) -> tuple[str, ...]:
        return turn_order(self._order, self._turns)

    def record(self) -> Launch:
        """Describe this launch as far as it came."""
        return Launch(
            index=self._index,
            padding_bytes=tuple(
                padding for layout in self._layouts for padding in asdict(layout).values()
            ),
            setup_s=round(self._setup_s, 3),
            warm_up_s=round(self._warm_up_s, 3),
            warm_up_iterations=tuple(self._warm_up_counts.values()),
            warm_up_end=self._warm_up_end,
            iterations_per_block=self._iterations,
            turns=self._turns,
        )

    def _groups(self) -> list[tuple[SidePlan, ...]]:
        """Sides by worker: all in one, or one each."""
        sides = self._plan.sides
        return [sides] if self._plan.shared else [(side,) for side in sides]

    def _load_command(self, group: tuple[SidePlan, ...]) -> dict[str, Any]:
        sides = [  # what is loaded last lies elsewhere: that must not always be the same side
            {
                "name": side.name,
                "variant": side.variant,
                "workload": asdict(side.workload),
                "checkpoint": None if side.checkpoint is None else str(side.checkpoint.resolve()),
                "allow": list(side.allow),
                "placebo": side.placebo,
                "instead_of": None if side.instead_of is None else str(side.instead_of),
                "tree": None if side.tree is None else str(side.tree),
            }
            for side in sorted(group, key=lambda side: self._loading.index(side.name))
        ]
        return {"command": "load", "sides": sides, **self._plan.asked_pictures}

    def _block(self, side: str, turn: int, iterations: int) -> float:
        """Have one block run, enter it, and return its median iteration in nanoseconds."""
        first = max(turn, 0) * iterations
        command = {
            "command": "block",
            "side": side,
            "first": first,
            "iterations": iterations,
            "watch": self._watch,
            "warming_up": turn == WARM_UP_TURN,
        }
        try:
            answer = self._workers[side].ask(command, BLOCK_LIMIT_S)
        except WorkerLost as error:
            error.side = side
            raise
        place = [plan.name for plan in self._plan.sides].index(side)
        self._ledger.add(self._index, turn, self._blocks, place, answer)
        self._blocks += 1
        return float(median(marks[-1] - marks[0] for marks in answer["marks_ns"]))
