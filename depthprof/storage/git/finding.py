"""Which repository is meant: the one around a folder, or the one that the environment names.

The innermost work tree around the folder counts, as in a shell. What the environment names counts
where the folder alone leads to no work tree, and where GIT_WORK_TREE names one around the folder
that nothing further in replaces: a hook of `git --git-dir=X --work-tree=Y`.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from depthprof.errors import BadInput
from depthprof.storage.git.calls import call, said

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
