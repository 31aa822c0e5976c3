"""Each rule both ways: there where it holds, silent where it does not."""

import re
from dataclasses import replace
from pathlib import Path

import pynvml
import pytest

from depthprof.advice.facts import facts_of
from depthprof.advice.finding import rules
from depthprof.advice.rules import throttled
from depthprof.records import Result
from depthprof.verdict.decision import judge
from tests.advice.cases import (
    CASES,
    COLOURS,
    FUSED,
    IMAGE,
    PAGEABLE,
    TABLE,
    WRITTEN_OUT,
    conditions,
    trait,
)
from tests.advice.made import CPU_LIMITS, DEPTH_BYTES, Made, judged, of_code, on_cpu
from tests.records.gpu import LIMITS

DOCS = Path(__file__).parents[2] / "docs"
every_rule = pytest.mark.parametrize("code", CASES)
SILENT = [
    pytest.param(code, run, id=f"{code}-{number}")
    for code, case in CASES.items()
    for number, run in enumerate(case.silent)
]


def test_every_rule_has_its_case() -> None:
    assert {rule.code for rule in rules()} == set(CASES)


@every_rule
def test_a_rule_speaks_where_it_holds(code: str) -> None:
    case = CASES[code]
    (finding,) = of_code(case.loud, code)
    assert finding.stage == case.stage
    assert finding.evidence
    assert all(figure.name and figure.value for figure in finding.evidence)
    assert (
        finding.gain_ns is None
        or 0 < finding.gain_ns <= facts_of(case.loud.measured).sides[0].total_ns
    )
    assert finding.text
    assert not finding.text.endswith(".")
    assert finding.remedy
    assert not finding.remedy.endswith(".")


@pytest.mark.parametrize(("code", "run"), SILENT)
def test_a_rule_is_silent_where_it_does_not_hold(code: str, run: Result) -> None:
    assert not of_code(run, code)


@every_rule
def test_a_run_that_knows_nothing_more_than_times_breaks_no_rule(code: str) -> None:
    loud = CASES[code].loud
    sides = tuple(replace(side, observed=None) for side in loud.run.sides)
    bare = replace(loud.run, limits=None, telemetry=None, conditions=None, sides=sides)
    found = of_code(judge(bare, loud.policy), code)
    by_times_alone = {
        *("copy_blamed", "launch_bound", "transfer_bound", "batch_too_small", "host_bound_loop"),
        *("unlike_threads", "carry_over"),
    }
    assert bool(found) == (code in by_times_alone)


def test_a_pageable_copy_s_gain_is_what_it_takes_above_the_pinned_link() -> None:
    slow = Made(device_us={"d2h": 1_700}, traits=[PAGEABLE])
    (finding,) = of_code(judged(slow), "pageable_copy")
    assert finding.gain_ns == pytest.approx(1_700_000 - DEPTH_BYTES / 24e9 * 1e9)
    assert "1.2 MiB" in finding.text
    assert "723 MB/s" in finding.text
    (unknown,) = of_code(judged(slow, limits=None), "pageable_copy")
    assert unknown.gain_ns is None


def test_the_blame_names_whose_wait_it_is() -> None:
    (finding,) = of_code(CASES["copy_blamed"].loud, "copy_blamed")
    assert finding.text == "a timer without sync blames d2h for 20.1 ms; 20.0 ms wait for forward"
    assert "look at forward" in finding.remedy


def test_a_launch_bound_forward_may_gain_what_it_takes_above_its_arithmetic() -> None:
    (finding,) = of_code(CASES["launch_bound"].loud, "launch_bound")
    assert finding.gain_ns == pytest.approx(20e6 - 400e9 / 50e12 * 1e9)
    (unknown,) = of_code(judged(Made(host_us={"forward": 16_000}), limits=None), "launch_bound")
    assert unknown.gain_ns is None


