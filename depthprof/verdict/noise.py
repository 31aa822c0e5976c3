"""From comparisons of identical code to what a machine can tell apart. Pure functions.

Pairs and memory layouts scatter within a process, and processes scatter around each other; the
first shrinks with the budget, the second does not. So the noise floor is made of the second, and
the detectable slow-down of both.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from depthprof.records import (
    Calibration,
    Digest,
    Policy,
    Run,
    Side,
    StageCalibration,
    Status,
)
from depthprof.records.traits import calibration_name
from depthprof.stats.interim import (
    ANALYSED_PROCESSES,
    FEWEST_AT_THE_END,
    FEWEST_FOR_SMALL,
    LARGE_RATIO,
    LAST,
    change_error,
)
from depthprof.stats.layouts import centre, student_quantile
from depthprof.stats.paired import by_group
from depthprof.storage.machine_files import find_calibration
from depthprof.verdict.comparison import compare
from depthprof.verdict.decision import POWER, decide, detectable_ratio
from depthprof.verdict.evidence import evidence
from depthprof.verdict.pairing import Pairs, pair_blocks

LAYOUTS = 100
"""Layouts of a run whose iterations are short; Student's quantile hardly changes beyond."""

ALARMS = (Status.SLOWER, Status.FASTER)
FLOOR_DEVIATIONS = 3.0
"""The noise floor is so many standard deviations of the mean of the processes: 0.3 % of identical
comparisons lie outside, before the interval is asked."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Scatter of one stage's log ratios over runs of identical code.

    Attributes:
        pair_sd: within a process, as if all of it were from pair to pair; what memory layouts do is
            part of it. launch_sd: between processes, beyond that.
        clock: which judged it most often.
        median_ns: the stage's length.
    """

    pair_sd: float
    launch_sd: float
    clock: str
    median_ns: float


@dataclass(frozen=True, slots=True)
class Size:
    """How many pairs and processes a run has, on average."""

    pairs: float
    processes: float


def calibrate(
    runs: Sequence[Run], placebos: int, policy: Policy, budget_s: float, subject: str
) -> Calibration:
    """Sum up comparisons of identical code.

    Args:
        runs: of two sides each, all of one machine and workload.
        placebos: how many of them differ harmlessly.
        policy: whose verdicts are counted; its own calibration is not used.
        budget_s: of a run, for which the detectable slow-down is stated.
        subject: what was measured, in words.

    Raises:
        ValueError: no runs.
    """
    if not runs:
        raise ValueError("a calibration needs at least one run")
    known = [evidence(run) for run in runs]
    decided = [decide(compare(one.run, policy, known=one), policy) for one in known]
    blocks = [pair_blocks(one) for one in known]
    pairs = float(np.mean([len(one.launch) for one in blocks]))
    spent_s = float(np.mean([run.elapsed_s for run in runs]))
    size = Size(
        pairs * budget_s / spent_s if spent_s else pairs,
        float(np.mean([len(run.launches) for run in runs])),
    )
    stages = []
    for column, name in enumerate(known[0].names):
        noise = stage_noise(blocks, [one.clocks[column] for one in known], column)
        alarms = sum(one.verdict(name).status in ALARMS for one in decided)
        if noise is not None:
            stages.append(_stage(noise, name, policy, size, alarms))
    return Calibration(
        fingerprint=calibration_name_of(runs[0]),
        subject=subject,
        created=runs[-1].created,
        comparisons=len(runs),
        placebos=placebos,
        budget_s=budget_s,
        power=POWER,
        stages=tuple(one for one in stages if math.isfinite(one.detectable_ratio)),
    )


