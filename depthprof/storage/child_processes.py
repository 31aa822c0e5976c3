"""The environment of every process that depthprof starts, and calls of git.

In a git hook, under `git rebase --exec` and under `git -c`, the environment names the repository,
the index and the objects that git is at work on. A child that inherits them works on those too,
wherever it runs: `git worktree add` then overwrites the index of the commit that is being made.
"""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from depthprof.errors import BadInput

GIT_LIMIT_S = 120

_QUIET = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false")
"""No hook of the user runs because of us, and nothing of git is left running."""

Done = subprocess.CompletedProcess[str]

REPOSITORY_VARIABLES = frozenset(
    {
        # `git rev-parse --local-env-vars`, of all versions from 2.20 to 2.51
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_CONFIG",
        "GIT_CONFIG_COUNT",
        "GIT_CONFIG_PARAMETERS",
        "GIT_DIR",
        "GIT_GRAFT_FILE",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_INTERNAL_SUPER_PREFIX",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_REPLACE_REF_BASE",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
        # set while a push is received: git then refuses to write any reference
        "GIT_QUARANTINE_PATH",
    }
)
"""Variables that hold for one repository, or for one command of git, only.

The others stay, since they are the user's and hold everywhere: GIT_SSH, GIT_ASKPASS,
GIT_CONFIG_GLOBAL, GIT_TRACE, GIT_AUTHOR_NAME and so on.
"""

_NUMBERED = ("GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_")

_OF_THE_MACHINE = ("safe.", "credential.", "http.", "protocol.", "ssh.", "url.")
"""Settings in GIT_CONFIG_KEY_n that stay: containers in CI trust a folder or log in with them."""


def child_environment(**changes: str) -> dict[str, str]:
    """The environment of a child: ours without what holds for one repository, and the changes."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in REPOSITORY_VARIABLES and not name.startswith(_NUMBERED)
    }
    return {**kept, **_machine_settings(), **changes}


def _machine_settings() -> dict[str, str]:
    """The settings of git that the environment holds for this machine, numbered anew."""
    count = os.environ.get("GIT_CONFIG_COUNT", "")
    pairs = [
        (key, os.environ.get(f"GIT_CONFIG_VALUE_{number}", ""))
        for number in range(int(count) if count.isdecimal() else 0)
        if (key := os.environ.get(f"GIT_CONFIG_KEY_{number}", "")).startswith(_OF_THE_MACHINE)
    ]
    settings = {} if not pairs else {"GIT_CONFIG_COUNT": str(len(pairs))}
    for number, (key, value) in enumerate(pairs):
        settings |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return settings


def run_git(folder: Path, *arguments: str, limit_s: float, **changes: str) -> Done:
    """Run git in a folder, in a child's environment with `changes`, and wait for its end.

    Git takes no lock that it can do without, asks nobody for a password, answers in English, and
    does not get the Ctrl-C of the terminal. Names that are not UTF-8 come through unchanged
    (surrogateescape).

    Raises:
        OSError: git is not installed, or cannot be run.
        subprocess.TimeoutExpired: it took longer than `limit_s` seconds, and was stopped.
    """
    words = ["git", "-C", str(folder), *arguments]
    with subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,  # that of a pre-push hook lists what is pushed
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding=sys.getfilesystemencoding(),
        errors="surrogateescape",
        start_new_session=True,
        env=child_environment(
            GIT_OPTIONAL_LOCKS="0", GIT_TERMINAL_PROMPT="0", LANGUAGE="C", **changes
        ),
    ) as process:
        try:
            printed, complaints = process.communicate(timeout=limit_s)
        finally:
            if process.poll() is None:  # too slow, or Ctrl-C: what git started ends with it
                os.killpg(process.pid, signal.SIGKILL)
    return subprocess.CompletedProcess(words, process.returncode, printed, complaints)


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
