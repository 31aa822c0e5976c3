"""Measure the figures that depthprof must reach, on this machine: `python -m scripts.figures`.

Ratios and differences are taken in turns within one run, because machines have neighbours.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter, perf_counter_ns, process_time

from depthprof.records import Policy, encode
from depthprof.runner.clock import HostClock
from depthprof.runner.iteration import MARKS, Iteration
from depthprof.verdict.decision import judge
from tests.runs import simulated

Figure = tuple[str, str, bool]


class Pass:
    """A pipeline whose stages hand their input on: what is left is the harness."""

    def preprocess(self, value: object) -> object:
        return value

    h2d = forward = postprocess = d2h = deliver = preprocess


def harness_overhead_ns(turns: int = 2_000, iterations: int = 20, watched: bool = False) -> float:
    """Median cost of a marked (and watched) iteration above the bare calls, in turns."""
    iteration = Iteration(Pass(), HostClock())
    calls, row = iteration._calls, [0] * MARKS
    run: Callable[[str, list[int]], None] = iteration._run
    if watched:
        seen = [(0, 0, 0)] * MARKS
        run = partial(_watched, iteration, seen)
    preprocess, h2d, forward, postprocess, wait, d2h, deliver = calls
    added = []
    for _ in range(turns):
        start = perf_counter_ns()
        for _ in range(iterations):
            deliver(d2h(wait(postprocess(forward(h2d(preprocess("picture")))))))
        middle = perf_counter_ns()
        for _ in range(iterations):
            run("picture", row)
        added.append((perf_counter_ns() - middle - (middle - start)) / iterations)
    return median(added)


def _watched(
    iteration: Iteration, seen: list[tuple[int, int, int]], picture: str, row: list[int]
) -> None:
    iteration._run_watched(picture, row, 0, seen)


def judge_s() -> float:
    """CPU time to judge a run of 8 stages x 10,000 samples."""
    run = simulated(turns=417, launches=3, iterations=4)
    start = process_time()
    judge(run, Policy())
    return process_time() - start


def spans_tile() -> bool:
    """Host spans of real iterations add up to their wall time exactly."""
    block = Iteration(Pass(), HostClock()).block([["picture"]], 1_000)
    return all(
        sum(then - first for first, then in pairwise(row)) == row[-1] - row[0]
        for row in block.marks_ns
    )


def seconds(*arguments: str) -> float:
    """Wall time of a Python process."""
    start = perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    return perf_counter() - start


def help_ratio(turns: int = 15) -> float:
    """Time of `python -m depthprof --help` over that of `python -c pass`, median of turns."""
    return median(
        seconds("-m", "depthprof", "--help") / seconds("-c", "pass") for _ in range(turns)
    )


def render_s() -> float:
    """Read a run of 10,000 iterations and write its reports, in a fresh process."""
    run = simulated(turns=625, launches=4, iterations=2)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "run.json").write_text(encode(run, Policy()))
        return min(seconds("-m", "depthprof", "report", folder) for _ in range(3))


def default_compare(folder: str) -> tuple[float, dict[str, object]]:
    """Run the default comparison; its wall time and its JSON."""
    arguments = ["compare", "v1", "v2", "--model", "small", "--out", folder, "--json", "-"]
    start = perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "depthprof", *arguments], stdout=subprocess.PIPE, check=False
    )
    return perf_counter() - start, json.loads(done.stdout)


def compare_figures() -> list[Figure]:
    """Check the default comparison: its time, its culprit, and that forward is the same."""
    with tempfile.TemporaryDirectory() as folder:
        elapsed_s, summary = default_compare(folder)
    verdicts = {verdict["stage"]: verdict["status"] for verdict in summary["verdicts"]}  # type: ignore[attr-defined]
    return [
        ("default compare, seconds (<= 150)", f"{elapsed_s:.0f}", elapsed_s <= 150),
        ("its culprit (return)", str(summary["culprit"]), summary["culprit"] == "return"),
        ("its verdict on forward (SAME)", verdicts["forward"], verdicts["forward"] == "SAME"),
    ]


def main() -> int:
    """Print every figure with its goal; exit with 1 if one is missed."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--quick", action="store_true", help="leave out the default comparison")
    quick = parser.parse_args().quick
    overhead_ns, ratio, render = harness_overhead_ns(), help_ratio(), render_s()
    tiles, judging_s = spans_tile(), judge_s()
    watched_ns = harness_overhead_ns(watched=True) - overhead_ns
    figures: list[Figure] = [
        ("host spans add up to the iteration exactly", str(tiles), tiles),
        ("harness per iteration, ns (<= 3000)", f"{overhead_ns:.0f}", overhead_ns <= 3_000),
        ("watching besides, ns (<= 10000)", f"{watched_ns:.0f}", watched_ns <= 10_000),
        ("judging 8 x 10,000 samples, s (<= 1)", f"{judging_s:.2f}", judging_s <= 1),
        ("--help over `python -c pass` (<= 4)", f"{ratio:.2f}", ratio <= 4),
        ("10,000 iterations read and rendered, s (< 3)", f"{render:.2f}", render < 3),
    ]
    more: Callable[[], list[Figure]] = list if quick else compare_figures
    figures += more()
    for name, value, reached in figures:
        print(f"{'ok  ' if reached else 'MISS'} {name:48} {value}")
    return 0 if all(reached for _, _, reached in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
