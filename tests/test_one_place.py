"""One module prints, one reads and writes text files: the others go through them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import depthprof

ROOT = Path(depthprof.__file__).parent
PRINTS = {"cli/output.py"}
STREAMS = {
    "cli/output.py",
    "cli/parser.py",  # asks which of the two is meant
    "storage/crash_reports.py",  # tells their encodings
    "runner/process.py",  # of the worker, whose standard output is a pipe to the parent
}
TEXTS = {"storage/text_files.py", "runner/observe.py"}  # the latter writes a sign into /proc

FILES = [file for file in sorted(ROOT.rglob("*.py")) if "study" not in file.parts]


def used(file: Path) -> Iterator[str]:
    """What a file calls by name, uses of sys, and does to text files."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id
        if isinstance(node, ast.Attribute):
            of = node.value.id if isinstance(node.value, ast.Name) else "?"
            yield f"{of}.{node.attr}"
            if node.attr in ("read_text", "write_text") and of not in ("text_files", "output"):
                yield "a text file"
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "open":
            modes = [word.value for word in node.args if isinstance(word, ast.Constant)]
            if any("b" not in str(mode) for mode in modes):
                yield "a text file"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_nothing_goes_past_the_one_place(file: Path) -> None:
    names, place = set(used(file)), file.relative_to(ROOT).as_posix()
    assert place in PRINTS or not names & {"print", "Console"}
    assert place in STREAMS or not names & {"sys.stdout", "sys.stderr"}
    assert place in TEXTS or "a text file" not in names
