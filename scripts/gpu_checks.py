"""The checks of `scripts.gpu_acceptance`, with the time each may take."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERDICTS = (0, 1, 3)
"""Exit codes of a comparison that are verdicts; 2 and others are failures."""

OPEN = 4
"""Exit code where what was measured does not suffice to say whether a goal is held."""

TOTAL_S = 530.0
"""All checks together; nine minutes less what writing the folder takes."""

FEWEST_LEFT_S = 10.0
"""A check is not begun with less time than this left."""


@dataclass(frozen=True, slots=True)
class Check:
    """One command with its time limit, which is a guess: what others do not need goes on top.

    Attributes:
        name: of its files. words: the command, after the interpreter.
        limit_s: after that it is stopped and has failed.
        allowed: exit codes that are no failure.
        needs: a path of the repository without which it is left out; "" for none.
        takes_rest: it is given all time that is left, after "--seconds"; `limit_s` is then the
            least that it needs.
        shown: its text is put into the README as a whole.
    """

    name: str
    words: tuple[str, ...]
    limit_s: float
    allowed: tuple[int, ...] = (0,)
    needs: str = ""
    takes_rest: bool = False
    shown: bool = False

    @property
    def is_there(self) -> bool:
        """Whether what it runs is part of this checkout."""
        return not self.needs or (ROOT / self.needs).exists()


def checks(device: str, quick: bool, work: Path, out: Path) -> list[Check]:
    """Say what is run, in order; the limits of a whole run add up to less than TOTAL_S.

    Args:
        device: "cuda", "cuda:N", or "cpu" to try the script itself.
        quick: tiny inputs and few launches. work: for raw output. out: for what is kept.
    """
    if quick:
        return _quick(device, work, out)
    compared = ("--processes", "3", "--budget", "6")
    return [
        _tests(56),
        _own("doctor", ("doctor", "--device", device), 12, (0, 3), out, shown=True),
        _own(
            "doctor-timing", ("doctor", "--timing", "--device", device), 28, (0,), out, shown=True
        ),
        _limits(device, 36, out),
        _script("figures", ("--quick",), 28, (0,)),
        _script("overhead", _json("overhead", out, device), 20, (0,), shown=True),
        _compared("small-image", ("v1", "v2", *compared), 34, device, work, out),
        _compared(
            "small-depth", ("v1", "v2", "--product", "depth", *compared), 34, device, work, out
        ),
        _compared("small-same", ("v1", "v1", *compared), 34, device, work, out),
        _compared("small-fp16-sdpa", ("v2", "v2@fp16,sdpa", *compared), 34, device, work, out),
        _compared(
            "small-batch", ("v2", "v2@batch=8", "--fixed-size", *compared), 34, device, work, out
        ),
        _inside(("v2", "--processes", "1", "--budget", "3"), 34, device, work, out),
        _script(
            "telemetry_cost",
            (*_WINDOWS, *_json("telemetry_cost", out, device)),
            36,
            (0, OPEN),
            shown=True,
        ),
        _recorded(device, 12, out),
        _suites(device, 36, out),
        _same(("--set-budget", "8", "--launches", "4"), 60, device, out),
    ]


_WINDOWS = ("--variant", "v2", "--pairs", "24", "--window", "0.4")
"""Where medians of 0.4 s scatter by half a percent, 24 pairs know their ratio to a third of one."""

_SMALL_SETS = ("--set-budget", "2", "--launches", "3", "--turns", "1", "--input-sizes", "28")
"""One set, to try the script: every launch takes one turn at least, however slow the machine."""


def _quick(device: str, work: Path, out: Path) -> list[Check]:
    small = ("--processes", "3", "--budget", "1", "--input-size", "28")
    return [
        _tests(60),
        _own("doctor", ("doctor", "--device", device, "--watch", "0.2"), 60, (0, 3), out),
        _own(
            "doctor-timing",
            ("doctor", "--timing", "v2@input-size=28", "--device", device),
            60,
            (0, 3),
            out,
            shown=True,
        ),
        _script("overhead", ("--turns", "3", *_json("overhead", out, device)), 60, (0, 1)),
        _compared("small-same", ("v1", "v1", *small), 90, device, work, out),
        _inside(("v2", "--processes", "1", *small[2:]), 90, device, work, out),
        _same((*_SMALL_SETS, "--ways", "shared", "--seconds", "1"), 120, device, out, rest=False),
    ]


def _tests(limit_s: float) -> Check:
    words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "filterwarnings=error")
    return Check(
        "tests-cuda",
        (*words, "tests/test_cuda.py", "tests/profiling/test_cuda_profiling.py"),
        limit_s,
    )


def _own(
    name: str,
    words: Sequence[str],
    limit_s: float,
    allowed: tuple[int, ...],
    out: Path,
    needs: str = "",
    shown: bool = False,
) -> Check:
    """One of our own commands, its JSON kept."""
    json = ("--json", str(out / f"{name}.json"))
    return Check(
        name, ("-m", "depthprof", *words, *json), limit_s, allowed, needs=needs, shown=shown
    )


def _script(
    name: str, words: Sequence[str], limit_s: float, allowed: tuple[int, ...], shown: bool = False
) -> Check:
    """One of the scripts, left out where this checkout has none of that name."""
    needs = f"scripts/{name}.py"
    return Check(
        name.replace("_", "-"),
        ("-m", f"scripts.{name}", *words),
        limit_s,
        allowed,
        needs=needs,
        shown=shown,
    )


def _compared(
    name: str, words: Sequence[str], limit_s: float, device: str, work: Path, out: Path
) -> Check:
    kept = ("--device", device, "--no-store", "--out", str(work / name))
    return _own(name, ("compare", *words, *kept), limit_s, VERDICTS, out, shown=True)


def _inside(words: Sequence[str], limit_s: float, device: str, work: Path, out: Path) -> Check:
    """A profile with its trace and its parts."""
    trace = ("--modules", "--trace", str(out / "trace.json.gz"))
    kept = ("--device", device, "--no-store", "--out", str(work / "inside"))
    return _own("inside", ("profile", *words, *trace, *kept), limit_s, (0,), out, shown=True)


def _limits(device: str, limit_s: float, out: Path) -> Check:
    words = ("limits", "--device", device)
    return _own(
        "limits", words, limit_s, (0,), out, needs="depthprof/system/peak_rates", shown=True
    )


def _recorded(device: str, limit_s: float, out: Path) -> Check:
    """NVML's answers while the GPU works, for tests that play them back."""
    numbered = device if ":" in device else f"{device}:0"
    words = (str(out / "nvml-recorded.json"), "--device", numbered, "--work")
    return _script("record_nvml", words, limit_s, (0,))


