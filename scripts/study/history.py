"""`python -m scripts.study.history FOLDER`: how often `history` is right, the truth known.

Writes goals.csv (the goals, one line a noise and a truth), limits.csv (steps of 5 % placed within
2 points, beside rules that know more than can be known), alarms.csv (steady series by length),
sizes.csv (by size of the step) and sizes.png. The seeds are not those of the table of chances;
the same seeds give the same files.
"""

import argparse
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from depthprof.history import Levels, levels
from scripts.study.history_limit import likeliest_place, likeliest_place_alone
from scripts.study.history_plot import plot_sizes
from scripts.study.history_series import NOISES, TRUTHS, Draw, Floats, Truth, ar1, step_of

SEED = 20_261_121
FALSE_ALARM_RATIO = 0.05
TOLERANCE_POINTS = 2
LENGTHS = (10, 20, 50, 120, 500, 2000)
SIZES = (0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study and write its files."""
    parser = argparse.ArgumentParser(prog="python -m scripts.study.history")
    parser.add_argument("folder", type=Path, help="where the tables and the plot go")
    parser.add_argument("--series", type=int, default=200, help="series a line of a table [200]")
    chosen = parser.parse_args(arguments)
    chosen.folder.mkdir(parents=True, exist_ok=True)
    goals = pd.DataFrame(goal_lines(chosen.series))
    goals.to_csv(chosen.folder / "goals.csv", index=False, float_format="%.4g")
    alarms = pd.DataFrame(alarm_lines(chosen.series))
    alarms.to_csv(chosen.folder / "alarms.csv", index=False, float_format="%.4g")
    limits = pd.DataFrame(limit_lines(10 * chosen.series))
    limits.to_csv(chosen.folder / "limits.csv", index=False, float_format="%.4g")
    sizes = pd.DataFrame(size_lines(chosen.series))
    sizes.to_csv(chosen.folder / "sizes.csv", index=False, float_format="%.4g")
    plot_sizes(sizes, chosen.folder / "sizes.png")
    for table in (goals, limits, alarms):
        print(table.to_string(index=False), end="\n\n")
    return 0


def goal_lines(series: int) -> Iterator[dict[str, Any]]:
    """A line a noise and a truth: shares of the series that were told right."""
    for noise in NOISES:
        for name in TRUTHS:
            rows = [_judge(noise, name, number) for number in range(series)]
            shares = pd.DataFrame(rows).mean().to_dict()
            yield {"noise": noise, "truth": name, "series": series, **shares}


def alarm_lines(series: int) -> Iterator[dict[str, Any]]:
    """A line a noise and a length: share of steady series that were said to have changed."""
    noises: dict[str, Draw] = {**NOISES, "AR(1) with 0.7": partial(ar1, phi=0.7)}
    for noise, draw in noises.items():
        for count in LENGTHS:
            alarms = 0
            for number in range(series):
                random = np.random.default_rng([SEED, *noise.encode(), count, number])
                told = levels(draw(random, count), FALSE_ALARM_RATIO)
                alarms += bool(told.changes or told.ramp)
            yield {"noise": noise, "points": count, "series": series, "alarmed": alarms / series}


def size_lines(series: int) -> Iterator[dict[str, Any]]:
    """A line a noise and a size of step: found, placed, and placed by who knows everything."""
    for noise in NOISES:
        for size in SIZES:
            rows = [_placed(noise, size, number) for number in range(series)]
            shares = pd.DataFrame(rows).mean().to_dict()
            yield {"noise": noise, "step_ratio": size, "series": series, **shares}


def limit_lines(series: int) -> Iterator[dict[str, Any]]:
    """A line a noise: steps of 5 % placed within two points, by who knows how much."""
    for noise in NOISES:
        rows = [_limits(noise, number) for number in range(series)]
        yield {"noise": noise, "series": series, **pd.DataFrame(rows).mean().to_dict()}


def _limits(noise: str, number: int) -> dict[str, float]:
    row = _placed(noise, 0.05, number)
    if noise == "heavy-tailed":
        return {**row, "noise_known_within_2": float("nan")}
    values, truth = _stepped(noise, 0.05, number)
    alone = abs(likeliest_place_alone(values, noise) - truth.changes[0])
    return {**row, "noise_known_within_2": alone <= TOLERANCE_POINTS}


def _stepped(noise: str, size: float, number: int) -> tuple[Floats, Truth]:
    random = np.random.default_rng([SEED, *noise.encode(), round(1e4 * size), number])
    truth = step_of(size)(random)
    return truth.logs + NOISES[noise](random, len(truth.logs)), truth


def _judge(noise: str, name: str, number: int) -> dict[str, float]:
    random = np.random.default_rng([SEED, *noise.encode(), *name.encode(), number])
    truth = TRUTHS[name](random)
    told = levels(truth.logs + NOISES[noise](random, len(truth.logs)), FALSE_ALARM_RATIO)
    return _row(truth, told)


def _row(truth: Truth, told: Levels) -> dict[str, float]:
    places = [change.place.index for change in told.changes]
    near = [any(abs(p - at) <= TOLERANCE_POINTS for p in places) for at in truth.changes]
    spans = [
        any(c.place.earliest <= at <= c.place.latest for c in told.changes) for at in truth.changes
    ]
    none = float("nan")
    return {
        "changed": bool(places or told.ramp),
        "drift_named": told.ramp is not None,
        "all_within_2": all(near) if near else none,
        "exact": all(at in places for at in truth.changes) if near else none,
        "true_within_span": float(np.mean(spans)) if near else none,
        "as_many_changes": len(places) == len(truth.changes),
        "ratio_covered": _covered(truth, told),
    }


def _covered(truth: Truth, told: Levels) -> float:
    """Whether the one step's interval holds its size; not a number where it was not found."""
    if len(truth.changes) != 1 or len(told.changes) != 1:
        return float("nan")
    change = told.changes[0]
    miss = abs(change.after - change.before - (truth.logs[-1] - truth.logs[0]))
    return float(miss <= 1.96 * change.deviation)


def _placed(noise: str, size: float, number: int) -> dict[str, float]:
    values, truth = _stepped(noise, size, number)
    row = _row(truth, levels(values, FALSE_ALARM_RATIO))
    limit = likeliest_place(values, 0.0, float(truth.logs[-1]), noise)
    within = abs(limit - truth.changes[0]) <= TOLERANCE_POINTS
    return {"found": row["changed"], "within_2": row["all_within_2"], "all_known_within_2": within}


if __name__ == "__main__":
    raise SystemExit(main())
