"""Options of pytest and pytest-benchmark, refusals, and sessions without either."""

import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from depthprof.pytest_plugin import session as sessions
from depthprof.records import Failure, LeftOut, Policy
from depthprof.runner import Plan
from tests.pytest_plugin.sessions import LOADED, MINE, PLUGIN, Measured, Session
from tests.pytest_plugin.sessions import STAGES as SUITE

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("arguments", "outcome"),
    [
        (["--benchmark-skip"], {"skipped": 16}),
        (["--benchmark-disable"], {"skipped": 16}),
        (["-k", "forward and v2"], {"passed": 1, "deselected": 15}),
        (["--depth-models=small,base", "-k", "forward"], {"passed": 4, "deselected": 28}),
        (["--benchmark-only", "--benchmark-group-by=param:variant"], {"passed": 16}),
    ],
)
def test_options_of_pytest_benchmark_keep_working(
    pytester: pytest.Pytester,
    session: Session,
    measured: Measured,
    arguments: list[str],
    outcome: dict[str, int],
) -> None:
    pytester.makepyfile(SUITE)
    session(*arguments).assert_outcomes(**outcome)
    assert len(measured.plans) == (2 if "base" in arguments[0] else int("passed" in outcome))


@pytest.mark.skipif(find_spec("pygal") is None, reason="histograms need pygal")
def test_histograms_are_drawn(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # a process of its own: pygal changes importing
    pytester.makepyfile(SUITE)
    pytester.makeconftest(
        "from depthprof.pytest_plugin import session\n"
        "from tests.pytest_plugin.sessions import Measured\n"
        "session.carried_out = Measured()\n"
    )
    plugin = [] if LOADED else ["-p", PLUGIN]
    outcome = pytester.runpytest_subprocess(*plugin, "--benchmark-histogram=out/hist")
    outcome.assert_outcomes(passed=16)
    assert len(list((pytester.path / "out").glob("hist-small*.svg"))) == 8


@pytest.mark.usefixtures("measured")
def test_the_command_of_pytest_benchmark_reads_what_was_saved(
    pytester: pytest.Pytester, session: Session
) -> None:
    pytester.makepyfile(SUITE)
    for name in ("one", "two"):
        session(f"--benchmark-save={name}", "--benchmark-storage=file://./kept")
    command = [sys.executable, "-m", "pytest_benchmark", "--storage", "file://./kept", "compare"]
    done = subprocess.run(
        [*command, "--group-by", "name", "--csv=out.csv"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "test_stage[small-forward-v2]" in done.stdout
    assert (pytester.path / "out.csv").read_text().count("forward") >= 4


def test_settings_of_the_project_are_used_and_options_go_before_them(
    pytester: pytest.Pytester, session: Session, measured: Measured
) -> None:
    pytester.makepyfile(MINE)
    pytester.makepyprojecttoml(
        '[tool.depthprof]\nmodels = ["base"]\ninput-size = 70\nbatch = 2\nbudget = 7'
    )
    session("--depth-batch=3", "--depth-processes=4").assert_outcomes(passed=1)
    (plan,) = measured.plans
    work = plan.sides[0].workload
    assert (work.model, work.input_size, work.batch) == ("base", 70, 3)
    assert (plan.budget_s, plan.fewest_processes) == (7, 4)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--depth-models=smal"], 'did you mean "small"'),
        (["--depth-processes=0"], "at least 1"),
        (["--benchmark-compare", "--benchmark-compare-fail=median:1000%"], "below 10"),
        (["--depth-batches=1,x"], 'has "x"'),
        (["--depth-device=tpu"], 'unknown device "tpu"'),
        (["--benchmark-compare-fail=median:10%"], "needs --benchmark-compare"),
    ],
)
def test_options_that_mean_nothing_are_refused(
    pytester: pytest.Pytester, session: Session, measured: Measured, arguments: list[str], said: str
) -> None:
    pytester.makepyfile(SUITE)
    outcome = session(*arguments)
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    assert said in outcome.stderr.str() + outcome.stdout.str()
    assert "Traceback" not in outcome.stderr.str() + outcome.stdout.str()
    assert not measured.plans


def test_the_old_names_of_processes_warn(
    pytester: pytest.Pytester, session: Session, measured: Measured
) -> None:
    pytester.makepyfile('def test_mine(depth_profile):\n    depth_profile("v1", launches=3)\n')
    session("--depth-launches=4").assert_outcomes(passed=1, warnings=2)
    assert measured.plans[0].fewest_processes == 3


@pytest.mark.usefixtures("measured")
def test_a_setting_that_means_nothing_is_refused(
    pytester: pytest.Pytester, session: Session
) -> None:
    pytester.makepyfile(SUITE)
    pytester.makepyprojecttoml("[tool.depthprof]\nmodel = 3")
    outcome = session()
    assert outcome.ret != 0
    outcome.stdout.fnmatch_lines(['*unknown key "model"*'])
    assert "Traceback" not in outcome.stdout.str()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ('depth_profile("v1", "v2", "v1")', "one or two variants"),
        ('depth_profile("v1", sise=3)', 'no option "sise"'),
        ('depth_profile("v1", "v2", of="v3")', 'no variant "v3"'),
        ('depth_profile("v1", "v2", stage="forwrd")', 'did you mean "forward"'),
        ('depth_profile("v1", "v2@fp15")', 'unknown option "fp15"'),
    ],
)
@pytest.mark.usefixtures("measured")
def test_a_call_that_means_nothing_fails_in_a_sentence(
    pytester: pytest.Pytester, session: Session, call: str, said: str
) -> None:
    pytester.makepyfile(f"def test_mine(depth_profile):\n    {call}\n")
    outcome = session()
    outcome.assert_outcomes(failed=1)
    assert said in outcome.stdout.str()
    assert "Error" not in outcome.stdout.str()


