"""What the study should reach, beside what it found. Pure functions over the study's tables."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from scripts.study import tables

Line = dict[str, Any]

ALARMS = "at most 0.1 %, upper limit below 0.5 %"
COMPARISONS = "at most 1 %"
UNDECIDED = {"light": "at most 15 %", "real": "at most 5 %"}
HELD = "94 to 98 %"
CULPRIT = "100 % of 300 or more"
SOON = "all"
POWER = {
    "quiet": dict(zip(tables.GOALS, ("95 %", "95 %", "100 %"), strict=True)),
    "loaded": dict(zip(tables.GOALS, ("80 %", "60 %", "99 %"), strict=True)),
}
"""How often a slow-down should be called SLOWER in a default run, by condition and goal."""

CONDITIONS = {
    "quiet": ("quiet",),
    "quiet or disturbed": ("quiet", "disturbed"),
    "loaded": ("loaded",),
    "shuffled": ("shuffled",),
}


def goals(stages: pd.DataFrame, comparisons: pd.DataFrame) -> pd.DataFrame:
    """One line a figure: what was to be reached, what was seen of how many, its interval.

    Real clocks are the light and the real pipelines together; the virtual device stands apart.
    """
    lines = [*_alarms(stages), *_compared(comparisons), *_undecided(stages), *_held(stages)]
    lines += _power(stages)
    lines += [*_named(comparisons), *_doubled(comparisons)]
    return pd.DataFrame(lines)


def _alarms(stages: pd.DataFrame) -> Iterator[Line]:
    same = stages[stages.arm != "injected"]
    real = same[same.world != "virtual"]
    for name, conditions in CONDITIONS.items():
        here = real[real.condition.isin(conditions)]
        what = f"false alarms a stage comparison, real clocks, {name}"
        yield from _alarmed(what, here, ALARMS)
        for budget_s in sorted(here.budget_s.dropna().unique()):
            of = here[here.budget_s == budget_s]
            yield from _alarmed(f"the same, {name}, of {budget_s:g} s", of, "")
    for condition, group in same[same.world == "virtual"].groupby("condition"):
        what = f"false alarms a stage comparison, virtual, {condition}"
        yield from _alarmed(what, group, ALARMS)


def _alarmed(figure: str, stages: pd.DataFrame, goal: str) -> Iterator[Line]:
    if len(stages):
        found = tables.false_alarms(stages.assign(all=""), ["all"]).to_dict("records")[0]
        yield _line(figure, goal, found)


def _compared(comparisons: pd.DataFrame) -> Iterator[Line]:
    real = comparisons[comparisons.world != "virtual"].assign(all="")
    for found in tables.alarmed_comparisons(real, ["all"]).to_dict("records"):
        yield _line("comparisons with a false alarm, real clocks", COMPARISONS, found)


def _undecided(stages: pd.DataFrame) -> Iterator[Line]:
    same = stages[stages.arm != "injected"]
    for (world, budget_s), group in same.groupby(["world", "budget_s"]):
        figure = f"undecided rows of identical code, {world}, {budget_s:g} s"
        found = tables.rate(int((group.status == "INCONCLUSIVE").sum()), len(group))
        yield _line(figure, UNDECIDED.get(str(world), ""), found)


def _held(stages: pd.DataFrame) -> Iterator[Line]:
    real = stages[stages.world != "virtual"].assign(world="", condition="")
    for found in tables.coverage(real).to_dict("records"):
        yield _line("intervals that hold the truth, real clocks", HELD, found)


def _power(stages: pd.DataFrame) -> Iterator[Line]:
    for found in tables.power_goals(stages).to_dict("records"):
        name, world, condition = found["goal"], found["world"], found["condition"]
        goal = POWER.get(condition, {}).get(name, "")
        yield _line(f"{name}: called SLOWER, {world}, {condition}", goal, found)


def _named(comparisons: pd.DataFrame) -> Iterator[Line]:
    for found in tables.attribution(comparisons).to_dict("records"):
        where = "all" if found["world"] == "all" else f"{found['world']}, {found['condition']}"
        goal = CULPRIT if found["world"] == "all" else ""
        yield _line(f"culprit named right when one is named, {where}", goal, found)


def _doubled(comparisons: pd.DataFrame) -> Iterator[Line]:
    for found in tables.doubled_times(comparisons).to_dict("records"):
        if found["world"] == "virtual":
            continue
        soon = f"told within {tables.SOON_S:g} s"
        figure = f"a stage of 1 ms or more doubled: {soon}, {found['world']}"
        is_goal = found["world"] == "light" and found["condition"] == "quiet"
        counts = tables.rate(found["within_goal"], found["comparisons"])
        seconds = {name: found[name] for name in ("median_s", "longest_s")}
        yield _line(f"{figure}, {found['condition']}", SOON if is_goal else "", counts | seconds)


def _line(figure: str, goal: str, found: Line) -> Line:
    kept = (
        "hits",
        "trials",
        "rate",
        "low",
        "high",
        "inconclusive",
        "same",
        "median_s",
        "longest_s",
    )
    return {"figure": figure, "goal": goal} | {name: found[name] for name in kept if name in found}
