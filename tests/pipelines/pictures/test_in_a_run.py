"""Pictures from the plan over the worker to the run."""

import json
from pathlib import Path
from typing import Any

import pytest

from depthprof import api
from depthprof.errors import BadPicture
from depthprof.records import LeftOut, Workload
from depthprof.runner import Plan, SidePlan
from depthprof.runner.recorder import Recorder
from depthprof.runner.worker import Worker
from tests.names import NAMES
from tests.pipelines.pictures.made import jpeg
from tests.runs import ENVIRONMENT, FACTS, vars_of

SMALL = Workload(input_size=28, device="cpu", threads=1)


def told(*names: str) -> dict[str, Any]:
    pictures = [{"name": name, "height": 4, "width": 4} for name in names]
    return {**FACTS, "workload": vars_of(Workload()), "pictures": pictures}


def test_a_worker_reads_any_name_and_says_what_it_left_out(tmp_path: Path) -> None:
    for name in NAMES.values():
        (tmp_path / f"{name}.jpg").write_bytes(jpeg())
    (tmp_path / f"{NAMES['no UTF-8']}.png").touch()
    plan = Plan((SidePlan("a", "v1", "v1", SMALL),), images=(tmp_path,))
    command = json.loads(json.dumps(plan.load_command(plan.sides)))
    answer = json.loads(json.dumps(Worker().load(command)))
    recorder = Recorder(plan)
    recorder.loaded(answer["sides"], answer["environment"])
    run = recorder.run(0.0, "budget")
    assert len(run.pictures) == len(NAMES)
    assert run.left_out == (LeftOut(r"caf\xe9\xff.png", "is not a picture: the file is empty"),)
    with pytest.raises(BadPicture, match="strict"):
        Worker().load({**command, "strict": True})


@pytest.mark.parametrize("later", [("a.jpg",), ("a.jpg", "c.jpg"), ("a.jpg", "b.jpg", "c.jpg")])
def test_pictures_that_change_meanwhile_are_not_measured_on(later: tuple[str, ...]) -> None:
    sides = (SidePlan("a", "v1", "v1", Workload()), SidePlan("b", "v2", "v2", Workload()))
    recorder = Recorder(Plan(sides))
    recorder.loaded({"a": told("a.jpg", "b.jpg"), "b": told("a.jpg", "b.jpg")}, ENVIRONMENT)
    recorder.loaded({"a": told("a.jpg", "b.jpg"), "b": told("a.jpg", "b.jpg")}, ENVIRONMENT)
    with pytest.raises(BadPicture, match="changed while measuring"):
        recorder.loaded({"a": told(*later), "b": told(*later)}, ENVIRONMENT)
    with pytest.raises(BadPicture, match="changed while measuring"):
        recorder.loaded({"a": told("a.jpg", "b.jpg"), "b": told(*later)}, ENVIRONMENT)


def test_strict_reaches_the_plan_from_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[Plan] = []

    def noted(plan: Plan, *_: object) -> None:
        plans.append(plan)
        raise KeyboardInterrupt

    monkeypatch.setattr(api, "carry_out", noted)
    monkeypatch.setattr(api, "measure", noted)
    for act in (
        lambda strict: api.compare("v1", "v2", images=[tmp_path], strict=strict),
        lambda strict: api.profile("v1", images=[tmp_path], strict=strict),
        lambda strict: api.calibrate("v1", images=[tmp_path], strict=strict),
    ):
        for strict in (False, True):
            with pytest.raises(KeyboardInterrupt):
                act(strict)
            assert plans[-1].strict is strict
