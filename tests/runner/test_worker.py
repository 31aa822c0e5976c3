"""Real workers with the real network at a small input: the whole way, a few seconds each."""

import json
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pytest

import depthprof
from depthprof import errors
from depthprof.cli.main import main
from depthprof.records import STAGES, UNKNOWN, WARM_UP_TURN, Status
from depthprof.runner import worker
from depthprof.system.conditions import can_watch

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
SMALL = depthprof.Workload(input_size=56, device="cpu", threads=1)

pytestmark = pytest.mark.slow


def test_compare_v1_v2_names_return_and_finds_forward_the_same(tmp_path: Path) -> None:
    judged = depthprof.compare("v1", "v2", SMALL, budget_s=40, processes=3)
    assert judged.run.ended in ("budget", "decided")
    assert all(process.new_layouts for process in judged.run.launches)
    assert judged.run.shared
    assert judged.judgement is not None
    assert judged.judgement.culprit == "return"
    assert judged.judgement.verdict("forward").status is not Status.SLOWER
    assert judged.exit_code == 1

    samples = judged.run.samples
    assert samples.stages == STAGES
    assert (samples.host_ns > 0).all()
    assert samples.device_ns is None
    # Iterations of one launch never overlap: the next begins after the one before has ended.
    for launch in np.unique(samples.launch):
        here = samples.launch == launch
        ends = samples.start_ns[here] + samples.host_ns[here].sum(axis=1)
        assert (samples.start_ns[here][1:] >= ends[:-1]).all()

    # What happened to the thread and to the machine is known, as far as this system tells.
    seen, blocks = samples.interruptions, judged.run.conditions
    assert seen is not None
    assert blocks is not None
    if can_watch():
        assert (seen.involuntary >= 0).all()
    watched = seen.stage_cpu_ns[:, 0] != UNKNOWN
    assert (seen.stage_cpu_ns[watched].sum(axis=1) <= 1.05 * samples.host_ns[watched].sum(1)).all()
    assert (blocks.wall_ns > 0).all()
    assert len(blocks) == len(np.unique(np.stack([samples.launch, samples.block]), axis=1).T)

    first, second = judged.run.sides
    assert first.input_shapes == ((1, 3, 70, 56),)
    assert first.weights is not None
    assert second.weights is not None
    assert first.weights.source == "random"
    assert first.weights.seed == 0
    assert first.weights.parameters == second.weights.parameters == 24_785_089
    assert judged.run.pictures[0].name == "grace_hopper.jpg"
    assert judged.run.environment.torch

    folder = depthprof.write_report(judged, tmp_path)
    run, policy = depthprof.read_run(folder)
    assert depthprof.judge(run, policy).judgement == judged.judgement
    frame = depthprof.samples_frame(run)
    assert len(frame) == len(samples) * len(STAGES)
    assert set(frame.loc[frame.turn == WARM_UP_TURN, "warm_up"]) <= {True}


def test_v2_is_slower_in_return_than_the_example_of_the_docs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compare", f"{EXAMPLES / 'fast_v2.py'}:FastV2", "v2", "--input-size", "56"]
    words += ["--processes", "3", "--no-store"]  # a clear case: it ends before its budget
    code = main([*words, "--budget", "40", "--threads", "1", "--out", str(tmp_path), "--json", "-"])
    document = json.loads(capsys.readouterr().out)
    found = {verdict["stage"]: verdict["status"] for verdict in document["verdicts"]}
    assert found["return"] == "SLOWER"
    assert document["culprit"] == "return"
    assert code == 1
    assert document["candidate"]["weights"] == document["baseline"]["weights"]
    assert "separate" not in json.dumps(document)


def test_sides_of_unlike_threads_with_pictures_of_unlike_size_in_batches(tmp_path: Path) -> None:
    for number, (height, width) in enumerate([(60, 80), (40, 30), (50, 50)]):
        picture = np.full((height, width, 3), 40 * number, np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture)
    workload = SMALL.changed(batch=2, product="depth", dtype="bf16")
    judged = depthprof.compare(
        "v2",
        "v2",
        workload,
        candidate_workload=workload.changed(threads=2),
        images=[tmp_path],
        budget_s=1,
        processes=1,
    )
    assert not judged.run.shared
    assert [side.threads for side in judged.run.sides] == [1, 2]
    assert not any("threads" in note for side in judged.run.sides for note in side.notes)
    assert len(judged.run.pictures) == 3
    assert [side.input_shapes for side in judged.run.sides] == [((2, 3, 56, 56),)] * 2


