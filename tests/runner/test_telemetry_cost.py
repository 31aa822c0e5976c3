"""The command that measures what telemetry costs: that it measures, not what it finds here."""

import json
from pathlib import Path

import pytest

from scripts.gpu_checks import OPEN
from scripts.telemetry_cost import main


def test_the_effect_has_an_interval(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "cost.json"
    asked = ["--pairs", "8", "--window", "0.03", "--iterations", "1", "--interval", "0.02"]
    assert main([*asked, "--json", str(file)]) in (0, 1, OPEN)
    told = json.loads(file.read_text())
    assert told["pairs"] == 8
    assert told["readings"] >= 8
    assert told["ratio"]["low"] <= told["ratio"]["value"] <= told["ratio"]["high"]
    assert "changes the median latency of light (cpu) by" in capsys.readouterr().out
