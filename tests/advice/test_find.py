"""From rules to a list: order, twins of both sides, what is foremost."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from depthprof.advice import facts_of, finding, foremost
from depthprof.records import STAGES, Finding, Interruptions, Policy
from depthprof.verdict.decision import judge
from tests.advice.cases import CASES, FLOAT64, IMAGE, PAGEABLE, WRITTEN_OUT
from tests.advice.made import Made, judged, of_code
from tests.runs import simulated

SLOW = Made(
    host_us={"preprocess": 8_000, "return": 9_000},
    device_us={"d2h": 1_700},
    traits=[PAGEABLE, FLOAT64, WRITTEN_OUT],
    workload=IMAGE,
)

whenever = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""The machine has neighbours: how long an example takes says nothing."""

gains = st.none() | st.floats(1, 1e9)
findings = st.lists(
    st.builds(
        Finding,
        st.sampled_from(list(CASES)),
        st.sampled_from(["a", "b", None]),
        st.none() | st.sampled_from(STAGES),
        st.just("text"),
        st.just(()),
        gains,
        st.just("remedy"),
    ),
    max_size=12,
)


def test_known_gains_come_first_and_the_largest_of_them() -> None:
    found = judged(SLOW).measured.findings
    known = [one.gain_ns for one in found if one.gain_ns is not None]
    assert len(known) > 3
    assert known == sorted(known, reverse=True)
    assert [one.gain_ns for one in found][len(known) :] == [None] * (len(found) - len(known))
    places = {rule.code: place for place, rule in enumerate(finding.rules())}
    unknown = [places[one.code] for one in found if one.gain_ns is None]
    assert unknown == sorted(unknown)


def test_what_both_sides_share_is_one_finding_with_both_figures() -> None:
    slower = replace(SLOW, device_us={"d2h": 2_500})
    (both,) = of_code(judged(SLOW, slower), "pageable_copy")
    (alone,) = of_code(judged(slower), "pageable_copy")
    assert both.side is None
    assert both.gain_ns == alone.gain_ns  # of the side that has more to gain
    assert both.text == f"{alone.text} in the candidate"
    names = [one.name for one in both.evidence]
    assert "v1: rate, measured" in names
    assert "v2: rate, measured" in names
    assert len(names) == 2 * len(alone.evidence)


def test_what_one_side_has_keeps_its_side() -> None:
    (only,) = of_code(judged(Made(), SLOW), "float64_host")
    assert only.side == "b"


def test_figures_by_picture_are_findings_by_iteration() -> None:
    batch = replace(SLOW, workload={**IMAGE, "batch": 4})
    found = judged(SLOW, batch)
    assert found.comparison is not None
    assert found.comparison.per == "picture"
    first, second = facts_of(found.measured).sides
    assert second.judged_ns["return"] == pytest.approx(9_000_000)
    assert second.total_ns == pytest.approx(first.total_ns)
    assert second.floors["d2h"].reached_ratio == pytest.approx(0.03, abs=0.002)


@pytest.mark.parametrize("turns", [1, 4])
def test_a_run_without_limits_and_observations_is_looked_at_all_the_same(turns: int) -> None:
    assert judge(simulated(turns=turns), Policy()).measured.findings == ()


@whenever
@given(findings, st.integers(0, 5))
def test_the_foremost_tell_of_other_stages_before_the_same_one_again(
    found: list[Finding], count: int
) -> None:
    found = sorted(found, key=lambda one: -(one.gain_ns or 0.0))
    chosen = foremost(found, count)
    assert len(chosen) == min(count, len(found))
    places = [one.stage or one.code for one in chosen]
    distinct = len({one.stage or one.code for one in found})
    assert len(set(places[:distinct])) == len(places[:distinct])
    assert all(any(one is other for other in found) for one in chosen)
    if count and found:
        assert places[0] == (found[0].stage or found[0].code)
        assert (chosen[0].gain_ns or 0.0) * 2 >= (found[0].gain_ns or 0.0)


def test_two_rules_of_one_code_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    twin = SimpleNamespace(CODE="twin", ORDER=1, rule=lambda _: ())
    monkeypatch.setattr(finding.importlib, "import_module", lambda _: twin)
    finding.rules.cache_clear()
    with pytest.raises(ValueError, match="same code"):
        finding.rules()
    monkeypatch.undo()
    assert {rule.code for rule in finding.rules()} == set(CASES)


def test_a_rule_that_names_a_cause_speaks_for_its_stage() -> None:
    half = Made(host_us={"preprocess": 8_000}, traits=[FLOAT64])
    found = judged(half).measured.findings
    assert [one.code for one in found[:2]] == ["far_from_limit", "float64_host"]
    assert foremost(found, 1) == (found[1],)


def test_the_iteration_is_that_of_the_table_and_not_of_spoilt_samples() -> None:
    run = simulated(turns=4)
    spoilt = run.samples.host_ns.copy()
    involuntary = np.zeros(len(spoilt), dtype=np.int64)
    involuntary[: len(spoilt) * 3 // 4] = 1
    spoilt[: len(spoilt) * 3 // 4] *= 3
    stages = np.full(spoilt.shape, -1)
    seen = Interruptions(involuntary, np.zeros_like(involuntary), stages, stages, stages)
    samples = replace(run.samples, host_ns=spoilt, interruptions=seen)
    made = judge(replace(run, samples=samples), Policy())
    assert made.comparison is not None
    for side, summary in zip(
        facts_of(made.measured).sides,
        (made.comparison.stage("total").baseline, made.comparison.stage("total").candidate),
        strict=True,
    ):
        assert side.total_ns == summary.median_ns.value < summary.host_ns / 2
