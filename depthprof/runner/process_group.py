"""One process of a run (or one a side): started, warmed up, and asked for segments of pairs.

All numbers here are of one process; what it measured is handed on block by block.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from random import Random
from statistics import median
from time import monotonic
from typing import Any, Self

from depthprof.errors import WorkerLost
from depthprof.records import WARM_UP_TURN, Launch, Limits
from depthprof.runner.observation import Observation, observe_sides
from depthprof.runner.plan import Plan, first_order, pair_order
from depthprof.runner.process import READY, Layout, WorkerProcess
from depthprof.runner.warm_up import LONG_ITERATION_NS, warm_up_end

WATCH_FROM_NS = 2_000_000
"""From this length on an iteration is watched mark by mark, which costs it up to 0.7 percent,
both sides alike. (It was 7 ms. Then background load left iterations of 6.9 ms INCONCLUSIVE: not
watched, they could only be rejected as a whole, and most were.)"""

ROUND_NS, BLOCK_NS = 25_000_000, 30_000_000
"""A round of warm-up and a measured block last about this long for each side, or one iteration."""

MOST_PER_BLOCK = 50
"""No block has more iterations than this: a preempted block must not cost much."""

REFILL_NS, REFILL_BELOW_NS = 10_000_000, 500_000_000
"""Where a segment begins, each side first runs for so long outside of all pairs, one iteration at
least: its caches are empty, and new memory is faulted in. (It was done below 50 ms only. Then, at
75 ms an iteration, log ratios of a segment's first pair varied by 0.6 in `return`, 0.09 in
`forward`, those of the others by 0.06 and 0.03.) Longer iterations cannot afford it. There each
side runs the stages before `forward` once: preprocess took 34 to 53 ms in a new layout, 8 to 14 ms
after (v1 and v2 at 518)."""

LOAD_LIMIT_S, BLOCK_LIMIT_S = 900.0, 600.0
"""A worker that gives no answer for so long is taken to hang."""

LOOK_LIMIT_S, LOOK_RATIO = 60.0, 20.0
"""Observing an iteration may take so long, and so many times the iteration on top."""

Taken = tuple[int, int, int, dict[str, Any]]
"""A block: its pair (or WARM_UP_TURN), its number, the place of its side, the worker's answer."""


