"""What sides of one process share: each change is seen by its name, put back, and never overlooked.

In this process: whatever a test changes is put back by the code under test, which is checked.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch

from depthprof.errors import NamesClash, PipelineError, SharedState
from depthprof.pipelines import own_code
from depthprof.pipelines.registry import load_pipeline
from depthprof.records import Workload
from depthprof.runner import shared_state, sharing
from depthprof.runner.shared_state import read
from depthprof.runner.sharing import Together, changes, undo

CHANGES = {
    "cv2.resize": "cv2.resize = lambda *a, **k: None",
    "cv2.INTER_CUBIC": "cv2.INTER_CUBIC = cv2.INTER_NEAREST",
    "torch.from_numpy": "torch.from_numpy = lambda array: None",
    "torch.nn.functional.interpolate": "torch.nn.functional.interpolate = print",
    "torch.Tensor.cpu": "torch.Tensor.cpu = lambda self: self",
    "torch.nn.modules.linear.Linear.forward": "torch.nn.Linear.forward = lambda self, x: x",
    "numpy.ascontiguousarray": "numpy.ascontiguousarray = lambda a: a",
    "time.perf_counter_ns": "time.perf_counter_ns = lambda: 0",
    "sorted": "import builtins; builtins.sorted = list",
    "depthprof.pipelines.v2.V2.finish": "depthprof.pipelines.v2.V2.finish = lambda self, d: d",
    "depthprof.networks.vit.Block": "depthprof.networks.vit.Block = object",
    "torch's threads": "torch.set_num_threads(3)",
    "OpenCV's threads": "cv2.setNumThreads(3)",
    "torch's default dtype": "torch.set_default_dtype(torch.float64)",
    "torch's default device": "torch.set_default_device('meta')",
    "torch's float32 matmul precision": "torch.set_float32_matmul_precision('medium')",
    "torch's deterministic algorithms": "torch.use_deterministic_algorithms(True)",
    "flushing denormal numbers": "torch.set_flush_denormal(True)",
    "autocast on cpu": "torch.set_autocast_enabled('cpu', True)",
    "torch.backends.cudnn.benchmark": "torch.backends.cudnn.benchmark = True",
    "torch.backends.cudnn.deterministic": "torch.backends.cudnn.deterministic = True",
    "torch's flash attention": "torch.backends.cuda.enable_flash_sdp(False)",
    "torch.backends.mkldnn.enabled": "torch.backends.mkldnn.enabled = False",
    "OpenCV's optimizations": "cv2.setUseOptimized(False)",
    "the working folder": "os.chdir('/')",
    "the umask": "os.umask(0o123)",
    "the locale": "import locale; locale.setlocale(locale.LC_ALL, 'C.UTF-8')",
    "sys.setswitchinterval": "sys.setswitchinterval(0.1)",
    "sys.setprofile": "sys.setprofile(lambda *a: None)",
    "the variable CUDA_LAUNCH_BLOCKING": "os.environ['CUDA_LAUNCH_BLOCKING'] = '1'",
    "the variable MY_SWITCH": "os.environ['MY_SWITCH'] = 'fast'",
    "the variable HOME": "del os.environ['HOME']",
}
"""By its name, code of a user that changes it."""

ALONE = (
    "time.perf_counter_ns",
    "sorted",
    "flushing denormal numbers",
    "sys.setprofile",
    "the umask",
)
"""What would disturb the test itself is put back at once, with what was changed before."""

WHOLE = shared_state.LIBRARIES

HARMLESS = """
sys.path.insert(0, '/nowhere')
sys.meta_path.append(type('Finder', (), {'find_spec': staticmethod(lambda *a: None)}))
import wave, warnings, gc
warnings.simplefilter('ignore')
gc.disable()
torch.set_grad_enabled(False)
torch.an_attribute_of_mine = 3
cv2.a_helper_of_mine = lambda: None
os.environ['TORCHINDUCTOR_CACHE_DIR'] = '/tmp/x'
torch.manual_seed(3)
sys.setrecursionlimit(5000)
os.environ['CUDA_MODULE_LOADING'] = 'LAZY'
torch.compile(torch.nn.Linear(2, 2), backend='eager')(torch.zeros(1, 2))
with torch.inference_mode(), torch.autocast('cpu', torch.bfloat16):
    torch.nn.functional.interpolate(torch.zeros(1, 1, 2, 2), (3, 3))
