"""From comparisons of identical code to what a machine can tell apart. Pure functions.

Pairs scatter within a launch, and launches scatter around each other; the first shrinks with the
budget, the second does not. So the noise floor is made of the second, and the detectable slow-down
of both.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from depthprof.records import (
    STAGES,
    WARM_UP_TURN,
    Calibration,
    Digest,
    Policy,
    Run,
    Side,
    StageCalibration,
    Status,
)
from depthprof.records.traits import calibration_name
from depthprof.stats.interim import LAUNCHES, MORE_LAUNCHES, launch_share, look_number
from depthprof.stats.paired import (
    LAYOUT_RATIO,
    MAX_PAIRS,
    MEDIAN_VARIANCE,
    NOISE_SHARE,
    by_group,
    fewest_pairs,
    hodges_lehmann,
    look_share,
    median_variance,
    pair_scatter,
    shared_confidence,
    student_quantile,
)
from depthprof.storage.machine_files import find_calibration
from depthprof.verdict.comparison import compare
from depthprof.verdict.decision import POWER, decide, detectable_ratio
from depthprof.verdict.evidence import evidence
from depthprof.verdict.pairing import Pairs, pair_blocks

ALARMS = (Status.SLOWER, Status.FASTER)
FLOOR_DEVIATIONS = 3.0
"""The noise floor is so many standard deviations of the mean of the launches: 0.3 % of identical
comparisons lie outside, before the pairs' own interval and the launches' agreement are asked."""

HODGES_LEHMANN_VARIANCE = math.pi / 3
"""Variance of the Hodges-Lehmann estimate against the mean's, for normal differences (Hodges and
Lehmann 1963)."""

LONGEST_PAUSE_NS = 1_000_000_000
"""A longer pause between blocks is the loading of a launch, which no budget counts."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Scatter of one stage's log ratios over runs of identical code.

    Attributes:
        pair_sd: within a launch, from pair to pair. launch_sd: between launches, beyond that.
        clock: which judged it most often.
        median_ns: the stage's length.
    """

    pair_sd: float
    launch_sd: float
    clock: str
    median_ns: float


def calibrate(
    runs: Sequence[Run], placebos: int, policy: Policy, budget_s: float, subject: str
) -> Calibration:
    """Sum up comparisons of identical code.

    Args:
        runs: of two sides each, all of one machine and workload.
        placebos: how many of them differ harmlessly.
        policy: whose verdicts are counted; its own calibration is not used.
        budget_s: seconds of measured turns the detectable slow-down is stated for.
        subject: what was measured, in words.

    Raises:
        ValueError: no runs.
    """
    if not runs:
        raise ValueError("a calibration needs at least one run")
    known = [evidence(run) for run in runs]
    decided = [decide(compare(one.run, policy, known=one), policy) for one in known]
    pairs = max(1.0, budget_s / _seconds_a_pair(runs))
    blocks = [pair_blocks(one) for one in known]
    stages = []
    for column, name in enumerate(known[0].names):
        noise = stage_noise(blocks, [one.clocks[column] for one in known], column)
        if noise is None:
            continue
        floor = math.expm1(FLOOR_DEVIATIONS * noise.launch_sd / math.sqrt(LAUNCHES))
        detectable = expected_detectable(noise, name, floor, policy, pairs)
        if math.isinf(detectable):
            continue
        stages.append(
            StageCalibration(
                stage=name,
                clock=noise.clock,
                median_ns=round(noise.median_ns),
                pair_sd_ratio=round(noise.pair_sd, 6),
                launch_sd_ratio=round(noise.launch_sd, 6),
                noise_ratio=round(floor, 6),
                detectable_ratio=round(detectable, 6),
                false_alarms=sum(one.verdict(name).status in ALARMS for one in decided),
            )
        )
    return Calibration(
        fingerprint=calibration_name_of(runs[0]),
        subject=subject,
        created=runs[-1].created,
        comparisons=len(runs),
        placebos=placebos,
        budget_s=budget_s,
        power=POWER,
        stages=tuple(stages),
    )


def calibration_name_of(run: Run) -> str:
    """What a calibration is called that holds for a run."""
    return calibration_name(run.sides, run.environment, run.pictures, shared=run.shared)


def kept_calibration(run: Digest, side: Side) -> Calibration | None:
    """What this machine was found able to tell apart of a side that was measured by itself."""
    return find_calibration(calibration_name((side,), run.environment, run.pictures, shared=True))


def stage_noise(blocks: Sequence[Pairs], clocks: Sequence[str], column: int) -> Noise | None:
    """Scatter of one stage (a column of the samples, the total last) within and between launches.

    The pairs' scatter is told by pairs of like order, two apart, or by neighbours where no launch
    has three (`stats.pair_scatter`). The launches' is what is left of their medians' variance once
    the pairs' share is taken away (method of moments, one way random effects: Searle, Casella and
    McCulloch, Variance Components, 1992, section 3.5).

    Returns:
        The scatter, or None where fewer than two launches have sound pairs, none has two, or the
        stage takes no time.
    """
    groups: list[np.ndarray] = []
    lengths = []
    for pairs in blocks:
        spans = pairs.judged_ns[:, :, column]
        sound = (spans > 0).all(axis=0)
        logs = np.log(spans[1, sound] / spans[0, sound])
        lengths.append(float(np.nanmedian(spans)) if sound.any() else math.nan)
        groups += by_group(logs, pairs.launch[sound])
    median_ns = float(np.nanmedian(lengths)) if not np.isnan(lengths).all() else 0.0
    clock = max(set(clocks), key=clocks.count)
    pair_sd = pair_scatter(groups, apart=2) or pair_scatter(groups)
    if len(groups) < 2 or pair_sd is None or median_ns <= 0:
        return None
    centres = [float(np.median(group)) for group in groups]
    expected = pair_sd**2 * float(np.mean([median_variance(len(group)) for group in groups]))
    beyond = float(np.mean(np.square(centres))) - expected  # the truth is known: a ratio of 1
    return Noise(pair_sd, math.sqrt(max(0.0, beyond)), clock, median_ns)


def expected_detectable(
    noise: Noise, stage: str, floor_ratio: float, policy: Policy, pairs: float
) -> float:
    """The minimum detectable change that a run is expected to have.

    The interval's half-width is the pairs' or the launches' whichever is larger (of more launches
    where the first ones scatter); estimate and half-width scatter (a standard deviation of f
    degrees of freedom scatters by 1 / sqrt(2 f): Johnson and Welch, Biometrika 31 (1940) 362-389).

    Args:
        noise: of the stage. floor_ratio: its noise floor. policy: threshold, floor, confidence.
        pairs: how many the budget gives.

    Returns:
        The slow-down; infinite where so few pairs could decide nothing.
    """
    shared = shared_confidence(policy.confidence, len(STAGES) + 1)
    confidence = 1 - (1 - shared) * look_share(look_number(round(pairs)))
    batch = math.ceil(pairs / MAX_PAIRS)
    units = round(pairs / batch)
    if units < fewest_pairs(confidence):
        return math.inf
    unit_sd = noise.pair_sd * math.sqrt(median_variance(batch))
    by_pairs = unit_sd * _half_width(units, confidence)
    spread = unit_sd * math.sqrt(HODGES_LEHMANN_VARIANCE / units)

    least = policy.needed(stage, noise.median_ns, floor_ratio)

    def centre_sd(launches: int) -> float:
        """Standard deviation of a launch's centre, by its layout and by its pairs."""
        by_pairs = median_variance(max(1, round(pairs / launches))) * noise.pair_sd**2
        return math.sqrt(noise.launch_sd**2 + by_pairs)

    def needed(launches: int) -> float:
        """The slow-down with so many launches."""
        sd = centre_sd(launches)
        sure = 1 - (1 - shared) * launch_share(launches, shared=True)
        by_launches = student_quantile(launches - 1, sure) * sd / math.sqrt(launches)
        unsure = by_launches / math.sqrt(2 * (launches - 1)) if by_launches > by_pairs else 0.0
        by_launches = min(by_launches, by_pairs + math.log(LAYOUT_RATIO))
        error = math.hypot(spread, noise.launch_sd / math.sqrt(launches))
        return detectable_ratio(least, max(by_pairs, by_launches), error, unsure)

    found = needed(LAUNCHES)
    taken = MEDIAN_VARIANCE * noise.pair_sd**2 * LAUNCHES / pairs  # as by `launches_scatter`
    if taken <= NOISE_SHARE * centre_sd(LAUNCHES) ** 2:  # more launches are started
        found = min(found, needed(LAUNCHES + MORE_LAUNCHES))
    return found


