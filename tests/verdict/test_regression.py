"""The gate over two runs: alike or refused, slower or not, and what could have been seen."""

import io
import json
import random
import re
from dataclasses import fields, replace
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console

from depthprof.errors import BadInput, BadRunFile
from depthprof.records import (
    Calibration,
    Digest,
    Environment,
    Failure,
    Policy,
    Result,
    Side,
    SkippedSamples,
    StageCalibration,
    Status,
    Workload,
    decode_digest,
    encode_digest,
)
from depthprof.records.traits import IGNORED, machine_name, traits
from depthprof.report.ci import annotations, junit
from depthprof.report.gated import gate_document, gate_markdown, gate_sentence, side_remarks
from depthprof.report.terminal import print_gated
from depthprof.verdict.decision import judge
from depthprof.verdict.unpaired import gate_digests, gate_turns
from tests.storage.database.stores import judged_at
from tests.verdict.digests import POLICY, measured


def gated(before: Digest, after: Digest, policy: Policy = POLICY, **options: Any) -> Result:
    return gate_digests(before, after, lambda _: policy, **options)


def status(outcome: Result, stage: str, side: int = 1) -> Status:
    return outcome.sides[side].verdict(stage).status


def test_what_got_slower_is_slower_and_what_did_not_is_the_same() -> None:
    outcome = gated(measured(0), measured(1, change={"forward": 1.3}))
    assert outcome.exit_code == 1
    assert status(outcome, "forward") is Status.SLOWER
    assert status(outcome, "return") is Status.SAME
    assert outcome.sides[1].culprit == "forward"
    assert gated(measured(0), measured(1)).exit_code == 0


def test_a_calibrated_noise_floor_must_be_cleared_and_is_told() -> None:
    before, after = measured(0), measured(1, change={"forward": 1.3})
    asked: list[str] = []

    def noisy(run: Digest, side: Side) -> Calibration:
        asked.append(f"{run.created} {side.label}")
        noise = StageCalibration("forward", "host", 5_000_000, 0.02, 0.1, 0.5, 0.6, 0)
        return Calibration("ab12", "v2", "2026-01-01", 6, 3, 60.0, 0.95, (noise,))

    outcome = gated(before, after, calibration_of=noisy)
    assert set(asked) == {f"{after.created} {side.label}" for side in after.sides}
    assert status(outcome, "forward") is Status.INCONCLUSIVE
    for text in (gate_markdown(outcome), "\n".join(side_remarks(outcome.sides[1]))):
        assert "noise floor of this machine too, 50 % in forward" in text
        assert "in pairs, on this machine +60 % in forward is detectable in 60 s" in text
    assert gate_document(outcome)["sides"][1]["calibration"]["stages"][0]["noise_ratio"] == 0.5
    assert "noise floor" not in gate_markdown(gated(before, after))


def test_a_gate_in_turns_tells_what_this_machine_can_tell_apart() -> None:
    judged = judged_at(0, change={"forward": 2.0})
    noise = StageCalibration("forward", "host", 5_000_000, 0.02, 0.1, 0.5, 0.6, 0)
    known = Calibration("ab12", "v2", "2026-01-01", 6, 3, 60.0, 0.95, (noise,))
    judged = judge(judged.run, Policy(calibration=known))
    text = gate_markdown(gate_turns(judged, "abc", "def"))
    assert "+60 % in forward is detectable in 60 s" in text


@pytest.mark.parametrize(("then", "now"), [(None, -1), (-1, None), (-1, -1)])
def test_a_stage_that_one_of_the_runs_lacks_is_incomparable(
    then: int | None, now: int | None
) -> None:
    runs = (
        measured(seed, {} if length is None else {"postprocess": length})
        for seed, length in enumerate((then, now))
    )
    outcome = gated(*runs)
    assert outcome.exit_code == 3
    found = outcome.sides[1]
    for stage in ("postprocess", "total"):
        verdict = found.verdict(stage)
        assert (verdict.status, verdict.reason.code) == (Status.INCOMPARABLE, "absent_stage")
    assert found.verdict("total").reason.text == "a side lacks a stage of it"
    assert status(outcome, "forward") is Status.SAME


