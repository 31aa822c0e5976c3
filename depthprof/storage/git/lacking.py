"""Why a file that an earlier commit's code asks for is not among that commit's files.

A worktree has what is committed. The working tree has more: files that were never added, that git
ignores, that came later. A refusal names a module or a path; it is looked up in both.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from depthprof.storage.git.calls import Calls

_MODULE = re.compile(r"No module named '([\w.]+)'|the module ([\w.]+) of the variant")
_FROM = re.compile(r"cannot import name '(\w+)' from (?:partially initialized module )?'([\w.]+)'")
_QUOTED = re.compile(r"""'([^'\n]+)'|"([^"\n]+)\"""")
_ABSENT = re.compile(r"No such file|not exist|not found|[Tt]here is no")
_POINTER = b"version https://git-lfs.github.com/spec/v1"
_POINTER_BYTES = 1024
"""A pointer of Git LFS is shorter (its specification)."""

_LISTED = 3
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
        shown = ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
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
