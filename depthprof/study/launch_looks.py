"""How often intervals of identical code miss the truth at any look, simulated.

`python -m depthprof.study.launch_looks [FILE.csv]`.

Launches' layouts are drawn once, but each look hears more of their pairs. So looking again at the
launches' interval is more than one look and less than a new one; `looks.LAUNCH_LOOKS` says for how
many it pays. Here runs are drawn whose layouts and pairs scatter in known ways, intervals are made
as `comparison.stages` makes them (but with means instead of Hodges-Lehmann estimates, which is
faster and hardly another thing for normal values), and the share of runs is counted in which the
truth lies outside at the first look, and at any of the looks up to 710 pairs.
"""

import argparse
import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t

from depthprof.looks import FIRST_LOOK_PAIRS, LAUNCH_LOOKS, LAUNCHES, MORE_LAUNCHES, is_look
from depthprof.looks import launch_share as looks_share
from depthprof.stats import look_share, shared_confidence, student_quantile

Floats = NDArray[np.float64]

SCATTERS = ((0.0, 0.02), (0.005, 0.02), (0.01, 0.02), (0.02, 0.02), (0.02, 0.005), (0.02, 0.05))
"""Standard deviations of layouts and of pairs, as log ratios."""

MOST_PAIRS = 710
CONFIDENCE, STATEMENTS = 0.95, 8


def misses(
    random: np.random.Generator, layouts: Floats, pair_sd: float, looks: int = LAUNCH_LOOKS
) -> tuple[float, float]:
    """Share of runs whose interval misses a ratio of 1: at the first look, and at any.

    Args:
        random: draws the pairs. layouts: float64 [runs, launches], what each launch adds to a pair.
        pair_sd: of a pair within its launch.
        looks: how many looks the launches' interval pays for.
    """
    runs, launches = layouts.shape
    launch = np.arange(MOST_PAIRS) % launches
    pairs = layouts[:, launch] + random.normal(0, pair_sd, (runs, MOST_PAIRS))
    error = 1 - shared_confidence(CONFIDENCE, STATEMENTS)
    by_launches = error * looks_share(launches, shared=True) * LAUNCH_LOOKS / looks
    factor = student_quantile(launches - 1, 1 - by_launches) / math.sqrt(launches)
    scheduled = [
        n for n in range(max(FIRST_LOOK_PAIRS, 2 * launches), MOST_PAIRS + 1) if is_look(n)
    ]
    missed = np.zeros((runs, len(scheduled)), dtype=bool)
    for number, count in enumerate(scheduled, start=1):
        heard = pairs[:, :count]
        quantile = t.ppf(1 - error * look_share(number) / 2, count - 1)
        centre = heard.mean(axis=1)
        reach = quantile * heard.std(axis=1, ddof=1) / math.sqrt(count)
        centres = np.stack(
            [heard[:, launch[:count] == one].mean(axis=1) for one in range(launches)], axis=1
        )
        by_layout = factor * centres.std(axis=1, ddof=1)
        beyond = np.abs(centres.mean(axis=1)) > by_layout
        missed[:, number - 1] = beyond & (np.abs(centre) > reach)
    return float(missed[:, 0].mean()), float(missed.any(axis=1).mean())


def table(runs: int, seed: int = 0) -> pd.DataFrame:
    """All scatters, normal layouts and such of two values, for six launches and for all of them."""
    random = np.random.default_rng(seed)
    lines = []
    for launches in (LAUNCHES, LAUNCHES + MORE_LAUNCHES):
        for kind in ("normal", "two values"):
            for layout_sd, pair_sd in SCATTERS:
                if kind == "normal":
                    layouts = random.normal(0, layout_sd, (runs, launches))
                else:
                    layouts = layout_sd * random.choice([-1.0, 1.0], (runs, launches))
                for looks in (1, LAUNCH_LOOKS):
                    first, any_look = misses(random, layouts, pair_sd, looks)
                    lines.append(
                        {
                            "launches": launches,
                            "layouts": kind,
                            "layout_sd": layout_sd,
                            "pair_sd": pair_sd,
                            "paid_for_looks": looks,
                            "missed_at_first": first,
                            "missed_at_any": any_look,
                            "allowed": 1 - shared_confidence(CONFIDENCE, STATEMENTS),
                        }
                    )
    return pd.DataFrame(lines)


def main(arguments: list[str] | None = None) -> int:
    """Print the table, and keep it where a file is named."""
    parser = argparse.ArgumentParser(
        prog="python -m depthprof.study.launch_looks", description=__doc__
    )
    parser.add_argument("file", nargs="?", type=Path, help="a CSV file to write")
    parser.add_argument("--runs", type=int, default=20_000, help="runs a line [20000]")
    chosen = parser.parse_args(arguments)
    found = table(chosen.runs)
    print(found.to_string(index=False, float_format="{:.4f}".format))
    if chosen.file is not None:
        found.to_csv(chosen.file, index=False, float_format="%.6g")
    return 0


if __name__ == "__main__":
    sys.exit(main())
