"""What a machine can tell apart: from identical code to a noise floor, and back into verdicts."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from depthprof.errors import BadRunFile, OutputError
from depthprof.records import STAGES, Calibration, Policy, Run, StageCalibration, Status
from depthprof.records.traits import calibration_name
from depthprof.report.tables import calibration_sentence
from depthprof.storage.machine_files import find_calibration, write_calibration
from depthprof.verdict import noise as calibrating
from depthprof.verdict.decision import judge
from depthprof.verdict.evidence import evidence
from depthprof.verdict.noise import Size, expected_detectable
from depthprof.verdict.pairing import pair_blocks
from tests.runs import simulated

POLICY = Policy()
FORWARD = 2


def runs(count: int, launch_sd: float = 0.0, noise: float = 0.02, turns: int = 12) -> list[Run]:
    random = np.random.default_rng(7)
    return [
        simulated(
            turns=turns,
            noise=noise,
            launch_change=np.exp(random.normal(0, launch_sd, 6)).tolist(),
            seed=seed,
        )
        for seed in range(count)
    ]


def calibrated(**noise: float) -> Calibration:
    return calibrating.calibrate(runs(8, **noise), 4, POLICY, 60.0, "v2, small")


def stage(known: Calibration, name: str = "forward") -> StageCalibration:
    found = known.stage(name)
    assert found is not None
    return found


def test_scatter_within_and_between_launches_is_told_apart() -> None:
    calm = stage(calibrated())
    assert calm.pair_sd_ratio == pytest.approx(0.02 * math.sqrt(2), rel=0.2)
    assert calm.launch_sd_ratio < 0.006
    moved = stage(calibrated(launch_sd=0.03))
    assert moved.pair_sd_ratio == pytest.approx(calm.pair_sd_ratio, rel=0.1)
    assert moved.launch_sd_ratio == pytest.approx(0.03, rel=0.5)
    assert moved.noise_ratio > 5 * calm.noise_ratio
    assert moved.detectable_ratio > calm.detectable_ratio


def noise_of(runs: list[Run], column: int) -> calibrating.Noise | None:
    known = [evidence(run) for run in runs]
    clocks = [one.clocks[column] for one in known]
    return calibrating.stage_noise([pair_blocks(one) for one in known], clocks, column)


@pytest.mark.parametrize("turns", [2, 3, 5])
def test_launches_of_few_pairs_do_not_hide_the_pairs_scatter(turns: int) -> None:
    calm = runs(40, noise=0.2, turns=turns)
    noises = [noise_of(calm, column) for column in range(len(STAGES))]
    found = [noise for noise in noises if noise is not None]
    assert np.median([noise.pair_sd for noise in found]) == pytest.approx(
        0.2 * math.sqrt(2), rel=0.1
    )
    # what chance leaves; distances from the own medians of three pairs left 0.16
    assert np.median([noise.launch_sd for noise in found]) < 0.05


def test_what_is_called_detectable_is_detected() -> None:
    noise = calibrating.Noise(pair_sd=0.04, launch_sd=0.0, clock="host", median_ns=5e6)
    pairs = 60
    ratio = 1 + expected_detectable(noise, "forward", 0.0, POLICY, Size(pairs, 10))
    found = 0
    for seed in range(40):
        change, scatter = {"forward": ratio}, 0.04 / math.sqrt(2)
        run = simulated(turns=6, launches=10, noise=scatter, change=change, seed=100 + seed)
        judgement = judge(run, POLICY).judgement
        assert judgement is not None
        found += judgement.verdict("forward").status is Status.SLOWER
    assert found >= 35  # 38 are expected; fewer than 35 would be rarer than 1 in 20


def test_detectable_is_never_below_what_the_policy_asks() -> None:
    short = calibrating.Noise(0.001, 0.0, "host", 50_000)
    assert expected_detectable(short, "forward", 0.0, POLICY, Size(1e5, 10)) > 5_000 / 50_000
    long = calibrating.Noise(0.001, 0.0, "host", 5e7)
    assert expected_detectable(long, "forward", 0.0, POLICY, Size(1e5, 10)) > POLICY.threshold_ratio
    assert expected_detectable(long, "forward", 0.2, POLICY, Size(1e5, 10)) > 0.2
    few = expected_detectable(replace(long, pair_sd=0.05), "forward", 0.0, POLICY, Size(20, 10))
    many = expected_detectable(replace(long, pair_sd=0.05), "forward", 0.0, POLICY, Size(2_000, 10))
    assert few > many
    for size in (Size(8, 6), Size(100, 2)):  # such runs call large changes only
        assert expected_detectable(long, "forward", 0.0, POLICY, size) > 0.25


def test_what_is_detectable_is_stated_for_runs_like_those_that_were_measured() -> None:
    run = replace(simulated(turns=8, noise=0.05, launches=6), elapsed_s=60.0)
    moved = [replace(one, elapsed_s=60.0) for one in runs(8, launch_sd=0.03)]
    few = calibrating.calibrate(moved, 4, POLICY, 60.0, "v2")
    assert stage(few).noise_ratio == pytest.approx(
        math.expm1(3 * stage(few).launch_sd_ratio / math.sqrt(len(moved[0].launches))), rel=1e-3
    )
    half, whole = (calibrating.calibrate([run] * 2, 1, POLICY, s, "v2") for s in (30.0, 60.0))
    assert stage(half).detectable_ratio > stage(whole).detectable_ratio


def test_a_noise_floor_raises_the_threshold_of_its_stage_alone() -> None:
    run = simulated(turns=30, change={"forward": 1.06, "return": 1.06})
    base = calibrated()
    noisy = replace(
        base,
        stages=tuple(
            replace(s, noise_ratio=0.1) if s.stage == "forward" else s for s in base.stages
        ),
    )
    plain, raised = (judge(run, Policy(calibration=known)).judgement for known in (base, noisy))
    assert plain is not None
    assert raised is not None
    assert plain.verdict("forward").status is Status.SLOWER
    assert raised.verdict("forward").status is Status.INCONCLUSIVE  # unsure is not the same
    assert raised.verdict("return").status is Status.SLOWER


def test_a_calibration_holds_for_its_machine_and_workload_alone() -> None:
    run = simulated(turns=3)
    name = calibrating.calibration_name_of(run)
    parts = (run.sides[:1], run.environment, run.pictures)
    assert calibration_name(*parts, shared=True) == name  # a profile has it too
    assert name == "dcc21d0127543670"  # as kept calibrations of this run have it
    assert calibrating.calibration_name_of(simulated(turns=5, seed=3)) == name
    other = replace(run, environment=replace(run.environment, cpu="another"))
    assert calibrating.calibration_name_of(other) != name
    sides = tuple(
        replace(side, workload=side.workload.changed(input_size=196)) for side in run.sides
    )
    assert calibrating.calibration_name_of(replace(run, sides=sides)) != name
    unlike = (run.sides[0], sides[1])
    assert calibrating.calibration_name_of(replace(run, sides=unlike)) == "unlike workloads"


def test_a_calibration_survives_its_file(tmp_path: Path) -> None:
    known = calibrated()
    file = write_calibration(known, tmp_path / "new")
    assert find_calibration(known.fingerprint, tmp_path / "new") == known
    assert find_calibration("0" * 16, tmp_path / "new") is None
    assert find_calibration(known.fingerprint, tmp_path / "nowhere") is None
    whole = file.read_text()

    def broken(name: str, value: object) -> str:
        document = json.loads(whole)
        document["stages"][0][name] = value
        return json.dumps(document)

    for text, said in (
        ("{", "not a whole calibration"),
        ("[]", "not a whole calibration"),
        (json.dumps({"schema": 99}), "newer"),
        (json.dumps({"schema": 1, "stages": []}), "not a whole calibration"),
        ("[" * 100_000, "not a whole calibration"),
        (whole.replace(known.fingerprint, "0" * 16), "not that of its name"),
        *(
            (broken("noise_ratio", value), r"stages\[0\].noise_ratio: ")
            for value in ("x", None, -5, True)
        ),
        (broken("median_ns", float("nan")), r"stages\[0\].median_ns: "),
    ):
        file.write_text(text)
        with pytest.raises(BadRunFile, match=said):
            find_calibration(known.fingerprint, tmp_path / "new")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write_calibration(known, tmp_path / "file")


def test_stages_without_enough_sound_pairs_are_not_claimed() -> None:
    known = calibrating.calibrate([simulated(turns=1, launches=1)], 0, POLICY, 60.0, "v2")
    assert known.stages == ()
    assert "No stage" in calibration_sentence(known)
    assert Policy(calibration=known).noise_of("forward") == 0.0
    with pytest.raises(ValueError, match="at least one run"):
        calibrating.calibrate([], 0, POLICY, 60.0, "v2")


def test_the_sentence_names_stage_size_and_budget() -> None:
    text = calibration_sentence(calibrated())
    assert text.startswith("On this machine +")
    assert "in forward is detectable in 60 s" in text
