"""The store under stress: writers at once, writers killed, and 2,000 runs to read.

    python -m scripts.store_stress [URL]      # SQLite in a temporary folder by default

It prints what it found and ends with 1 if a run was lost or left half.
"""

import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from depthprof.records import Policy, Result, Workload
from depthprof.storage.database import open_store
from depthprof.verdict import digest
from depthprof.verdict.decision import judge
from tests.runs import TYPICAL_NS, recorder_of, with_samples

POLICY = Policy()
WRITERS, RUNS_EACH, KILLED, HISTORY_RUNS, SAMPLES, LAUNCHES = 4, 250, 50, 2_000, 200, 8
STEP_AT, STEP_RATIO = 1_200, 1.05


def profiled(number: int) -> Result:
    """A profile of 200 iterations in 8 launches; from run 1,200 on forward is 5 % slower."""
    noise = np.random.default_rng(number)
    factors = np.asarray([1, 1, STEP_RATIO if number >= STEP_AT else 1, 1, 1, 1, 1])
    rows = np.asarray(TYPICAL_NS) * noise.lognormal(0, 0.02, (SAMPLES, len(TYPICAL_NS))) * factors
    each = SAMPLES // LAUNCHES
    places = [(n // each, n % each, n % each, 0, n * 70_000_000) for n in range(SAMPLES)]
    run = with_samples(recorder_of([Workload()]).run(1.0, "budget"), places, rows)
    created = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number)
    environment = replace(run.environment, commit=f"{number * 7919:040x}"[::-1])
    moment = created.isoformat(timespec="seconds")
    return judge(replace(run, created=moment, environment=environment), POLICY)


def write(url: str, first: int, last: int) -> None:
    """Keep some runs, each through a store opened for it, and say when it is kept."""
    for number in range(first, last):
        judged = profiled(number)
        with open_store(url) as store:
            store.add(judged, digest(judged.run, POLICY))
        print(number, flush=True)


def _writer(url: str, first: int, last: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "scripts.store_stress", "write", url, str(first), str(last)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _whole(url: str) -> tuple[int, int]:
    """Runs in the store, and how many of them lack a level or a sample."""
    with open_store(url) as store:
        names = [row.id for row in store.rows()]
        half = sum(
            len(store.digest(name).levels) != len(TYPICAL_NS) + 1
            or len(store.load(name)[0].samples) != SAMPLES
            for name in names
        )
    return len(names), half


def at_once(url: str) -> bool:
    """Let writers write at the same time; nothing may be lost."""
    before, _ = _whole(url)
    began = time.monotonic()
    writers = [_writer(url, n * RUNS_EACH, (n + 1) * RUNS_EACH) for n in range(WRITERS)]
    told = sum(len(one.communicate()[0].splitlines()) for one in writers)
    kept, half = _whole(url)
    kept -= before
    spent_s = time.monotonic() - began
    print(f"{WRITERS} writers at once: {told} told, {kept} kept, {half} half, {spent_s:.0f} s")
    return kept == told == WRITERS * RUNS_EACH and not half


def killed(url: str) -> bool:
    """Kill writers at random moments; every run is whole or absent, none told of is lost."""
    drawn = random.Random(0)
    told = 0
    for number in range(KILLED):
        first = 10_000 + number * 1_000
        one = _writer(url, first, first + 1_000)
        if one.stdout is None:
            raise RuntimeError("a writer without a standard output")
        one.stdout.readline()
        told += 1
        time.sleep(drawn.random() * 0.3)
        one.kill()
        told += len(one.communicate()[0].splitlines())
    kept, half = _whole(url)
    print(f"{KILLED} writers killed: {told} told, {kept} kept, {half} half")
    return told <= kept <= told + KILLED and not half


def history(folder: Path) -> bool:
    """Time `history` and `gate` over 2,000 runs, and weigh the file."""
    file = folder / "history.db"
    with open_store(str(file)) as store:
        for number in range(HISTORY_RUNS):
            judged = profiled(number)
            name = store.add(judged, digest(judged.run, POLICY))
            if number == HISTORY_RUNS - 2:
                store.set_baseline("main", name)
    size_mb = file.stat().st_size / 1e6
    history_s = _seconds(file, "history")
    gate_s = _seconds(file, "gate")
    print(
        f"{HISTORY_RUNS} runs x 8 stages x {SAMPLES} samples: {size_mb:.1f} MB,"
        f" history {history_s:.2f} s, gate {gate_s:.2f} s of CPU time"
    )
    return size_mb < 60 and history_s < 3 and gate_s < 1


def _seconds(file: Path, command: str) -> float:
    """CPU time of one call in seconds, the least of three: neighbours lengthen the wall time."""
    spent = []
    for _ in range(3):
        began = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, "-m", "depthprof", command, "--store", str(file)],
            capture_output=True,
            check=False,
        )
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime)
    return min(spent)


def main() -> int:
    """Run all parts, each on a store of its own."""
    if sys.argv[1:2] == ["write"]:
        write(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given = sys.argv[1] if len(sys.argv) > 1 else None
        parts: list[Callable[[], bool]] = [
            lambda: at_once(given or str(folder / "at_once.db")),
        ]
        if given is None:
            parts += [lambda: killed(str(folder / "killed.db")), lambda: history(folder)]
        passed = [part() for part in parts]
    print("all passed" if all(passed) else "FAILED")
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