"""

PRELUDE = "import os, sys, time\nimport cv2, numpy, torch\nimport depthprof.pipelines.v2\n"
STAGES = """
class Own:
    def __init__(self, workload): ...
    def preprocess(self, images): ...
    def h2d(self, batch): ...
    def forward(self, batch): ...
    def postprocess(self, depth): ...
    def d2h(self, depth): ...
    def deliver(self, depth): ...
"""


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    import gc

    monkeypatch.chdir(tmp_path)
    for name in ("path", "meta_path"):
        monkeypatch.setattr(sys, name, getattr(sys, name)[:])
    monkeypatch.setattr(own_code, "_folders", [])
    monkeypatch.setattr(shared_state, "LIBRARIES", ("builtins", "cv2"))  # quick to read
    traced, grad = sys.gettrace(), torch.is_grad_enabled()
    before = read()
    yield
    undo(changes(before, read()))
    gc.enable()
    torch.set_grad_enabled(grad)
    sys.settrace(traced)
    for name in ("an_attribute_of_mine", "a_helper_of_mine"):
        for module in (torch, cv2):
            vars(module).pop(name, None)


def run(text: str) -> None:
    exec(PRELUDE + text, {})


def test_every_change_is_seen_by_its_name_and_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_state, "LIBRARIES", WHOLE)
    run("")
    before = read()
    seen = set()
    for name, text in CHANGES.items():
        run(text)
        if name in ALONE:
            made = changes(before, read())
            undo(made)
            seen |= set(made)
    made = changes(before, read())
    undo(made)
    assert set(CHANGES) - seen - set(made) == set()
    assert changes(before, read()) == {}


def test_what_plain_use_does_is_no_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_state, "LIBRARIES", WHOLE)
    run("")
    before = read()
    run(HARMLESS)
    assert changes(before, read()) == {}


def loaded(*texts: str) -> Together:
    """Load files of the user's, the baseline first in alphabet, in the order given."""
    sides = []
    for number, text in enumerate(texts):
        path = Path(f"side{number}.py")
        path.write_text(PRELUDE + text + STAGES)
        sides.append({"name": "ab"[number], "variant": f"{path}:Own"})
    return load(sides)


def load(sides: list[dict[str, Any]]) -> Together:
    """As the worker does; one that is refused ends, and what it changed with it."""
    before = read()
    together = Together(sides)
    try:
        for side in sides:
            with together.loading(side):
                load_pipeline(side["variant"], Workload(input_size=14, device="cpu"))
    except SharedState:
        undo(changes(before, read()))
        raise
    together.settle()
    return together


@pytest.mark.parametrize("text", ["cv2.resize = lambda *a: None\n", "torch.set_num_threads(3)\n"])
def test_a_side_that_changes_what_both_share_is_named_whichever_comes_first(text: str) -> None:
    name = r"cv2\.resize" if "resize" in text else "torch's threads"
    with pytest.raises(SharedState, match=f"the candidate changes what both sides share: {name}"):
        loaded("", text)
    with pytest.raises(SharedState, match=f"the baseline changes what both sides share: {name}"):
        loaded(text, "")


def test_many_changes_are_counted_and_each_side_has_its_own() -> None:
    many = "".join(f"os.environ['MINE_{number}'] = '1'\n" for number in range(9))
    said = r"the baseline .*: cv2\.resize; the candidate .*MINE_0.* and 3 more$"
    with pytest.raises(SharedState, match=said):
        loaded("cv2.resize = print\n", many)