@pytest.mark.parametrize(
    ("host_us", "remedy"),
    [
        ({"preprocess": 9_000}, "prepare pictures while the device works"),
        ({"sync": 30_000}, "raise --batch"),
    ],
)
def test_a_larger_batch_is_advised_only_where_it_shares_something_out(
    host_us: dict[str, float], remedy: str
) -> None:
    (finding,) = of_code(judged(Made(host_us=host_us)), "batch_too_small")
    assert finding.remedy.startswith(remedy)


def test_overlap_gains_no_more_than_the_device_s_work() -> None:
    (finding,) = of_code(CASES["host_bound_loop"].loud, "host_bound_loop")
    assert finding.gain_ns == pytest.approx((20_000 + 90 + 300 + 60) * 1_000)


def test_float64_gains_half_of_its_stage_at_most() -> None:
    (finding,) = of_code(CASES["float64_host"].loud, "float64_host")
    assert finding.gain_ns == pytest.approx(500_000)
    assert finding.text == "preprocess computes 7.0 MiB in float64 (preprocess.py:39)"


def test_colours_gain_what_the_other_side_shows() -> None:
    slow = on_cpu(traits=[COLOURS], workload=IMAGE, host_us={"return": 4_000})
    quick = on_cpu(traits=[TABLE], workload=IMAGE, host_us={"return": 600})
    (finding,) = of_code(judged(quick, slow), "colour_map_host")
    assert (finding.side, finding.gain_ns) == ("b", pytest.approx(3_400_000))
    assert ("return of v1", "600 us") in [(one.name, one.value) for one in finding.evidence]
    (alone,) = of_code(judged(slow, limits=CPU_LIMITS), "colour_map_host")
    assert alone.gain_ns == pytest.approx(4e6 - 2 * DEPTH_BYTES / 12e9 * 1e9)


def test_a_table_of_bytes_is_worth_a_word_only_where_it_takes_long() -> None:
    work = {"traits": [TABLE], "workload": IMAGE, "host_us": {"return": 6_000}}
    (finding,) = of_code(judged(Made(**work)), "colour_map_host")
    assert "float64" not in finding.text
    assert "on the device" in finding.remedy
    assert not of_code(judged(on_cpu(**work)), "colour_map_host")  # there is no better place


def test_an_image_needs_one_byte_a_pixel_across_the_link() -> None:
    (finding,) = of_code(CASES["more_bytes_than_needed"].loud, "more_bytes_than_needed")
    assert finding.text == "d2h copies 1.2 MiB where the product needs 300.0 KiB"
    assert finding.gain_ns == pytest.approx(60_000 * 3 / 4)


def test_a_product_in_float64_is_more_than_needed() -> None:
    twice = trait("product_bytes", "return", 2 * DEPTH_BYTES, "B")
    (finding,) = of_code(judged(on_cpu(traits=[twice])), "more_bytes_than_needed")
    assert finding.stage == "return"
    assert finding.gain_ns is None


def test_attention_gains_what_was_measured_with_sdpa_and_nothing_is_claimed_without() -> None:
    fused = Made(traits=[FUSED], device_us={"forward": 15_000})
    (measured,) = of_code(judged(Made(traits=[WRITTEN_OUT]), fused), "published_attention")
    assert measured.gain_ns == pytest.approx(5e6)
    assert measured.remedy.startswith("try ")
    half = replace(fused, workload={"dtype": "fp16"})
    (other,) = of_code(judged(Made(traits=[WRITTEN_OUT]), half), "published_attention")
    assert other.gain_ns is None


def test_slow_products_gain_what_the_faster_kernel_saves_them() -> None:
    (finding,) = of_code(CASES["slow_products"].loud, "slow_products")
    assert finding.text == "torch's float32 products run at 44 % of what this CPU does"
    assert finding.gain_ns == pytest.approx(400e9 / 22e12 * 1e9 - 400e9 / 50e12 * 1e9)
    assert ("theoretical rate", "60.0 TFLOP/s") in [(f.name, f.value) for f in finding.evidence]
    assert "mkldnn" in finding.remedy


