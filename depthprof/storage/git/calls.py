"""Calls of git on one repository, and which repository is meant.

The innermost work tree around a folder counts, as in a shell. What the environment names counts
where the folder alone leads to no work tree, and where GIT_WORK_TREE names one around the folder
that nothing further in replaces: a hook of `git --git-dir=X --work-tree=Y`.
"""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from depthprof.errors import BadInput
from depthprof.storage.child_processes import run_git

GIT_LIMIT_S = 120

_QUIET = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false")
"""No hook of the user runs because of us, and nothing of git is left running."""

Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True, slots=True)
class Calls:
    """Git on the repository with this working tree and this folder of git."""

    root: Path
    git_dir: Path

    def git(self, *arguments: str, **changes: str) -> Done:
        """Run git, with `changes` to the environment."""
        named = (f"--git-dir={self.git_dir}", f"--work-tree={self.root}")
        return call(self.root, *_QUIET, *named, *arguments, **changes)

    def answer(self, *arguments: str) -> str | None:
        """What git prints, without the last line's end; None where it fails."""
        done = self.git(*arguments)
        return None if done.returncode else done.stdout.removesuffix("\n")

    def common_dir(self) -> Path:
        """The folder of git that all worktrees share."""
        named = self.git_dir / "commondir"  # of a linked worktree (gitrepository-layout(5))
        if not named.is_file():
            return self.git_dir
        return (self.git_dir / os.fsdecode(named.read_bytes()).strip()).resolve()


def call(folder: Path, *arguments: str, **changes: str) -> Done:
    """Run git in a folder.

    Raises:
        BadInput: git is not installed or gave no answer in time.
    """
    try:
        return run_git(folder, *arguments, limit_s=GIT_LIMIT_S, **changes)
    except FileNotFoundError:
        raise BadInput("git is not installed; --against needs it") from None
    except OSError as error:
        raise BadInput(f"git cannot be run ({error.strerror}); --against needs it") from None
    except subprocess.TimeoutExpired:
        raise BadInput(f"git gave no answer within {GIT_LIMIT_S} s") from None


def said(done: Done) -> str:
    """The reason that git gives for a failure: its last line that is one."""
    lines = [line for line in done.stderr.splitlines() if line and not line.startswith("hint:")]
    reasons = [line for line in lines if line.startswith(("fatal: ", "error: "))]
    last = (reasons or lines or [f"exit code {done.returncode}"])[-1]
    return last.removeprefix("fatal: ").removeprefix("error: ")


_NAMING = ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR")


@dataclass(frozen=True, slots=True)
class _Found:
    """What git answers of a folder; `root` and `git_dir` are None where there is none."""

    root: Path | None
    git_dir: Path | None
    is_bare: bool
    reason: str


def locate(folder: Path) -> tuple[Path, Path]:
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
