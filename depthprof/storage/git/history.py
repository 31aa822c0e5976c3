"""Commits by name, and in one sentence what is missing where there is none.

A clone may hold a part of the history only: newest commits (shallow), some branches, no tags.
"""

import os
import re
from difflib import get_close_matches

from depthprof.storage.git.calls import Calls, Done, said

_STEPS_BACK = re.compile(r"^(.*?)((?:[~^]\d*)+)$")
_HASH = re.compile(r"^[0-9a-f]{7,64}$")
_LISTED = 5
"""So many branches and tags are listed at most where a name is not known."""

_BATCH = 500
"""So many files go to one call of git, since a command line has a limit."""


def resolved(calls: Calls, reference: str) -> str | None:
    """The full hash of the commit that a name stands for, None where there is none."""
    if reference.startswith("-"):  # git would take it for an option
        return None
    return calls.answer("rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}")


def why_no_commit(calls: Calls, reference: str) -> str:
    """Why a name stands for no commit, and what to do about it."""
    root = calls.root
    if not calls.answer("rev-list", "--all", "-n", "1") and resolved(calls, "HEAD") is None:
        return f"{root} has no commit yet, so there is nothing to compare with: commit first"
    if reference == "HEAD":
        return f"{_unborn(calls)}: name another branch, or commit first"
    if "GIT_QUARANTINE_PATH" in os.environ:
        return (
            f'"{reference}" names no commit of {root}. Commits of a push that is not accepted yet'
            " cannot be measured: run the gate in a post-receive hook, or in CI"
        )
    kind = None if reference.startswith("-") else calls.answer("cat-file", "-t", reference)
    if kind in ("blob", "tree", "tag"):
        kind = calls.answer("cat-file", "-t", f"{reference}^{{}}") or kind
        return f'"{reference}" names a {kind} of {root}, which is not a commit'
    steps = _STEPS_BACK.match(reference)
    if steps and resolved(calls, steps[1] or "HEAD") is not None:
        beyond = f'"{reference}" goes back beyond the history of {root}'
        return f"{beyond}. {_shallow(calls) or f'{steps[1]} has no such ancestor'}"
    return f'"{reference}" names no commit of {root}{_how_to_get(calls, reference)}'


def why_no_merge_base(calls: Calls, reference: str, done: Done) -> str:
    """Why HEAD and a commit that is there have no common one, and what to do about it."""
    if resolved(calls, "HEAD") is None:
        return f"{_unborn(calls)}, so it left no other branch: leave out --merge-base"
    none = f'HEAD and "{reference}" have no common commit in {calls.root}'
    if shallow := _shallow(calls):
        return f"{none}. {shallow}"
    if done.returncode > 1:  # 1 says that there is none, the others that something is wrong
        return f"{none} ({said(done)})"
    common = calls.common_dir()
    if (common / "info" / "grafts").exists():
        return f"{none}. {common / 'info' / 'grafts'} changes the history: remove it if it cuts it"
    if calls.answer("for-each-ref", "--count=1", "refs/replace/"):
        return f"{none}. Replaced commits change the history: see `git replace --list`"
    return (
        f"{none}: their histories are unrelated. Leave out --merge-base to compare with"
        f' "{reference}" itself'
    )


def is_shallow(calls: Calls) -> bool:
    """Whether the clone lacks the older part of its history."""
    return calls.answer("rev-parse", "--is-shallow-repository") == "true"


def is_partial(calls: Calls) -> bool:
    """Whether the clone fetches the contents of files when they are first needed."""
    return bool(calls.answer("config", "--get-regexp", r"^remote\..*\.promisor$"))


def hidden_changes(calls: Calls) -> bool:
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


def _unborn(calls: Calls) -> str:
    branch = calls.answer("symbolic-ref", "--short", "HEAD") or "HEAD"
    return f'the branch "{branch}" of {calls.root} has no commit yet'


def _shallow(calls: Calls) -> str:
    """How to deepen a shallow clone; nothing for a whole one."""
    if not is_shallow(calls):
        return ""
    return (
        "This clone is shallow, so its older commits are missing: run `git fetch --unshallow`, or"
        " `git fetch --deepen=100` (GitHub Actions: fetch-depth: 0; GitLab: GIT_DEPTH: 0)"
    )


def _how_to_get(calls: Calls, reference: str) -> str:
    """What an unknown name may be a slip of, and what to fetch: the rest of a sentence, or more."""
    remotes = (calls.answer("remote") or "").split()
    listed = calls.answer("for-each-ref", "--format=%(refname:short)") or ""
    names = [name for name in listed.splitlines() if name]
    remote, _, branch = reference.partition("/")
    if _HASH.match(reference):
        more = f": run `git fetch {remotes[0]} {reference}`." if remotes else "."
    elif remote in remotes and branch:
        more = f": run `git fetch {remote} {branch}:refs/remotes/{reference}`."
    elif same := [f"{one}/{reference}" for one in remotes if f"{one}/{reference}" in names]:
        more = f': the branch of the remote is "{same[0]}".'
    else:
        more = _near(reference, names)
        if remotes:
            more += f" If it is a tag of the remote, run `git fetch {remotes[0]} tag {reference}`."
    return f"{more} {_shallow(calls)}".strip().removesuffix(".")


def _near(reference: str, names: list[str]) -> str:
    close = get_close_matches(reference, names, n=2, cutoff=0.5)
    if close:
        guess = " or ".join(f'"{name}"' for name in close)
        return f"; did you mean {guess}?"
    listed = ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
    return f"; there are: {listed}." if names else "."