def _half_width(units: int, confidence: float) -> float:
    """Half-width of the interval for as many values that lie as normal ones are expected to.

    Their standard deviation is 1; the places are Blom's (Statistical Estimates and Transformed
    Beta-Variables, 1958).
    """
    places = [(number - 0.375) / (units + 0.25) for number in range(1, units + 1)]
    known = hodges_lehmann([NormalDist().inv_cdf(place) for place in places], confidence)
    if known is None:
        raise ValueError(f"{units} values give no interval at {confidence}")
    return (known.high - known.low) / 2


def _seconds_a_pair(runs: Sequence[Run]) -> float:
    """Seconds that a pair takes, with what lies between blocks, over all runs."""
    spent_s, pairs = 0.0, 0
    for run in runs:
        judged = run.samples.turn != WARM_UP_TURN
        spans_ns = run.samples.host_ns[judged].clip(min=0).sum(axis=1)
        begun_ns = run.samples.start_ns[judged]
        order = np.argsort(begun_ns)
        between_ns = begun_ns[order][1:] - (begun_ns + spans_ns)[order][:-1]
        between_ns = between_ns[(between_ns > 0) & (between_ns < LONGEST_PAUSE_NS)]
        spent_s += float(spans_ns.sum() + between_ns.sum()) / 1e9
        turns = np.stack([run.samples.launch[judged], run.samples.turn[judged]])
        pairs += np.unique(turns, axis=1).shape[1]
    return spent_s / max(1, pairs) or math.inf
