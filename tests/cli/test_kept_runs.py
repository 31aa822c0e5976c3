"""runs, baseline, gate and history as a user types them, over runs that a test makes."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from depthprof import api
from depthprof.cli.main import main
from depthprof.cli.parser import COMMANDS
from depthprof.records import Policy, Result, Timing
from depthprof.report import folder
from depthprof.runner import Plan
from depthprof.storage.settings import read_settings
from depthprof.verdict.decision import judge
from tests.cli.test_command_line import examples
from tests.records.gpu import LIMITS
from tests.runs import simulated

Told = pytest.CaptureFixture[str]
TIMING = Timing("cpu", "a CPU", 1, (), 1.0, 1.0, True)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with its own store; measuring gives simulated runs, each a second later."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DEPTHPROF_STORE")
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    made: list[Plan] = []

    def carry_out(plan: Plan, policy: Policy, on_progress: object = None) -> Result:
        del on_progress
        made.append(plan)
        slow = 2.0 if plan.seed == 7 else 1.0
        run = simulated(
            turns=4, launches=plan.fewest_processes, seed=len(made), change={"forward": slow}
        )
        sides = tuple(
            replace(known, label=side.label, variant=side.variant, workload=side.workload)
            for known, side in zip(run.sides, plan.sides, strict=False)
        )
        samples = run.samples
        if len(sides) == 1:  # of the second, which has the change
            sides = (replace(sides[0], name="a"),)
            mine = samples.side == 1
            columns = ("launch", "turn", "block", "side", "start_ns", "host_ns")
            samples = replace(samples, **{n: getattr(samples, n)[mine] for n in columns})
            samples = replace(samples, side=samples.side * 0)
        created = f"2026-01-01T00:00:{len(made):02d}+00:00"
        where = replace(run.environment, commit="c0ffee" * 7, dirty=len(made) % 2 == 0)
        known = {"sides": sides, "samples": samples, "created": created, "environment": where}
        return judge(replace(run, **known), policy)

    monkeypatch.setattr(api, "carry_out", carry_out)
    monkeypatch.setattr(folder, "draw", lambda *_: {})  # reports have tests of their own
    return tmp_path


def profile(*more: str) -> int:
    return main(["profile", "v2", "--processes", "8", "--quiet", *more])


def said(told: Told) -> str:
    out, err = told.readouterr()
    assert "Traceback" not in out + err
    return out + err


def test_runs_are_kept_listed_shown_exported_and_brought_back(here: Path, capsys: Told) -> None:
    assert profile("--tag", "first") == 0
    assert main(["compare", "v1", "v2", "--quiet", "--fail-on", "slower"]) == 0
    said(capsys)
    assert main(["runs", "list", "--json", "-"]) == 0
    rows = json.loads(capsys.readouterr().out)["runs"]
    assert [row["kind"] for row in rows] == ["comparison", "profile"]
    assert rows[1]["tags"] == ["first"]
    assert main(["runs"]) == 0
    assert rows[0]["id"] in said(capsys)
    assert main(["runs", "show", "first"]) == 0
    assert "forward" in said(capsys)
    assert main(["runs", "export", "first", "--out", "there"]) == 0
    assert main(["runs", "delete", "first"]) == 0
    assert main(["runs", "show", "first"]) == 2
    assert 'no run "first"' in said(capsys)
    (file,) = (here / "there").iterdir()
    assert main(["runs", "import", str(file), "--tag", "back"]) == 0
    assert rows[1]["id"] in said(capsys)
    assert main(["runs", "tag", "back", "x", "y"]) == 0
    assert main(["runs", "tag", "back", "x", "--remove"]) == 0
    assert main(["runs", "import", str(next((here / "reports").iterdir()))]) == 0


def test_no_store_keeps_nothing(here: Path, capsys: Told) -> None:
    assert profile("--no-store") == 0
    assert not (here / ".depthprof").exists()
    assert main(["runs"]) == 2
    assert "no store at" in said(capsys)


def test_a_run_that_cannot_be_kept_is_kept_as_a_file(here: Path, capsys: Told) -> None:
    assert profile("--store", "postgresql://nobody:secret@127.0.0.1:9/x") == 2
    text = said(capsys)
    assert "The run is kept in" in text
    assert "runs import" in text
    assert "secret" not in text
    (folder,) = (here / "reports").iterdir()
    assert (folder / "run.json").exists()


@pytest.mark.usefixtures("here")
def test_the_store_may_be_named_before_the_action(capsys: Told) -> None:
    assert profile("--store", "other.db") == 0
    said(capsys)
    assert main(["runs", "--store", "other.db", "list"]) == 0
    assert "v2" in said(capsys)
    assert main(["runs", "--store", "other.db", "list", "--store", "nowhere.db"]) == 2


@pytest.mark.usefixtures("here")
def test_the_gate_passes_the_same_and_fails_the_slower(capsys: Told) -> None:
    assert profile() == 0
    assert main(["baseline", "set", "main", "--file", "base.json"]) == 0
    assert main(["baseline", "list"]) == 0
    assert main(["baseline", "show", "main"]) == 0
    assert "8 processes" in said(capsys)
    assert main(["gate"]) == 2
    assert "is the baseline itself" in said(capsys)
    assert main(["gate", "v2"]) == 0
    assert "PASS" not in said(capsys)
    outputs = ["--junit", "out/j.xml", "--markdown", "out/m.md", "--json", "out/g.json"]
    assert main(["gate", "v2", "--seed", "7", *outputs]) == 1
    assert "forward is slower" in said(capsys)
    assert ElementTree.parse("out/j.xml").getroot().attrib["failures"] == "2"
    assert json.loads(Path("out/g.json").read_text())["exit_code"] == 1
    assert "SLOWER" in Path("out/m.md").read_text()
    assert main(["gate", "--quiet"]) == 1  # the newest kept run
    assert main(["gate", "--file", "base.json", "--quiet"]) == 1
    assert said(capsys).startswith("SLOWER")
    assert main(["gate", "--threshold", "200%", "--quiet"]) == 0


def test_the_gate_tells_github(here: Path, capsys: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = here / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    profile()
    main(["baseline", "set", "main"])
    assert main(["gate", "v2", "--seed", "7"]) == 1
    assert "::error title=v2%3A forward SLOWER::" in said(capsys)
    assert summary.read_text().startswith("# depthprof gate: slower")


@pytest.mark.usefixtures("here")
def test_thresholds_come_from_pyproject(capsys: Told) -> None:
    text = "[tool.depthprof.gate]\nthreshold='300%'\nbaseline='release'\n"
    Path("pyproject.toml").write_text(text)
    assert read_settings().gate.baseline == "release"
    profile()
    main(["baseline", "set", "release"])
    assert main(["gate", "v2", "--seed", "7"]) == 0
    Path("pyproject.toml").write_text(text + "stages = {forward = '50%'}\n")
    assert main(["gate", "--quiet"]) == 1
    Path("pyproject.toml").write_text(text + "treshold = 1\n")
    assert main(["gate"]) == 2
    assert 'did you mean "threshold"' in said(capsys)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["gate", "--name", "man"], 'did you mean "main"'),
        (["gate", "--run", "nope"], 'no run "nope"'),
        (["gate", "--file", "nope.json"], "is not there"),
        (["gate", "--file", "odd.json"], "not JSON"),
        (["gate", "v2", "--allow", "drivr"], 'did you mean "driver"'),
        (["gate", "--against", "HEAD"], "name the side"),
        (["gate", "--merge-base"], "needs --against"),
        (["gate", "v2", "--against", "HEAD"], "no git repository"),
        (["baseline", "show", "man"], 'did you mean "main"'),
        (["baseline", "set", "\t"], "no word"),
        (["runs", "import", "odd.json"], "not JSON"),
        (["runs", "import", "other.json"], "no run of depthprof"),
        (["runs", "list", "--limit", "0"], "at least 1"),
        (["history", "--stage", "forwrd"], 'did you mean "forward"'),
        (["history", "--label", "v9"], "There are"),
        (["runs", "--store", "odd.json"], "not a database"),
    ],
)
@pytest.mark.usefixtures("here")
def test_bad_input_is_a_sentence_and_exit_2(capsys: Told, words: list[str], sentence: str) -> None:
    profile()
    main(["baseline", "set", "main"])
    Path("odd.json").write_text("no JSON at all, and no database either " * 40)
    Path("other.json").write_text('{"benchmarks": [{"extra_info": {}}]}')
    said(capsys)
    assert main(words) == 2
    assert sentence.lower() in said(capsys).lower()


@pytest.mark.usefixtures("here")
def test_a_gate_that_saw_nothing_does_not_pass(capsys: Told) -> None:
    profile()
    main(["baseline", "set", "main", "--file", "b.json"])
    said(capsys)
    assert main(["gate", "--file", "b.json", "--fail-on", "slower", "--junit", "j.xml"]) == 2
    assert "is the baseline itself" in said(capsys)
    assert ElementTree.parse("j.xml").getroot().attrib["errors"] == "1"
    # too few launches decide nothing, whatever may pass
    assert main(["gate", "v2", "--processes", "2", "--fail-on", "slower", "--quiet"]) == 3
    assert said(capsys).startswith("INCONCLUSIVE")
    assert main(["gate", "v2", "--against", "HEAD", "--allow", "driver"]) == 2
    assert "nothing to --allow" in said(capsys)


@pytest.mark.usefixtures("here")
def test_a_side_unlike_the_baseline_is_refused_before_it_is_measured(
    capsys: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile()
    main(["baseline", "set", "main"])
    monkeypatch.setattr(api, "carry_out", lambda *_: pytest.fail("it was measured"))
    assert main(["gate", "v2", "--batch", "2", "--junit", "j.xml"]) == 2
    text = said(capsys)
    assert "INCOMPARABLE" in text
    assert "batch" in text
    assert ElementTree.parse("j.xml").getroot().attrib["errors"] == "1"
    assert main(["gate", "v1", "--quiet"]) == 2
    assert "v2" in said(capsys)  # the baseline's side, which would not be measured
    assert main(["gate", "v2", "--batch", "2", "--allow", "drivr"]) == 2
    assert 'did you mean "driver"' in said(capsys)


@pytest.mark.usefixtures("here")
def test_an_allowed_field_does_not_keep_a_side_from_being_measured(capsys: Told) -> None:
    profile()
    main(["baseline", "set", "main"])
    assert main(["gate", "v2", "--batch", "2", "--allow", "batch"]) in (0, 1, 3)
    assert "INCOMPARABLE" not in said(capsys)


@pytest.mark.usefixtures("here")
def test_a_gate_whose_run_cannot_be_kept_tells_its_verdict_all_the_same(capsys: Told) -> None:
    profile()
    main(["baseline", "set", "main", "--file", "b.json"])
    Path("odd.db").write_text("no database " * 400)
    assert main(["gate", "v2", "--file", "b.json", "--store", "odd.db", "--quiet"]) == 2
    text = said(capsys)
    assert "PASS" in text
    assert "The run is kept in reports" in text


@pytest.mark.usefixtures("here")
def test_bisect_skips_what_is_not_decided(capsys: Told) -> None:
    assert main(["profile", "v2", "--processes", "3", "--quiet"]) == 0
    main(["baseline", "set", "main"])
    assert "decides from 6" in said(capsys)
    assert main(["gate", "v2", "--quiet"]) == 3
    assert main(["gate", "v2", "--quiet", "--bisect"]) == 125


def test_history_over_some_runs(here: Path, capsys: Told) -> None:
    assert main(["history"]) == 2
    for number in range(14):
        profile(*(["--seed", "7"] if number >= 7 else []))
    said(capsys)
    assert main(["history", "--label", "v2", "--out", "h", "--otava", "o.csv"]) == 0
    text = said(capsys)
    assert "v2 small 518" in text
    assert "forward" in text
    assert (here / "h" / "history.html").exists()
    assert len((here / "o.csv").read_text().splitlines()) == 15
    assert main(["history", "--stage", "forward", "--json", "-"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["kind"] == "history"
    commits = [point["commit"] for point in document["series"][0]["points"]]
    assert commits[:2] == ["c0ffee" * 7, "c0ffee" * 7 + "+"]  # the second had changes besides


@pytest.fixture
def furnished(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository with all that the examples name; the machine is not examined."""
    (here / "photos").mkdir()
    (here / "photos" / "1.jpg").touch()
    (here / "mine.py").write_text("make = None")
    committed(here)
    git(here, "update-ref", "refs/remotes/origin/main", "HEAD")
    profile("--tag", "nightly")
    main(["baseline", "set", "main"])
    (kept,) = (here / "reports").iterdir()
    for place in (here / "baseline", here / "reports" / "20260101-120000-v1-vs-v2-small"):
        shutil.copytree(kept, place)
    monkeypatch.setattr(api, "measure", lambda *_: simulated(turns=20))
    monkeypatch.setattr(api, "limits", lambda *_, **__: LIMITS)
    monkeypatch.setattr("depthprof.system.doctor.examine", lambda *_: [])
    monkeypatch.setattr("depthprof.profiling.client.check_timing", lambda _: TIMING)
    monkeypatch.setattr("depthprof.profiling.client.profile_below", lambda *_, **__: None)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.usefixtures("furnished")
