"""The gate's use of git inside hooks of every kind: the right repository, and nothing touched."""

import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from depthprof.errors import BadInput
from depthprof.storage.child_processes import REPOSITORY_VARIABLES
from depthprof.storage.git import Repository
from depthprof.system.machine import git_state
from tests.storage.git.made import commit, git, made, state

PACKAGE_PARENT = Path(__file__).parents[3]

STAND_IN = """
import json, os, sys
from pathlib import Path
from depthprof.errors import BadInput
from depthprof.storage.git import Repository
from tests.storage.git.made import state
seen = {"cwd": os.getcwd(), "names": sorted(n for n in os.environ if n.startswith("GIT_"))}
try:
    repository = Repository.around(Path.cwd())
    before = state(repository.root, repository.git_dir)
    with repository.worktree(repository.commit(os.environ["REF"])) as folder:
        seen["mine"] = (folder / "mine.py").read_text()
    seen["same"] = state(repository.root, repository.git_dir) == before
    seen["described"] = repository.described()
    seen["root"] = str(repository.root)
except BadInput as refused:
    seen["refused"] = str(refused)
Path(os.environ["SEEN"]).write_text(json.dumps(seen))
"""


def hook(root: Path, name: str, before: str = "") -> None:
    """Let the stand-in for the gate be a hook of a repository."""
    place = root / git(root, "rev-parse", "--git-path", f"hooks/{name}")
    place.parent.mkdir(parents=True, exist_ok=True)
    script = place.with_suffix(".py")
    script.write_text(STAND_IN)
    # a gate of the worktree that is lent would call itself: only the first one counts
    place.write_text(f'#!/bin/sh\n[ -e "$SEEN" ] && exit 0\n{before}\n{sys.executable} {script}\n')
    place.chmod(place.stat().st_mode | stat.S_IXUSR)


def seen(tmp_path: Path) -> dict[str, Any]:
    return dict(json.loads((tmp_path / "seen.json").read_text()))


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    return {
        "SEEN": str(tmp_path / "seen.json"),
        "REF": "HEAD",
        "PYTHONPATH": str(PACKAGE_PARENT),
    }


def changed(root: Path) -> None:
    (root / "mine.py").write_text("STATE = 'changed'\n")
    (root / "other.py").write_text("OTHER = 'changed'\n")


def started(tmp_path: Path) -> Path:
    root = made(tmp_path / "r", 2)
    commit(root, other_py="OTHER = 1\n")
    return root


@pytest.mark.parametrize(
    ("name", "words", "committed"),
    [
        ("pre-commit", ("commit", "-qam", "x"), ["mine.py", "other.py"]),
        ("pre-commit", ("commit", "-qm", "x"), ["mine.py"]),  # what was added
        ("pre-commit", ("commit", "-qm", "x", "--only", "other.py"), ["other.py"]),
        ("commit-msg", ("commit", "-qam", "x"), ["mine.py", "other.py"]),
        ("prepare-commit-msg", ("commit", "-qm", "x", "-i", "other.py"), ["mine.py", "other.py"]),
        ("post-commit", ("commit", "-qam", "x"), ["mine.py", "other.py"]),
        ("post-checkout", ("checkout", "-q", "-b", "new"), None),
        ("post-rewrite", ("commit", "-qa", "--amend", "-m", "x"), ["mine.py", "other.py"]),
    ],
)
def test_a_hook_sees_the_repository_and_git_does_as_without_it(
    tmp_path: Path, settings: dict[str, str], name: str, words: list[str], committed: list[str]
) -> None:
    root = started(tmp_path)
    changed(root)
    git(root, "add", "mine.py")
    hook(root, name)
    git(root, *words, **settings)
    found = seen(tmp_path)
    assert found.get("refused") is None
    assert found["root"] == str(root)
    assert found["same"]
    assert found["mine"].startswith("STATE = ")
    if name.startswith("pre") or name == "post-checkout":
        assert found["mine"] == "STATE = 2\n"  # HEAD before the commit
        assert found["described"].endswith("with changes")
    if committed is not None:
        shown = git(root, "show", "--format=", "--name-only", "HEAD").split()
        assert set(committed) <= set(shown)
        assert git(root, "show", "HEAD:mine.py") == (
            "STATE = 'changed'" if "mine.py" in committed else "STATE = 2"
        )
    assert git(root, "worktree", "list").count("\n") == 0


