"""The layers: imports go strictly down, without cycles; what judges loads no torch."""

import ast
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import depthprof

ROOT = Path(depthprof.__file__).parent

LAYERS = (
    ("errors", "units", "records"),
    ("stats", "storage"),
    ("advice", "history", "networks", "system"),
    ("verdict", "pipelines"),
    ("report", "runner"),
    ("api", "profiling"),
    ("cli", "pytest_plugin", "__init__", "__main__"),
)
"""Lowest first. A package imports from lower layers alone."""

LEVEL = {package: level for level, layer in enumerate(LAYERS) for package in layer}
JUDGING = {"verdict", "history", "advice", "report"}
MEASURING = {"networks", "system", "pipelines", "runner", "profiling"}
WITHOUT_TORCH = {"errors", "units", "records", "stats", "storage"} | JUDGING
SAME_LAYER = {("records", "errors"), ("records", "units"), ("errors", "units"), ("__main__", "cli")}
"""What else may be imported: importer, imported."""

HEAVY = ("torch", "cv2", "safetensors", "xformers", "pynvml")


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__") or "__init__"


def package_of(module: str) -> str:
    package = module.partition(".")[0]
    assert package in LEVEL, (
        f"depthprof.{module} is in no layer: add it here and to ARCHITECTURE.md"
    )
    return package


def imports_of(path: Path, modules: frozenset[str]) -> set[str]:
    """Modules of depthprof that a file imports at any depth, type-checking blocks left out.

    `from depthprof.package import name` is an import of `package.name` where that is a module.
    """
    tree = ast.parse(path.read_text())
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the layer"
            for alias in node.names:
                module = f"{node.module}.{alias.name}"
                is_module = module.removeprefix("depthprof.") in modules
                found.add(module if is_module else node.module)
    return {
        "__init__" if name == "depthprof" else name.removeprefix("depthprof.")
        for name in found
        if name.partition(".")[0] == "depthprof"
    }


FILES = sorted(ROOT.rglob("*.py"))
MODULES = frozenset(module_name(path) for path in FILES)


def cycle_in(graph: Mapping[str, set[str]]) -> tuple[str, ...]:
    """The first cycle of imports that is found, or nothing."""
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> tuple[str, ...]:
        if module in path:
            return (*path[path.index(module) :], module)
        if module in done:
            return ()
        for imported in sorted(graph.get(module, set()) - {module}):
            if cycle := visit(imported, (*path, module)):
                return cycle
        done.add(module)
        return ()

    return next((cycle for module in sorted(graph) if (cycle := visit(module, ()))), ())


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_go_down(path: Path) -> None:
    package = package_of(module_name(path))
    for imported in imports_of(path, MODULES):
        other = package_of(imported)
        if other == package or (package, other) in SAME_LAYER:
            continue
        assert LEVEL[other] < LEVEL[package], f"{package} imports {imported}"
        assert not (package in JUDGING and other in MEASURING), f"{package} imports {imported}"
        assert not (package in MEASURING and other in JUDGING), f"{package} imports {imported}"


def test_no_import_cycle() -> None:
    graph = {module_name(path): imports_of(path, MODULES) for path in FILES}
    assert not cycle_in(graph)


@pytest.mark.parametrize(
    "second",
    [
        "import depthprof.cli.first",
        "from depthprof.cli.first import name",
        "from depthprof.cli import first",
    ],
)
def test_a_cycle_is_seen_however_it_is_written(second: str, tmp_path: Path) -> None:
    (tmp_path / "first.py").write_text("from depthprof.cli import second")
    (tmp_path / "second.py").write_text(f"def later():\n    {second}")
    modules = frozenset({"cli.first", "cli.second"})
    graph = {f"cli.{p.stem}": imports_of(p, modules) for p in tmp_path.glob("*.py")}
    assert cycle_in(graph) == ("cli.first", "cli.second", "cli.first")


def test_the_root_holds_five_modules() -> None:
    expected = {"__init__", "__main__", "api", "errors", "units"}
    assert {path.stem for path in ROOT.glob("*.py")} == expected


def test_no_file_is_above_350_lines() -> None:
    long = {module_name(p): n for p in FILES if (n := len(p.read_text().splitlines())) > 350}
    assert not long


def loaded_by(statement: str, names: tuple[str, ...]) -> list[str]:
    code = f"import sys\n{statement}\nprint([n for n in {names!r} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return list(ast.literal_eval(done.stdout.splitlines()[-1]))


def test_importing_the_judging_side_loads_no_torch() -> None:
    judging = [
        module_name(path)
        for path in FILES
        if package_of(module_name(path)) in WITHOUT_TORCH
        and "migrations" not in path.parts  # Alembic runs them
    ]
    statement = "import " + ", ".join(f"depthprof.{module}" for module in judging)
    assert loaded_by(statement, HEAVY) == []


def test_help_and_the_bare_package_load_nothing_heavy() -> None:
    heavy = (*HEAVY, "numpy", "pandas", "matplotlib", "scipy", "rich", "jinja2")
    assert loaded_by("import depthprof", heavy) == []
    help_text = (
        "import contextlib, io\nfrom depthprof.cli.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    main(['--help'])"
    )
    assert loaded_by(help_text, heavy) == []


def test_public_names_exist_and_are_listed() -> None:
    for name in depthprof.__all__:
        assert getattr(depthprof, name) is not None
        assert name in dir(depthprof)
    assert set(depthprof.__all__) == set(depthprof._HOMES)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        depthprof.nothing  # noqa: B018
