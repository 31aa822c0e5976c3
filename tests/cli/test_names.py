"""Names as a user types them: folders of reports, files, sides, stores, repositories."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from depthprof import api
from depthprof.cli.main import main
from depthprof.networks.checkpoint import read_checkpoint
from depthprof.pipelines.own_code import own_callable
from depthprof.pipelines.registry import code_sha256
from depthprof.records import LeftOut, Policy, Result
from depthprof.report import folder
from depthprof.runner import Plan
from depthprof.storage.git import Repository
from depthprof.verdict.decision import judge
from tests.names import NAMES
from tests.runs import simulated

Told = pytest.CaptureFixture[str]
LEFT_OUT = (LeftOut("empty\n.jpg", "is not a picture: the file is empty"),)
every_hard_name = pytest.mark.parametrize(
    "kind", ["no UTF-8", "line end", "escape code", "markup of rich", "dash"]
)
"""Kinds that differ for a program; tests/report/test_names.py has them all."""


@pytest.fixture
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """Measure nothing: note the plan, and give a run with its labels and a file left out."""
    plans: list[Plan] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEPTHPROF_STORE", str(tmp_path / "store.db"))
    monkeypatch.setattr(folder, "draw", lambda *_: {})

    def carry_out(plan: Plan, policy: Policy, *_: object) -> Result:
        plans.append(plan)
        run = simulated(turns=12, launches=8, seed=len(plans))
        sides = tuple(
            replace(known, label=side.label, variant=side.variant)
            for known, side in zip(run.sides, (*plan.sides, *plan.sides), strict=False)
        )
        return judge(replace(run, sides=sides, left_out=LEFT_OUT), policy)

    monkeypatch.setattr(api, "carry_out", carry_out)
    return plans


@every_hard_name
def test_what_is_typed_is_read_and_shown(
    kind: str, planned: list[Plan], tmp_path: Path, capsys: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / NAMES[kind]
    here.mkdir()
    monkeypatch.chdir(here)
    name = f"./{NAMES[kind]}"
    Path(f"{name}.py").write_text("Mine = 1")
    Path(f"{name}.jpg").touch()
    words = ["compare", f"{name}.py:Mine", "v2", "--images", f"{name}.jpg", "--fail-on", "never"]
    assert main([*words, f"--out={name}-out", f"--json={name}.json"]) == 0
    (plan,) = planned
    assert plan.sides[0].variant == f"{name}.py:Mine"  # as it is, not as it is shown
    assert Path(plan.load_command(())["images"][0]).samefile(f"{name}.jpg")
    (written,) = Path(f"{name}-out").iterdir()
    document = json.loads(Path(f"{name}.json").read_text())
    assert written.samefile(document["report"])
    assert main(["runs", "export", "newest", f"--out={name}-ex"]) == 0
    (exported,) = Path(f"{name}-ex").iterdir()
    assert main(["runs", "import", str(exported.absolute())]) == 0
    assert main(["report", str(written.absolute())]) == 0
    assert main(["baseline", "set", "main", "newest", "--file", f"{name}.base"]) == 0
    told = capsys.readouterr()
    for text in (told.out, told.err):
        assert all(line.isprintable() for line in text.split("\n"))
        text.encode("utf-8")


@every_hard_name
@pytest.mark.parametrize(
    "words",
    [
        ["compare", "v1", "NAME"],
        ["compare", "v1", "./NAME.py:x"],
        ["compare", "v1", "v2@NAME"],
        ["compare", "v1", "v2", "--images", "./NAME"],
        ["compare", "v1", "v2", "--checkpoint=./NAME"],
        ["compare", "v1", "v2", "--device=NAME"],
        ["report", "./NAME"],
        ["runs", "show", "./NAME"],
        ["runs", "tag", "newest", "./NAME"],
        ["runs", "import", "./NAME"],
        ["runs", "list", "--tag=NAME"],
        ["baseline", "set", "./NAME"],
        ["gate", "--baseline=NAME"],
        ["gate", "--file=./NAME"],
        ["compare", "v1", "v2", "NAME"],
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("planned")
def test_what_is_not_there_is_refused_in_one_line(
    kind: str, words: list[str], capsys: Told
) -> None:
    try:
        code = main([word.replace("NAME", NAMES[kind]) for word in words])
    except SystemExit as error:  # as argparse refuses
        code = error.code
    told = capsys.readouterr()
    assert code in (0, 2)
    assert len(told.err.splitlines()) <= 1
    for text in (told.out, told.err):
        assert all(line.isprintable() for line in text.split("\n"))


@pytest.mark.parametrize("words", [["compare", "v1"], ["profile"], ["gate", "--bisect"]])
@pytest.mark.parametrize("how", [[], ["--quiet"], ["--json=-"]])
def test_a_picture_that_was_left_out_is_told_whatever_is_printed(
    words: list[str], how: list[str], planned: list[Plan], tmp_path: Path, capsys: Told
) -> None:
    if words[0] == "gate":
        main(["profile", "v2", "--out", str(tmp_path)])
        main(["baseline", "set", "main"])
        capsys.readouterr()
    more = [] if words[0] == "gate" else ["--out", str(tmp_path)]
    main([*words, "v2", *more, *how, "--strict"])
    told = capsys.readouterr()
    assert r"empty\n.jpg is not a picture" in told.out + told.err
    assert planned[-1].strict


@every_hard_name
def test_code_and_weights_are_read_from_files_of_any_name(kind: str, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save

    place = tmp_path / NAMES[kind]
    place.mkdir()
    file = place / f"{NAMES[kind]}.py"
    file.write_text("def make(workload): return 7")
    assert own_callable(f"{file}:make")(None) == 7
    assert len(code_sha256(f"{file}:make")) == 64
    weights = {"a": torch.ones(3)}
    (place / f"{NAMES[kind]}.safetensors").write_bytes(save(weights))
    torch.save(weights, place / f"{NAMES[kind]}.pth")
    for ending in (".safetensors", ".pth"):
        assert read_checkpoint(place / f"{NAMES[kind]}{ending}").keys() == {"a"}


@pytest.mark.parametrize("kind", ["no UTF-8", "line end", "escape code", "dash"])
def test_a_repository_may_lie_in_a_folder_of_any_name(kind: str, tmp_path: Path) -> None:
    root = tmp_path / f"{NAMES[kind]} "
    root.mkdir()
    git = ["git", "-C", str(root), "-c", "user.name=x", "-c", "user.email=x@y"]
    (root / NAMES[kind]).write_text("x")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], check=True)
    repository = Repository.around(root)
    assert repository.root == root
    with repository.worktree(repository.commit("HEAD")) as lent:
        assert (lent / NAMES[kind]).read_text() == "x"
