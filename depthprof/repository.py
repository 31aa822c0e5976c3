"""A git repository as the gate needs it: commits resolved, worktrees lent and taken back."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from depthprof.errors import BadInput

GIT_LIMIT_S = 120


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository by the folder of its working tree."""

    root: Path

    @classmethod
    def around(cls, folder: Path) -> "Repository":
        """Find the repository a folder is in.

        Raises:
            BadInput: git is not installed, or the folder is in no repository.
        """
        done = _git(folder, "rev-parse", "--show-toplevel")
        if done.returncode:
            raise BadInput(f"{folder} is in no git repository ({_said(done)}); --against needs one")
        return cls(Path(done.stdout.removesuffix("\n")))

    def commit(self, reference: str) -> str:
        """Resolve a branch, tag or commit.

        Raises:
            BadInput: it names no commit here.
        """
        done = _git(self.root, "rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}")
        if done.returncode:
            raise BadInput(
                f'"{reference}" names no commit of {self.root}; a shallow clone has the newest only'
                " (fetch it, or clone with its history)"
            )
        return done.stdout.strip()

    def merge_base(self, reference: str) -> str:
        """The commit at which the working tree's branch left another.

        Raises:
            BadInput: there is none.
        """
        commit = self.commit(reference)
        done = _git(self.root, "merge-base", "HEAD", commit)
        if done.returncode:
            raise BadInput(f'HEAD and "{reference}" have no common commit in {self.root}')
        return done.stdout.strip()

    def described(self) -> str:
        """HEAD in short, and whether there are changes beside it."""
        head = _git(self.root, "rev-parse", "--short=10", "HEAD").stdout.strip()
        changes = _git(self.root, "status", "--porcelain", "--untracked-files=no").stdout.strip()
        return f"{head} with changes" if changes else head

    @contextmanager
    def worktree(self, commit: str) -> Iterator[Path]:
        """Lend a folder with the files of a commit; it is gone afterwards.

        Raises:
            BadInput: git cannot make it.
        """
        with tempfile.TemporaryDirectory(prefix="depthprof-") as parent:
            folder = Path(parent) / commit[:10]
            done = _git(self.root, "worktree", "add", "--detach", "--force", str(folder), commit)
            if done.returncode:
                raise BadInput(f"git could not check {commit[:10]} out: {_said(done)}")
            try:
                yield folder
            finally:
                _git(self.root, "worktree", "remove", "--force", str(folder))


def _git(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            errors="surrogateescape",  # names of files may be no UTF-8
            timeout=GIT_LIMIT_S,
            check=False,
        )
    except FileNotFoundError:
        raise BadInput("git is not installed; --against needs it") from None
    except subprocess.TimeoutExpired:
        raise BadInput(f"git {arguments[0]} gave no answer within {GIT_LIMIT_S} s") from None


def _said(done: "subprocess.CompletedProcess[str]") -> str:
    lines = done.stderr.strip().splitlines()
    return lines[-1].removeprefix("fatal: ") if lines else f"exit code {done.returncode}"