def test_no_gain_comes_from_a_bound_that_is_beaten() -> None:
    """Copies and forwards that took less than the link or the arithmetic allow."""
    quick = Made(device_us={"d2h": 40, "forward": 30}, host_us={"forward": 40}, traits=[PAGEABLE])
    made = judged(quick)
    (side,) = facts_of(made.measured).sides
    assert [side.floors[stage].holds for stage in ("d2h", "forward")] == [False, False]
    assert side.above_floor_ns("d2h") is None
    for code in ("pageable_copy", "transfer_bound", "launch_bound"):
        (finding,) = (one for one in of_code(made, code) if one.stage in ("d2h", "forward"))
        assert finding.gain_ns is None
    (pageable,) = of_code(made, "pageable_copy")
    assert "24.0 GB/s, which this copy beats" in [figure.value for figure in pageable.evidence]


def test_blocks_tell_of_throttling_where_nobody_read_beside_them() -> None:
    (finding,) = of_code(judged(Made(), conditions=conditions(0, 0x08)), "throttled")
    assert "50 % of 2 readings (hardware slowdown)" in finding.text


def test_the_reasons_are_those_of_nvml() -> None:
    names = ("HwSlowdown", "SwThermalSlowdown", "HwThermalSlowdown", "HwPowerBrakeSlowdown")
    known = {getattr(pynvml, f"nvmlClocksThrottleReason{name}") for name in names}
    assert set(throttled.REASONS) == known
    assert pynvml.nvmlClocksThrottleReasonSwPowerCap == throttled.POWER_CAP


def test_a_copy_far_from_the_link_needs_no_baseline() -> None:
    (finding,) = of_code(CASES["far_from_limit"].loud, "far_from_limit")
    assert finding.text == "d2h reaches 3 % of what the link can do (1.70 ms)"
    assert finding.gain_ns == pytest.approx(1_700_000 - DEPTH_BYTES / 24e9 * 1e9)


def test_a_copy_is_far_from_the_link_below_30_percent() -> None:
    (finding,) = of_code(judged(Made(device_us={"d2h": 175})), "far_from_limit")
    assert finding.text.startswith("d2h reaches 29 %")


@pytest.mark.parametrize(
    ("return_us", "forward_us", "found"),
    [(15_000, 2e5, True), (5_000, 2e5, False), (9_000, 60_000, True), (1_500, 60_000, False)],
)
def test_a_slow_host_stage_must_be_far_from_memory_and_long_enough(
    return_us: float, forward_us: float, found: bool
) -> None:
    work = {"return": (0, DEPTH_BYTES, DEPTH_BYTES, 0)}  # 205 us at one core's best
    slow = on_cpu(host_us={"return": return_us, "forward": forward_us}, work=work)
    assert bool(of_code(judged(slow, limits=CPU_LIMITS), "far_from_limit")) == found


def test_a_short_host_stage_counts_where_the_iteration_is_short() -> None:
    work = {"return": (0, 30_000, 30_000, 0), "preprocess": (0, 0, 0, 0)}
    quick = on_cpu(host_us={"return": 400, "preprocess": 100, "forward": 1_000}, work=work)
    (finding,) = of_code(judged(quick, limits=CPU_LIMITS), "far_from_limit")
    assert finding.stage == "return"


def test_carry_over_is_told_of_whoever_leaves_it_behind() -> None:
    (finding,) = of_code(CASES["carry_over"].loud, "carry_over")
    assert finding.side == "b"
    assert finding.text == "after it the next preprocess takes 2.00 times as long"


def test_every_rule_has_a_row_in_the_documentation_and_every_row_a_rule() -> None:
    text = (DOCS / "findings.md").read_text().partition("\n## Findings\n")[2]
    assert re.findall(r"^\| `(\w+)` \|", text, re.M) == [rule.code for rule in rules()]
    for line in re.findall(r"^\| `\w+` \|.*$", text, re.M):
        assert line.count("|") == 6
        assert all(cell.strip() for cell in line.strip("|").split("|"))


def test_limits_of_another_device_bound_no_copy() -> None:
    other = replace(LIMITS, device_name="another")
    assert not of_code(judged(Made(device_us={"d2h": 1_700}), limits=other), "far_from_limit")