def test_stages_of_no_length_and_constant_ones_are_judged_by_their_differences() -> None:
    nothing = gated(measured(0, {"postprocess": 0}), measured(1, {"postprocess": 0}))
    assert status(nothing, "postprocess") is Status.SAME
    gone = gated(measured(0), measured(1, {"postprocess": 0}))
    verdict = gone.sides[1].verdict("postprocess")
    assert verdict
    assert verdict.status is Status.NEGLIGIBLE  # it was so short that it does not matter
    gone = gated(measured(0), measured(1, {"preprocess": 0}))
    verdict = gone.sides[1].verdict("preprocess")
    assert verdict
    assert (verdict.status, verdict.reason.code) == (Status.INCONCLUSIVE, "zero_length")
    assert gone.exit_code == 3
    for now, found in ((400_000, Status.SAME), (800_000, Status.SLOWER)):
        constant = gated(measured(0, {"postprocess": 400_000}), measured(1, {"postprocess": now}))
        assert status(constant, "postprocess") is found


def test_unequal_numbers_of_launches_are_held_against_each_other() -> None:
    before, after = measured(0, launches=6), measured(1, launches=15, change={"forward": 1.3})
    outcome = gated(before, after)
    assert outcome.sides[1].launches == (6, 15)
    assert status(outcome, "forward") is Status.SLOWER
    assert status(outcome, "return") is Status.SAME
    one = gated(measured(0, launches=1), measured(1))
    assert one.exit_code == 3
    assert "1 processes against 8" in gate_markdown(one)


def test_the_gate_tells_followers_and_what_was_left_out() -> None:
    slower = gated(measured(0), measured(1, change={"forward": 1.3, "return": 1.5}))
    assert "also slower: return" in gate_markdown(slower)
    assert gate_document(slower)["sides"][1]["followers"] == ["return"]
    assert "left out" not in gate_markdown(slower)

    spoilt = measured(1)
    levels = (replace(level, spoilt_ratio=0.125) for level in spoilt.levels)
    between = gated(measured(0), replace(spoilt, levels=tuple(levels)))
    assert "rejected samples: up to 12 % of a stage" in gate_markdown(between)
    assert gate_document(between)["sides"][1]["verdicts"][0]["rejected_ratio"] == 0.125

    judged = judged_at(0)
    assert judged.comparison is not None
    rules = SkippedSamples(3, {"preempted by another process": 3})
    (decision,) = judged.sides
    decision = replace(decision, comparison=replace(judged.comparison, skipped=rules))
    in_turns = replace(judged, sides=(decision,))
    outcome = gate_turns(in_turns, "abc", "def")
    assert "rejected samples: 3 (preempted by another process)" in gate_markdown(outcome)
    assert gate_document(outcome)["sides"][0]["left_out"] == dict(rules.by_rule)


def test_launches_are_the_evidence_however_many_pairs_there_are() -> None:
    few = gated(measured(0, launches=5), measured(1, launches=5, change={"forward": 3.0}))
    assert few.exit_code == 3
    assert "at least 6 on each side" in gate_sentence(few)
    spread = [0.9, 1.1, 0.95, 1.2, 1.0, 0.85, 1.15, 1.05]
    noisy = measured(1, launch_change=spread, change={"forward": 1.1})
    assert status(gated(measured(0), noisy), "forward") is Status.INCONCLUSIVE


def test_identical_runs_of_scattering_launches_are_not_called_slower() -> None:
    alarms = 0
    for seed in range(40):
        drawn = random.Random(seed)
        before, after = (
            measured(100 + 2 * seed + n, launch_change=[drawn.gauss(1, 0.05) for _ in range(8)])
            for n in (0, 1)
        )
        alarms += gated(before, after).exit_code == 1
    assert alarms <= 1


def test_what_could_have_been_seen_is_seen() -> None:
    outcome = gated(measured(0), measured(1))
    seen = dict(outcome.sides[1].detectable)["forward"]
    assert 0.05 < seen < 0.2
    found = [
        status(gated(measured(2 * n), measured(2 * n + 1, change={"forward": 1 + seen})), "forward")
        for n in range(1, 21)
    ]
    assert found.count(Status.SLOWER) >= 17


