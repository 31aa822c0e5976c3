"""The peers' rules: what each says of data whose truth is plain; its library, where it has one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.study.cells import Cell
from scripts.study.injection import Injection
from scripts.study.peers import RULES, Data, Outcome, judge_by
from scripts.study.rejudge import rejudge
from scripts.study.store import Store
from scripts.study.taking import take


def data(baseline: Any, candidate: Any) -> Data:
    first, then = (np.asarray(values, dtype=np.float64) for values in (baseline, candidate))
    return Data(first, then, first, then)


def noisy(ratio: float = 1.0, noise: float = 0.01, count: int = 60, seed: int = 0) -> Data:
    random = np.random.default_rng(seed)
    first = 1e6 * random.lognormal(0, noise, count)
    return data(first, ratio * 1e6 * random.lognormal(0, noise, count))


@pytest.mark.parametrize("rule", RULES)
def test_a_doubling_is_an_alarm_and_the_same_data_are_none(rule: str) -> None:
    assert judge_by(rule, noisy(2.0)) is Outcome.SLOWER
    known = noisy()
    assert judge_by(rule, data(known.baseline, known.baseline)) is Outcome.NOT_SLOWER
    assert judge_by(rule, noisy(0.5)) is Outcome.NOT_SLOWER


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "odd", [[], [1.0], [0.0, 0.0, 0.0], [1.0, float("nan"), 1.0], [1.0, float("inf")]]
)
def test_odd_data_are_no_data(rule: str, odd: list[float]) -> None:
    assert judge_by(rule, data(odd, [1.0, 1.1, 1.2])) is Outcome.NO_DATA
    assert judge_by(rule, data([1.0, 1.1, 1.2], odd)) is Outcome.NO_DATA


def alarms(known: Data) -> set[str]:
    return {rule for rule in RULES if judge_by(rule, known) is Outcome.SLOWER}


def test_each_rule_has_the_limit_it_says() -> None:
    small, medium, large = (noisy(ratio, noise=1e-4) for ratio in (1.03, 1.06, 1.09))
    significance = {"pyperf t test", "Google Benchmark U test", "nvbench robust"}
    assert alarms(small) == significance | {"nvbench noise (old)"}
    more = {"pytest-benchmark mean:5%", "pytest-benchmark median:5%"}
    assert alarms(medium) == alarms(small) | more
    assert alarms(large) == alarms(medium) | {"TorchBench 7 %"}
    assert alarms(noisy(1.12, noise=1e-4)) == set(RULES)


def test_one_outlier_moves_a_mean_and_no_median() -> None:
    known = noisy(noise=1e-3)
    candidate = known.candidate.copy()
    candidate[0] *= 20
    found = alarms(data(known.baseline, candidate))
    assert "pytest-benchmark mean:5%" in found
    assert "pytest-benchmark median:5%" not in found


def test_constant_data_are_judged_without_a_division_by_nothing() -> None:
    assert "pyperf t test" in alarms(data([1.0] * 20, [2.0] * 20))
    assert alarms(data([1.0] * 20, [1.0] * 20)) == set()


@settings(max_examples=50)
@given(st.floats(0.8, 1.25), st.floats(0.001, 0.1), st.integers(0, 1000), st.floats(0.01, 100))
def test_no_rule_calls_both_slower_or_minds_the_unit(
    ratio: float, noise: float, seed: int, unit: float
) -> None:
    known = noisy(ratio, noise, 30, seed)
    swapped = data(known.candidate, known.baseline)
    assert not alarms(known) & alarms(swapped)
    assert alarms(data(known.baseline * unit, known.candidate * unit)) == alarms(known)


def test_the_t_test_is_scipys() -> None:
    # pyperf's critical value comes from a table that ends at 1.96: right for many values.
    for seed in range(20):
        known = noisy(1.004, 0.01, 100, seed)
        p = scipy.stats.ttest_ind(known.baseline, known.candidate).pvalue
        slower = known.candidate.mean() > known.baseline.mean()
        if not 0.045 < p < 0.055:
            expected = Outcome.SLOWER if p < 0.05 and slower else Outcome.NOT_SLOWER
            assert judge_by("pyperf t test", known) is expected


def test_kept_samples_are_judged_by_every_rule(tmp_path: Path) -> None:
    store = Store(tmp_path / "study", tmp_path / "samples")
    slowed = Injection("preprocess", "busy", 1.0)
    for cell in (
        Cell("virtual", "quiet", "aa", None, 0),
        Cell("virtual", "quiet", "injected", slowed, 0),
    ):
        judged, row = take(cell, 1.0)
        store.add(row, judged.run)
    table = rejudge(store.rows(), tmp_path / "samples").set_index(["rule", "arm"])
    for rule in RULES:
        assert table.loc[rule, "aa"].trials + table.loc[rule, "aa"].no_data == 8
        assert table.loc[rule, "injected"].trials == 1
        assert table.loc[rule, "injected"].alarms == 1
