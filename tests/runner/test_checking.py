"""What a worker says of a side whose outputs are no depth, and of a side's checkpoint."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from depthprof import load_model
from depthprof.cli.main import main
from depthprof.errors import BadOutput
from depthprof.networks.loading import LAST_BIAS
from depthprof.records import Workload
from depthprof.runner import Plan, SidePlan
from depthprof.runner.worker import Worker
from tests.parameters import golden_picture

WORK = Workload(input_size=56, device="cpu", threads=1)
QKV = "pretrained.blocks.5.attn.qkv.weight"
OWN = """
import numpy as np
from depthprof import load_pipeline

class Whole:
    def __init__(self, workload, checkpoint=None):
        self.inner = load_pipeline("v2", workload, checkpoint=checkpoint)
        for name in ("preprocess", "h2d", "forward", "postprocess", "d2h", "deliver"):
            setattr(self, name, getattr(self.inner, name))

class Dead(Whole):
    def __init__(self, workload):
        super().__init__(workload)
        self.postprocess = lambda depth: self.inner.postprocess(depth) * 0

class Divides(Whole):
    def __init__(self, workload):
        super().__init__(workload)
        self.deliver = lambda depth: [one.numpy() + np.float32("inf") for one in depth]
"""


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    return dict(load_model("v2", "small").state_dict())


@pytest.fixture
def checkpoint(tmp_path: Path, weights: dict[str, Tensor]) -> Any:
    """A function that saves the weights with some replaced, and gives the path."""

    def save(**replaced: Tensor) -> Path:
        names = {"qkv": QKV, "bias": LAST_BIAS}
        state = weights | {names[name]: value for name, value in replaced.items()}
        torch.save({"model": state}, tmp_path / "w.pth")
        return tmp_path / "w.pth"

    return save


def nan_in(value: Tensor) -> Tensor:
    spoilt = value.clone()
    spoilt[3, :7] = float("nan")
    return spoilt


def loaded(
    checkpoint: Path | None, workload: Workload = WORK, variant: str = "v2", **more: Any
) -> dict[str, Any]:
    path = None if checkpoint is None else str(checkpoint)
    side = {"name": "a", "variant": variant, "workload": asdict(workload), "checkpoint": path}
    images = more.pop("images", [])
    answer = Worker().load({"sides": [side | more], "images": [str(image) for image in images]})
    found: dict[str, Any] = answer["sides"]["a"]
    return found


TAKEN = 'checkpoint w.pth: taken from "model"'


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("product", ["image", "depth"])
def test_weights_with_nan_are_named_with_the_layer(
    version: str, product: str, checkpoint: Any, weights: dict[str, Tensor]
) -> None:
    path = checkpoint(qkv=nan_in(weights[QKV]))
    with pytest.raises(BadOutput) as refusal:
        loaded(path, WORK.changed(product=product), version)
    assert (refusal.value.side, refusal.value.stage) == ("a", "forward")
    assert str(refusal.value) == (
        "what the stage forward gave is not finite for picture 1 of 1 (grace_hopper.jpg):"
        " NaN in 3920 of 3920 values;"
        f" 1 of 239 parameters are not finite, the first {QKV} (NaN in 7 of 442368 values);"
        " the first layer to give such values is pretrained.blocks.5.attn.qkv;"
        " --allow-nonfinite measures it all the same"
    )


@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_what_is_allowed_goes_on_and_is_noted_once(
    checkpoint: Any, weights: dict[str, Tensor]
) -> None:
    path = checkpoint(qkv=nan_in(weights[QKV]))
    found = loaded(path, allow=["nonfinite"])
    allowed = [note for note in found["notes"] if note.startswith("allowed: ")]
    assert len(allowed) == 1
    assert "forward gave is not finite" in allowed[0]
    assert TAKEN in found["notes"]
    with pytest.raises(BadOutput, match="--allow-nonfinite"):
        loaded(path, allow=["constant"])


@pytest.mark.parametrize("placebo", [False, True])
def test_metric_weights_in_the_relative_head(
    placebo: bool, checkpoint: Any, weights: dict[str, Tensor]
) -> None:
    path = checkpoint(bias=torch.full_like(weights[LAST_BIAS], -30.0))  # near, for a sigmoid
    with pytest.raises(BadOutput) as refusal:
        loaded(path, placebo=placebo)
    assert "is the same everywhere for picture 1 of 1 (grace_hopper.jpg): 0;" in str(refusal.value)
    assert "a metric checkpoint needs --max-depth METRES (20 indoor, 80" in str(refusal.value)
    assert str(refusal.value).endswith("--allow-constant measures it all the same")
    metric = loaded(path, WORK.changed(max_depth=20), placebo=placebo)
    assert metric["workload"]["max_depth"] == 20
    assert metric["notes"] == [TAKEN]
    assert any("same everywhere" in n for n in loaded(path, allow=["constant"])["notes"])


def test_relative_weights_in_the_metric_head(checkpoint: Any, weights: dict[str, Tensor]) -> None:
    path = checkpoint(bias=torch.full_like(weights[LAST_BIAS], 60.0))
    with pytest.raises(BadOutput, match=r": 80; a relative checkpoint takes no --max-depth"):
        loaded(path, WORK.changed(max_depth=80))
    assert loaded(path)["notes"] == [TAKEN]


def test_an_overflow_of_fp16_comes_with_a_remedy(
    checkpoint: Any, weights: dict[str, Tensor]
) -> None:
    path = checkpoint(qkv=6e5 * weights[QKV])
    assert loaded(path)["notes"] == [TAKEN]
    with pytest.raises(BadOutput) as refusal:
        loaded(path, WORK.changed(dtype="fp16"))
    assert "pretrained.blocks.5.attn.qkv (fp16 ends at 65504); try --dtype bf16 or fp32;" in (
        str(refusal.value)
    )


@pytest.mark.parametrize(
    ("name", "stage", "said"),
    [
        ("Dead", "postprocess", "is the same everywhere for picture 1 of 1"),
        ("Divides", "return", "is not finite for picture 1 of 1 (grace_hopper.jpg): infinity"),
    ],
)
def test_own_pipelines_are_checked_alike(name: str, stage: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    with pytest.raises(BadOutput) as refusal:
        loaded(None, WORK.changed(product="depth"), f"{tmp_path / 'own.py'}:{name}")
    assert refusal.value.stage == stage
    assert said in str(refusal.value)


def test_own_pipelines_pass_on_what_was_done_to_their_checkpoint(
    checkpoint: Any, tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text(OWN)
    assert loaded(checkpoint(), variant=f"{tmp_path / 'own.py'}:Whole")["notes"] == [TAKEN]


def test_pictures_in_a_batch_are_named_and_black_ones_are_no_fault(
    checkpoint: Any, weights: dict[str, Tensor], tmp_path: Path
) -> None:
    paths = [tmp_path / "black.png", tmp_path / "seen.png"]
    cv2.imwrite(str(paths[0]), np.zeros((30, 40, 3), np.uint8))
    cv2.imwrite(str(paths[1]), golden_picture(30, 40))
    dead = checkpoint(bias=torch.full_like(weights[LAST_BIAS], -30.0))
    assert loaded(dead, images=paths[:1])["notes"] == [TAKEN]
    with pytest.raises(BadOutput, match=r"for picture 2 of 2 \(seen.png\): 0;"):
        loaded(dead, WORK.changed(batch=2), images=paths)
    assert loaded(None, images=paths)["notes"] == []


def test_what_is_allowed_reaches_every_worker_that_loads_a_side() -> None:
    side = SidePlan("a", "v2", "v2", WORK, allow=("constant",))
    plan = Plan((side,))
    assert [one["allow"] for one in plan.load_command(plan.sides)["sides"]] == [["constant"]]


@pytest.mark.slow
def test_a_run_is_refused_before_it_is_timed(
    checkpoint: Any,
    weights: dict[str, Tensor],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = checkpoint(qkv=nan_in(weights[QKV]))
    words = ["compare", "v1", "v2", "--input-size", "56", "--checkpoint", f"v2={path}"]
    assert main([*words, "--out", str(tmp_path / "out"), "--no-store", "--processes", "1"]) == 2
    said = capsys.readouterr().err
    assert "side b (v2): what the stage forward gave is not finite" in said
    assert f"the first {QKV} (NaN in 7 of 442368 values)" in said
    assert not list((tmp_path / "out").glob("*"))
