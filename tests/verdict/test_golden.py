"""Verdicts on recorded runs stay what they were: tests/verdict/golden.json, made by this file.

`python -m tests.verdict.test_golden` writes it anew; that is right only if verdicts are to change.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from depthprof.records import Policy, Run
from depthprof.report.gated import gate_document
from depthprof.report.summary import summary
from depthprof.verdict.decision import judge
from depthprof.verdict.unpaired import gate_digests, gate_turns
from tests.advice.made import SLOW_SIDES, judged
from tests.runs import places_of, simulated, with_samples
from tests.verdict.digests import POLICY, measured

GOLDEN = Path(__file__).with_name("golden.json")
CHANGES: tuple[dict[str, float], ...] = (
    {},
    {"forward": 1.04},
    {"forward": 1.3, "d2h": 1.2},
    {"return": 2.5},
    {"preprocess": 0.7},
    {"postprocess": 1.02},
)


def pairs() -> Iterator[tuple[str, Run, Policy]]:
    for seed, change in enumerate(CHANGES):
        for noise in (0.002, 0.05):
            for turns, processes in ((4, 6), (2, 3), (9, 2)):
                name = f"{change} noise {noise} {turns}x{processes}"
                made = simulated(
                    change=change, noise=noise, turns=turns, launches=processes, seed=seed
                )
                yield name, made, Policy()
    layouts = [1.0, 1.1, 0.9, 1.05, 1.0, 0.95]
    made = simulated(launch_change=layouts, turns=9)
    yield "layouts differ", made, Policy()
    yield "separate processes", replace(made, shared=False), Policy()
    yield "unlike batches", simulated(batches=(1, 4), change={"forward": 1.5}), Policy()
    yield (
        "own thresholds",
        simulated(change={"forward": 1.2}),
        Policy(stage_ratios=(("forward", 0.5),), fail_on=("slower",), floor_ns=50_000),
    )


def profiles() -> Iterator[tuple[str, Run]]:
    for noise in (0.002, 0.1):
        both = simulated(noise=noise, turns=5)
        mine = both.samples.side == 0
        places = [place for place, taken in zip(places_of(both), mine, strict=True) if taken]
        alone = with_samples(both, places, np.asarray(both.samples.host_ns)[mine])
        yield f"profile noise {noise}", replace(alone, sides=both.sides[:1])


def outcomes() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, run, policy in pairs():
        found = judge(run, policy)
        yield name, _compared(summary(found))
        if "4x6" in name:
            yield f"gate {name}", _gated(gate_document(gate_turns(found, "before", "after")))
    for name, run in profiles():
        known = summary(judge(run, Policy()))
        yield name, {row["stage"]: _figures(row["ns"]) for row in known["stages"]}
    for seed, change in enumerate(CHANGES):
        for processes in (5, 8):
            before = measured(seed, launches=processes)
            after = measured(seed + 20, change=change, launches=processes, noise=0.02)
            found_gate = gate_digests(before, after, lambda _: POLICY)
            yield f"unpaired {change} {processes}", _gated(gate_document(found_gate))
    yield "on a GPU", _compared(summary(judged(*SLOW_SIDES)), findings=True)


def _compared(document: dict[str, Any], *, findings: bool = False) -> dict[str, Any]:
    known = {name: document[name] for name in ("culprit", "followers", "analysis", "exit_code")}
    known["stages"] = {row["stage"]: _verdict(row) for row in document["verdicts"]}
    if findings:
        known["findings"] = [f"{one['code']} {one['side']}" for one in document["findings"]]
        known["bounds"] = [f"{one['side']} {one['stage']}" for one in document["floors"]]
    return known


def _gated(document: dict[str, Any]) -> dict[str, Any]:
    sides = [
        {row["stage"]: [*_verdict(row), row["detectable_ratio"]] for row in side["verdicts"]}
        for side in document["sides"]
    ]
    return {"exit_code": document["exit_code"], "sides": sides}


def _verdict(row: dict[str, Any]) -> list[Any]:
    return [row["status"], row["reason"]["code"], *_figures(row["ratio"])]


def _figures(estimate: dict[str, float] | None) -> list[float]:
    return [] if estimate is None else [estimate["value"], estimate["low"], estimate["high"]]


def rounded(value: Any) -> Any:
    """Five digits of every figure: sums in another order are the same."""
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one) for one in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def test_verdicts_are_what_they_were() -> None:
    golden = json.loads(GOLDEN.read_text())
    found = {name: rounded(outcome) for name, outcome in outcomes()}
    assert found.keys() == golden.keys()
    for name, outcome in found.items():
        _assert_alike(outcome, golden[name], name)


def _assert_alike(found: Any, known: Any, name: str) -> None:
    if isinstance(known, dict):
        assert found.keys() == known.keys(), name
        for key, value in known.items():
            _assert_alike(found[key], value, f"{name} {key}")
    elif isinstance(known, list):
        assert len(found) == len(known), name
        for one, other in zip(found, known, strict=True):
            _assert_alike(one, other, name)
    elif isinstance(known, float):
        assert found == pytest.approx(known, rel=1e-4), name
    else:
        assert found == known, name


if __name__ == "__main__":
    made = {name: rounded(outcome) for name, outcome in outcomes()}
    lines = (f"{json.dumps(name)}: {json.dumps(made[name])}" for name in made)
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n")
