"""`gate --against` in the repositories that users have: hooks, shallow clones, lost helpers."""

import json
import shlex
import sys
from pathlib import Path

import pytest

from depthprof import api
from depthprof.cli.main import main
from depthprof.errors import PipelineError
from tests.cli.test_kept_runs import MINE
from tests.storage.git.made import commit, git, made, state

Shown = pytest.CaptureFixture[str]


def gate(capsys: Shown, *words: str) -> tuple[int, str]:
    code = main(["gate", "mine.py:make", "--no-store", *words])
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    return code, shown.err


def test_a_shallow_clone_is_named_and_how_to_deepen_it(
    tmp_path: Path, capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = made(tmp_path / "far", 3)
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{far}", str(tmp_path / "near"))
    monkeypatch.chdir(tmp_path / "near")
    for words in (["--against", "HEAD~1"], ["--against", "origin/other", "--merge-base"]):
        code, text = gate(capsys, *words)
        assert code == 2
        assert "This clone is shallow" in text
        assert "fetch-depth: 0" in text
    assert gate(capsys, "--against", "HEAD~1", "--bisect")[0] == 125


def test_a_helper_and_a_file_that_are_not_committed_are_named(
    tmp_path: Path, capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = made(tmp_path / "r")
    monkeypatch.chdir(root)
    (root / "helper.py").write_text("")
    before = state(root)

    def fail(*_: object) -> None:
        raise PipelineError("loading raised: No module named 'helper'", side="a", stage="load")

    monkeypatch.setattr(api, "carry_out", fail)
    code, text = gate(capsys, "--against", "HEAD", "--junit", "../j.xml")
    assert code == 2
    at = git(root, "rev-parse", "HEAD")[:10]
    sentence = f"helper.py exists in the working tree but not in {at}: it is not committed"
    assert sentence in " ".join(text.split())
    assert sentence in (tmp_path / "j.xml").read_text()
    assert state(root) == before
    (root / "new.py").write_text("def make(workload): ...\n")
    code = main(["gate", "new.py:make", "--no-store", "--against", "HEAD"])
    text = " ".join(capsys.readouterr().err.split())
    assert code == 2
    assert 'there is no "new.py" at' in text
    assert "new.py exists in the working tree but not in" in text


@pytest.mark.slow
def test_a_gate_in_a_pre_commit_hook_leaves_the_commit_whole(tmp_path: Path) -> None:
    root = made(tmp_path / "r", 0)
    commit(root, mine_py=MINE.format(layers=4), other_py="OTHER = 1\n")
    head = git(root, "rev-parse", "HEAD")
    words = ["gate", "mine.py:make", "--against", "HEAD", "--fail-on", "never", "--no-store"]
    words += ["--input-size", "14", "--budget", "1", "--processes", "1", "--threads", "1"]
    words += ["--json", str(tmp_path / "gate.json")]
    hook = root / ".git" / "hooks" / "pre-commit"
    command = shlex.join([sys.executable, "-m", "depthprof", *words])
    hook.write_text(f"#!/bin/sh\n{command}\ntest $? -eq 0 -o $? -eq 3\n")  # 3: too few processes
    hook.chmod(0o755)
    (root / "mine.py").write_text(MINE.format(layers=40))
    (root / "other.py").write_text("OTHER = 2\n")
    git(root, "commit", "-qam", "x", PYTHONPATH=str(Path(__file__).parents[2]))
    assert git(root, "show", "HEAD:mine.py") == MINE.format(layers=40).strip()
    assert git(root, "show", "HEAD:other.py") == "OTHER = 2"
    assert git(root, "status", "--porcelain") == ""
    assert git(root, "worktree", "list").count("\n") == 0
    found = json.loads((tmp_path / "gate.json").read_text())
    assert found["candidate"] == f"{head[:10]} with changes"
    assert found["sides"][0]["problem"] is None
