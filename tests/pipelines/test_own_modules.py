"""Sides of one process import as if each were alone; real clashes are refused, nothing else."""

import importlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from depthprof.errors import NamesClash, PipelineError
from depthprof.pipelines import own_code
from depthprof.pipelines.own_code import own_callable
from depthprof.pipelines.own_modules import OwnModules, tree_of

ORDERS = pytest.mark.parametrize("order", ["ab", "ba"])


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    (tmp_path / "now").mkdir()
    (tmp_path / "then").mkdir()
    monkeypatch.chdir(tmp_path / "now")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "now"), *sys.path])
    monkeypatch.setattr(own_code, "_folders", [])
    monkeypatch.setattr(own_code, "_entries", set())
    yield
    forget(tmp_path)


def forget(folder: Path) -> None:
    """Let the process be as if nothing of a folder had been imported."""
    for name, module in list(sys.modules.items()):
        place = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", "")), "")
        if str(place).startswith(str(folder)):
            del sys.modules[name]


def write(files: dict[str, str], *places: str) -> None:
    """Write files into the working tree ("now"), the earlier commit's ("then"), or both."""
    for place in places or ("now", "then"):
        for name, text in files.items():
            path = Path.cwd().parent / place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def loaded(order: Sequence[str], name: str = "mine.py") -> dict[str, Any]:
    """Load both commits of a file as the gate does: "a" is the earlier one."""
    now, then = Path.cwd(), Path.cwd().parent / "then"
    forget(now.parent)
    path = sys.path[:]
    variants = {"a": f"{then / name}:make", "b": f"{now / name}:make"}
    trees = {
        "a": tree_of(variants["a"], then.resolve(), now.resolve()),
        "b": tree_of(variants["b"], now.resolve()),
    }
    modules, found = OwnModules(), {}
    try:
        for side in order:
            with modules.of(trees[side]):
                found[side] = own_callable(variants[side])()
    finally:
        sys.path[:] = path
    return found


@ORDERS
def test_a_lone_file_is_loaded_as_it_is_on_either_side(order: str) -> None:
    write({"mine.py": "def make(): return 'then'"}, "then")
    write({"mine.py": "def make(): return 'now'"}, "now")
    assert loaded(order) == {"a": "then", "b": "now"}


@ORDERS
def test_siblings_that_are_alike_are_a_copy_for_each_side(order: str) -> None:
    write({"helper.py": "STATE = []", "mine.py": "import helper\ndef make(): return helper"})
    write({"mine.py": "import helper\n\ndef make(): return helper"}, "now")
    found = loaded(order)
    assert found["a"] is not found["b"]
    assert Path(found["a"].__file__).parent.name == "then"
    assert Path(found["b"].__file__).parent.name == "now"


@ORDERS
@pytest.mark.parametrize(
    "text",
    [
        "import helper\ndef make(): return helper.SIDE",
        "def make():\n    import helper\n    return helper.SIDE",
        "import importlib\ndef make(): return importlib.import_module('helper').SIDE",
        "from inner import helper\ndef make(): return helper.SIDE",
    ],
)
def test_siblings_that_differ_are_refused(order: str, text: str) -> None:
    write({"mine.py": text, "inner/__init__.py": ""})
    for place in ("now", "then"):
        write({"helper.py": f"SIDE = '{place}'", "inner/helper.py": f"SIDE = '{place}'"}, place)
    with pytest.raises(NamesClash, match=r"helper\.py have the same name and different content"):
        loaded(order)


@ORDERS
def test_a_sibling_that_one_side_alone_imports_is_no_clash_unless_the_other_might(
    order: str,
) -> None:
    write({"mine.py": "def make(): return 'alone'"}, "then")
    write({"mine.py": "import fresh\ndef make(): return fresh.NAME", "fresh.py": "NAME = 1"}, "now")
    assert loaded(order) == {"a": "alone", "b": 1}
    write({"fresh.py": "NAME = 0"}, "then")  # a stage of the earlier commit may import it
    with pytest.raises(NamesClash, match=r"fresh\.py"):
        loaded(order)


@ORDERS
def test_the_earlier_commit_does_not_find_what_it_does_not_have(order: str) -> None:
    write({"mine.py": "import uncommitted\ndef make(): ..."})
    write({"uncommitted.py": ""}, "now")
    with pytest.raises(PipelineError, match="No module named 'uncommitted'"):
        loaded(order)


@ORDERS
@pytest.mark.parametrize("init", [True, False])
def test_packages_on_the_path_are_those_of_the_commit(
    order: str, init: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(Path.cwd() / "src"), *sys.path])
    write({"src/pkg/inside.py": "X = 1", "src/pkg/mine.py": "from pkg import inside"})
    if init:
        write({"src/pkg/__init__.py": ""})
    write({"src/pkg/mine.py": "from pkg import inside\ndef make(): return inside.__file__"})
    found = loaded(order, "src/pkg/mine.py")
    assert [Path(found[side]).parts[-4] for side in "ab"] == ["then", "now"]
    write({"src/pkg/inside.py": "X = 2"}, "now")
    with pytest.raises(NamesClash, match=r"inside\.py"):
        loaded(order, "src/pkg/mine.py")


@ORDERS
def test_libraries_are_shared_wherever_they_are(
    order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    libraries = ".venv/lib/site-packages"
    monkeypatch.setattr(sys, "path", [str(Path.cwd() / libraries), *sys.path])
    write({f"{libraries}/some_library.py": ""}, "now")
    write({"mine.py": "import some_library\ndef make(): return some_library"})
    found = loaded(order)
    assert found["a"] is found["b"]


@ORDERS
def test_a_file_that_is_imported_by_its_own_name_too_must_be_alike(order: str) -> None:
    write({"mine.py": "import circle\ndef make(): return 1", "circle.py": "import mine"})
    assert loaded(order)
    write({"mine.py": "import circle\ndef make(): return 2"}, "now")
    with pytest.raises(NamesClash, match=r"mine\.py"):
        loaded(order)


@ORDERS
def test_a_module_that_is_no_file_is_nobody_s(order: str) -> None:
    made = "import sys, types\nsys.modules['made'] = types.ModuleType('made')\n"
    made += "sys.modules['made'].__file__ = 'made.py'\ndef make(): return 1\n"
    write({"mine.py": made})
    assert loaded(order) == {"a": 1, "b": 1}  # torch.ops is such a one
    del sys.modules["made"]


def test_sides_of_one_folder_share_their_modules() -> None:
    write({"helper.py": "", "mine.py": "import helper\ndef make(): return helper"}, "now")
    modules, found = OwnModules(), []
    for _ in range(2):
        with modules.of(tree_of("mine.py:make")):
            found.append(own_callable("mine.py:make")())
    assert found[0] is found[1]
    assert importlib.import_module("helper") is found[0]


def test_a_built_in_side_does_not_import_what_lies_beside_the_other() -> None:
    write({"sched.py": "raise ValueError('not mine')", "mine.py": "def make(): ..."}, "then")
    modules = OwnModules()
    with modules.of(tree_of(f"{Path.cwd().parent / 'then' / 'mine.py'}:make")):
        own_callable(f"{Path.cwd().parent / 'then' / 'mine.py'}:make")
    sys.modules.pop("sched", None)
    with modules.of(tree_of("v2")):
        assert importlib.import_module("sched").scheduler
    assert str(Path.cwd().parent / "then") in sys.path  # in sight again
