"""Which code a side runs, as a hash.

Two runs of the same code and weights can only differ by machine, time or chance.
"""

import hashlib
import os
import sys
from pathlib import Path

from depthprof.pipelines.own_code import entry_files, is_file, own_folders
from depthprof.pipelines.registry import VARIANTS

PACKAGE = Path(__file__).resolve().parents[1]


def code_sha256(variant: str) -> str:
    """SHA-256 of the source files a loaded variant is made of.

    Of a built-in one these are depthprof's models and pipelines. Of the user's own they are its
    file and every module that was imported from the folders variants came from; libraries are not
    in it, their versions are recorded.
    """
    if variant in VARIANTS:
        return _digest({f"{file.parent.name}/{file.name}": file for file in _own_sources()})
    place = variant.rpartition(":")[0]
    entry = Path(place).resolve() if is_file(place) else None
    others = entry_files() - ({entry} if entry else set())
    files = {} if entry is None else {"entry": entry}
    for module in list(sys.modules.values()):
        path = Path(getattr(module, "__file__", None) or "")
        if path.suffix == ".py" and path not in others and path != entry:
            name = _below(path)
            if name is not None:
                files[name] = path
    return _digest(files)


def _own_sources() -> list[Path]:
    packages = PACKAGE / "networks", PACKAGE / "pipelines"
    return [file for package in packages for file in package.glob("*.py")]


def _below(path: Path) -> str | None:
    """Path within the folder a variant came from; None for libraries and for depthprof."""
    if "site-packages" in path.parts or path.is_relative_to(PACKAGE):
        return None
    for folder in own_folders():
        if path.is_relative_to(folder):
            return path.relative_to(folder).as_posix()
    return None


def _digest(files: dict[str, Path]) -> str:
    found = hashlib.sha256()
    for name in sorted(files):
        try:
            content = files[name].read_bytes()
        except OSError:  # a module whose file is gone: its name still counts
            content = b""
        found.update(os.fsencode(f"{name}\0{len(content)}\0") + content)
    return found.hexdigest()