def _suites(device: str, limit_s: float, out: Path) -> Check:
    words = ("-m", "pytest", "-q", "suites/test_stages.py", "suites/test_end_to_end.py")
    asked = ("--depth-device", device, "--depth-budget", "5", "--depth-processes", "3")
    json = ("--benchmark-json", str(out / "suites.json"))
    installed = any(one.name == "depthprof" for one in entry_points(group="pytest11"))
    plugin = () if installed else ("-p", "depthprof.pytest_plugin")
    return Check("suites", (*words, *plugin, *asked, *json), limit_s)


def _same(words: Sequence[str], limit_s: float, device: str, out: Path, rest: bool = True) -> Check:
    """False alarms on identical code: takes all the time that the others left."""
    return Check(
        "same",
        ("-m", "scripts.gpu_same", *words, *_json("same", out, device)),
        limit_s,
        (0, OPEN),
        takes_rest=rest,
        shown=True,
    )


def _json(name: str, out: Path, device: str) -> tuple[str, ...]:
    return ("--device", device, "--json", str(out / f"{name}.json"))


def described(words: Sequence[str], out: Path) -> str:
    """A command as people would type it: without the paths of this machine."""
    short = [word.replace(f"{out}/", "") for word in words]
    if "--out" in short:
        place = short.index("--out")
        short = [*short[:place], *short[place + 2 :]]
    return " ".join(["python", *short])


def interpreter() -> str:
    """The interpreter every check runs in: the one that runs this."""
    return sys.executable
