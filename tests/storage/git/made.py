"""Repositories as tests need them, made by real git without what this machine's user configured."""

import os
import subprocess
from pathlib import Path

from depthprof.storage.child_processes import child_environment

IDENTITY = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "a"), ("EMAIL", "a@b"), ("DATE", "2026-01-01T00:00:00Z"))
}


def environment(**changes: str) -> dict[str, str]:
    clean = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    return child_environment(**clean, **IDENTITY, **changes)


def git(folder: Path, *words: str, **changes: str) -> str:
    done = subprocess.run(
        ["git", "-c", "protocol.file.allow=always", "-C", str(folder), *words],
        capture_output=True,
        text=True,
        env=environment(**changes),
    )
    assert done.returncode == 0, f"git {' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def commit(folder: Path, message: str = "more", **files: str) -> str:
    """Write files (a double underscore is a folder, _py the suffix), commit all; its hash."""
    for name, text in files.items():
        file = folder / name.replace("__", "/").replace("_py", ".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", message, "--allow-empty")
    return git(folder, "rev-parse", "HEAD")


def made(folder: Path, commits: int = 1) -> Path:
    """A repository with so many commits of mine.py on main."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", "-b", "main")
    for number in range(1, commits + 1):
        commit(folder, f"commit {number}", mine_py=f"STATE = {number}\n")
    return folder


def state(root: Path, git_dir: Path | None = None) -> dict[str, object]:
    """What must be as before: index, files of the working tree, worktrees, references, settings."""
    kept = git_dir or Path(git(root, "rev-parse", "--absolute-git-dir"))
    pointer = kept / "commondir"
    common = (kept / pointer.read_text().strip()).resolve() if pointer.exists() else kept
    files = {
        str(file.relative_to(root)): (file.read_bytes(), file.stat().st_mtime_ns)
        for file in root.rglob("*")
        if file.is_file() and ".git" not in file.relative_to(root).parts
    }
    return {
        "index": (kept / "index").read_bytes() if (kept / "index").exists() else None,
        "files": files,
        "worktrees": git(common, "worktree", "list", "--porcelain"),
        "records": sorted(str(place) for place in common.glob("worktrees/*")),
        "references": git(common, "for-each-ref"),
        "config": (common / "config").read_bytes(),
    }