LIGHT = """
import time
import cv2
import numpy as np
import torch

class Light:
    def __init__(self, workload):
        self.shape = None

    def preprocess(self, images):
        self.shape = images[0].shape[:2]
        small = cv2.resize(images[0], (56, 56)).astype(np.float32)
        return torch.from_numpy(small.transpose(2, 0, 1)[None])

    def h2d(self, batch):
        return batch

    def forward(self, batch):
        return batch.mean(dim=1)

    def postprocess(self, depth):
        return torch.nn.functional.interpolate(depth[:, None], self.shape)[:, 0]

    def d2h(self, depth):
        return depth

    def deliver(self, depth):
        return [np.repeat(depth[0].byte().numpy()[..., None], 3, axis=2)]
"""
"""A pipeline without a network, quick to load."""

BROKEN = """
class Broken(Light):
    calls = 0

    def deliver(self, depth):
        self.calls += 1
        if self.calls > 8:
            raise ValueError("tired")
        return super().deliver(depth)
"""


PATCHING = """
resize = cv2.resize

def slow(*arguments, **options):
    time.sleep(0.003)
    return resize(*arguments, **options)

cv2.resize = slow
"""


@pytest.fixture
def light(tmp_path: Path) -> str:
    """The light pipeline, as a variant."""
    (tmp_path / "light.py").write_text(LIGHT)
    return f"{tmp_path / 'light.py'}:Light"


def test_what_a_side_patches_for_both_falls_on_that_side_alone(light: str, tmp_path: Path) -> None:
    (tmp_path / "patching.py").write_text(LIGHT + PATCHING)
    patching = f"{tmp_path}/patching.py:Light"
    judged = depthprof.compare(light, patching, SMALL, budget_s=0.5, processes=1)
    assert not judged.run.shared
    assert judged.comparison is not None
    row = judged.comparison.stage("preprocess")
    assert row.candidate.median_ns.value > row.baseline.median_ns.value + 2e6
    notes = [note for side in judged.run.sides for note in side.notes]
    assert any(
        "separate processes: the candidate changes what both sides share: cv2.resize" in note
        for note in notes
    )
    assert judged.exit_code == 3  # one process of each side


def test_variants_of_this_repository_share_a_process() -> None:
    fast = f"{EXAMPLES / 'fast_v2.py'}:FastV2"
    workloads = {
        "v2": SMALL.changed(dtype="fp16"),
        "v1": SMALL.changed(attention="sdpa"),
        fast: SMALL.changed(dtype="bf16", batch=2, product="depth"),
    }
    sides = [
        {"name": name, "variant": variant, "workload": asdict(workload), "checkpoint": None}
        for name, (variant, workload) in zip("abc", workloads.items(), strict=True)
    ]
    together = worker.Worker()
    assert set(together.load({"sides": sides, "images": []})["sides"]) == set("abc")
    for name in "abcabc":
        block = {"side": name, "first": 0, "iterations": 1, "warming_up": True}
        assert together.block(block)["threads"] == [1, 1]


def test_a_user_s_stage_that_fails_half_way_keeps_what_was_measured(
    light: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Its iterations are long enough for blocks of one, so that it fails in a block after warm-up.
    slow = BROKEN.replace("self.calls += 1", "self.calls += 1; time.sleep(0.03)")
    (tmp_path / "broken.py").write_text(LIGHT + slow)
    words = ["compare", light, f"{tmp_path / 'broken.py'}:Broken", "--input-size", "56"]
    words += ["--processes", "1", "--no-store"]
    assert main([*words, "--budget", "20", "--threads", "1", "--out", str(tmp_path / "out")]) == 2
    shown = " ".join(capsys.readouterr().out.split())
    assert "failed in the stage return" in shown
    assert "raised ValueError: tired" in shown
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_what_a_worker_refuses_reaches_the_user(tmp_path: Path) -> None:
    (tmp_path / "no.jpg").write_text("text")
    with pytest.raises(errors.BadPicture, match=r"no\.jpg is not a picture"):
        depthprof.profile("v1", SMALL, images=[tmp_path / "no.jpg"], budget_s=1)


def test_batches_begin_again_where_pictures_run_out() -> None:
    assert worker._batches([1, 2, 3], 2) == [[1, 2], [3, 1]]
    assert worker._batches([1], 3) == [[1, 1, 1]]
    assert worker._batches([1, 2], 1) == [[1], [2]]


def test_batches_of_one_size_are_checked_once() -> None:
    big, small = np.zeros((4, 4, 3)), np.zeros((2, 2, 3))
    kept = worker._unlike([[big], [small], [big]])
    assert [batch[0].shape for batch in kept] == [(4, 4, 3), (2, 2, 3)]