class ProcessGroup:
    """The worker of all sides, or one each. A context manager: the workers end with it.

    Attributes:
        index: number of the process, from 0 on. pairs: taken so far.
        segments: the pair that each begins with. pair_s, renew_s: seconds that the latest pair and
            the latest beginning of a segment took; before the first pair, what warm-up suggests.
        sides, environment: what the workers answered when they loaded, baseline first.
        memory_bytes: taken to load, 0 where the system gives no figure.
        new_layouts: whether every segment had one of its own.
    """

    def __init__(self, plan: Plan, index: int) -> None:
        self.index = index
        self.pairs = 0
        self.segments: list[int] = []
        self.pair_s = self.renew_s = 0.0
        self.sides: dict[str, dict[str, Any]] = {}
        self.environment: dict[str, Any] = {}
        self.memory_bytes = 0
        self._plan = plan
        self._random = Random(f"{plan.seed}/{index}")
        self._names = tuple(side.name for side in plan.sides)
        self._order = first_order(self._names, self._random)
        self._loading = first_order(self._names, self._random)
        self._stack = ExitStack()
        self._layouts: list[Layout] = []
        self._workers: dict[str, WorkerProcess] = {}
        self._blocks = 0
        self._iterations = 1
        self._watch = self._is_long = False
        self.new_layouts = True
        self._share_s = 0.0
        self._rounds_ns: dict[str, list[float]] = {}
        self._warm_up_counts = dict.fromkeys(self._names, 0)
        self._setup_s = self._warm_up_s = 0.0
        self._warm_up_end = "not reached"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self) -> None:
        """Start the workers; they import what they need while others are loaded."""
        sides = self._plan.sides
        for group in [sides] if self._plan.shared else [(side,) for side in sides]:
            layout = Layout.drawn(self._random)
            self._layouts.append(layout)
            process = WorkerProcess(layout, self._plan.worker, group[0].folder, group[0].instead_of)
            worker = self._stack.enter_context(process)
            self._workers |= dict.fromkeys((side.name for side in group), worker)

    def await_imports(self) -> None:
        """Wait until the workers have imported what they need."""
        for worker in dict.fromkeys(self._workers.values()):
            worker.ask({"command": READY}, LOAD_LIMIT_S)

    def load(self) -> None:
        """Have the workers load and check their sides.

        What is loaded last lies elsewhere in memory, so the order is drawn anew in each process.
        """
        started = monotonic()
        answers: dict[str, Any] = {}
        plans = sorted(self._plan.sides, key=lambda side: self._loading.index(side.name))
        for worker in dict.fromkeys(self._workers.values()):
            mine = [side for side in plans if self._workers[side.name] is worker]
            answer = worker.ask(self._plan.load_command(mine), LOAD_LIMIT_S)
            self.memory_bytes += answer["memory_bytes"]
            answers |= answer["sides"]
            if self.environment.get("gpu") is None:  # the side with a GPU reports most
                self.environment = answer["environment"]
        self.sides = {name: answers[name] for name in self._names}
        self._rounds_ns = {name: [side["checked_ns"]] for name, side in self.sides.items()}
        checked_ns = min(rounds[0] for rounds in self._rounds_ns.values())
        self._is_long = checked_ns >= LONG_ITERATION_NS
        self._setup_s = monotonic() - started

    @property
    def on_cpu(self) -> bool:
        """Whether no side is on a GPU."""
        return all(side["device"] == "cpu" for side in self.sides.values())

    def warm_up(self, share_s: float) -> Iterator[Taken]:
        """Run rounds of all sides in alternation until `warm_up_end` says why it ends."""
        started = monotonic()
        self._share_s = share_s
        rounds_ns, end = self._rounds_ns, "checked" if self._is_long else None
        while end is None:
            for side in reversed(self._order):  # so that the first pair comes after its own side
                taken = self._warm(side, ROUND_NS)
                rounds_ns[side].append(_median_ns(taken))
                self._warm_up_counts[side] += len(taken[-1]["marks_ns"])
                yield taken
            spent_s = monotonic() - started
            end = warm_up_end(rounds_ns, spent_s, share_s, on_cuda=not self.on_cpu)
        self._warm_up_end, self._warm_up_s = end, monotonic() - started
        latest_ns = [rounds[-1] for rounds in rounds_ns.values()]
        self._iterations = iterations_for(BLOCK_NS, max(latest_ns))
        self._watch = min(latest_ns) >= WATCH_FROM_NS
        self.pair_s = self._iterations * sum(latest_ns) / 1e9

    def begin_segment(self) -> Iterator[Taken]:
        """Put both sides into a new memory layout, and refill their caches.

        A process that was just started has a new layout already.
        """
        started = monotonic()
        if self.segments:
            command = {"command": "renew", "seed": f"{self._plan.seed}/{self.index}/{self.pairs}"}
            for worker in dict.fromkeys(self._workers.values()):
                self.new_layouts &= worker.ask(command, BLOCK_LIMIT_S)["moved"]
        self.segments.append(self.pairs)
        for side in reversed(pair_order(self._order, self.pairs)):
            if self._rounds_ns[side][-1] < REFILL_BELOW_NS:
                yield self._warm(side, REFILL_NS)
            else:
                self._ask(side, {"command": "prepare", "side": side})
        self.renew_s = monotonic() - started

    def pair(self) -> Iterator[Taken]:
        """Take a pair: a block of each side."""
        started = monotonic()
        order = pair_order(self._order, self.pairs)
        if self._is_long and not self.pairs:
            taken = [self._block(side, 0, 1) for side in order]
            self._is_long = min(map(_median_ns, taken)) >= LONG_ITERATION_NS / 2
            if self._is_long:
                yield from taken
            else:
                yield from ((WARM_UP_TURN, *one[1:]) for one in taken)
                yield from self.warm_up(self._share_s)
                started = monotonic()
        if not self._is_long or self.pairs:
            for side in order:
                yield self._block(side, self.pairs, self._iterations)
        self.pairs += 1
        self.pair_s = monotonic() - started

    def observe(self, known: Mapping[str, Limits]) -> Observation:
        """Observe an untimed iteration of each side; `known` peak rates are not measured again."""
        slowest_s = max(rounds[-1] for rounds in self._rounds_ns.values()) / 1e9
        timeout_s = LOOK_LIMIT_S + LOOK_RATIO * slowest_s
        return observe_sides(self._workers, self.sides, known, timeout_s)

    def described(self) -> Launch:
        """This process as far as it came."""
        return Launch(
            index=self.index,
            padding_bytes=tuple(
                size
                for layout in self._layouts
                for size in (layout.environment_bytes, layout.argv_bytes)
            ),
            setup_s=round(self._setup_s, 3),
            warm_up_s=round(self._warm_up_s, 3),
            warm_up_iterations=tuple(self._warm_up_counts.values()),
            warm_up_end=self._warm_up_end,
            iterations_per_block=self._iterations,
            turns=self.pairs,
            segments=tuple(start for start in self.segments if start < self.pairs),
            new_layouts=self.new_layouts,
        )

    def _warm(self, side: str, target_ns: int) -> Taken:
        """Run a block outside of all pairs that lasts about so long."""
        count = iterations_for(target_ns, self._rounds_ns[side][-1])
        return self._block(side, WARM_UP_TURN, count)

    def _block(self, side: str, pair: int, iterations: int) -> Taken:
        command = {
            "command": "block",
            "side": side,
            "first": max(pair, 0) * iterations,
            "iterations": iterations,
            "watch": self._watch,
            "warming_up": pair == WARM_UP_TURN or self._is_long,
        }
        answer = self._ask(side, command)
        self._blocks += 1
        return pair, self._blocks - 1, self._names.index(side), answer

    def _ask(self, side: str, command: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._workers[side].ask(command, BLOCK_LIMIT_S)
        except WorkerLost as error:
            error.side = side
            raise


def iterations_for(target_ns: int, iteration_ns: float) -> int:
    """How many iterations come closest to a target without leaving 1 to MOST_PER_BLOCK."""
    return max(1, min(MOST_PER_BLOCK, round(target_ns / max(iteration_ns, 1.0))))


def _median_ns(taken: Taken) -> float:
    return float(median(marks[-1] - marks[0] for marks in taken[-1]["marks_ns"]))
