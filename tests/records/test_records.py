"""The nouns: workloads that refuse what means nothing, runs that survive a round trip."""

import json
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depthprof.errors import BadInput, BadRunFile
from depthprof.records import (
    RUN_SCHEMA,
    TELEMETRY_COLUMNS,
    BlockConditions,
    Calibration,
    Failure,
    Interruptions,
    Launch,
    Picture,
    Policy,
    Run,
    Samples,
    StageCalibration,
    Weights,
    Workload,
    decode,
    encode,
    made,
    workload_differences,
    workload_document,
)
from depthprof.records.traits import fingerprint, limits_name
from depthprof.records.workload import describe_workload, workload_words
from tests.records.gpu import LIMITS, OBSERVED, telemetry
from tests.runs import simulated


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("model", "smal", 'did you mean "small"'),
        ("model", "tiny", "small, base, large, giant"),
        ("dtype", "float16", "fp32, fp16, bf16"),
        ("attention", "flash", "published, sdpa, xformers"),
        ("product", "video", "image, depth"),
        ("batch", 0, "batch is 0"),
        ("batch", True, "batch is True"),
        ("input_size", 13, "input-size is 13"),
        ("threads", 0, "threads is 0"),
        ("seed", -1, "seed is -1"),
        ("max_depth", 0, "max-depth is 0"),
        ("max_depth", True, "max-depth is True"),
        ("max_depth", float("inf"), "max-depth is inf"),
        ("device", "gpu", 'unknown device "gpu"'),
        ("device", "cuda:x", "cuda:x"),
        ("device", "cuda:", "cuda:"),
        ("device", "cpu:1", "cpu:1"),
    ],
)
def test_a_workload_refuses_what_means_nothing(field: str, value: object, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        Workload(**{field: value})  # type: ignore[arg-type]
    assert said in str(caught.value)
    assert str(value) in str(caught.value)


def test_relative_depth_is_hashed_as_it_was_before_there_was_metric_depth() -> None:
    assert "max_depth" not in workload_document(Workload())
    metric = Workload(max_depth=20)
    assert workload_document(metric)["max_depth"] == 20.0
    for one in (Workload(), metric):
        assert made(Workload, workload_document(one)) == one
    assert workload_differences(Workload(), metric) == ("max_depth",)


def test_a_workload_in_words() -> None:
    unusual = Workload(batch=4, fixed_size=True, dtype="fp16", product="depth", max_depth=20)
    assert workload_words(Workload(), named=True) == ["small 518"]
    assert " ".join(workload_words(unusual, named=False)) == (
        "small 518 batch 4 square fp16 depth max-depth 20"
    )
    assert ", ".join(workload_words(unusual, named=True)) == (
        "small 518, batch 4, fixed-size True, dtype fp16, product depth, max-depth 20.0"
    )
    assert describe_workload(Workload(), "686x518") == (
        "model small, network input 686x518, batch 1, fp32, attention published, product image"
    )


def test_identifiers_of_what_was_kept_before_are_still_valid() -> None:
    assert limits_name("c", "g", 1, "2.4", "570") == "a0363169c95b86ac"
    assert fingerprint({"gpu": None, "cpu": "x"}, 8) == "8dad6d96"


def test_a_workload_is_frozen_knows_aliases_and_its_difference() -> None:
    workload = Workload(model="vits", device="cuda:1")
    assert workload.model == "small"
    with pytest.raises(FrozenInstanceError):
        workload.model = "base"  # type: ignore[misc]
    assert workload_differences(workload, workload.changed(batch=2, dtype="fp16")) == (
        "batch",
        "dtype",
    )
    assert [
        w.square for w in (workload, workload.changed(batch=2), workload.changed(fixed_size=True))
    ] == [
        False,
        True,
        True,
    ]


@pytest.mark.parametrize(
    "values",
    [
        {"threshold_ratio": 0},
        {"threshold_ratio": 50},
        {"floor_ns": -1},
        {"confidence": 1},
        {"confidence": 0.1},
        {"fail_on": ("slow",)},
        {"floor_ns": float("nan")},
    ],
)
def test_a_policy_refuses_what_means_nothing(values: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        Policy(**values)  # type: ignore[arg-type]


text = st.text(max_size=20)
figures = st.integers(0, 2**62)


@st.composite
def runs(draw: st.DrawFn) -> Run:
    count = draw(st.integers(0, 5))
    column = st.lists(figures, min_size=count, max_size=count).map(
        lambda v: np.asarray(v, dtype=np.int64)
    )
    matrix = st.lists(st.lists(figures, min_size=7, max_size=7), min_size=count, max_size=count)
    host = np.asarray(draw(matrix), dtype=np.int64).reshape(count, 7)
    samples = Samples(
        *(draw(column) for _ in range(5)),
        host_ns=host,
        device_ns=draw(st.sampled_from([None, host - 1])),
        interruptions=draw(
            st.sampled_from([None, Interruptions(host[:, 0], host[:, 1], host, host - 1, host)])
        ),
    )
    seen = draw(column)
    conditions = BlockConditions(
        **{f.name: seen - i for i, f in enumerate(fields(BlockConditions))}
    )
    run = simulated(turns=1, launches=1)
    side = replace(
        run.sides[0],
        label=draw(text),
        weights=draw(st.sampled_from([None, Weights("file", "ab" * 32, None, 5)])),
        notes=tuple(draw(st.lists(text, max_size=2))),
        workload=Workload(model="giant", batch=draw(st.integers(1, 99)), threads=3),
        observed=draw(st.sampled_from([None, OBSERVED])),
    )
    return replace(
        run,
        sides=(side,) * draw(st.integers(1, 2)),
        samples=samples,
        conditions=draw(st.sampled_from([None, conditions])),
        pictures=(Picture(draw(text), 3, 4, draw(text)),),
        launches=(Launch(0, (1, 2), 0.5, 0.25, (3, 4), "settled", 2, 9),),
        failures=tuple(
            draw(st.lists(st.builds(Failure, text, text, figures, text, text), max_size=2))
        ),
        command=draw(text),
        limits=draw(st.sampled_from([None, LIMITS])),
        telemetry=draw(st.sampled_from([None, telemetry(power_mw=[1, 2, 3])])),
    )


@settings(max_examples=60)
@given(runs())
def test_a_run_survives_a_round_trip(run: Run) -> None:
    stage = StageCalibration("forward", "cpu", 5e6, 0.01, 0.002, 0.004, 0.03, 0)
    found = Calibration("ab12", "v1 small", "2026", 20, 10, 60.0, 0.95, (stage,))
    policy = Policy(threshold_ratio=0.125, fail_on=("slower",), calibration=found)
    written = encode(run, policy)
    read, read_policy = decode(written)
    assert read_policy == policy
    assert encode(read, read_policy) == written
    for name in Run.__dataclass_fields__:
        if name not in ("samples", "conditions", "telemetry"):
            assert getattr(read, name) == getattr(run, name)
    for read_part, part in (
        (read.conditions, run.conditions),
        (read.samples.interruptions, run.samples.interruptions),
    ):
        assert (read_part is None) == (part is None)
        for field in fields(part) if part is not None else ():
            assert np.array_equal(getattr(read_part, field.name), getattr(part, field.name))
    assert (read.telemetry is None) == (run.telemetry is None)
    if read.telemetry is not None and run.telemetry is not None:
        assert (read.telemetry.gpu, read.telemetry.notes) == ("GPU-test", run.telemetry.notes)
        for name in TELEMETRY_COLUMNS:
            known = getattr(run.telemetry.columns, name)
            assert np.array_equal(getattr(read.telemetry.columns, name), known)
    for name in ("launch", "turn", "block", "side", "start_ns", "host_ns", "device_ns"):
        expected, found = getattr(run.samples, name), getattr(read.samples, name)
        assert (found is None) == (expected is None)
        assert found is None or (np.array_equal(found, expected) and not found.flags.writeable)


RUNS = Path(__file__).parent / "runs"
"""A run of each schema, as the depthprof of its time wrote it."""


@pytest.mark.parametrize("schema", range(1, RUN_SCHEMA + 1))
def test_a_run_of_every_schema_is_read(schema: int) -> None:
    written = (RUNS / f"schema_{schema}.json").read_text().removesuffix("\n")
    run, policy = decode(written)
    assert (run.schema, len(run.samples)) == (schema, 2)
    assert (policy.calibration is not None) == (schema >= 2)
    assert (run.limits is not None) == (run.telemetry is not None) == (schema >= 4)
    again = json.loads(encode(run, policy))
    expected = json.loads(written)
    assert again["samples"] | expected["samples"] == again["samples"]
    assert again["policy"] | expected["policy"] == again["policy"]
    if schema == RUN_SCHEMA:  # to the letter: the store names runs by it
        assert encode(run, policy) == written


def test_a_run_of_schema_1_is_still_read() -> None:
    document = json.loads(broken(schema=1))
    del document["conditions"], document["samples"]["interruptions"]
    del document["policy"]["calibration"]
    read, policy = decode(json.dumps(document))
    assert read.conditions is None
    assert read.samples.interruptions is None
    assert policy.calibration is None


def test_a_run_of_schema_3_has_no_limits_no_telemetry_and_nobody_looked() -> None:
    document = json.loads(broken(schema=3))
    del document["limits"], document["telemetry"]
    for side in document["sides"]:
        del side["observed"]
    read, _ = decode(json.dumps(document))
    assert (read.limits, read.telemetry, read.sides[0].observed) == (None, None, None)


def broken(**changes: object) -> str:
    document = json.loads(encode(simulated(turns=1, launches=1), Policy()))
    for key, value in changes.items():
        outer, _, inner = key.partition("__")
        if inner:
            document[outer][inner] = value
        else:
            document[outer] = value
    return json.dumps(document)


SIDE = json.loads(broken())["sides"][0]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "not JSON"),
        ("{", "cut short"),
        ("[]", "not a depthprof run"),
        ('{"schema": "1"}', "not a depthprof run"),
        (broken(schema=RUN_SCHEMA + 1), "install a newer"),
        (broken(sides=[]), "0 sides"),
        (broken(samples__launch=[0]), "unlike lengths"),
        (broken(samples__side=[0, 0.5]), "whole numbers"),
        (broken(samples__host_ns=[[1]]), "7 columns"),
        (broken(samples=None), "not a whole depthprof run"),
        (broken(samples__interruptions={"involuntary": [1]}), "not a whole depthprof run"),
        (broken(conditions__block=[1, 2, 3]), "unlike lengths"),
        (broken(policy={}), "policy: fail_on is missing"),
        (broken(environment=3), "environment: expected object, got int"),
        (broken(sides=[{**SIDE, "threads": "4"}]), "sides[0].threads: expected int, got str"),
        (broken(sides=[{**SIDE, "workload": {"batch": 0}}]), "sides[0].workload: batch is 0"),
        (broken(policy={"fail_on": ["slow"]}), 'policy: unknown --fail-on "slow"'),
    ],
)
def test_a_broken_file_is_refused_in_one_sentence(written: str, said: str) -> None:
    with pytest.raises(BadRunFile) as caught:
        decode(written, "x/run.json")
    assert said in str(caught.value)
    assert str(caught.value).startswith("x/run.json")
    assert "\n" not in str(caught.value)


def test_what_is_built_without_checks_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    written = (RUNS / f"schema_{RUN_SCHEMA}.json").read_text().removesuffix("\n")
    monkeypatch.setitem(sys.modules, "msgspec", None)  # a machine that only measures
    assert encode(*decode(written)) == written
    document = json.loads(written)
    del document["samples"]
    with pytest.raises(BadRunFile, match="samples"):
        decode(json.dumps(document))


MEASURING = """
import sys
import depthprof.api, depthprof.runner.worker, depthprof.profiling.worker
from depthprof.records import Limits, Policy, built, encode, plain
from depthprof.records.traits import fingerprint, limits_name
from depthprof.records.workload import describe_workload, workload_words
from tests.records.gpu import LIMITS
from tests.runs import simulated
encode(simulated(turns=1, launches=1), Policy())
assert built(Limits, plain(LIMITS)) == LIMITS
print("msgspec" in sys.modules)
"""


def test_measuring_and_writing_do_without_msgspec() -> None:
    done = subprocess.run([sys.executable, "-c", MEASURING], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("False\n", 0), done.stderr
