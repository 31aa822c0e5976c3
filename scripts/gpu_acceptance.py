"""Every check that needs a GPU, one after the other: see scripts/gpu_acceptance.sh."""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from scripts.gpu_checks import (
    FEWEST_LEFT_S,
    OPEN,
    ROOT,
    TOTAL_S,
    Check,
    checks,
    described,
    interpreter,
)

QUICK_TOTAL_S = 300.0
STOP_S = 5.0
"""What takes the rest is told of so much less, to end by itself."""

TIMED_OUT = 124
NOT_RUN = -1
TEXT_LIMIT = 200_000
"""Characters kept of what a check prints."""

ENVIRONMENT = (
    "import json, sys; from dataclasses import asdict; from depthprof import Workload;"
    " from depthprof.system.machine import environment;"
    " from depthprof.system.nvml import driver_version;"
    " from depthprof.pipelines.device import resolve_device;"
    " device = resolve_device(Workload(device=sys.argv[1])).device;"
    " driver = driver_version() if device != 'cpu' else None;"
    " print(json.dumps(asdict(environment(device, driver)) | {'device': device}))"
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a check. `code` is 124 where it was stopped, -1 where it was not begun."""

    check: str
    command: str
    code: int
    seconds: float
    limit_s: float
    passed: bool
    note: str = ""


def run_check(check: Check, left_s: float, out: Path, owed_s: float = 0.0) -> Outcome:
    """Run one check; its text goes to a file.

    It may take its limit, and besides what earlier checks did not need of theirs: all of `left_s`
    but the limits of the checks that follow, `owed_s`.
    """
    limit_s = min(max(check.limit_s, left_s - owed_s), left_s)
    words = list(check.words)
    if check.takes_rest:
        words += ["--seconds", f"{max(1.0, limit_s - STOP_S):.0f}"]
    command = described(words, out)
    if left_s < max(FEWEST_LEFT_S, check.limit_s if check.takes_rest else 0.0):
        return Outcome(check.name, command, NOT_RUN, 0.0, limit_s, False, "no time was left")
    started = monotonic()
    code, text = _run([interpreter(), *words], limit_s)
    seconds = round(monotonic() - started, 1)
    (out / f"{check.name}.txt").write_text(_without_paths(text, out), encoding="utf-8")
    note = f"stopped after {limit_s:.0f} s" if code == TIMED_OUT else ""
    passed = code in check.allowed
    return Outcome(check.name, command, code, seconds, round(limit_s, 1), passed, note)


def _without_paths(text: str, out: Path) -> str:
    """What a check printed, without paths of this machine that nobody can open later."""
    lines = text[-TEXT_LIMIT:].replace(f"{out}/", "").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("report: "))


def _run(words: Sequence[str], limit_s: float) -> tuple[int, str]:
    """Run a command in a process group of its own, so that all of it can be stopped."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as text:
        process = subprocess.Popen(
            words,
            stdout=text,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
            start_new_session=True,
            env={**os.environ, "COLUMNS": "100"},
        )
        try:
            code = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # workers end by themselves without it
            process.wait()
            code = TIMED_OUT
        text.seek(0)
        return code, text.read()


def keep_reports(work: Path, out: Path) -> None:
    """Flatten the report folders: a page and a plot each, all runs in one archive."""
    plots = out / "plots"
    plots.mkdir(exist_ok=True)
    with tarfile.open(out / "runs.tar.gz", "w:gz") as archive:
        for folder in sorted(path for path in work.glob("*/*") if path.is_dir()):
            name = folder.parent.name
            for file in sorted(folder.iterdir()):
                if file.suffix == ".png":
                    (plots / f"{name}-{file.name}").write_bytes(file.read_bytes())
                elif file.name == "report.html":
                    (out / f"{name}.html").write_bytes(file.read_bytes())
                elif file.name in ("run.json", "drilled.json"):
                    archive.add(file, f"{name}/{file.name}")


def readme(
    outcomes: Sequence[Outcome], shown: set[str], known: dict[str, object], out: Path
) -> str:
    """What passed, with figures, machine and environment, as Markdown."""
    failed = [one.check for one in outcomes if not one.passed]
    ran = [one for one in outcomes if one.code != NOT_RUN]
    seconds = sum(one.seconds for one in ran)
    undecided = [one.check for one in outcomes if one.code == OPEN and one.passed]
    head = f"failed: {', '.join(failed)}" if failed else f"{len(ran)} checks ran, none failed"
    head += f"; open: {', '.join(undecided)}" if undecided else ""
    lines = [f"# GPU acceptance: {head}", ""]
    lines += [f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {seconds:.0f} s in all.", ""]
    lines += ["| check | passed | exit code | seconds | limit | command |", *["|" + " --- |" * 6]]
    lines += [
        f"| {one.check} | {_word(one)} | {one.note or one.code} |"
        f" {one.seconds:.0f} | {one.limit_s:.0f} | `{one.command}` |"
        for one in outcomes
    ]
    lines += ["", "## Machine and environment", "", "| | |", "| --- | --- |"]
    lines += [f"| {name} | {value} |" for name, value in known.items() if value is not None]
    for one in ran:
        if one.check in shown or not one.passed:
            text = (out / f"{one.check}.txt").read_text(encoding="utf-8").strip()
            lines += ["", f"## {one.check}", "", "```", text[-8_000:].replace("```", "'''"), "```"]
    lines += ["", "Raw runs are in runs.tar.gz; `python -m depthprof report FOLDER` reads each."]
    return "\n".join(lines) + "\n"


def _word(one: Outcome) -> str:
    if not one.passed:
        return "NO"
    return "open" if one.code == OPEN else "yes"


def environment(device: str) -> dict[str, object] | None:
    """Describe machine and software in a process of its own; None where the device is not there."""
    code, text = _run([interpreter(), "-c", ENVIRONMENT, device], 90.0)
    if code != 0:
        print(text.strip().splitlines()[-1] if text.strip() else "no answer", file=sys.stderr)
        return None
    return dict(json.loads(text.strip().splitlines()[-1]))


def named(known: dict[str, object]) -> str:
    """A folder's name from the GPU's, or the CPU's: "nvidia-h200"."""
    return re.sub(r"[^a-z0-9]+", "-", str(known["gpu"] or known["cpu"]).lower()).strip("-")


def accept(device: str, quick: bool, folder: Path | None) -> int:
    """Run everything and write the folder; 0 all passed, 1 something failed, 2 no such device."""
    started = monotonic()
    known = environment(device)
    if known is None:
        print(f"torch finds no usable device {device} here; nothing was checked", file=sys.stderr)
        return 2
    out = (folder or Path("reports") / named(known)).resolve()
    out.mkdir(parents=True, exist_ok=True)
    total_s = QUICK_TOTAL_S if quick else TOTAL_S
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as made:
        listed = [one for one in checks(device, quick, Path(made), out) if one.is_there]
        for place, check in enumerate(listed):
            print(f"== {check.name}", flush=True)
            left_s = total_s - (monotonic() - started)
            owed_s = sum(later.limit_s for later in listed[place + 1 :])
            outcomes.append(run_check(check, left_s, out, owed_s))
            one = outcomes[-1]
            word = {"yes": "passed", "open": "open"}.get(_word(one), f"FAILED {one.note}".rstrip())
            print(f"   {word}, exit code {one.code}, {one.seconds:.0f} s", flush=True)
        keep_reports(Path(made), out)
    shown = {check.name for check in listed if check.shown}
    _write(outcomes, shown, known, out)
    failed = [one.check for one in outcomes if not one.passed]
    print(f"failed: {', '.join(failed)}" if failed else f"no check failed; see {out}/README.md")
    return 1 if failed else 0


def _write(
    outcomes: Sequence[Outcome], shown: set[str], known: dict[str, object], out: Path
) -> None:
    document = {
        "passed": all(one.passed for one in outcomes),
        "open": [one.check for one in outcomes if one.code == OPEN and one.passed],
        "checks": [asdict(one) for one in outcomes],
        "environment": known,
    }
    (out / "summary.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    (out / "README.md").write_text(readme(outcomes, shown, known, out), encoding="utf-8")


def main() -> int:
    """Check everything on one device."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="[reports/ and the GPU's name]")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N, or cpu to try the script")
    parser.add_argument("--quick", action="store_true", help="tiny inputs, few launches")
    arguments = parser.parse_args()
    return accept(arguments.device, arguments.quick, arguments.folder)


if __name__ == "__main__":
    sys.exit(main())
