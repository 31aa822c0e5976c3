"""The sides' own modules in one process: each side imports as if it were there alone.

Python keeps one module of a name in a process. So while a side is loaded, modules that it would not
find by itself are out of sight, and what it imports is its own copy. Sides whose modules of one
name have different content cannot share a process all the same: an import inside a function is
looked up anew in every iteration.
"""

import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from depthprof.errors import NamesClash
from depthprof.pipelines.own_code import clash, entry_files, is_file, is_unlike
from depthprof.pipelines.registry import VARIANTS

PACKAGE = Path(__file__).resolve().parents[1]
INSTALLED = {"site-packages", "dist-packages"}
LIBRARIES = tuple(Path(sysconfig.get_paths()[name]).resolve() for name in ("stdlib", "platstdlib"))


@dataclass(frozen=True, slots=True)
class Tree:
    """Where a side's own modules are.

    Attributes:
        folder: the one its imports begin in; None of a built-in variant.
        root: folder of all files that belong to it; another side may have them in another state.
        instead_of: folder whose files it must not run, `root` being another state of it.
    """

    folder: Path | None
    root: Path | None = None
    instead_of: Path | None = None

    def twin(self, place: Path) -> Path | None:
        """What stands for a file or folder that the side must not run; None: it may."""
        if self.root is None or self.instead_of is None or place.is_relative_to(self.root):
            return None
        if not place.is_relative_to(self.instead_of):
            return None
        return self.root / place.relative_to(self.instead_of)


def tree_of(variant: str, root: Path | None = None, instead_of: Path | None = None) -> Tree:
    """Where the modules of a variant are; `root` is known of a commit's files alone."""
    place = variant.rpartition(":")[0]
    if variant in VARIANTS:
        return Tree(None, root, instead_of)
    folder = Path(place).resolve().parent if is_file(place) else Path.cwd()
    return Tree(folder, root or folder, instead_of)


@dataclass(slots=True)
class _Side:
    tree: Tree
    modules: dict[str, ModuleType]


@dataclass(slots=True)
class OwnModules:
    """The modules of the sides that were loaded into this process so far."""

    _sides: list[_Side] = field(default_factory=list)
    _path: list[str] = field(default_factory=list)

    @contextmanager
    def of(self, tree: Tree) -> Iterator[None]:
        """Let a side import what it finds by itself, whatever was imported for others.

        Afterwards all modules are in sight again, each name as the latest side has it.

        Raises:
            NamesClash: sides have modules of one name with different content.
        """
        self._path = self._path or sys.path[:]
        everything = sys.path[:]
        sys.path[:] = _searched(self._path, tree)
        hidden = self._hide()
        before = set(sys.modules)
        try:
            yield
            mine = {n: m for n, m in _own(sys.modules) if n not in before or self._is_known(m)}
            side = _Side(tree, mine)
            _refuse_code_of(tree)
            for other in self._sides:
                _refuse_unlike(other, side)
                _refuse_unlike(side, other)
            self._sides.append(side)
        finally:
            sys.path += [place for place in everything if place not in sys.path]
            for name, module in hidden.items():
                sys.modules.setdefault(name, module)

    def _is_known(self, module: ModuleType) -> bool:
        return any(module is other for side in self._sides for other in side.modules.values())

    def _hide(self) -> dict[str, ModuleType]:
        """Take modules out of sight that would not be found, or found elsewhere."""
        tops: dict[str, list[ModuleType]] = {}
        for side in self._sides:
            for name, module in side.modules.items():
                tops.setdefault(name.partition(".")[0], []).append(module)
        foreign = {top for top, modules in tops.items() if not _are_found(top, modules)}
        return {
            name: sys.modules.pop(name)
            for name in list(sys.modules)
            if name.partition(".")[0] in foreign
        }


def _searched(path: list[str], tree: Tree) -> list[str]:
    """Where a side's modules are searched; folders that it must not run are its own instead."""
    places = []
    for entry in path:
        place = Path(entry or ".").resolve()
        twin = None if _is_library(place) else tree.twin(place)
        if twin is None:
            places.append(entry)
        elif twin.is_dir():
            places.append(str(twin))
    if tree.folder is not None and str(tree.folder) not in places:
        places.insert(0, str(tree.folder))
    return places


def _own(modules: dict[str, ModuleType]) -> list[tuple[str, ModuleType]]:
    """Modules that belong to no library and not to depthprof."""
    return [
        (name, module)
        for name, module in list(modules.items())
        if name not in ("__main__", "__mp_main__")
        and not _is_installed(_file(module))  # most are, and resolving each takes long
        and (place := _place(module)) is not None
        and not _is_library(place)
    ]


def _place(module: ModuleType) -> Path | None:
    """File of a module, or the first folder of a namespace package."""
    file = _file(module)
    if file is None or not Path(file).is_absolute():  # torch.ops says "_ops.py"
        return None
    return _resolved(file)


def _file(module: ModuleType) -> str | None:
    """As the module states it."""
    file = getattr(module, "__file__", None)
    if file is None:
        file = next(iter(getattr(module, "__path__", ())), None)
    return None if file is None else str(file)


@lru_cache(maxsize=8192)
def _resolved(file: str) -> Path:
    return Path(file).resolve()


def _is_installed(file: str | None) -> bool:
    return file is not None and bool(INSTALLED.intersection(Path(file).parts))


def _is_library(place: Path) -> bool:
    return _is_installed(str(place)) or any(
        place.is_relative_to(folder) for folder in (PACKAGE, *LIBRARIES)
    )


def _are_found(top: str, modules: list[ModuleType]) -> bool:
    """Whether an import of a top-level module would find the very ones that are loaded of it."""
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        spec = None if find is None else find(top, None)
        if spec is not None:
            packages = spec.submodule_search_locations
            folders = [Path(folder).resolve() for folder in packages or ()]
            files = [Path(spec.origin).resolve()] if spec.has_location and spec.origin else []
            return all(
                place in files or any(place.is_relative_to(folder) for folder in folders)
                for place in map(_place, modules)
                if place is not None
            )
    return False


def _refuse_code_of(tree: Tree) -> None:
    """Refuse if the side runs a file of the folder that it is another state of, unless alike."""
    for _, module in _own(sys.modules):
        file = _place(module)
        twin = None if file is None else tree.twin(file)
        if file is not None and twin is not None and not (twin.is_file() and _is_alike(file, twin)):
            raise NamesClash(
                f"the earlier commit would run with {file} of the working tree: it is found there"
                " by its name (is the package installed in editable mode?)"
            )


def _is_alike(file: Path, other: Path) -> bool:
    return file.is_file() and not is_unlike(file, other)


def _refuse_unlike(first: _Side, second: _Side) -> None:
    """Refuse a module of the first side that the second has, or could import, in another state."""
    for name, module in first.modules.items():
        file = _place(module)
        if file is None or not file.is_file():
            continue
        if name in second.modules:
            other = _place(second.modules[name])
        elif file in entry_files():  # it has a name that nobody imports
            continue
        else:
            other = _counterpart(file, first.tree.root, second.tree.root)
        if other is not None and is_unlike(file, other):
            raise NamesClash(clash(file, other))


def _counterpart(file: Path, root: Path | None, other_root: Path | None) -> Path | None:
    if root is None or other_root is None or not file.is_relative_to(root):
        return None
    return other_root / file.relative_to(root)
