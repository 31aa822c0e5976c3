"""Peers at their own protocol: they take their own data, one version after the other.

What is compared is identical code, so every alarm is false. Expensive (pyperf starts 20 processes
a version and stage), so there are few of these; on the data of depthprof the peers are judged in
`depthprof.study.peers`, and there are many.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic
from typing import Any

from depthprof.study.injection import METHODS

PYTEST_FILE = Path(__file__).with_name("test_light_stages.py")
FAIL_RATIO = 1.05
"""pytest-benchmark's mean:5% and median:5%."""


def pyperf_twice(stage: str) -> dict[str, Any]:
    """Benchmark a stage twice with pyperf's defaults and ask pyperf whether they differ.

    Returns:
        Whether the second is significantly slower (`pyperf compare_to`'s t test), and the seconds
        one of the two runs took.
    """
    import pyperf
    from pyperf._utils import is_significant  # what `pyperf compare_to` asks

    values, seconds = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in (1, 2):
            file = Path(folder, f"{number}.json")
            started = monotonic()
            words = ["--stage", stage, "--quiet", "-o", str(file)]
            command = [sys.executable, "-m", "depthprof.study.pyperf_light", *words]
            subprocess.run(command, check=True, capture_output=True)
            seconds.append(monotonic() - started)
            values.append(pyperf.Benchmark.load(str(file)).get_values())
    significant, _ = is_significant(*values)
    slower = sum(values[1]) / len(values[1]) > sum(values[0]) / len(values[0])
    return {
        "rule": "pyperf t test, own protocol",
        "stage": stage,
        "alarm": bool(significant and slower),
        "seconds": round(sum(seconds) / 2, 2),
    }


def pytest_benchmark_twice() -> list[dict[str, Any]]:
    """Run all stages twice with pytest-benchmark's defaults, and compare as its --compare-fail."""
    found, seconds = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in (1, 2):
            file = Path(folder, f"{number}.json")
            started = monotonic()
            words = ["-q", "-p", "no:cacheprovider", f"--benchmark-json={file}"]
            command = [sys.executable, "-m", "pytest", str(PYTEST_FILE), *words]
            subprocess.run(command, check=True, capture_output=True)
            seconds.append(monotonic() - started)
            document = json.loads(file.read_text(encoding="utf-8"))
            found.append({b["params"]["stage"]: b["stats"] for b in document["benchmarks"]})
    return [
        {
            "rule": f"pytest-benchmark {field}:5%, own protocol",
            "stage": stage,
            "alarm": found[1][stage][field] > FAIL_RATIO * found[0][stage][field],
            "seconds": round(sum(seconds) / 2, 2),
        }
        for field in ("mean", "median")
        for stage in METHODS
    ]
