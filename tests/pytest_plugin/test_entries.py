"""What a session feeds, saves and keeps."""

import statistics
from pathlib import Path

import pytest

from depthprof.errors import BadRunFile
from depthprof.records import STAGES, WARM_UP_TURN
from depthprof.storage.run_files import KEY, read_runs
from tests.pytest_plugin.sessions import MINE, Measured, Session, saved
from tests.pytest_plugin.sessions import STAGES as SUITE


def test_a_pipeline_is_run_once_for_all_its_stages(
    pytester: pytest.Pytester, session: Session, measured: Measured
) -> None:
    pytester.makepyfile(SUITE)
    outcome = session("--benchmark-autosave")
    outcome.assert_outcomes(passed=16)
    assert len(measured.plans) == 1
    outcome.stdout.fnmatch_lines(["*benchmark 'small 518 forward': 2 tests*", "*depthprof: 1 run*"])
    (document,) = saved(pytester.path)
    assert len(document["benchmarks"]) == 16
    assert {entry["group"] for entry in document["benchmarks"]} == {
        f"small 518 {stage}" for stage in (*STAGES, "total")
    }


def test_figures_are_pytest_benchmarks_own_of_real_samples(
    pytester: pytest.Pytester, session: Session, measured: Measured
) -> None:
    pytester.makepyfile(SUITE)
    measured.change = {"forward": 1.5}
    session("--benchmark-autosave")
    (document,) = saved(pytester.path)
    (file,) = pytester.path.rglob("0001_*.json")
    ((run, _),) = read_runs(file)
    for entry in document["benchmarks"]:
        known, data = entry["extra_info"][KEY], entry["stats"]["data"]
        place = "ab".index(known["side"])
        judged = (run.samples.side == place) & (run.samples.turn != WARM_UP_TURN)
        assert len(data) == entry["stats"]["rounds"] == judged.sum()
        if known["stage"] != "total":
            spans_ns = run.samples.host_ns[judged, STAGES.index(known["stage"])]
            assert data == pytest.approx([ns * 1e-9 for ns in spans_ns])
        assert entry["stats"]["median"] == statistics.median(data)
        assert len(known["launches_s"]) == 6  # of the simulated run
    slow = next(e for e in document["benchmarks"] if "forward-v2" in e["name"])
    assert slow["extra_info"][KEY]["verdict"] == "SLOWER"
    assert slow["extra_info"][KEY]["ratio"]["low"] > 1.4
    assert slow["extra_info"][KEY]["clock"] == "host"


def test_one_test_may_stand_for_all_stages(
    pytester: pytest.Pytester, session: Session, measured: Measured
) -> None:
    pytester.makepyfile(MINE)
    session("--benchmark-autosave", "--depth-input-size", "98").assert_outcomes(passed=1)
    (document,) = saved(pytester.path)
    names = [entry["fullname"] for entry in document["benchmarks"]]
    assert len(set(names)) == 16
    assert "test_one_test_may_stand_for_all_stages.py::test_mine[v2-forward]" in names
    assert measured.plans[0].sides[0].workload.input_size == 98


@pytest.mark.usefixtures("measured")
def test_the_machine_is_told_and_kept_apart(pytester: pytest.Pytester, session: Session) -> None:
    pytester.makepyfile(MINE)
    session("--benchmark-autosave")
    session("--benchmark-autosave", "--depth-threads", "2")
    folders = list((pytester.path / ".benchmarks").iterdir())
    assert len(folders) == 2
    for document in saved(pytester.path):
        facts = document["machine_info"][KEY]
        assert {"gpu", "driver", "cpu", "torch", "threads", "fingerprint"} <= set(facts)
        assert any(folder.name.endswith(facts["fingerprint"]) for folder in folders)


def test_other_benchmarks_stay_where_they_were(pytester: pytest.Pytester, session: Session) -> None:
    pytester.makepyfile("def test_other(benchmark):\n    benchmark(lambda: None)\n")
    quick = "--benchmark-max-time=0.01"
    outcome = session("--benchmark-autosave", quick)
    (document,) = saved(pytester.path)
    assert KEY not in document["machine_info"]
    assert "data" not in document["benchmarks"][0]["stats"]
    assert "depthprof:" not in outcome.stdout.str()
    again = session("--benchmark-compare", "--benchmark-compare-fail=min:999%", quick)
    again.assert_outcomes(passed=1)
    again.stderr.fnmatch_lines(["*Comparing against benchmarks from*"])


@pytest.mark.usefixtures("measured")
def test_a_run_is_kept_once_and_read_back(pytester: pytest.Pytester, session: Session) -> None:
    pytester.makepyfile(SUITE)
    session("--benchmark-json=out.json", "-k", "return or sync")
    ((run, policy),) = read_runs("out.json")
    assert [side.label for side in run.sides] == ["v1", "v2"]
    assert policy.threshold_ratio == 0.03
    assert Path("out.json").stat().st_size < 60_000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        ("{", "not JSON"),
        ("[]", "not of pytest-benchmark"),
        (
            '{"benchmarks": [{"extra_info": {"depthprof": {"run_zlib_base64": "e"}}}]}',
            "cannot be unpacked",
        ),
    ],
)
def test_a_bad_file_is_refused_by_name(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "saved.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(BadRunFile, match=said) as refused:
        read_runs(file)
    assert str(file) in str(refused.value)
