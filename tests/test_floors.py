"""The house: imports go strictly down, no tower imports the other, judging loads no torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import depthprof

ROOT = Path(depthprof.__file__).parent

DOORS, LOBBY, JUDGING, MEASURING = "doors", "lobby", "judging", "measuring"

ROOMS = {
    # room: (floor, tower). The longest matching name counts.
    "errors": (0, LOBBY),
    "units": (0, LOBBY),
    "records": (0, LOBBY),
    "looks": (0, LOBBY),
    "textfile": (0, LOBBY),
    "children": (0, LOBBY),
    "settings": (1, LOBBY),
    "stats": (1, JUDGING),
    "twosample": (1, JUDGING),
    "changepoint": (1, JUDGING),
    "comparison": (2, JUDGING),
    "account": (2, JUDGING),
    "history": (2, JUDGING),
    "floors": (2, JUDGING),
    "findings": (3, JUDGING),
    "gate": (3, JUDGING),
    "report": (4, JUDGING),
    "runfile": (2, LOBBY),
    "calibrationfile": (2, LOBBY),
    "keptfile": (1, LOBBY),
    "limitsfile": (2, LOBBY),
    "likeness": (2, LOBBY),
    "store": (3, LOBBY),
    "benchmarkfile": (2, LOBBY),
    "calibration": (4, JUDGING),
    "regression": (4, JUDGING),
    "repository": (1, LOBBY),
    "nvml": (1, MEASURING),
    "clock": (1, MEASURING),
    "conditions": (1, MEASURING),
    "machine": (1, MEASURING),
    "pictures": (1, MEASURING),
    "models": (2, MEASURING),
    "doctor": (2, MEASURING),
    "limits": (2, MEASURING),
    "pipelines": (3, MEASURING),
    "iteration": (3, MEASURING),
    "observe": (3, MEASURING),
    "measure": (4, MEASURING),
    "drill": (5, MEASURING),
    "api": (5, DOORS),
    "cli": (6, DOORS),
    "pytest_plugin": (7, DOORS),
    "__init__": (7, DOORS),
    "__main__": (7, DOORS),
}
WITHIN_A_ROOM_ONLY = {"errors", "units"}  # the words every room may use, floor 0 too
HEAVY = ("torch", "cv2", "safetensors", "xformers", "pynvml")


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__") or "__init__"


def room_of(module: str) -> str:
    room = module.partition(".")[0]
    assert room in ROOMS, f"depthprof.{module} is in no room: add it to ROOMS and ARCHITECTURE.md"
    return room


def imports_of(path: Path) -> set[str]:
    """Modules of depthprof that a file imports at any depth, type-checking blocks left out."""
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
        if isinstance(node, ast.ImportFrom) and node.module == "depthprof":
            found |= {f"depthprof.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the floor"
            found.add(node.module or "")
    return {name.removeprefix("depthprof.") for name in found if name.startswith("depthprof.")}


FILES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_go_down_and_stay_in_their_tower(path: Path) -> None:
    room = room_of(module_name(path))
    floor, tower = ROOMS[room]
    for imported in imports_of(path):
        other = room_of(imported)
        other_floor, other_tower = ROOMS[other]
        if other == room:
            continue
        assert other_floor < floor or (floor == 0 and other in WITHIN_A_ROOM_ONLY), (
            f"{room} (floor {floor}) imports {other} (floor {other_floor})"
        )
        if DOORS not in (tower, other_tower) and LOBBY not in (tower, other_tower):
            assert tower == other_tower, f"{room} ({tower}) imports {other} ({other_tower})"


def test_no_import_cycle() -> None:
    graph = {module_name(path): imports_of(path) for path in FILES}
    graph = {
        m: {i if i in graph else i.rpartition(".")[0] for i in found} for m, found in graph.items()
    }
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, f"cycle: {' -> '.join((*path, module))}"
        if module in done:
            return
        for imported in graph.get(module, ()):
            if imported != module:
                visit(imported, (*path, module))
        done.add(module)

    for module in graph:
        if module != "__init__":
            visit(module, ())


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
        if ROOMS[room_of(module_name(path))][1] in (JUDGING, LOBBY)
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
