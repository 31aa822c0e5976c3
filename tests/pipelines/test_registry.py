"""From a variant's name to a pipeline: built-in ones, the user's own, and each refusal."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from depthprof.errors import BadInput, NamesClash, OutOfMemory, PipelineError
from depthprof.pipelines import own_code
from depthprof.pipelines.registry import VARIANTS, check_variant, load_pipeline
from depthprof.pipelines.v2 import V2
from depthprof.records import Workload

WORKLOAD = Workload(input_size=14)
STAGES = """
class Own:
    def __init__(self, workload):
        self.workload = workload
    def preprocess(self, images): ...
    def h2d(self, batch): ...
    def forward(self, batch): ...
    def postprocess(self, depth): ...
    def d2h(self, depth): ...
    def deliver(self, depth): ...
"""


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setattr(own_code, "_folders", [])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


def write(name: str, text: str) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def refusal_of(variant: str, **options: Path) -> PipelineError:
    with pytest.raises(PipelineError) as refusal:
        load_pipeline(variant, WORKLOAD, **options)
    assert "\n" not in str(refusal.value)
    return refusal.value


@pytest.mark.parametrize(
    ("variant", "said"),
    [
        ("v3", 'unknown variant "v3"; did you mean "v'),
        ("", 'unknown variant ""; there are: v1, v2'),
        ("own.py", "to name a pipeline of your own, write own.py:NAME"),
        ("own.py:", 'the variant "own.py:" has no name after its colon'),
        (":Own", "has no name after its colon"),
        ("own.py:1st", "has no name after its colon"),
        ("none/own.py:Own", "the file none/own.py of the variant .* does not exist"),
        ("my module:Own", "names neither a .py file nor a module"),
    ],
)
def test_a_variant_that_names_nothing_is_refused_before_anything_is_loaded(
    variant: str, said: str
) -> None:
    with pytest.raises(BadInput, match=said):
        check_variant(variant)
    with pytest.raises(BadInput, match=said):
        load_pipeline(variant, WORKLOAD)


def test_checking_a_variant_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from depthprof.pipelines.registry import check_variant; check_variant('v2')\n"
        "print([n for n in ('torch', 'cv2', 'matplotlib') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.strip() == "[]"


def test_the_built_in_variants_are_described() -> None:
    assert list(VARIANTS) == ["v1", "v2"]
    for variant in VARIANTS:
        check_variant(variant)
    assert isinstance(load_pipeline("v2", WORKLOAD), V2)


@pytest.mark.parametrize("variant", ["own.py:Own", "package.own:Own", "own:Own"])
def test_a_pipeline_of_the_users_own_gets_the_resolved_workload(variant: str) -> None:
    write("own.py", STAGES)
    write("package/own.py", STAGES)
    pipeline = load_pipeline(variant, WORKLOAD)
    assert pipeline.workload.device == "cpu"


def test_a_file_may_import_its_siblings_and_make_dataclasses() -> None:
    write("house/sibling.py", "from dataclasses import dataclass\n")
    write(
        "house/own.py",
        f"from __future__ import annotations\nfrom sibling import dataclass\n{STAGES}\n"
        "@dataclass\nclass Settings:\n    size: int = 3\n",
    )
    assert load_pipeline("house/own.py:Own", WORKLOAD)


def test_two_files_of_one_name_are_two_pipelines() -> None:
    write("a/own.py", STAGES + "    side = 'a'\n")
    write("b/own.py", STAGES + "    side = 'b'\n")
    sides = [load_pipeline(f"{folder}/own.py:Own", WORKLOAD).side for folder in "ab"]
    assert sides == ["a", "b"]


def test_siblings_of_one_name_in_two_folders_are_refused_unless_alike() -> None:
    for folder in "abc":
        write(f"{folder}/own.py", f"import network_of_mine\n{STAGES}")
        write(f"{folder}/network_of_mine.py", f"SIZE = {folder == 'c':d}")
    assert load_pipeline("a/own.py:Own", WORKLOAD)
    assert load_pipeline("b/own.py:Own", WORKLOAD)
    with pytest.raises(NamesClash, match=r"network_of_mine\.py have the same name and different"):
        load_pipeline("c/own.py:Own", WORKLOAD)


def test_a_checkpoint_goes_to_a_callable_that_takes_one() -> None:
    write(
        "own.py",
        f"{STAGES}\ndef make(workload, *, checkpoint=None):\n"
        "    own = Own(workload)\n    own.checkpoint = checkpoint\n    return own\n"
        "def loose(workload, **options):\n    return make(workload, **options)\n",
    )
    path = Path("weights.pth")
    assert load_pipeline("own.py:make", WORKLOAD, checkpoint=path).checkpoint == path
    assert load_pipeline("own.py:loose", WORKLOAD, checkpoint=path).checkpoint == path
    assert load_pipeline("own.py:make", WORKLOAD).checkpoint is None
    with pytest.raises(BadInput, match=r"own.py:Own takes no checkpoint"):
        load_pipeline("own.py:Own", WORKLOAD, checkpoint=path)


def test_a_name_that_is_not_there_or_no_callable_is_refused() -> None:
    write("own.py", f"{STAGES}\nNUMBER = 3\n")
    with pytest.raises(BadInput, match=r'own.py has no "Ownn"; did you mean "Own"'):
        load_pipeline("own.py:Ownn", WORKLOAD)
    with pytest.raises(BadInput, match=r"own.py:NUMBER is of type int, not a callable"):
        load_pipeline("own.py:NUMBER", WORKLOAD)
    write("folder/no_suffix", STAGES)
    with pytest.raises(BadInput, match=r"its name does not end in \.py"):
        load_pipeline("folder/no_suffix:Own", WORKLOAD)


@pytest.mark.parametrize("name", ["nowhere_to_be_found", "package.nowhere", "nowhere.own"])
def test_a_module_that_is_not_there_is_refused(name: str) -> None:
    write("package/__init__.py", "")
    with pytest.raises(BadInput, match=f"the module {name} of the variant .* cannot be found"):
        load_pipeline(f"{name}:Own", WORKLOAD)


@pytest.mark.parametrize(
    ("text", "said", "line"),
    [
        ("\nimport surely_not_installed\n", "ModuleNotFoundError: No module named", 2),
        ("def (:\n", "SyntaxError: invalid syntax", 1),
        ("import json\njson.loads('{')\n", "JSONDecodeError: Expecting", 2),
        ("import sys\nsys.exit(3)\n", "SystemExit: 3", 2),
        ("def Own(workload):\n    raise OSError('two\\nlines')\n", "OSError: two", 2),
        ("def Own(workload):\n    return workload.nothing\n", "AttributeError: ", 2),
    ],
)
@pytest.mark.parametrize("variant", ["broken/own_broken.py:Own", "broken.own_broken:Own"])
def test_what_the_users_code_raises_is_one_sentence(
    variant: str, text: str, said: str, line: int
) -> None:
    path = write("broken/own_broken.py", text).resolve()
    error = refusal_of(variant)
    assert str(error).startswith(f"loading the pipeline raised {said}")
    assert f"({path}:{line})" in str(error)
    assert (error.side, error.stage) == (None, "load")


def test_memory_that_is_not_there_is_said_with_a_remedy() -> None:
    write("own.py", "def Own(workload):\n    raise MemoryError\n")
    error = refusal_of("own.py:Own")
    assert isinstance(error, OutOfMemory)
    assert "try a smaller --batch" in str(error)


def test_missing_methods_are_named_with_their_stage() -> None:
    write("own.py", STAGES.replace("def h2d", "def other").replace("def deliver", "def final"))
    error = refusal_of("own.py:Own")
    assert "of type Own, lacks h2d(), deliver()" in str(error)
    assert (error.side, error.stage) == (None, "h2d")
    write("nothing.py", "def Own(workload):\n    pass\n")
    assert "of type NoneType, lacks preprocess()" in str(refusal_of("nothing.py:Own"))


def test_a_refusal_of_the_pipeline_it_builds_on_stays_as_it_is() -> None:
    write(
        "own.py",
        "from depthprof import load_pipeline\n"
        "def Own(workload):\n    return load_pipeline('v1', workload.changed(model='giant'))\n",
    )
    with pytest.raises(BadInput, match=r"^V1 has no model"):
        load_pipeline("own.py:Own", WORKLOAD)
