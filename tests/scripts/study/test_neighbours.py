"""The neighbours of a study: as many as there are cores, and gone with it however it ends."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

STUDY = """
import time
from scripts.study import taking
with taking.neighbours("loaded"):
    print(taking.usable_cores(), flush=True)
    time.sleep(60)
"""


def state(pid: int) -> tuple[str, int]:
    """State and parent of a process (proc_pid_stat(5)); "X" where there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "X", 0
    words = text.rpartition(")")[2].split()
    return words[0], int(words[1])


def children(parent: int) -> list[int]:
    known = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in known if state(pid)[1] == parent]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_neighbours_end_with_a_study_that_is_killed() -> None:
    study = subprocess.Popen([sys.executable, "-c", STUDY], stdout=subprocess.PIPE)
    assert study.stdout is not None
    count = int(study.stdout.readline())
    busy = children(study.pid)
    assert len(busy) == count
    study.send_signal(signal.SIGKILL)
    study.wait()
    study.stdout.close()
    limit = time.monotonic() + 30
    while any(map(alive, busy)) and time.monotonic() < limit:
        time.sleep(0.1)
    assert not any(map(alive, busy))


def alive(pid: int) -> bool:
    return state(pid)[0] not in ("X", "Z")  # nobody may be there to bury it
