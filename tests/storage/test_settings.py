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
        ("[tool.depthprof.gate.models.smal]\nthreshold=1", [".gate.models]", "smal", "small"]),
        (
            "[tool.depthprof.gate.models.base]\nfloor-um = 1",
            ["[tool.depthprof.gate.models.base]", '"floor-um"', 'did you mean "floor-us"'],
        ),
        (
            "[tool.depthprof.gate.models.base.stages]\ntotal = 10",
            ["[tool.depthprof.gate.models.base.stages.total] is 10", "0.05"],
        ),
        ("[tool.depthprof.gate]\nthreshold = '5 per cent'", ["5 per cent", "5%"]),
        ("[tool.depthprof.gate]\nthreshold = true", ["True"]),
        ("[tool.depthprof.gate]\nfail-on = 'slow'", ["slow", "slower"]),
        ("[tool.depthprof]\nmodels = 3", ["[tool.depthprof.models] is 3", "expected array"]),
        ("[tool.depthprof]\nmodels = []", ["empty"]),
        ("[tool.depthprof]\nbatch = 0", ["[tool.depthprof.batch] is 0", "expected int >= 1"]),
        ("[tool.depthprof]\nbudget = -1", ["[tool.depthprof.budget] is -1", "expected float > 0"]),
        ("[tool.depthprof]\nbudget = inf", ["[tool.depthprof.budget] is inf"]),
        ("[tool.depthprof.gate]\nfloor-us = nan", ["[tool.depthprof.gate.floor-us] is nan"]),
        ("[tool.depthprof]\nfixed-size = 1", ["fixed-size] is 1", "expected bool, got int"]),
        ("[tool.depthprof]\nstore = ''", ["[tool.depthprof.store] is ''"]),
        ("[tool.depthprof]\ngate = 3", ["[tool.depthprof.gate] is 3", "must be a table"]),
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


def test_the_former_name_of_processes_is_read_with_a_warning(tmp_path: Path) -> None:
    former = written(tmp_path, "[tool.depthprof.gate]\nlaunches = 8")
    with pytest.warns(FutureWarning, match="launches is now processes"):
        assert read_settings(former).gate.processes == 8
    both = written(tmp_path, "[tool.depthprof.gate]\nlaunches = 8\nprocesses = 7")
    with pytest.warns(FutureWarning):
        assert read_settings(both).gate.processes == 7


def test_what_fails_may_be_named_by_every_word_of_the_option(tmp_path: Path) -> None:
    text = "[tool.depthprof.gate]\nfail-on = "
    assert read_settings(written(tmp_path, text + "'never'")).gate.fail_on == ()
    words = read_settings(written(tmp_path, text + "['slower', 'undecided']")).gate.fail_on
    assert words == ("slower", "undecided")
