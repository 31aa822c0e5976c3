"""Calls of git on one repository, which is named in each of them."""

import os
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