MUTATIONS: dict[str, Any] = {
    **{
        f"environment.{name}": value
        for name, value in {
            "gpu": "NVIDIA H100",
            "driver": "999.1",
            "cuda": "99.9",
            "cudnn": "99",
            "cpu": "another",
            "cpu_cores": 64,
            "memory_bytes": 2**40,
            "platform": "Plan9 1 mips",
            "python": "9.9.9",
            "torch": "9.9.9",
            "numpy": "9.9.9",
            "opencv": "9.9.9",
        }.items()
    },
    "side.device": "cuda:0",
    "side.device_name": "another",
    "side.threads": 64,
    "workload.model": "base",
    "workload.input_size": 280,
    "workload.batch": 4,
    "workload.fixed_size": True,
    "workload.dtype": "fp16",
    "workload.attention": "sdpa",
    "workload.product": "depth",
    "workload.max_depth": 20.0,
    "pictures": (),
}


def mutated(known: Digest, names: list[str]) -> Digest:
    for name in names:
        where, _, field = name.partition(".")
        value = MUTATIONS[name]
        if where == "environment":
            known = replace(known, environment=replace(known.environment, **{field: value}))
        elif where == "pictures":
            known = replace(known, pictures=(*known.pictures, *known.pictures))
        else:
            sides = [
                replace(side, **{field: value})
                if where == "side"
                else replace(side, workload=side.workload.changed(**{field: value}))
                for side in known.sides
            ]
            known = replace(known, sides=tuple(sides))
    return known


def test_every_field_that_must_be_alike_is_mutated() -> None:
    known = measured(0)
    fields_ = {name.partition(".")[2] or name for name in MUTATIONS} - {"memory_bytes"}
    assert set(traits(known.environment, known.sides[0], known.pictures)) == fields_
    assert {field.name for field in fields(Workload)} - set(IGNORED) <= fields_
    told = {"depthprof", "load_1min", "commit", "dirty", "memory_bytes"}
    assert {field.name for field in fields(Environment)} - told <= fields_


def test_mutated_fingerprints_are_all_refused() -> None:
    before = measured(0)
    drawn = random.Random(1)
    for number in range(200):
        names = drawn.sample(sorted(MUTATIONS), k=1 + number % 3)
        after = mutated(measured(1), names)
        outcome = gated(before, after)
        assert outcome.exit_code == 2, names
        told = {one.field for one in outcome.sides[0].differences}
        assert told == {n.partition(".")[2].replace("_bytes", "") or n for n in names}
        first, second = (
            machine_name(one.environment, one.sides[0], one.pictures) for one in (before, after)
        )
        assert (first != second) or names == ["environment.memory_bytes"]


def test_re_runs_on_the_same_machine_are_never_refused() -> None:
    before = measured(0)
    drawn = random.Random(2)
    for number in range(50):
        after = measured(1 + number)
        environment = replace(
            after.environment,
            memory_bytes=after.environment.memory_bytes + drawn.randrange(2**20),
            load_1min=drawn.random() * 9,
            commit=f"{number:040x}",
            dirty=bool(number % 2),
        )
        sides = [
            replace(side, workload=side.workload.changed(seed=number, device="auto"))
            for side in after.sides
        ]
        after = replace(after, environment=environment, sides=tuple(sides))
        assert gated(before, after).exit_code in (0, 3)


def test_a_difference_can_be_allowed_by_name() -> None:
    after = mutated(measured(1), ["environment.driver"])
    assert "--allow driver" in gate_sentence(gated(measured(0), after))
    assert gated(measured(0), after, allow=["driver"]).exit_code == 0
    with pytest.raises(BadInput, match=r'"drivr".*did you mean "driver"'):
        gated(measured(0), after, allow=["drivr"])


def test_a_side_that_is_gone_or_renamed_does_not_pass() -> None:
    after = measured(1)
    renamed = replace(after, sides=(after.sides[0], replace(after.sides[1], label="v3")))
    outcome = gated(measured(0), renamed)
    assert (outcome.exit_code, outcome.missing) == (2, ("v2",))
    assert "renamed or deleted" in gate_sentence(outcome)
    nothing = replace(after, sides=())
    assert gated(measured(0), nothing).exit_code == 2
    assert gated(replace(measured(0), sides=()), after).exit_code == 2


def test_a_run_that_failed_or_measured_nothing_does_not_pass() -> None:
    failure = Failure("b", "forward", 0, "stage_failed", "it raised")
    for after, said in (
        (replace(measured(1), failures=(failure,)), "it raised"),
        (replace(measured(1), levels=()), "measured nothing"),
    ):
        outcome = gated(measured(0), after)
        assert outcome.exit_code == 2
        assert said in gate_sentence(outcome)


