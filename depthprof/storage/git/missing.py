"""In one sentence: which commit, merge base or file is missing, and why."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePath

from depthprof.storage.child_processes import Calls, Done, said

_STEPS_BACK = re.compile(r"^(.*?)((?:[~^]\d*)+)$")
_HASH = re.compile(r"^[0-9a-f]{7,64}$")
_LISTED = 5
"""So many branches and tags are listed at most where a name is not known."""


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


_MODULE = re.compile(r"No module named '([\w.]+)'|the module ([\w.]+) of the variant")
_FROM = re.compile(r"cannot import name '(\w+)' from (?:partially initialized module )?'([\w.]+)'")
_QUOTED = re.compile(r"""'([^'\n]+)'|"([^"\n]+)\"""")
_ABSENT = re.compile(r"No such file|not exist|not found|[Tt]here is no")
_POINTER = b"version https://git-lfs.github.com/spec/v1"
_POINTER_BYTES = 1024
"""A pointer of Git LFS is shorter (its specification)."""

_POINTERS_LISTED = 3
"""So many pointers are named at most."""


@dataclass(frozen=True, slots=True)
class Lacking:
    """A folder with the files of a commit, beside the working tree.

    `absent` says why a submodule is not there, by its path.
    """

    calls: Calls
    commit: str
    folder: Path
    absent: dict[str, str]

    def explained(self, sentence: str) -> str | None:
        """Why what a refusal's sentence names is missing, or None if nothing is known of it."""
        is_sparse = self.calls.answer("config", "--bool", "core.sparseCheckout") == "true"
        for path in self._named(sentence):
            if os.path.lexists(self.folder / path):
                continue
            if is_sparse and self._is_in(self.commit, path):
                return f"{path} is in {self.commit[:10]}, but outside the sparse checkout"
            if (self.calls.root / path).exists():
                return self._why(path)
        if self.absent and _is_of_absence(sentence):
            return self._of_submodule(next(iter(self.absent)))
        return self._pointers()

    def explained_of_candidate(self, sentence: str) -> str | None:
        """Which submodule the working tree lacks itself, where its code misses something."""
        for path in self.absent if _is_of_absence(sentence) else ():
            place = self.calls.root / path
            if place.is_dir() and not any(place.iterdir()):
                update = f"run `git submodule update --init {path}`"
                return f"the submodule {path} is not checked out in the working tree: {update}"
        return None

    def _named(self, sentence: str) -> Iterator[PurePath]:
        """Paths, below the root, that a sentence may mean by the files and modules it names."""
        below = re.findall(rf"{re.escape(str(self.folder))}/([^\n'\"]+)", sentence)
        yield from map(PurePath, below)
        places = list(dict.fromkeys(self._places(below)))
        for plain, ours in _MODULE.findall(sentence):
            yield from self._modules(plain or ours, places)
        for name, module in _FROM.findall(sentence):
            yield from self._modules(f"{module}.{name}", places)
        if _ABSENT.search(sentence):
            for one, two in _QUOTED.findall(sentence):
                yield self._relative(Path(one or two))

    def _places(self, below: list[str]) -> Iterator[PurePath]:
        """Folders that modules may be imported from: of the files named, and of PYTHONPATH."""
        for path in below:
            yield from PurePath(path).parents
        yield PurePath()
        for place in (".", *os.environ.get("PYTHONPATH", "").split(os.pathsep)):
            yield self._relative(Path(place))

    def _modules(self, name: str, places: list[PurePath]) -> Iterator[PurePath]:
        for place in places:
            at = place / name.replace(".", "/")
            yield at.with_name(f"{at.name}.py")
            built = (self.calls.root / at.parent).glob(f"{at.name}.*.so")
            yield from (at.with_name(found.name) for found in built)
            yield at

    def _relative(self, place: Path) -> PurePath:
        """A path, relative to the current folder, below the root; the root itself for others."""
        at, root = Path(os.path.normpath(Path.cwd() / place)), self.calls.root
        return at.relative_to(root) if at.is_relative_to(root) else PurePath()

    def _why(self, path: PurePath) -> str:
        """Why a file of the working tree is not in the folder."""
        known = [one for one in self.absent if path.is_relative_to(one)]
        if known:
            return self._of_submodule(known[0])
        head = f"{path} exists in the working tree but not in {self.commit[:10]}: "
        if self._is_in("HEAD", path):
            return f"{head}it was committed later"
        if self.calls.answer("check-ignore", "--quiet", str(path)) is not None:
            return f"{head}it is not committed, because git ignores it"
        return f"{head}it is not committed"

    def _is_in(self, commit: str, path: PurePath) -> bool:
        return self.calls.answer("cat-file", "-e", f"{commit}:{path}") is not None

    def _of_submodule(self, path: str) -> str:
        at = self.commit[:10]
        return f"{path} is a submodule that could not be checked out at {at}: {self.absent[path]}"

    def _pointers(self) -> str | None:
        """Which files are pointers of Git LFS and not the files themselves."""
        listed = self._below().answer("grep", "-lzF", "-e", _POINTER.decode()) or ""
        names = [name for name in listed.split("\0") if name and _is_pointer(self.folder / name)]
        if not names:
            return None
        shown = ", ".join(names[:_POINTERS_LISTED]) + (
            ", ..." if len(names) > _POINTERS_LISTED else ""
        )
        at = self.commit[:10]
        return f"at {at}, Git LFS has pointers only: {shown} (run `git lfs fetch origin {at}`)"

    def _below(self) -> Calls:
        """Git in the folder itself."""
        record = os.fsdecode((self.folder / ".git").read_bytes()).removeprefix("gitdir: ").strip()
        return Calls(self.folder, Path(record))


def _is_of_absence(sentence: str) -> bool:
    return bool(_MODULE.search(sentence) or _ABSENT.search(sentence))


def _is_pointer(file: Path) -> bool:
    return file.stat().st_size < _POINTER_BYTES and file.read_bytes().startswith(_POINTER)