def test_the_examples_of_each_help_run(command: str, capsys: Told) -> None:
    for words in examples(command, capsys):
        code = main(words)
        assert code in (0, 1, 3), said(capsys)


MINE = """
import torch
LAYERS = {layers}
class Mine:
    def preprocess(self, images):
        cut = [torch.from_numpy(i[:14, :14].copy()).permute(2, 0, 1) for i in images]
        return torch.stack(cut) / 255.
    def h2d(self, batch): return batch.clone()
    def forward(self, batch):
        x = torch.ones(200, 200)
        for _ in range(LAYERS): x = torch.tanh(x @ x / 200)
        return batch.mean(1) + x[:14, :14]
    def postprocess(self, depth): return torch.nn.functional.interpolate(depth[None], (600, 512))[0]
    def d2h(self, depth): return depth.clone()
    def deliver(self, depth):
        return [d[..., None].repeat(3, 2) for d in (depth.numpy() % 1 * 255).astype("uint8")]
def make(workload): return Mine()
"""


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True)


def against(folder: Path, side: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    options = ["--against", "main", "--no-store", "--json", "-", "--input-size", "14"]
    options += ["--budget", "0.5", "--processes", "1", "--threads", "1", "--junit", "j.xml"]
    return subprocess.run(
        [sys.executable, "-m", "depthprof", "gate", side, *options],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


def committed(folder: Path) -> None:
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "one")


@pytest.mark.slow
def test_an_earlier_commit_does_not_run_the_working_tree_s_helpers(tmp_path: Path) -> None:
    package = tmp_path / "src" / "pkg"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "helper.py").write_text("LAYERS = 4\n")
    code = MINE.replace("LAYERS = {layers}", "from pkg.helper import LAYERS")
    (package / "mine.py").write_text(code)
    committed(tmp_path)
    (package / "helper.py").write_text("LAYERS = 40\n")
    path = os.pathsep.join([str(package.parent), os.environ.get("PYTHONPATH", "")])
    done = against(tmp_path, "src/pkg/mine.py:make", PYTHONPATH=path)
    assert done.returncode == 3, done.stderr  # one process of each side decides nothing
    (side,) = json.loads(done.stdout)["sides"]
    assert "measured in separate processes" in (said := " ".join(side["notes"]))
    assert "helper.py have the same name and different content" in said
    rows = {row["stage"]: row for row in side["verdicts"]}
    assert rows["forward"]["candidate_ns"] > 2 * rows["forward"]["baseline_ns"]
    assert {row["reason"]["code"] for row in rows.values()} == {"too_few_processes"}


