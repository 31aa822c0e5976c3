"""History that is not there: each case has a sentence that says what is missing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from depthprof.errors import BadInput
from depthprof.storage.git import Repository
from tests.storage.git.made import commit, git, made

SHALLOW = "This clone is shallow"
DEEPEN = "git fetch --unshallow"


def branched(tmp_path: Path) -> Path:
    """Three commits on main, a branch that left after the second, and a tag."""
    root = made(tmp_path / "far", 3)
    git(root, "checkout", "-q", "-b", "topic", "HEAD~1")
    commit(root, topic_py="")
    git(root, "tag", "v1")
    git(root, "checkout", "-q", "main")
    return root


def cloned(far: Path, *words: str) -> Path:
    near = far.parent / "near"
    git(far.parent, "clone", "-q", *words, f"file://{far}", str(near))
    return near


def depth_1(tmp_path: Path) -> Path:
    near = cloned(branched(tmp_path), "--depth=1", "--branch=topic")
    git(near, "fetch", "-q", "--depth=1", "origin", "main:refs/remotes/origin/main")
    return near


def single_branch(tmp_path: Path) -> Path:
    return cloned(branched(tmp_path), "--branch=topic", "--single-branch", "--no-tags")


def of_a_tag(tmp_path: Path) -> Path:
    return cloned(branched(tmp_path), "--branch=v1", "--depth=1")


def whole(tmp_path: Path) -> Path:
    return cloned(branched(tmp_path))


def empty(tmp_path: Path) -> Path:
    return made(tmp_path / "r", 0)


def orphan(tmp_path: Path) -> Path:
    root = made(tmp_path / "r", 1)
    git(root, "checkout", "-q", "--orphan", "new")
    commit(root)
    return root


def unborn(tmp_path: Path) -> Path:
    root = made(tmp_path / "r", 1)
    git(root, "checkout", "-q", "--orphan", "new")
    return root


def grafted(tmp_path: Path) -> Path:
    root = branched(tmp_path)
    tip = git(root, "rev-parse", "topic")
    (root / ".git" / "info" / "grafts").write_text(f"{tip}\n")
    return root


def replaced(tmp_path: Path) -> Path:
    root = branched(tmp_path)
    git(root, "replace", "--graft", "topic")
    return root


def other_objects(tmp_path: Path) -> Path:
    root = made(tmp_path / "r", 1)
    git(root, "tag", "content", "HEAD:mine.py")
    git(root, "tag", "-a", "-m", "x", "noted", "HEAD^{tree}")
    return root


@pytest.mark.parametrize(
    ("make", "reference", "sentences"),
    [
        (depth_1, "HEAD~2", ["goes back beyond", SHALLOW, "fetch-depth: 0"]),
        (depth_1, "origin/other", ["git fetch origin other:refs/remotes/origin/other", SHALLOW]),
        (depth_1, "1234567890", ["git fetch origin 1234567890", DEEPEN]),
        (of_a_tag, "main", ["git fetch origin tag main", SHALLOW]),
        (single_branch, "origin/main", ["git fetch origin main:refs/remotes/origin/main"]),
        (single_branch, "v1", ["git fetch origin tag v1"]),
        (whole, "topic", ['"origin/topic"']),
        (whole, "origin/tpoic", ["git fetch origin tpoic"]),
        (whole, "mian", ['did you mean "main"']),
        (whole, "HEAD~9", ["goes back beyond", "no such ancestor"]),
        (whole, "-x", ["names no commit"]),
        (empty, "HEAD", ["no commit yet", "commit first"]),
        (empty, "main", ["no commit yet"]),
        (unborn, "HEAD", ['the branch "new"', "no commit yet"]),
        (other_objects, "content", ["names a blob"]),
        (other_objects, "noted", ["names a tree"]),
        (other_objects, "HEAD:", ["names a tree"]),
        (other_objects, "zzz", ["there are: main, content, noted"]),
    ],
)
def test_a_name_that_stands_for_no_commit(
    tmp_path: Path, make: Callable[[Path], Path], reference: str, sentences: list[str]
) -> None:
    repository = Repository.around(make(tmp_path))
    with pytest.raises(BadInput) as refused:
        repository.commit(reference)
    for sentence in sentences:
        assert sentence in str(refused.value)
    is_shallow = git(repository.root, "rev-parse", "--is-shallow-repository") == "true"
    assert (SHALLOW in str(refused.value)) == is_shallow


@pytest.mark.parametrize(
    ("make", "reference", "sentences"),
    [
        (depth_1, "origin/main", ["no common commit", SHALLOW, DEEPEN, "fetch-depth: 0"]),
        (orphan, "main", ["unrelated", "Leave out --merge-base"]),
        (unborn, "main", ['the branch "new"', "no commit yet", "--merge-base"]),
        (grafted, "topic", ["no common commit", "info/grafts"]),
        (replaced, "topic", ["no common commit", "git replace --list"]),
    ],
)
def test_no_commit_in_common(
    tmp_path: Path, make: Callable[[Path], Path], reference: str, sentences: list[str]
) -> None:
    repository = Repository.around(make(tmp_path))
    with pytest.raises(BadInput) as refused:
        repository.merge_base(reference)
    for sentence in sentences:
        assert sentence in str(refused.value)


def test_a_deepened_clone_has_what_the_sentence_promises(tmp_path: Path) -> None:
    near = depth_1(tmp_path)
    git(near, "fetch", "-q", "--unshallow")
    base = Repository.around(near).merge_base("origin/main")
    assert base == git(tmp_path / "far", "rev-parse", "main~1")


def test_a_tag_and_a_branch_of_the_remote_are_found(tmp_path: Path) -> None:
    repository = Repository.around(of_a_tag(tmp_path))
    assert repository.commit("v1") == repository.commit("HEAD") == repository.merge_base("v1")


def test_a_partial_clone_whose_remote_is_away(tmp_path: Path) -> None:
    far = branched(tmp_path)
    git(far, "config", "uploadpack.allowFilter", "true")
    near = cloned(far, "--filter=blob:none")
    repository = Repository.around(near)
    wanted = repository.commit("HEAD~1")
    far.rename(tmp_path / "gone")
    with pytest.raises(BadInput) as refused, repository.worktree(wanted):
        pass
    assert "partial clone" in str(refused.value)
    assert git(near, "worktree", "list").count("\n") == 0
    (tmp_path / "gone").rename(far)
    with repository.worktree(wanted) as folder:  # fetched when needed
        assert (folder / "mine.py").read_text() == "STATE = 2\n"


def test_an_owner_that_git_does_not_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = made(tmp_path / "r")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    with pytest.raises(BadInput, match=f"--add safe.directory {root}`"):
        Repository.around(root)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "2")  # as containers in CI say it
    for number, (key, value) in enumerate([("core.bare", "true"), ("safe.directory", "*")]):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    assert Repository.around(root).root == root
