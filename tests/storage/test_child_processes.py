"""Every process that depthprof starts is started with an environment from one place."""

import ast
import os
import subprocess
import time
from pathlib import Path

import pytest

import depthprof
from depthprof.runner.process import Layout, WorkerProcess
from depthprof.storage.child_processes import REPOSITORY_VARIABLES, child_environment, run_git

ROOT = Path(depthprof.__file__).parent


@pytest.fixture
def in_a_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in REPOSITORY_VARIABLES:
        monkeypatch.setenv(name, "1")
    settings = {"core.bare": "true", "safe.directory": "*", "http.proxy": "p"}
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(settings)))
    for number, (key, value) in enumerate(settings.items()):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    monkeypatch.setenv("GIT_SSH_COMMAND", "ssh -x")


def expected(environment: dict[str, str]) -> None:
    about_git = {name: value for name, value in environment.items() if name.startswith("GIT_")}
    assert {name for name in REPOSITORY_VARIABLES if name in about_git} == {"GIT_CONFIG_COUNT"}
    assert about_git["GIT_CONFIG_COUNT"] == "2"
    assert about_git["GIT_CONFIG_KEY_0"] == "safe.directory"
    assert about_git["GIT_CONFIG_VALUE_1"] == "p"
    assert "GIT_CONFIG_KEY_2" not in about_git
    assert about_git["GIT_SSH_COMMAND"] == "ssh -x"


@pytest.mark.usefixtures("in_a_hook")
def test_what_holds_for_one_repository_goes_and_what_is_the_users_stays() -> None:
    expected(child_environment())
    assert child_environment(PYTHONPATH="x")["PYTHONPATH"] == "x"
    assert child_environment()["PATH"] == os.environ["PATH"]


@pytest.mark.parametrize("count", ["", "x", "-1", "7"])
def test_a_count_that_is_none(monkeypatch: pytest.MonkeyPatch, count: str) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", count)
    assert not [name for name in child_environment() if name.startswith("GIT_CONFIG_")]


@pytest.mark.usefixtures("in_a_hook")
def test_a_worker_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shows_its_environment.py").write_text(
        "import json, os\ninput()\nprint(json.dumps(dict(os.environ)), flush=True)\ninput()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with WorkerProcess(Layout(0, 0), "shows_its_environment") as worker:
        expected({name: str(value) for name, value in worker.ask({}, 20.0).items()})


def test_git_that_is_too_slow_ends_with_all_that_it_started(tmp_path: Path) -> None:
    late = tmp_path / "late"
    slow = ("-c", f"alias.slow=!sleep 0.4; touch {late}", "slow")
    assert run_git(tmp_path, *slow, limit_s=20).returncode == 0
    late.unlink()
    with pytest.raises(subprocess.TimeoutExpired):
        run_git(tmp_path, *slow, limit_s=0.1)
    time.sleep(0.6)
    assert not late.exists()


def starts(path: Path) -> list[tuple[int, bool]]:
    """Lines that start a process, and whether the environment is made by `child_environment`."""
    return [
        (node.lineno, any("child_environment(" in ast.unparse(k) for k in node.keywords))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func)
        in ("subprocess.run", "subprocess.Popen", "subprocess.check_output", "os.system")
    ]


def test_no_process_is_started_with_another_environment() -> None:
    found = {
        f"{path.relative_to(ROOT)}:{line}": is_clean
        for path in ROOT.rglob("*.py")
        if path.relative_to(ROOT).parts[0] != "study"  # for whoever changes depthprof
        for line, is_clean in starts(path)
    }
    assert len(found) >= 2
    by_hand = {name for name, is_clean in found.items() if not is_clean}
    assert {name.partition(":")[0] for name in by_hand} <= {"runner/process.py"}  # tested above