@pytest.mark.slow
def test_a_commit_that_crashes_is_refused_and_no_verdict(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE.format(layers=4))
    committed(tmp_path)
    (tmp_path / "mine.py").write_text(MINE.format(layers=4).replace("x = torch", "x = torhc"))
    done = against(tmp_path, "mine.py:make")
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "torhc" in done.stderr
    root = ElementTree.parse(tmp_path / "j.xml").getroot()
    assert root.attrib["errors"] == "1"


@pytest.mark.slow
def test_two_commits_are_measured_in_one_process(tmp_path: Path) -> None:
    code = MINE.format(layers=4) + "import helpers_of_mine\n"  # the same at both commits
    (tmp_path / "mine.py").write_text(code)
    (tmp_path / "helpers_of_mine.py").write_text("")
    committed(tmp_path)
    (tmp_path / "mine.py").write_text(code.replace("LAYERS = 4", "LAYERS = 40"))
    done = against(tmp_path, "mine.py:make")
    assert done.returncode in (1, 3), done.stderr
    found = json.loads(done.stdout)
    assert found["is_paired"]
    assert not found["sides"][0]["is_same_code"]
    assert not any("separate" in note for note in found["sides"][0]["notes"])  # one process
    rows = {row["stage"]: row for row in found["sides"][0]["verdicts"]}
    assert rows["forward"]["candidate_ns"] > 2 * rows["forward"]["baseline_ns"]
    worktrees = subprocess.run(
        ["git", "-C", str(tmp_path), "worktree", "list"], capture_output=True, text=True
    )
    assert len(worktrees.stdout.splitlines()) == 1  # it was taken back
