"""How other tools would judge the same data. Rules and constants are theirs, with their source.

All are asked the same: is the candidate slower? They are given every iteration that was measured,
taken in turns as depthprof takes them, which is kinder to them than their own protocol: the
versions run side by side in time, and warm-up is over.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

Floats = NDArray[np.float64]


class Outcome(StrEnum):
    """What a rule says of the candidate."""

    SLOWER = "SLOWER"
    NOT_SLOWER = "NOT_SLOWER"
    NO_DATA = "NO_DATA"


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """One stage's samples in nanoseconds.

    Attributes:
        baseline, candidate: every iteration, in the order taken.
        baseline_blocks, candidate_blocks: medians of the blocks, for tools that repeat a whole
            measurement and compare the repetitions.
    """

    baseline: Floats
    candidate: Floats
    baseline_blocks: Floats
    candidate_blocks: Floats


def pytest_benchmark_mean(data: Data) -> bool:
    """`--benchmark-compare-fail=mean:5%` (pytest_benchmark.utils.PercentageRegressionCheck)."""
    return _percentage_check("mean", float(np.mean(data.baseline)), float(np.mean(data.candidate)))


def pytest_benchmark_median(data: Data) -> bool:
    """`--benchmark-compare-fail=median:5%`, by the same class."""
    medians = float(np.median(data.baseline)), float(np.median(data.candidate))
    return _percentage_check("median", *medians)


def torchbench(data: Data) -> bool:
    """A latency 7 % above the control's.

    Source: pytorch/benchmark, userbenchmark/torch-nightly/regression_detector.py,
    DEFAULT_REGRESSION_DELTA_THRESHOLD = 0.07 on the relative difference of the metrics; the metric
    of a model is the median latency.
    """
    control, treatment = np.median(data.baseline), np.median(data.candidate)
    return bool((treatment - control) / control > 0.07)


def pyperf_t_test(data: Data) -> bool:
    """Student's two-sided t test at 95 %, and the larger mean.

    Source: pyperf 2, pyperf._utils.is_significant, which `pyperf compare_to` asks. A value is a
    block's, since pyperf's values are means of many loops and not single calls.
    """
    from pyperf._utils import is_significant

    first, then = data.baseline_blocks.tolist(), data.candidate_blocks.tolist()
    if np.std(first) == 0 and np.std(then) == 0:  # the t score would divide by nothing
        return bool(np.mean(then) > np.mean(first))
    significant, _ = is_significant(first, then)
    return bool(significant and np.mean(then) > np.mean(first))


def google_benchmark_u_test(data: Data) -> bool:
    """Mann-Whitney's U test, two-sided, p below 0.05, and the larger median.

    Source: google/benchmark, tools/gbench/report.py, UTEST_MIN_REPETITIONS = 2 and
    UTEST_OPTIMAL_REPETITIONS = 9, alpha 0.05 by default (tools/compare.py, --alpha). A repetition
    is a block. The tool prints p; taking p < alpha with the larger median for a regression is what
    its reader does.
    """
    first, then = data.baseline_blocks, data.candidate_blocks
    p = mannwhitneyu(first, then, alternative="two-sided").pvalue
    return bool(p < 0.05 and np.median(then) > np.median(first))


def asv(data: Data) -> bool:
    """A median above the other's by the factor 1.1, if the samples differ with p below 0.002.

    Source: asv, commands/compare.py (_is_result_better, factor 1.1 by default) and statistics.py
    (is_different: Mann-Whitney's U test where the samples are kept, p_threshold 0.002).
    """
    p = mannwhitneyu(data.baseline_blocks, data.candidate_blocks, alternative="two-sided").pvalue
    slower = np.median(data.candidate_blocks) > 1.1 * np.median(data.baseline_blocks)
    return bool(p < 0.002 and slower)


def nvbench_robust(data: Data) -> bool:
    """Quartiles that do not overlap, with a gap of 0.5 % or more between them.

    Source: NVIDIA/nvbench, python/scripts/nvbench_compare_robust.py (2026), preset "default":
    clear_gap_relative 0.005 on the intervals from first to third quartile. Its further tests only
    tell SAME from undecided, so they are left out.
    """
    upper = np.quantile(data.baseline, 0.75)
    return bool((np.quantile(data.candidate, 0.25) - upper) / upper >= 0.005)


def nvbench_noise(data: Data) -> bool:
    """A mean above the other's by more than the smaller relative standard deviation.

    Source: NVIDIA/nvbench, scripts/nvbench_compare.py (to 2025; now nvbench_compare_legacy.py).
    """
    first, then = float(np.mean(data.baseline)), float(np.mean(data.candidate))
    noise = min(np.std(data.baseline) / first, np.std(data.candidate) / then)
    return bool(noise > 0 and (then - first) / first > noise)


RULES: dict[str, Callable[[Data], bool]] = {
    "pytest-benchmark mean:5%": pytest_benchmark_mean,
    "pytest-benchmark median:5%": pytest_benchmark_median,
    "TorchBench 7 %": torchbench,
    "pyperf t test": pyperf_t_test,
    "Google Benchmark U test": google_benchmark_u_test,
    "asv factor 1.1": asv,
    "nvbench robust": nvbench_robust,
    "nvbench noise (old)": nvbench_noise,
}

FEWEST = 2
"""Values a side below which no rule is asked."""


def judge_by(rule: str, data: Data) -> Outcome:
    """Ask one rule; NO_DATA where values are missing, not finite or not above zero."""
    parts = (data.baseline, data.candidate, data.baseline_blocks, data.candidate_blocks)
    if any(len(part) < FEWEST or not np.isfinite(part).all() or part.min() <= 0 for part in parts):
        return Outcome.NO_DATA
    return Outcome.SLOWER if RULES[rule](data) else Outcome.NOT_SLOWER


def _percentage_check(field: str, baseline: float, candidate: float) -> bool:
    from pytest_benchmark.utils import PercentageRegressionCheck

    check = PercentageRegressionCheck(field, 5)
    verdict = check.fails({field: candidate}, {field: baseline})
    return verdict is not None and math.isfinite(baseline)