def _stage(
    noise: Noise, name: str, policy: Policy, size: Size, false_alarms: int
) -> StageCalibration:
    floor = math.expm1(FLOOR_DEVIATIONS * noise.launch_sd / math.sqrt(size.processes))
    return StageCalibration(
        stage=name,
        clock=noise.clock,
        median_ns=round(noise.median_ns),
        pair_sd_ratio=round(noise.pair_sd, 6),
        launch_sd_ratio=round(noise.launch_sd, 6),
        noise_ratio=round(floor, 6),
        detectable_ratio=round(expected_detectable(noise, name, floor, policy, size), 6),
        false_alarms=false_alarms,
    )


def calibration_name_of(run: Run) -> str:
    """What a calibration is called that holds for a run."""
    return calibration_name(run.sides, run.environment, run.pictures, shared=run.shared)


def kept_calibration(run: Digest, side: Side) -> Calibration | None:
    """What this machine was found able to tell apart of a side that was measured by itself."""
    return find_calibration(calibration_name((side,), run.environment, run.pictures, shared=True))


def stage_noise(blocks: Sequence[Pairs], clocks: Sequence[str], column: int) -> Noise | None:
    """Scatter of one stage (a column of the samples, the total last) within and between processes.

    Within a process it is that of its segments' centres. What the processes' means scatter beyond
    that is theirs (method of moments, one way random effects: Searle, Casella and McCulloch,
    Variance Components, 1992, section 3.6).

    Returns:
        The scatter, or None where fewer than two processes have sound pairs, none has two segments,
        or the stage takes no time.
    """
    means, squares, freedom, parts, lengths = [], 0.0, 0, [], []
    segments = pairs_measured = 0
    for pairs in blocks:
        spans = pairs.judged_ns[:, :, column]
        sound = (spans > 0).all(axis=0)
        logs = np.log(spans[1, sound] / spans[0, sound])
        lengths.append(float(np.nanmedian(spans)) if sound.any() else math.nan)
        pairs_measured += len(logs)
        for process in np.unique(pairs.launch[sound]):
            mine = pairs.launch[sound] == process
            groups = by_group(logs[mine], pairs.segment[sound][mine])
            centres = np.asarray([centre(group) for group in groups])
            means.append(float(centres.mean()))
            squares += float(((centres - centres.mean()) ** 2).sum())
            freedom += len(centres) - 1
            segments += len(centres)
            parts.append(1 / len(centres))
    median_ns = float(np.nanmedian(lengths)) if not np.isnan(lengths).all() else 0.0
    if len(means) < 2 or not freedom or median_ns <= 0:
        return None
    within = squares / freedom
    beyond = float(np.mean(np.square(means))) - within * float(np.mean(parts))  # the truth is 1
    clock = max(set(clocks), key=clocks.count)
    pair_sd = math.sqrt(within * pairs_measured / segments)
    return Noise(pair_sd, math.sqrt(max(0.0, beyond)), clock, median_ns)


def expected_detectable(
    noise: Noise, stage: str, floor_ratio: float, policy: Policy, size: Size
) -> float:
    """The minimum detectable change that a run is expected to have at its planned end.

    Every pair is taken to be a layout of its own, or where that would be more than LAYOUTS, as many
    layouts; the guard that judges by processes (stats.layouts) is left out.

    Args:
        noise: of the stage. floor_ratio: its noise floor. policy: threshold, floor, confidence.
        size: of the run that the budget gives.

    Returns:
        The slow-down; infinite where so few pairs could decide nothing.
    """
    units = min(LAYOUTS, math.floor(size.pairs))
    if units < FEWEST_AT_THE_END:
        return math.inf
    error = math.sqrt(noise.pair_sd**2 / size.pairs + noise.launch_sd**2 / size.processes)
    half = student_quantile(units - 1, 1 - change_error(policy.confidence, LAST)) * error
    clear, reach = policy.needed(stage, noise.median_ns, floor_ratio)
    if units < FEWEST_FOR_SMALL or size.processes < ANALYSED_PROCESSES:
        clear = max(clear, LARGE_RATIO - 1)
    return detectable_ratio((clear, reach), half, error)
