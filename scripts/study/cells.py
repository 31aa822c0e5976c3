"""What the study measures: which worlds, conditions and slow-downs, and how often each."""

from collections.abc import Iterator
from dataclasses import dataclass

from scripts.study.injection import Injection

WORLDS = ("light", "real", "virtual")
ARMS = ("aa", "placebo", "injected")
CONDITIONS = ("quiet", "loaded", "shuffled")
RATIOS = (0.02, 0.05, 0.10, 0.25, 1.00)
STAGES = ("preprocess", "h2d", "forward", "postprocess", "d2h", "return")
GOALS = (
    ("preprocess", 0.05),
    ("forward", 0.05),
    ("postprocess", 0.10),
    ("return", 0.10),
    ("h2d", 1.00),
    ("postprocess", 1.00),
)
"""Slow-downs the published goals name: 5 % of 1 ms, 10 % of 100 us, 100 % of 50 us (or more)."""

GENERATION = 18
"""Raised whenever rules, or injections, were changed after seeing data: every generation has seeds
of its own. 16 has the rule over memory layouts (docs/verdicts.md), which was chosen after seeing
the data of 13 to 15, and keeps the log ratio of every pair. In 17 iterations of 50 to 500 ms are
refilled too where a segment begins, after the real comparisons of 16. In 18 a comparison goes on
where a negligible stage looks slower, after the twelve of 17."""

DOUBLED = ("preprocess", "forward")
"""Stages of 1 ms or more that are doubled, to see how soon that is found."""

LONG_STAGES = ("preprocess", "forward", "return")
"""Stages long enough that a small part of them can be slept."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One comparison of the study.

    Attributes:
        world: "light" (a torch-free pipeline), "real" (V2 at a small input), "virtual" (an
            asynchronous device in virtual time).
        condition: "quiet", "loaded" (a neighbour on every core) or "shuffled" (layouts).
        arm: "aa" (the same twice), "placebo" (a harmless difference) or "injected".
        injection: the slow-down of the candidate; None in the other arms.
        number: counts the repetitions.
    """

    world: str
    condition: str
    arm: str
    injection: Injection | None
    number: int

    @property
    def name(self) -> str:
        """Unique name, the key by which a study is resumed."""
        return f"{self.world}/{self.condition}/{self.arm}/{self.injection or '-'}/{self.number}"

    @property
    def seed(self) -> int:
        """Seed of layouts and orders: every comparison of every condition has its own."""
        place = 10 * WORLDS.index(self.world) + CONDITIONS.index(self.condition)
        arm = ARMS.index(self.arm)
        return GENERATION * 10_000_000 + place * 100_000 + arm * 10_000 + self.number


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything a world under a condition gets.

    Attributes:
        rounds: of every stage with every ratio.
        focus: rounds of the slow-downs that the goals name.
        same: comparisons of identical code at least, A/A and placebo in turns.
        doubled: rounds of the long stages doubled.
    """

    rounds: int
    focus: int
    same: int
    doubled: int


def course(world: str, condition: str, sizes: Sizes) -> Iterator[Cell]:
    """Yield the cells of one world and condition, all arms mixed."""
    rounds, focus = sizes.rounds, sizes.focus
    grid = [
        Injection(stage, _kind(stage, ratio, number), ratio)
        for number in range(rounds)
        for ratio in RATIOS
        for stage in STAGES
    ]
    goals = [
        Injection(stage, _kind(stage, ratio, number), ratio)
        for number in range(rounds, rounds + focus)
        for stage, ratio in GOALS
    ]
    doubled = [
        Injection(stage, _kind(stage, 1.0, number), 1.0)
        for number in range(sizes.doubled)
        for stage in DOUBLED
    ]
    slowed = [*grid, *goals, *doubled]
    for number in range(max(len(slowed), sizes.same)):
        yield Cell(world, condition, "aa" if number % 2 else "placebo", None, number)
        if number < len(slowed):
            yield Cell(world, condition, "injected", slowed[number], number)


def _kind(stage: str, ratio: float, number: int) -> str:
    """The kind of a round, in turns; sleeps only where they can be as short as they are asked."""
    kinds = ["busy", "copies"]
    if stage in LONG_STAGES and ratio >= 0.25:
        kinds.append("sleep")
    return kinds[number % len(kinds)]
