"""Worktrees that are lent: without the user's hooks, taken back whatever happens."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from depthprof.errors import BadInput
from depthprof.storage.child_processes import Calls, child_environment
from depthprof.storage.git import Repository, lending
from tests.storage.git.made import commit, git, made, state

ENDLESS = """
import sys, time
from pathlib import Path
from depthprof.storage.git import Repository
repository = Repository.around(Path.cwd())
with repository.worktree(repository.commit("HEAD")) as folder:
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
)
def test_a_signal_takes_the_worktree_back(tmp_path: Path, number: int, code: int) -> None:
    root = made(tmp_path / "r")
    before = state(root)
    process = subprocess.Popen(
        [sys.executable, "-c", ENDLESS],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=child_environment(),
    )
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    assert (folder / "mine.py").exists()
    process.send_signal(number)
    assert process.wait() == code
    process.stdout.close()
    assert not folder.parent.exists()
    assert state(root) == before


def test_a_signal_while_it_is_taken_back_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = Repository.around(made(tmp_path / "r"))
    taken_back = lending._take_back

    def interrupted(calls: Calls, folder: Path) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
        taken_back(calls, folder)

    monkeypatch.setattr(lending, "_take_back", interrupted)
    before = state(repository.root)
    with (
        pytest.raises(KeyboardInterrupt),
        repository.worktree(repository.commit("HEAD")) as folder,
    ):
        pass
    assert not folder.parent.exists()
    assert state(repository.root) == before
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_an_interrupt_while_it_is_made_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = Repository.around(made(tmp_path / "r"))
    before = state(repository.root)
    add = lending._add

    def interrupted(calls: Calls, folder: Path, wanted: str) -> None:
        add(calls, folder, wanted)
        (folder / ".git").unlink()  # git is killed before it is complete
        raise KeyboardInterrupt

    monkeypatch.setattr(lending, "_add", interrupted)
    with pytest.raises(KeyboardInterrupt), repository.worktree(repository.commit("HEAD")):
        pass
    assert state(repository.root) == before


@pytest.mark.parametrize("harm", ["folder", "gitfile", "locked", "git"])
def test_what_git_cannot_take_back_goes_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    root = made(tmp_path / "r")
    # a worktree on a disk that is away must stay in the list: `git worktree prune` would drop it
    git(root, "worktree", "add", "-q", str(tmp_path / "away"))
    shutil.rmtree(tmp_path / "away")
    before = state(root)
    repository = Repository.around(root)
    with repository.worktree(repository.commit("HEAD")) as folder:
        if harm == "folder":
            shutil.rmtree(folder)
        if harm == "gitfile":
            (folder / ".git").unlink()
        if harm == "locked":
            git(root, "worktree", "lock", str(folder))
        if harm == "git":
            monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.undo()
    assert not folder.parent.exists()
    assert state(root) == before


def test_no_hook_of_the_user_runs_and_nothing_is_asked(tmp_path: Path) -> None:
    root = made(tmp_path / "r")
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("post-checkout", "reference-transaction", "post-index-change"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        (hooks / name).chmod(0o755)
    git(root, "config", "core.hooksPath", str(hooks))
    repository = Repository.around(root)
    with repository.worktree(repository.commit("HEAD")):
        repository.described()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("program", ["not-installed-at-all", "exit 1 #"])
def test_files_of_lfs_that_cannot_be_had_are_left_as_pointers(tmp_path: Path, program: str) -> None:
    root = made(tmp_path / "r")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    commit(root, weights_bin=pointer)
    attributes = root / ".gitattributes"
    attributes.write_text("weights_bin filter=lfs\n")
    wanted = commit(root)
    git(root, "config", "filter.lfs.smudge", program)
    git(root, "config", "filter.lfs.required", "true")
    (root / "weights_bin").write_text("the whole of it")
    repository = Repository.around(root)

    def measure() -> None:
        with repository.worktree(wanted) as folder:
            assert (folder / "weights_bin").read_text() == pointer
            raise BadInput("the weights cannot be read")

    with pytest.raises(BadInput) as refused:
        measure()
    assert f"at {wanted[:10]}, Git LFS has pointers only: weights_bin" in str(refused.value)


def test_described_tells_changes_whatever_git_was_told(tmp_path: Path) -> None:
    root = made(tmp_path / "r")
    repository = Repository.around(root)
    head = git(root, "rev-parse", "--short=10", "HEAD")
    git(root, "update-index", "--assume-unchanged", "mine.py")
    assert repository.described() == head
    (root / "mine.py").write_text("STATE = 'changed'\n")
    assert repository.described() == f"{head} with changes"
    git(root, "update-index", "--no-assume-unchanged", "mine.py")
    assert repository.described() == f"{head} with changes"
