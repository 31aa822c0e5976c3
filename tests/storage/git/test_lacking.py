"""What an earlier commit lacks, and why: real code, with the sentence that it ends in."""

import runpy
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from depthprof.errors import NamesClash, OutOfMemory, PipelineError
from depthprof.pipelines.check import blame
from depthprof.storage.git import Repository
from tests.storage.git.made import commit, git, made


@pytest.fixture(autouse=True)
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the code of a test imports is forgotten after it."""
    del monkeypatch
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def refusal(root: Path, wanted: str, monkeypatch: pytest.MonkeyPatch, file: str = "mine.py") -> str:
    """The sentence with which the code of a commit is refused, as a worker would find it."""
    monkeypatch.chdir(root)
    repository = Repository.around(root)

    def load() -> None:
        with repository.worktree(repository.commit(wanted)) as folder:
            monkeypatch.syspath_prepend(folder)
            monkeypatch.chdir(folder)
            try:
                runpy.run_path(str(folder / file))
            except Exception as error:
                raise blame(error, "load") from error
            finally:
                monkeypatch.chdir(root)

    with pytest.raises(PipelineError) as refused:
        load()
    return str(refused.value)


UNCOMMITTED = "exists in the working tree but not in {at}: it is not committed"


@pytest.mark.parametrize(
    ("code", "missing", "sentence"),
    [
        ("import helper", "helper.py", "helper.py " + UNCOMMITTED),
        ("import pkg.helper", "pkg/helper.py", "pkg/helper.py " + UNCOMMITTED),
        ("from pkg import helper", "pkg/helper.py", "pkg/helper.py " + UNCOMMITTED),
        ("import other.deep", "other/deep/__init__.py", "other " + UNCOMMITTED),
        ("import built", "built.cpython-311.so", "built.cpython-311.so " + UNCOMMITTED),
        ("open('data/table.txt')", "data/table.txt", "data/table.txt " + UNCOMMITTED),
        ("open(__file__[:-7] + 'a b.txt')", "a b.txt", "a b.txt " + UNCOMMITTED),
        ("import numpy; numpy.load('x.npz')", "x.npz", "x.npz " + UNCOMMITTED),
        ("from pathlib import Path; list(Path('way').iterdir())", "way/x", "way " + UNCOMMITTED),
    ],
)
def test_a_file_that_only_the_working_tree_has_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, missing: str, sentence: str
) -> None:
    root = made(tmp_path / "r", 0)
    wanted = commit(root, mine_py=code + "\n", pkg____init___py="")
    (root / missing).parent.mkdir(parents=True, exist_ok=True)
    (root / missing).write_text("")
    text = refusal(root, wanted, monkeypatch)
    assert text.endswith(f"; {sentence.format(at=wanted[:10])}")
    assert "loading the pipeline raised" in text


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("ignored", "it is not committed, because git ignores it"),
        ("later", "it was committed later"),
        ("staged", "it is not committed"),
    ],
)
def test_why_a_file_is_not_in_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, why: str
) -> None:
    root = made(tmp_path / "r", 0)
    wanted = commit(root, mine_py="import helper\n")
    (root / "helper.py").write_text("")
    if how == "ignored":
        (root / ".git" / "info" / "exclude").write_text("helper.*")
    if how == "later":
        commit(root)
    if how == "staged":
        git(root, "add", "-A")
    assert refusal(root, wanted, monkeypatch).endswith(f" but not in {wanted[:10]}: {why}")


def test_what_is_nowhere_or_there_is_not_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = made(tmp_path / "r")
    for code in ("import nowhere_at_all", "import math; math.tau_of_it", "{}['mine.py']"):
        text = refusal(root, commit(root, mine_py=code + "\n"), monkeypatch)
        assert ";" not in text
    for error in (
        NamesClash("No module named 'late'"),
        OutOfMemory("No module named 'late'"),
        PipelineError("No module named 'late'", side="b"),
    ):
        (root / "late.py").write_text("")
        repository = Repository.around(root)
        with pytest.raises(type(error)) as refused, repository.worktree("HEAD"):
            raise error
        assert str(refused.value) == "No module named 'late'"


@pytest.mark.parametrize("code", ["open('big/x_txt')", "import big.y"])
def test_what_lies_outside_a_sparse_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    root = made(tmp_path / "r")
    wanted = commit(root, mine_py=f"{code}\n", big__x_txt="", big__y_py="", small__y_txt="")
    git(root, "sparse-checkout", "set", "small")
    assert not (root / "big").exists()
    text = refusal(root, wanted, monkeypatch)
    assert f"is in {wanted[:10]}, but outside the sparse checkout" in text


def with_submodule(tmp_path: Path) -> tuple[Path, str]:
    """A repository whose first commit has a submodule in a submodule, at earlier commits."""
    inner = made(tmp_path / "inner")
    commit(inner, deep_py="DEEP = 1\n")
    part = made(tmp_path / "part")
    git(part, "submodule", "add", "-q", str(inner), "in")
    commit(part, helper_py="HELP = 1\n")
    root = made(tmp_path / "r")
    git(root, "submodule", "add", "-q", "--name", "odd name", str(part), "lib/part")
    git(root, "submodule", "update", "-q", "--init", "--recursive")
    code = "import sys; sys.path[:0] = [__file__[:-7] + p for p in ('lib/part', 'lib/part/in')]\n"
    wanted = commit(
        root, mine_py=code + "import helper, deep\nassert helper.HELP == deep.DEEP == 1\n"
    )
    commit(root / "lib" / "part", helper_py="HELP = 2\n")
    commit(root)
    return root, wanted


def test_submodules_are_those_of_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, wanted = with_submodule(tmp_path)
    for far in ("inner", "part"):  # nothing is fetched
        (tmp_path / far).rename(tmp_path / f"{far}-gone")
    config = (root / ".git" / "config").read_bytes()
    kept = root / ".git" / "modules" / "odd name"
    before = (kept / "index").read_bytes()
    repository = Repository.around(root)
    with repository.worktree(wanted) as folder:
        assert (folder / "lib/part/helper.py").read_text() == "HELP = 1\n"
        assert (folder / "lib/part/in/deep.py").read_text() == "DEEP = 1\n"
        monkeypatch.syspath_prepend(folder)
        runpy.run_path(str(folder / "mine.py"))
    assert not folder.exists()
    assert (kept / "index").read_bytes() == before
    assert (root / ".git" / "config").read_bytes() == config
    assert git(root, "worktree", "list").count("\n") == 0
    assert git(root, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (
            "not initialised",
            "its repository is not here; run `git submodule update --init lib/part`",
        ),
        ("shallow", "is not here; run `git -C lib/part fetch --unshallow`"),
        ("inner", "lib/part/in is a submodule that could not be checked out"),
    ],
)
def test_a_submodule_that_is_not_here_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str, sentence: str
) -> None:
    root, wanted = with_submodule(tmp_path)
    kept = root / ".git" / "modules" / "odd name"
    if harm == "not initialised":
        git(root, "submodule", "deinit", "-q", "--force", "--all")
        shutil.rmtree(root / ".git" / "modules")
    if harm == "inner":
        shutil.rmtree(kept / "modules")
    if harm == "shallow":
        tip = git(root / "lib" / "part", "rev-parse", "HEAD")
        shutil.rmtree(kept)
        git(tmp_path, "clone", "-q", "--bare", "--depth=1", f"file://{tmp_path}/part", str(kept))
        (kept / "shallow").write_text(tip + "\n")
        old = kept / "packed-refs"
        old.write_text("")
        for pack in (kept / "objects" / "pack").iterdir():
            pack.unlink()
    text = refusal(root, wanted, monkeypatch)
    assert "No module named" in text
    assert sentence in text
    repository = Repository.around(root)
    with pytest.raises(PipelineError) as refused, repository.worktree(wanted):
        raise PipelineError("No module named 'helper'", side="b")
    is_told = "lib/part is not checked out in the working tree" in str(refused.value)
    assert is_told == (harm == "not initialised")


def test_a_linked_worktree_has_submodules_of_its_own(tmp_path: Path) -> None:
    root, wanted = with_submodule(tmp_path)
    linked = tmp_path / "linked"
    git(root, "worktree", "add", "-q", "--detach", str(linked), wanted)
    repository = Repository.around(linked)
    with repository.worktree(wanted) as folder:  # from the modules of the main worktree
        assert (folder / "lib/part/helper.py").read_text() == "HELP = 1\n"
    shutil.rmtree(root / ".git" / "modules")
    git(linked, "submodule", "update", "-q", "--init")
    with repository.worktree(wanted) as folder:  # from its own
        assert (folder / "lib/part/helper.py").read_text() == "HELP = 1\n"