def test_a_side_that_failed_fails_the_test_and_is_not_recorded(
    pytester: pytest.Pytester, session: Session, measured: Measured
) -> None:
    pytester.makepyfile(SUITE)
    measured.run = {"failures": (Failure("b", "forward", 1, "out_of_memory", "no memory left"),)}
    outcome = session("--benchmark-json=out.json", "-k", "forward")
    outcome.assert_outcomes(failed=2, deselected=14)
    outcome.stdout.fnmatch_lines(["*v2, process 2: no memory left*"])
    assert len(measured.plans) == 1
    assert not (pytester.path / "out.json").exists()


def test_ctrl_c_while_measuring_ends_the_session(
    pytester: pytest.Pytester, session: Session, measured: Measured
) -> None:
    pytester.makepyfile(SUITE)
    measured.run = {"ended": "interrupted"}
    with pytest.raises(KeyboardInterrupt):  # pytester hands it on
        session("--benchmark-autosave")
    assert not list(pytester.path.rglob("*.json"))


def test_xdist_is_refused_with_a_sentence(
    pytester: pytest.Pytester, session: Session, measured: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(MINE)
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    outcome = session()
    outcome.assert_outcomes(failed=1)
    outcome.stdout.fnmatch_lines(["*pytest-xdist is active*-n 0*"])
    assert not measured.plans


def test_real_xdist_workers_are_refused_too(pytester: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    pytester.makepyfile(MINE)
    plugin = [] if LOADED else ["-p", PLUGIN]
    outcome = pytester.runpytest_subprocess(*plugin, "-n", "1")
    outcome.assert_outcomes(failed=1)
    outcome.stdout.fnmatch_lines(["*pytest-xdist is active*"])


@pytest.mark.usefixtures("measured")
def test_without_pytest_benchmark_a_sentence_says_so(
    pytester: pytest.Pytester, session: Session
) -> None:
    pytester.makepyfile(MINE)
    outcome = session("-p", "no:benchmark")
    outcome.assert_outcomes(errors=1)
    outcome.stdout.fnmatch_lines(["*switched off (-p no:benchmark)*"])
    pytester.makepyfile(test_plain="def test_plain():\n    pass\n")
    session("-p", "no:benchmark", "test_plain.py").assert_outcomes(passed=1)


def test_the_plugin_imports_nothing_heavy_by_itself() -> None:
    code = (
        "import sys, pytest, depthprof.pytest_plugin.beside, depthprof.pytest_plugin.fixture\n"
        "print([n for n in ('torch', 'numpy', 'depthprof.records') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_plan_is_measured_by_workers(
    pytester: pytest.Pytester, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    from depthprof.runner import measure
    from depthprof.verdict.decision import judge

    def by_fake_workers(plan: Plan, policy: Policy) -> object:
        of = replace(plan, worker="tests.runner.fake_worker")
        return judge(measure(of, lambda _: None, lambda _: True), policy)

    monkeypatch.setattr(sessions, "carried_out", by_fake_workers)
    pytester.makepyfile(
        'def test_mine(depth_profile):\n    found = depth_profile("ms:1", "ms:2")\n'
        "    assert len(found.run.launches) == 2\n"
    )
    outcome = session("--depth-processes=2", "--depth-budget=1")
    outcome.assert_outcomes(passed=1)
    outcome.stdout.fnmatch_lines(["*test_mine?1-forward?*", "*depthprof: 1 run in*iterations*"])


def test_a_picture_that_was_left_out_is_told_and_strict_reaches_the_plan(
    pytester: pytest.Pytester, session: Session, measured: Measured
) -> None:
    pytester.makepyfile('def test_mine(depth_profile):\n    depth_profile("v1", strict=True)\n')
    measured.run = {"left_out": (LeftOut("a.jpg", "is empty"),)}
    outcome = session()
    outcome.assert_outcomes(passed=1)
    outcome.stdout.fnmatch_lines(["*left out: a.jpg is empty*"])
    assert measured.plans[0].strict
