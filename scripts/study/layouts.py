"""What a fresh memory layout inside a process renews: the experiment and its analysis of variance.

    python -m scripts.study.layouts OUT.jsonl [--variant v2] [--input-size 98] [--processes 12]
    python -m scripts.study.layouts --table OUT.jsonl

Both sides are the same code. Each process loads them once; before each group of pairs, weights,
buffers and pictures of both sides are copied to fresh memory behind random padding, in random
order of the sides. The log ratios of the pairs are split into three nested components (pair within
layout within process) by the method of moments (Searle, Casella and McCulloch, Variance Components,
1992, section 3.3, balanced two-way nested design).
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

import numpy as np

ITERATIONS = 3


def run_process(asked: argparse.Namespace, number: int) -> Iterator[dict[str, Any]]:
    """Measure one process: layouts of pairs, A B B A, each block the median of its iterations."""
    import cv2
    import torch

    from depthprof.runner.clock import HostClock
    from depthprof.runner.iteration import Iteration
    from depthprof.runner.relocation import Owner, Relocation

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    random = Random(f"{asked.seed}-{number}")
    make = _maker(asked)
    sides = [make(), make()]
    iterations = [Iteration(side, HostClock()) for side in sides]
    drawn = np.random.default_rng(1).integers(0, 255, (600, 512, 3), dtype=np.uint8)
    pictures = [[drawn.copy()], [drawn.copy()]]
    owners: dict[str, Owner] = {
        name: (side, [picture]) for name, side, picture in zip("ab", sides, pictures, strict=True)
    }

    def block(side: int, count: int) -> np.ndarray:
        marks = np.asarray(iterations[side].block([pictures[side]], count).marks_ns)
        spans = np.diff(marks, axis=1).astype(float)
        whole = spans.sum(axis=1, keepdims=True)
        return np.asarray(np.median(np.hstack([spans, whole]), axis=0))

    relocation = Relocation()
    with torch.no_grad():
        for side in (0, 1, 0, 1):
            block(side, 1)
        for place in range(asked.layouts):
            started = perf_counter()
            if not asked.placebo:
                relocation.renew(owners, f"{asked.seed}-{number}-{place}")
            renewed_s = perf_counter() - started
            first_ns = [float(block(side, 1)[-1]) for side in (0, 1)]
            order = random.choice([(0, 1), (1, 0)])
            for pair in range(asked.pairs):
                turn = order if pair % 2 == 0 else order[::-1]
                known = {side: block(side, asked.iterations) for side in turn}
                yield {
                    "process": number,
                    "layout": place,
                    "pair": pair,
                    "baseline_ns": known[0].tolist(),
                    "candidate_ns": known[1].tolist(),
                    "renewed_s": renewed_s,
                    "first_ns": first_ns,
                }


def _maker(asked: argparse.Namespace) -> Callable[[], Any]:
    if asked.variant == "light":
        from scripts.study.light import Light

        return Light
    from depthprof.pipelines.registry import load_pipeline
    from depthprof.records import Workload

    work = Workload(device="cpu", threads=1, input_size=asked.input_size)
    return lambda: load_pipeline(asked.variant, work)


def components(ratios: np.ndarray) -> dict[str, float]:
    """Split log ratios [processes, layouts, pairs] into nested components of variance.

    Returns:
        `pair_sd`, `layout_sd`, `process_sd`, `f_layout` (layouts over pairs), `f_process`
        (processes over layouts) with their 5 % points, and `share`: the part of the layouts' and
        processes' variance together that stays with the process.
    """
    from scipy.stats import f

    processes, layouts, pairs = ratios.shape
    by_layout, by_process = ratios.mean(axis=2), ratios.mean(axis=(1, 2))
    within = ((ratios - by_layout[:, :, None]) ** 2).sum() / (processes * layouts * (pairs - 1))
    between = pairs * ((by_layout - by_process[:, None]) ** 2).sum() / (processes * (layouts - 1))
    above = layouts * pairs * by_process.var(ddof=1)
    layout = max(0.0, (between - within) / pairs)
    process = max(0.0, (above - between) / (layouts * pairs))
    return {
        "pair_sd": float(np.sqrt(within)),
        "layout_sd": float(np.sqrt(layout)),
        "process_sd": float(np.sqrt(process)),
        "f_layout": float(between / within),
        "f_layout_5": float(
            f.ppf(0.95, processes * (layouts - 1), processes * layouts * (pairs - 1))
        ),
        "f_process": float(above / between),
        "f_process_5": float(f.ppf(0.95, processes - 1, processes * (layouts - 1))),
        "share": float(process / (process + layout)) if process + layout else 0.0,
        "mean": float(ratios.mean()),
    }


def table(path: Path) -> str:
    """Write the components of a recorded experiment as a Markdown table."""
    from depthprof.records import STAGES

    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    shape = [1 + max(row[name] for row in rows) for name in ("process", "layout", "pair")]
    known = np.full((*shape, len(STAGES) + 1), np.nan)
    for row in rows:
        logs = np.log(np.asarray(row["candidate_ns"]) / np.maximum(row["baseline_ns"], 1.0))
        known[row["process"], row["layout"], row["pair"]] = logs
    lines = [
        f"{shape[0]} processes x {shape[1]} layouts x {shape[2]} pairs; a new layout took"
        f" {np.median([row['renewed_s'] for row in rows]):.3f} s",
        "",
        "| stage | pair sd | layout sd | process sd | F layout (5 %) | F process (5 %) | mean |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for column, stage in enumerate((*STAGES, "total")):
        found = components(known[..., column])
        lines.append(
            f"| {stage} | {found['pair_sd']:.1%} | {found['layout_sd']:.2%} |"
            f" {found['process_sd']:.2%} | {found['f_layout']:.2f} ({found['f_layout_5']:.2f}) |"
            f" {found['f_process']:.2f} ({found['f_process_5']:.2f}) | {found['mean']:+.2%} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Take the experiment, process after process, or show the table of one that was taken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--variant", default="v2", help="v1, v2 or light [v2]")
    parser.add_argument("--input-size", type=int, default=98)
    parser.add_argument("--processes", type=int, default=12)
    parser.add_argument("--layouts", type=int, default=8)
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--iterations", type=int, default=ITERATIONS, help="of a block")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--placebo", action="store_true", help="move nothing, as a control")
    parser.add_argument("--table", action="store_true", help="show what was recorded")
    parser.add_argument("--process", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.table:
        print(table(asked.file))
    elif asked.process is not None:
        for row in run_process(asked, asked.process):
            print(json.dumps(row), flush=True)
    else:
        with asked.file.open("w", encoding="utf-8") as out:
            for number in range(asked.processes):
                command = [sys.executable, "-m", "scripts.study.layouts", *sys.argv[1:]]
                subprocess.run([*command, "--process", str(number)], stdout=out, check=True)


if __name__ == "__main__":
    main()
