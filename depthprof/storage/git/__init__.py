"""A git repository as the gate needs it: commits resolved, worktrees lent and taken back."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from depthprof.errors import BadInput
from depthprof.storage.git.calls import Calls, locate
from depthprof.storage.git.history import hidden_changes, resolved, why_no_commit, why_no_merge_base
from depthprof.storage.git.lending import lent


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
        return cls(*locate(folder))

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
        changed = bool(changes) or hidden_changes(calls)
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