@pytest.mark.parametrize(
    "text",
    [
        "torch.backends.cudnn.benchmark = True\n",
        "torch.set_num_threads(3)\n",
        "os.environ['MINE'] = '1'\n",
        "kept = cv2.resize\ndef resize(*a, **k): return kept(*a, **k)\ncv2.resize = resize\n",
        "def wrap(f):\n    return lambda *a: f(*a)\ncv2.resize = wrap(cv2.resize)\n",
    ],
)
def test_sides_that_change_the_same_alike_stay_together(text: str) -> None:
    together = loaded(text, text)
    assert together.after_block("a", warming_up=True) == [
        torch.get_num_threads(),
        cv2.getNumThreads(),
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("torch.set_num_threads(3)\n", "torch.set_num_threads(2)\n"),
        ("cv2.resize = lambda *a: 1\n", "cv2.resize = lambda *a: 2\n"),
        ("torch.backends.cudnn.benchmark = True\n", "torch.backends.cudnn.deterministic = True\n"),
        *(
            (f"{start}{rest}", f"{other}{rest}")
            for start, other, rest in (
                ("N = 1\n", "N = 4\n", "def resize(*a): return [a] * N\ncv2.resize = resize\n"),
                ("N = 1\n", "N = 4\n", "cv2.resize = lambda *a: (lambda: [a] * N)()\n"),
                ("N = 1\n", "N = 4\n", "cv2.resize = lambda *a, n=N: [a] * n\n"),
                ("N = 1\n", "N = 4\n", "def w(n): return lambda *a: [a] * n\ncv2.resize = w(N)\n"),
                ("N = 1\n", "N = 4\n", "def f(): return N\ndef g(*a): f()\ncv2.resize = g\n"),
            )
        ),
    ],
)
def test_sides_that_change_the_same_to_something_else_do_not(first: str, second: str) -> None:
    with pytest.raises(SharedState, match=r"the baseline changes.*the candidate changes"):
        loaded(first, second)


def test_what_changes_in_an_iteration_is_named_too() -> None:
    together = loaded("", "")
    cv2.resize = print
    with pytest.raises(SharedState, match=r"share in its iterations: cv2\.resize"):
        together.after_block("b", warming_up=True)


def test_threads_are_checked_after_every_block_and_the_rest_is_not() -> None:
    together = loaded("", "")
    for _ in range(4):
        together.after_block("b", warming_up=False)
    torch.set_num_threads(torch.get_num_threads() + 1)
    with pytest.raises(SharedState, match="torch's threads"):
        together.after_block("b", warming_up=False)


def test_a_side_alone_may_change_what_it_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "read", lambda: pytest.fail("nothing is shared"))
    together = loaded("cv2.resize = print\n")
    assert len(together.after_block("a", warming_up=True)) == 2


def test_what_cannot_be_loaded_twice_is_loaded_apart() -> None:
    twice = "import builtins\nassert not hasattr(builtins, 'registered')\nbuiltins.registered = 1\n"
    try:
        with pytest.raises(SharedState, match=r"the candidate fails beside the other: .*Assertion"):
            loaded(twice, twice)
        with pytest.raises(PipelineError, match="AssertionError"):
            loaded(twice, "")
    finally:
        import builtins

        del builtins.registered  # type: ignore[attr-defined]


def test_neighbours_of_two_folders_are_each_side_s_own() -> None:
    for folder in ("one", "two"):
        Path(folder).mkdir()
        Path(folder, "beside.py").write_text(f"FOLDER = '{folder}'\n")
        Path(folder, "mine.py").write_text("import beside\n" + STAGES)
    sides: list[dict[str, Any]] = [
        {"name": n, "variant": f"{f}/mine.py:Own"} for n, f in (("a", "one"), ("b", "two"))
    ]
    with pytest.raises(NamesClash, match=r"beside\.py"):
        load(sides)
