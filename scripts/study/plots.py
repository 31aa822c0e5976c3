"""Plots of the study: detection against effect, false alarms beside the peers', time to verdict."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

COLOURS = {
    "quiet": "#1b6ca8",
    "disturbed": "#8a6fb0",
    "loaded": "#c8553d",
    "shuffled": "#588b8b",
}
STYLE: Any = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}


def plot_power(power: pd.DataFrame, path: Path) -> None:
    """Rate of SLOWER against the added part of the stage, a panel a stage, with 95 % intervals."""
    worlds = list(power.world.unique())
    stages = ("preprocess", "h2d", "forward", "postprocess", "d2h", "return")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 2.3 * len(worlds) + 0.6), layout="constrained")
        grid = figure.subplots(len(worlds), len(stages), sharex=True, sharey=True, squeeze=False)
        for line, world in zip(grid, worlds, strict=True):
            for axes, stage in zip(line, stages, strict=True):
                _power_panel(axes, power[(power.world == world) & (power.stage == stage)])
                axes.set_title(f"{stage} ({world})", fontsize=9)
        for condition, colour in COLOURS.items():
            grid[0][0].plot([], [], "o-", color=colour, ms=3, lw=1.2, label=condition)
        grid[0][0].legend(frameon=False, fontsize=8)
        figure.supxlabel("added to the stage, % of its length")
        figure.supylabel("called SLOWER")
        figure.savefig(path, dpi=130)


def plot_alarms(alarms: pd.DataFrame, path: Path) -> None:
    """False alarms a stage comparison by rule and condition, with 95 % intervals, log scale."""
    rules = list(dict.fromkeys(alarms.rule))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 0.38 * len(rules) + 1.4), layout="constrained")
        axes = figure.subplots()
        conditions = [name for name in COLOURS if name in set(alarms.condition)]
        for offset, condition in enumerate(conditions):
            part = alarms[alarms.condition == condition].set_index("rule")
            for place, rule in enumerate(rules):
                if rule not in part.index:
                    continue
                row = part.loc[rule]
                y = len(rules) - place + 0.2 * (1 - offset)
                colour = COLOURS[condition]
                axes.plot([max(row.low, 1e-4), row.high], [y, y], color=colour, lw=1.5)
                axes.plot([max(row.rate, 1e-4)], [y], "o", color=colour, ms=4)
        for condition in conditions:
            axes.plot([], [], "o-", color=COLOURS[condition], label=condition, ms=4)
        axes.axvline(0.005, color="grey", lw=0.8, ls=":")
        axes.set_xscale("log")
        axes.set_xlim(1e-4, 1)
        axes.set_xticks([1e-4, 1e-3, 1e-2, 1e-1, 1], ["0", "0.1 %", "1 %", "10 %", "100 %"])
        axes.set_yticks([len(rules) - place for place in range(len(rules))], rules)
        axes.set_xlabel("false alarms a stage comparison of identical code, 95 % interval")
        axes.legend(frameon=False, loc="lower left", fontsize=8)
        figure.savefig(path, dpi=130)


def plot_times(comparisons: pd.DataFrame, path: Path) -> None:
    """Seconds from the first measured turn to the verdict, by size of the slow-down."""
    taken = comparisons[comparisons.measured_s.notna() & (comparisons.world == "light")]
    ratios = sorted(set(taken.added_ratio.dropna()))
    names = ["identical", *(f"+{100 * ratio:.0f} %" for ratio in ratios)]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 3.2), layout="constrained")
        axes = figure.subplots()
        for offset, condition in enumerate(COLOURS):
            part = taken[taken.condition == condition]
            groups = [part[part.arm != "injected"].measured_s]
            groups += [part[part.added_ratio == ratio].measured_s for ratio in ratios]
            for place, seconds in enumerate(groups):
                if len(seconds):
                    x = place + 0.22 * (offset - 1)
                    axes.plot(
                        [x] * len(seconds),
                        seconds,
                        "o",
                        ms=3,
                        color=COLOURS[condition],
                        alpha=0.25,
                        mew=0,
                    )
                    axes.plot(
                        [x - 0.08, x + 0.08], [seconds.median()] * 2, color=COLOURS[condition], lw=2
                    )
            axes.plot([], [], "o", color=COLOURS[condition], label=condition)
        axes.set_yscale("log")
        axes.set_yticks([1, 3, 10, 30, 60], ["1", "3", "10", "30", "60"])
        axes.set_xticks(range(len(names)), names)
        axes.set_ylabel("seconds to the verdict")
        axes.legend(frameon=False, fontsize=8)
        figure.savefig(path, dpi=130)


def _power_panel(axes: Any, power: pd.DataFrame) -> None:
    for condition, colour in COLOURS.items():
        part = power[power.condition == condition].sort_values("added_ratio")
        if not len(part):
            continue
        x = 100 * part.added_ratio
        axes.fill_between(x, part.low, part.high, color=colour, alpha=0.12, lw=0)
        axes.plot(x, part.rate, "o-", color=colour, ms=3, lw=1.2)
    axes.set_xscale("log")
    axes.set_xticks([2, 5, 10, 25, 100], ["2", "5", "10", "25", "100"])
    axes.set_ylim(-0.03, 1.03)