def test_pre_push_and_rebase_exec(tmp_path: Path, settings: dict[str, str]) -> None:
    root = started(tmp_path)
    git(tmp_path, "init", "-q", "--bare", "far.git")
    git(root, "remote", "add", "origin", str(tmp_path / "far.git"))
    hook(root, "pre-push")
    git(root, "push", "-q", "origin", "main", **settings)
    assert seen(tmp_path)["same"]
    assert git(tmp_path / "far.git", "rev-parse", "main") == git(root, "rev-parse", "main")
    (tmp_path / "seen.json").unlink()
    script = tmp_path / "gate.py"
    script.write_text(STAND_IN)
    before = git(root, "log", "--format=%T")
    git(
        root,
        "rebase",
        "-q",
        "--force-rebase",
        "--exec",
        f"{sys.executable} {script}",
        "HEAD~1",
        **settings,
    )
    assert seen(tmp_path)["same"]
    assert seen(tmp_path)["root"] == str(root)
    assert git(root, "log", "--format=%T") == before


def test_a_hook_in_a_linked_worktree_and_below_its_top(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    root = started(tmp_path)
    linked = tmp_path / "linked"
    git(root, "worktree", "add", "-q", str(linked))
    before = state(root)
    commit(linked, sub__x_py="")
    changed(linked)
    hook(linked, "pre-commit", before="cd sub")
    git(linked, "commit", "-qam", "x", **settings)
    found = seen(tmp_path)
    assert found["root"] == str(linked)
    assert found["cwd"] == str(linked / "sub")
    assert found["same"]
    assert {"mine.py", "other.py"} == set(git(linked, "show", "--format=", "--name-only").split())
    after = state(root)
    assert {**before, "references": 0, "worktrees": 0} == {**after, "references": 0, "worktrees": 0}
    assert len(git(root, "worktree", "list").splitlines()) == 2


def test_a_hook_in_a_submodule_and_in_what_holds_it(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    part = made(tmp_path / "part", 1)
    root = started(tmp_path)
    git(root, "submodule", "add", "-q", str(part), "lib")
    commit(root)
    lib = root / "lib"
    before = state(root)
    (lib / "mine.py").write_text("STATE = 'lib'\n")
    hook(lib, "pre-commit")
    git(lib, "commit", "-qam", "x", **settings)
    assert seen(tmp_path)["root"] == str(lib)
    assert seen(tmp_path)["same"]
    assert state(root)["index"] == before["index"]
    assert git(lib, "show", "HEAD:mine.py") == "STATE = 'lib'"
    (tmp_path / "seen.json").unlink()
    # a hook of the outer repository that goes into the inner one means the inner one
    hook(root, "pre-commit", before="cd lib")
    git(root, "commit", "-qam", "y", **settings)
    assert seen(tmp_path)["root"] == str(lib)
    assert seen(tmp_path)["same"]
    assert git(root, "ls-tree", "HEAD", "lib").split()[2] == git(lib, "rev-parse", "HEAD")


def test_a_hook_of_a_repository_that_lies_elsewhere(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    kept = tmp_path / "kept.git"
    git(tmp_path, "init", "-q", "--bare", "-b", "main", str(kept))
    named = (f"--git-dir={kept}", f"--work-tree={home}")
    (home / "mine.py").write_text("STATE = 1\n")
    git(home, *named, "add", "mine.py")
    git(home, *named, "commit", "-qm", "one")
    (home / "mine.py").write_text("STATE = 2\n")
    hook(kept, "pre-commit")
    git(home, *named, "commit", "-qam", "two", **settings)
    found = seen(tmp_path)
    assert found["root"] == str(home)
    assert found["mine"] == "STATE = 1\n"
    assert found["described"].endswith("with changes")
    assert git(kept, "show", "HEAD:mine.py") == "STATE = 2"
    assert git(kept, "worktree", "list").count("\n") == 0


@pytest.mark.parametrize(
    ("is_bare", "name", "reference", "sentence"),
    [
        (True, "post-receive", "HEAD", "is a bare repository"),
        (False, "post-receive", "HEAD", None),
        (False, "pre-receive", "HEAD", None),
        (False, "pre-receive", "PUSHED", "a push that is not accepted yet"),
    ],
)
def test_hooks_of_whoever_receives_a_push(
    tmp_path: Path,
    settings: dict[str, str],
    is_bare: bool,
    name: str,
    reference: str,
    sentence: str | None,
) -> None:
    root = started(tmp_path)
    far = tmp_path / "far"
    git(tmp_path, "clone", "-q", *(["--bare"] if is_bare else []), str(root), str(far))
    git(far, "config", "receive.denyCurrentBranch", "updateInstead")
    pushed = commit(root, mine_py="STATE = 'pushed'\n")
    hook(far, name)
    reference = reference.replace("PUSHED", pushed)
    git(root, "push", "-q", str(far), "main", **{**settings, "REF": reference})
    found = seen(tmp_path)
    if sentence is None:
        assert found["root"] == str(far)
        assert found["same"]
        assert (far / "mine.py").read_text() == "STATE = 'pushed'\n"
    else:
        assert sentence in found["refused"]
    assert git(far, "rev-parse", "main") == pushed
    assert git(far, "worktree", "list").count("\n") == 0


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A repository, and another one that the environment names."""
    parent = tmp_path_factory.mktemp("two")
    return started(parent), made(parent / "other", 1)


def wrong(other: Path) -> dict[str, str]:
    """Every variable that holds for one repository, naming another one."""
    values = dict.fromkeys(REPOSITORY_VARIABLES, str(other / ".git" / "nowhere"))
    values |= {"GIT_DIR": str(other / ".git"), "GIT_WORK_TREE": str(other)}
    values |= {"GIT_INDEX_FILE": str(other / ".git" / "index"), "GIT_PREFIX": "deep/"}
    values |= {"GIT_CONFIG_PARAMETERS": "'core.bare'='true'", "GIT_CONFIG_COUNT": "1"}
    return values | {"GIT_CONFIG_KEY_0": "core.bare", "GIT_CONFIG_VALUE_0": "true"}


@pytest.mark.parametrize("only", [*sorted(REPOSITORY_VARIABLES), None])
def test_no_variable_that_is_left_over_leads_elsewhere(
    two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, only: str | None
) -> None:
    root, other = two
    values = wrong(other)
    before = [state(one) for one in two]
    numbered = [name for name in values if only == "GIT_CONFIG_COUNT" and name.endswith("_0")]
    for name in values if only is None else [only, *numbered]:
        monkeypatch.setenv(name, values[name])
    monkeypatch.chdir(root)
    repository = Repository.around(Path.cwd())
    assert repository.root == root
    with repository.worktree(repository.commit("HEAD~1")) as folder:
        assert (folder / "mine.py").read_text() == "STATE = 2\n"
    assert repository.described() == git(root, "rev-parse", "--short=10", "HEAD")
    assert git_state(root) == (git(root, "rev-parse", "HEAD"), False)
    assert [state(one) for one in two] == before


def test_the_list_of_variables_has_all_that_git_names() -> None:
    named = subprocess.run(
        ["git", "rev-parse", "--local-env-vars"], capture_output=True, text=True, check=True
    )
    assert set(named.stdout.split()) <= REPOSITORY_VARIABLES


def test_a_folder_in_no_repository_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadInput, match="in no git repository"):
        Repository.around(tmp_path)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "gone.git"))
    with pytest.raises(BadInput, match="in no git repository"):
        Repository.around(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput, match="not installed"):
        Repository.around(tmp_path)
