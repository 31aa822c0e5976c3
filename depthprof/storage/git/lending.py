"""A worktree that is lent: made without the user's hooks, taken back whatever happens.

`git submodule update --init` would write into the user's configuration and ask the network. Here a
submodule's files come from the repository that its checkout in the working tree has: read with an
index of our own, so nothing is written there.
"""

import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from depthprof.errors import BadInput, DepthprofError, NotTogether, OutOfMemory, WorkerLost
from depthprof.storage.child_processes import Calls, Done, call, said
from depthprof.storage.git.missing import Lacking, is_partial, is_shallow

_KILLING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Signals that end a process without a word of Python, unless they are handled."""

_POINTERS = (  # files of Git LFS are left as pointers, since their contents cannot be had
    *("-c", "filter.lfs.smudge=", "-c", "filter.lfs.process="),
    *("-c", "filter.lfs.required=false"),
)


@contextmanager
def lent(calls: Calls, commit: str) -> Iterator[Path]:
    """Lend a folder with the files of a commit; it is gone afterwards.

    Raises:
        BadInput: git cannot make it.
    """
    with _ended_in_order():
        parent = Path(tempfile.mkdtemp(prefix="depthprof-")).resolve()
        folder = parent / commit[:10]
        try:
            _add(calls, folder, commit)
            absent = fill(calls, commit, folder)
            try:
                yield folder
            except DepthprofError as error:
                _explain(error, Lacking(calls, commit, folder, absent))
                raise
        finally:
            with _undisturbed():
                _take_back(calls, folder)
                shutil.rmtree(parent, ignore_errors=True)


def _add(calls: Calls, folder: Path, commit: str) -> None:
    words = ("worktree", "add", "--detach", "--force", str(folder), commit)
    done = calls.git(*words)
    if done.returncode and ("filter" in done.stderr or "lfs" in done.stderr):
        _take_back(calls, folder)
        done = calls.git(*_POINTERS, *words)
    if done.returncode:
        raise BadInput(_why_not(calls, commit, done))


def _why_not(calls: Calls, commit: str, done: Done) -> str:
    failed = f"git could not check {commit[:10]} out: {said(done)}"
    if is_partial(calls) and ("promisor" in done.stderr or "fetch" in done.stderr):
        return (
            f"{failed}. This is a partial clone without the files of that commit: run the gate"
            " where the remote can be reached, or clone without --filter"
        )
    return failed


def _explain(error: DepthprofError, lacking: Lacking) -> None:
    """Add to a refusal why a file that it names is not there."""
    if isinstance(error, NotTogether | OutOfMemory | WorkerLost):
        return
    is_candidate = getattr(error, "side", None) == "b"
    explained = lacking.explained_of_candidate if is_candidate else lacking.explained
    why = explained(str(error))
    if why:
        error.args = (f"{error}; {why}",)


def _take_back(calls: Calls, folder: Path) -> None:
    """Take a worktree back, and it alone: `git worktree prune` would take others that are away."""
    with suppress(BadInput):  # git hangs or is gone: what it would do follows here
        if not calls.git("worktree", "remove", "--force", "--force", str(folder)).returncode:
            return
    shutil.rmtree(folder, ignore_errors=True)
    records = calls.common_dir() / "worktrees"
    for record in records.glob("*/gitdir"):
        if os.fsdecode(record.read_bytes()).strip() == str(folder / ".git"):
            shutil.rmtree(record.parent, ignore_errors=True)
    with suppress(OSError):  # other worktrees are in there, or none ever was
        records.rmdir()


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the process as an exception does, where nobody handles them."""
    unhandled = [number for number in _KILLING if signal.getsignal(number) is signal.SIG_DFL]
    with _handled(unhandled, _exit):
        yield


def _exit(number: int, frame: FrameType | None) -> None:
    del frame
    sys.exit(128 + number)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold back signals that would end the process, until the block is over."""
    pending: list[int] = []
    with _handled((signal.SIGINT, *_KILLING), lambda number, _: pending.append(number)):
        yield
    if pending:
        signal.raise_signal(pending[0])


@contextmanager
def _handled(
    numbers: Iterable[int], handler: Callable[[int, FrameType | None], object]
) -> Iterator[None]:
    """Handle signals in the main thread, which alone may say how; elsewhere nothing changes."""
    is_main = threading.current_thread() is threading.main_thread()
    before = {}
    try:
        for number in numbers:
            if is_main and signal.getsignal(number) is not None:
                before[number] = signal.signal(number, handler)
        yield
    finally:
        for number, known in before.items():
            signal.signal(number, known)


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
