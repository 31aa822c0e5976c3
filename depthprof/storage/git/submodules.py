"""Submodules of an earlier commit, filled in from the repositories that are already here.

`git submodule update --init` would write into the user's configuration and ask the network. Here a
submodule's files come from the repository that its checkout in the working tree has: read with an
index of our own, so nothing is written there.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from depthprof.storage.git.calls import Calls, call, said
from depthprof.storage.git.history import is_shallow

_GITLINK = "160000"


def fill(calls: Calls, commit: str, folder: Path) -> dict[str, str]:
    """Check the submodules of a commit out below `folder`, those inside of them too.

    Args:
        calls: the repository of the commit.
        commit: its hash.
        folder: where its files are already.

    Returns:
        Why a submodule is not there, by its path below `folder`; empty where all are.
    """
    absent: dict[str, str] = {}
    names = _names(folder)
    for path, wanted in _links(calls, commit):
        target = folder / path
        if target.is_symlink() or not target.is_dir():
            continue  # outside of a sparse checkout
        found = _repository(calls, names.get(path, path), path)
        why = _check_out(found, wanted, target, path)
        if why is not None:
            absent[path] = why
        elif found is not None:
            inside = fill(found, wanted, target)
            absent |= {f"{path}/{below}": reason for below, reason in inside.items()}
    return absent


def _links(calls: Calls, commit: str) -> Iterator[tuple[str, str]]:
    """Path and commit of each submodule."""
    for entry in (calls.answer("ls-tree", "-r", "-z", commit) or "").split("\0"):
        facts, _, path = entry.partition("\t")
        if facts.startswith(_GITLINK):
            yield path, facts.split()[2]


def _names(folder: Path) -> dict[str, str]:
    """Names of the submodules by their path, which differ once one was moved."""
    asked = ("config", "--file", ".gitmodules", "--null", "--get-regexp", r"^submodule\..*\.path$")
    names = {}
    for entry in call(folder, *asked).stdout.split("\0"):
        key, _, path = entry.partition("\n")
        names[path] = key.removeprefix("submodule.").removesuffix(".path")
    return names


def _repository(calls: Calls, name: str, path: str) -> Calls | None:
    """The repository of a submodule, kept for this worktree or for all, or in its checkout."""
    if ".." in Path(name).parts:  # git refuses such names too (CVE-2018-11235)
        return None
    kept = [base / "modules" / name for base in (calls.git_dir, calls.common_dir())]
    place = calls.root / path
    for git_dir in (*kept, place / ".git"):
        if (git_dir / "HEAD").is_file():
            return Calls(place if place.is_dir() else git_dir, git_dir)
    return None


def _check_out(found: Calls | None, commit: str, target: Path, path: str) -> str | None:
    """Write the files of a commit into a folder; returns why it failed, or None."""
    if found is None:
        return f"its repository is not here; run `git submodule update --init {path}`"
    there = Calls(target, found.git_dir)
    if there.answer("cat-file", "-e", f"{commit}^{{commit}}") is None:
        more = " --unshallow" if is_shallow(there) else ""
        return f"its commit {commit[:10]} is not here; run `git -C {path} fetch{more}`"
    with tempfile.TemporaryDirectory(prefix="depthprof-") as parent:
        index = str(Path(parent, "index"))
        done = there.git("read-tree", "--reset", "-u", commit, GIT_INDEX_FILE=index)
    return said(done) if done.returncode else None
