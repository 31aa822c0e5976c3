"""A git repository as the gate needs it: commits resolved, worktrees lent and taken back.

The innermost work tree around a folder counts, as in a shell. What the environment names counts
where the folder alone leads to no work tree, and where GIT_WORK_TREE names one around the folder
that nothing further in replaces: a hook of `git --git-dir=X --work-tree=Y`.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from depthprof.errors import BadInput
from depthprof.storage.child_processes import Calls, call, said
from depthprof.storage.git.lending import lent
from depthprof.storage.git.missing import resolved, why_no_commit, why_no_merge_base

_BATCH = 500
"""So many files go to one call of git, since a command line has a limit."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository by the folder of its working tree, and the folder of git that belongs to it."""

    root: Path
    git_dir: Path

    @classmethod
    def around(cls, folder: Path) -> "Repository":
        """Find the repository a folder is in.

        In a hook, GIT_DIR and GIT_WORK_TREE name it where the folder alone does not.

        Raises:
            BadInput: git is not installed, the folder is in no repository, or in a bare one.
        """
        return cls(*_locate(folder))

    def commit(self, reference: str) -> str:
        """Resolve a branch, tag or commit.

        Raises:
            BadInput: it names no commit here; says what is missing and how to get it.
        """
        commit = resolved(self._calls(), reference)
        if commit is None:
            raise BadInput(why_no_commit(self._calls(), reference))
        return commit

    def merge_base(self, reference: str) -> str:
        """The commit at which the working tree's branch left another.

        Raises:
            BadInput: there is none; says what is missing and how to get it.
        """
        commit = self.commit(reference)
        done = self._calls().git("merge-base", "HEAD", commit)
        if done.returncode:
            raise BadInput(why_no_merge_base(self._calls(), reference, done))
        return done.stdout.split()[0]

    def described(self) -> str:
        """HEAD in short, and whether there are changes beside it."""
        calls = self._calls()
        head = calls.answer("rev-parse", "--short=10", "HEAD") or "no commit"
        changes = calls.answer("status", "--porcelain", "--untracked-files=no")
        changed = bool(changes) or _hidden_changes(calls)
        return f"{head} with changes" if changed else head

    @contextmanager
    def worktree(self, commit: str) -> Iterator[Path]:
        """Lend a folder with the files of a commit, submodules too; it is gone afterwards.

        The index, the working tree and the list of worktrees are then as before, also after Ctrl-C
        or SIGTERM. A refusal that comes out of the block, and that names a file which the folder
        lacks, says why the file is not there.

        Raises:
            BadInput: git cannot make it.
        """
        with lent(self._calls(), commit) as folder:
            yield folder

    def _calls(self) -> Calls:
        return Calls(self.root, self.git_dir)


def _hidden_changes(calls: Calls) -> bool:
    """Whether a file differs from the index that git was told not to look at (assume-unchanged)."""
    listed = calls.answer("ls-files", "-v", "-s", "-z") or ""
    flagged: dict[str, str] = {}
    for entry in listed.split("\0"):
        facts, _, path = entry.partition("\t")
        if facts[:1].islower() and (calls.root / path).is_file():
            flagged[path] = facts.split()[2]
    paths = list(flagged)
    for first in range(0, len(paths), _BATCH):
        some = paths[first : first + _BATCH]
        now = (calls.answer("hash-object", "--", *some) or "").split("\n")
        if now != [flagged[path] for path in some]:
            return True
    return False


_NAMING = ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR")


@dataclass(frozen=True, slots=True)
class _Found:
    """What git answers of a folder; `root` and `git_dir` are None where there is none."""

    root: Path | None
    git_dir: Path | None
    is_bare: bool
    reason: str


def _locate(folder: Path) -> tuple[Path, Path]:
    """The work tree that is meant, and its folder of git.

    Raises:
        BadInput: there is none, or git does not trust it.
    """
    here = _ask(folder, {})
    named = {
        name: str(Path(os.environ[name]).absolute()) for name in _NAMING if os.environ.get(name)
    }
    if "GIT_WORK_TREE" in named or (named and here.git_dir is None):
        there = _ask(folder, named)
        is_meant = there.root is not None and _is_meant(there.root, here.root, folder)
        if is_meant or here.git_dir is None:
            here = there
    root = here.root or _work_tree_of(here)
    if root is None or here.git_dir is None:
        raise BadInput(_why_none(folder, here))
    return root, here.git_dir


def _ask(folder: Path, environment: dict[str, str]) -> _Found:
    """Ask git. It prints what it finds before it fails for want of a work tree."""
    asked = ("--absolute-git-dir", "--is-bare-repository", "--show-toplevel")
    done = call(folder, "rev-parse", *asked, **environment)
    answer = done.stdout.removesuffix("\n")
    known = re.fullmatch(
        "(.+?)\n(true|false)(?:\n(.+))?", answer, re.DOTALL
    )  # names have line ends
    git_dir, bare, root = known.groups() if known else (answer, "", None)
    return _Found(
        Path(root) if root and not done.returncode else None,
        Path(git_dir) if git_dir else None,
        bare == "true",
        done.stderr if "dubious ownership" in done.stderr else said(done),
    )


def _is_meant(named: Path, here: Path | None, folder: Path) -> bool:
    """Whether the work tree that the environment names goes before the one around the folder."""
    if here is None:
        return True
    is_further_in = here != named and here.is_relative_to(named)
    return folder.resolve().is_relative_to(named) and not is_further_in


def _work_tree_of(found: _Found) -> Path | None:
    """The work tree of a folder of git: hooks of a push run in there."""
    if found.git_dir is None or found.is_bare:
        return None
    at = found.git_dir
    places = [at.parent] if at.name == ".git" else []
    configured = call(at, "config", "core.worktree").stdout.removesuffix("\n")
    if configured:  # a submodule's
        places.insert(0, at / configured)
    if (at / "gitdir").is_file():  # a linked worktree's
        places.insert(0, Path(os.fsdecode((at / "gitdir").read_bytes()).removesuffix("\n")).parent)
    for place in places:
        if place.is_dir() and (there := _ask(place, {})).git_dir == at:
            return there.root
    return None


def _why_none(folder: Path, found: _Found) -> str:
    distrusted = re.search("dubious ownership in repository at '(.*)'", found.reason)
    if distrusted:
        return (
            f"git does not trust {distrusted[1]}, which belongs to another user: run"
            f" `git config --global --add safe.directory {distrusted[1]}`"
        )
    if found.is_bare:
        return (
            f"{found.git_dir} is a bare repository and has no working tree to measure;"
            " run the gate in a clone, or set GIT_WORK_TREE to where its files are"
        )
    if found.git_dir is not None:
        return f"{found.git_dir} has no working tree here, and --against needs one"
    return f"{folder} is in no git repository ({found.reason}); --against needs one"
