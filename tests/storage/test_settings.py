from pathlib import Path

import pytest

from depthprof.errors import BadInput
from depthprof.storage.settings import Settings, read_settings


def written(folder: Path, text: str) -> Path:
    (folder / "pyproject.toml").write_text(text)
    return folder


def test_without_a_table_the_defaults_hold(tmp_path: Path) -> None:
    found = read_settings(written(tmp_path, "[project]\nname='x'\n"))
    assert found == Settings(file=found.file)


def test_the_nearest_table_counts(tmp_path: Path) -> None:
    written(tmp_path, "[tool.depthprof]\nbatch = 4\n")
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    written(inner.parent, "[tool.other]\nx = 1\n")
    found = read_settings(inner)
    assert found.batch == 4
    assert found.file == tmp_path / "pyproject.toml"
    assert found.workload(model="base").batch == 4


def test_everything_at_once(tmp_path: Path) -> None:
    text = """
    [tool.depthprof]
    models = ["small", "vitb"]
    input-size = 98
    budget = 5
    store = "sqlite:///x.db"
    [tool.depthprof.gate]
    baseline = "release"
    threshold = "7%"
    floor-us = 20
    fail-on = "slower"
    allow = ["driver"]
    stages = {forward = 0.04}
    [tool.depthprof.gate.models.base]
    threshold = 0.2
    stages = {"return" = 0.3}
    """
    found = read_settings(written(tmp_path, text))
    assert (found.models, found.input_size, found.budget_s) == (("small", "vitb"), 98, 5.0)
    small, base = found.gate.thresholds("small"), found.gate.thresholds("base")
    assert (small.threshold_ratio, small.floor_ns) == (0.07, 20_000)
    assert dict(small.stages) == {"forward": 0.04}
    assert (base.threshold_ratio, base.floor_ns) == (0.2, 20_000)
    assert (base.stages["return"], base.stages["forward"]) == (0.3, 0.2)
    assert found.gate.fail_on == ("slower",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tool.depthprof]\ntreshold = 1", ['unknown key "treshold"']),
        ("[tool.depthprof.gate]\ntreshold = 1", ['"treshold"', 'did you mean "threshold"']),
        ("[tool.depthprof.gate.stages]\nforwrd = 1", ['"forwrd"', 'did you mean "forward"']),
        ("[tool.depthprof.gate.models.smal]\nthreshold=1", ["smal", "small"]),
        ("[tool.depthprof.gate]\nthreshold = '5 per cent'", ["5 per cent", "5%"]),
        ("[tool.depthprof.gate]\nthreshold = true", ["True"]),
        ("[tool.depthprof.gate]\nfail-on = 'slow'", ["slow", "slower"]),
        ("[tool.depthprof]\nmodels = 3", ["3", "list"]),
        ("[tool.depthprof]\nmodels = []", ["empty"]),
        ("[tool.depthprof]\nbatch = 0", ["0", "at least 1"]),
        ("[tool.depthprof]\nbudget = -1", ["-1", "above 0"]),
        ("[tool.depthprof]\ndtype = 'fp23'", ["fp23", "fp32"]),
        ("[tool]\ndepthprof = 3", ["3", "table"]),
        ("[tool.depthprof", ["not valid TOML"]),
    ],
)
def test_what_is_refused_is_named(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(BadInput) as refused:
        read_settings(written(tmp_path, text))
    assert "pyproject.toml" in str(refused.value)
    for word in words:
        assert word in str(refused.value)
