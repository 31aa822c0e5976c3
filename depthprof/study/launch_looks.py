"""How often intervals of identical code miss the truth at any look, simulated.

`python -m depthprof.study.launch_looks [FILE.csv]`.

Launches' layouts are drawn once, but each look hears more of their pairs. So looking again at the
launches' interval is more than one look and less than a new one; `looks.LAUNCH_LOOKS` says for how
many it pays. Here runs are drawn whose layouts and pairs scatter in known ways. They are looked at
as real ones are: six launches in turns, ten more as soon as the first ones scatter (and always, so
that both shares of the error are spent). Intervals are made as `comparison.stages` makes them, but
with means of pairs instead of Hodges-Lehmann estimates, which is faster and hardly another thing
for normal values. Counted are runs in which the truth lies outside at the first look, and at any
of the looks up to 710 pairs.
"""

import argparse
import math
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t

from depthprof.looks import LAUNCH_LOOKS, LAUNCHES, MORE_LAUNCHES, is_look, launch_share
from depthprof.measure.conduct import TURNS_TO_GROW
from depthprof.stats import launches_scatter, look_share, shared_confidence, student_quantile

Floats = NDArray[np.float64]

SCATTERS = ((0.0, 0.02), (0.005, 0.02), (0.01, 0.02), (0.02, 0.02), (0.02, 0.005), (0.02, 0.05))
"""Standard deviations of layouts and of pairs, as log ratios."""

KINDS = ("normal", "two values")
MOST_PAIRS = 710
LOOKS = tuple(pairs for pairs in range(1, MOST_PAIRS + 1) if is_look(pairs))
GROWS_FROM_PAIRS = TURNS_TO_GROW * LAUNCHES
ERROR = 1 - shared_confidence(0.95, 8)


@dataclass(frozen=True, slots=True)
class Drawn:
    """One run of identical code: log ratios of its pairs, and the launch of each."""

    pairs: Floats
    launch: NDArray[np.int64]
    grown_at: int

    @classmethod
    def by(cls, random: np.random.Generator, layouts: Floats, pair_sd: float) -> "Drawn":
        """Draw pairs of six launches until they scatter, and of the others after that."""
        launch = np.arange(MOST_PAIRS) % LAUNCHES
        noise = random.normal(0, pair_sd, MOST_PAIRS)
        first = layouts[launch] + noise
        grown_at = next(
            (n for n in LOOKS if n >= GROWS_FROM_PAIRS and launches_scatter(first[:n], launch[:n])),
            MOST_PAIRS,
        )
        launch[grown_at:] = LAUNCHES + np.arange(MOST_PAIRS - grown_at) % MORE_LAUNCHES
        return cls(layouts[launch] + noise, launch, grown_at)

    def misses(self, number: int, looks: int) -> bool:
        """Whether the truth, a ratio of 1, lies outside both intervals at a look.

        Args:
            number: of the look, from 1 on. looks: how many the launches' interval pays for.
        """
        count = LOOKS[number - 1]
        launches = LAUNCHES if count <= self.grown_at else LAUNCHES + MORE_LAUNCHES
        if launches > LAUNCHES and count < self.grown_at + 2 * MORE_LAUNCHES:
            return False  # every launch takes two turns before it is looked at
        heard, launch = self.pairs[:count], self.launch[:count]
        reach = _pairs_quantile(number) * heard.std(ddof=1) / math.sqrt(count)
        if abs(heard.mean()) <= reach:
            return False
        centres = np.asarray([np.median(heard[launch == one]) for one in range(launches)])
        reach = _launches_quantile(launches, looks) * centres.std(ddof=1) / math.sqrt(launches)
        return bool(abs(centres.mean()) > reach)


@lru_cache
def _pairs_quantile(number: int) -> float:
    return float(t.ppf(1 - ERROR * look_share(number) / 2, LOOKS[number - 1] - 1))


@lru_cache
def _launches_quantile(launches: int, looks: int) -> float:
    share = launch_share(launches, shared=True) * LAUNCH_LOOKS / looks
    return student_quantile(launches - 1, 1 - ERROR * share)


def missed(
    random: np.random.Generator,
    kind: str,
    layout_sd: float,
    pair_sd: float,
    runs: int,
    looks: int = LAUNCH_LOOKS,
) -> tuple[float, float]:
    """Share of runs whose interval misses the truth: at the first look, and at any.

    Args:
        random: draws the runs. kind: of the layouts, one of KINDS. layout_sd, pair_sd: their
            scatter. runs: how many. looks: how many the launches' interval pays for.
    """
    first = ever = 0
    for _ in range(runs):
        count = LAUNCHES + MORE_LAUNCHES
        shape = (
            random.normal(0, 1, count) if kind == "normal" else random.choice([-1.0, 1.0], count)
        )
        run = Drawn.by(random, layout_sd * shape, pair_sd)
        beside = [run.misses(number, looks) for number in range(1, len(LOOKS) + 1)]
        first += beside[0]
        ever += any(beside)
    return first / runs, ever / runs


def table(runs: int, seed: int = 0) -> pd.DataFrame:
    """All scatters, for intervals that pay for one look and for LAUNCH_LOOKS, the same runs."""
    lines = []
    for kind in KINDS:
        for layout_sd, pair_sd in SCATTERS:
            for looks in (1, LAUNCH_LOOKS):
                random = np.random.default_rng(seed)
                at_first, at_any = missed(random, kind, layout_sd, pair_sd, runs, looks)
                lines.append(
                    {
                        "layouts": kind,
                        "layout_sd": layout_sd,
                        "pair_sd": pair_sd,
                        "paid_for_looks": looks,
                        "missed_at_first": at_first,
                        "missed_at_any": at_any,
                        "allowed": ERROR,
                    }
                )
    return pd.DataFrame(lines)


def main(arguments: list[str] | None = None) -> int:
    """Print the table, and keep it where a file is named."""
    parser = argparse.ArgumentParser(
        prog="python -m depthprof.study.launch_looks", description=__doc__
    )
    parser.add_argument("file", nargs="?", type=Path, help="a CSV file to write")
    parser.add_argument("--runs", type=int, default=4_000, help="runs a line [4000]")
    chosen = parser.parse_args(arguments)
    found = table(chosen.runs)
    print(found.to_string(index=False, float_format="{:.4f}".format))
    if chosen.file is not None:
        found.to_csv(chosen.file, index=False, float_format="%.6g")
    return 0


if __name__ == "__main__":
    sys.exit(main())