def test_the_same_code_is_said_to_be_the_same() -> None:
    before, after = measured(0), measured(1)
    assert not gated(before, after).sides[0].is_same_code  # saved before code was hashed
    alike = [
        replace(one, sides=tuple(replace(side, code_sha256="ab") for side in one.sides))
        for one in (before, after)
    ]
    outcome = gated(*alike)
    assert outcome.sides[0].is_same_code
    assert "identical on both sides" in gate_markdown(outcome)


def test_two_sides_in_turns_give_the_same_kind_of_outcome() -> None:
    outcome = gate_turns(judged_at(0, change={"forward": 2.0}), "abc", "def")
    assert outcome.exit_code == 1
    assert outcome.is_paired
    assert gate_document(outcome)["sides"][0]["culprit"] == "forward"


def test_a_baseline_survives_its_file() -> None:
    known = measured(0)
    assert decode_digest(encode_digest(known), "it") == known
    for text, said in (
        ("{", "not JSON"),
        ("[]", "not a depthprof baseline"),
        (json.dumps({"kind": "baseline", "schema": 9}), "newer"),
        (json.dumps({"kind": "baseline", "schema": 1}), "not a whole"),
    ):
        with pytest.raises(BadRunFile, match=said):
            decode_digest(text, "it")


OUTCOMES = {
    "pass": lambda: gated(measured(0), measured(1)),
    "slower": lambda: gated(measured(0), measured(1, change={"forward": 1.5})),
    "unsure": lambda: gated(measured(0, launches=3), measured(1, launches=3)),
    "unlike": lambda: gated(measured(0), mutated(measured(1), ["environment.cpu"])),
    "missing": lambda: gated(measured(0), replace(measured(1), sides=measured(1).sides[:1])),
    "nothing": lambda: gated(replace(measured(0), sides=()), measured(1)),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_junit_names_the_stages_and_counts_them(name: str) -> None:
    outcome = OUTCOMES[name]()
    root = ElementTree.fromstring(junit(outcome))
    cases = root.findall(".//testcase")
    bad = root.findall(".//failure") + root.findall(".//error")
    assert int(root.attrib["tests"]) == len(cases) > 0
    assert int(root.attrib["failures"]) + int(root.attrib["errors"]) == len(bad)
    assert bool(bad) == (outcome.exit_code in (1, 2))  # what is undecided is skipped
    skipped = root.findall(".//skipped")
    assert bool(skipped) == (outcome.exit_code == 3)
    if name == "slower":
        failed = [case.attrib["name"] for case in cases if case.find("failure") is not None]
        assert failed == ["total", "forward"]


@pytest.mark.parametrize("name", OUTCOMES)
@pytest.mark.parametrize("width", [80, 120])
def test_every_outcome_can_be_read_at_any_width(name: str, width: int) -> None:
    outcome = OUTCOMES[name]()
    console = Console(width=width, record=True, force_terminal=False, file=io.StringIO())
    print_gated(outcome, console)
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    assert "\N{HORIZONTAL ELLIPSIS}" not in text
    document = json.loads(json.dumps(gate_document(outcome), allow_nan=False))
    assert document["exit_code"] == outcome.exit_code
    assert gate_markdown(outcome).startswith("# depthprof gate: ")


def test_undecided_stages_fail_in_junit_where_that_is_asked_for() -> None:
    policy = replace(POLICY, fail_on=("slower", "undecided"))
    outcome = gated(measured(0, launches=3), measured(1, launches=3), policy)
    assert outcome.exit_code == 3
    assert ElementTree.fromstring(junit(outcome)).findall(".//failure")


def test_annotations_are_escaped() -> None:
    after = measured(1, change={"forward": 1.5})
    sides = (after.sides[0], replace(after.sides[1], label="v2: a,b\n100%"))
    before = measured(0)
    before = replace(before, sides=(before.sides[0], sides[1]))
    lines = annotations(gated(before, replace(after, sides=sides)))
    assert lines
    for line in lines:
        assert re.fullmatch(r"::(error|warning) title=[^:,\n]*::[^\n]*", line)
    assert any(r"v2%3A a%2Cb\n100%25" in line for line in lines)
