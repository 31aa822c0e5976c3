"""The doctor: facts from laid-out files and a stand-in for NVML, judged by pure rules."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from depthprof.cli.doctor import EXIT_WARNINGS
from depthprof.cli.main import main
from depthprof.pytest_plugin.measuring import gpu_name
from depthprof.system import doctor
from depthprof.system.conditions import TICK_NS
from depthprof.system.doctor import Finding, examine, host
from depthprof.system.doctor.gpu import GpuFacts, gpu_facts, gpu_findings
from depthprof.system.doctor.host import HostFacts, host_facts, quota_cores, throttled_periods
from depthprof.system.doctor.host_rules import host_findings

CALM = HostFacts(
    usable_cores=4,
    machine_cores=4,
    load_1min=0.1,
    pressure_ratio=0.0,
    busy_ratio=0.01,
    steal_ratio=0.0,
    governors=("performance",),
    boost=False,
    smt=False,
    has_cgroup=True,
    virtual=False,
    memory_bytes=16 * 2**30,
    clock_source="tsc",
    clock_cost_ns=40.0,
    clock_step_ns=20,
)
COOL = GpuFacts(
    name="NVIDIA H200",
    persistence=True,
    sm_clock_mhz=1980,
    max_sm_clock_mhz=1980,
    application_clock_mhz=1980,
    guests=0,
    busy_percent=0,
    faults=(),
    heat_c=35,
    slowdown_c=90,
    power_limit_w=700.0,
    default_power_limit_w=700.0,
    pcie_generation=5,
    max_pcie_generation=5,
    pcie_width=16,
    max_pcie_width=16,
    ecc=True,
    mig=False,
    confidential=False,
)


def warned(findings: list[Finding]) -> list[str]:
    return [finding.name for finding in findings if finding.status == "warning"]


def test_a_calm_machine_is_fit() -> None:
    assert warned(host_findings(CALM)) == []
    assert warned(gpu_findings(COOL)) == []
    assert {finding.status for finding in host_findings(CALM) + gpu_findings(COOL)} == {"ok"}


@pytest.mark.parametrize(
    ("change", "name", "said"),
    [
        ({"usable_cores": 1}, "cores", "1 usable"),
        ({"threads_wanted": {"OMP_NUM_THREADS": "8"}}, "threads", "OMP_NUM_THREADS=8"),
        ({"threads_wanted": {"MKL_NUM_THREADS": "4"}}, "threads", "MKL_NUM_THREADS=4"),
        ({"load_1min": 2.5}, "load", "2.50"),
        ({"busy_ratio": 0.4}, "background load", "other processes used 40 % of the CPU"),
        ({"pressure_ratio": 0.3}, "pressure", "30 %"),
        ({"steal_ratio": 0.05}, "steal", "5 %"),
        ({"governors": ("powersave",)}, "governor", "powersave"),
        ({"governors": ("performance", "schedutil")}, "governor", "schedutil"),
        ({"quota_cores": 1.5}, "quota", "1.5 cores"),
        ({"quota_cores": 4.0, "throttled_periods": 3}, "quota", "3 times"),
        ({"memory_bytes": 2**30}, "memory", "1.0 GiB"),
        ({"clock_source": "hpet"}, "clock", "hpet"),
        ({"clock_cost_ns": 5_000.0}, "clock", "5.00 us"),
        ({"clock_step_ns": 15_600_000}, "clock", "15.6 ms"),
    ],
)
def test_each_warning_of_the_host_says_what_why_and_what_to_do(
    change: dict[str, Any], name: str, said: str
) -> None:
    findings = host_findings(replace(CALM, **change))
    assert name in warned(findings)
    finding = next(finding for finding in findings if finding.name == name)
    assert said in finding.what
    assert len(finding.why) > 20
    assert len(finding.advice) > 10


@pytest.mark.parametrize(
    ("change", "name", "said"),
    [
        ({"persistence": False}, "GPU persistence", "off"),
        ({"faults": ("heat",)}, "GPU throttling", "heat"),
        ({"heat_c": 85}, "GPU heat", "85 C"),
        ({"power_limit_w": 400.0}, "GPU power", "400 W"),
        ({"guests": 2}, "GPU background load", "2 other processes"),
        ({"busy_percent": 60}, "GPU background load", "60 %"),
        ({"pcie_width": 4}, "PCIe", "x4 of x16"),
        ({"pcie_generation": 1, "busy_percent": 50}, "PCIe", "generation 1 of 5"),
        ({"mig": True}, "MIG", "on"),
        ({"confidential": True}, "confidential computing", "on"),
    ],
)
def test_each_warning_of_the_gpu_says_what_why_and_what_to_do(
    change: dict[str, Any], name: str, said: str
) -> None:
    findings = gpu_findings(replace(COOL, **change))
    assert name in warned(findings)
    finding = next(finding for finding in findings if finding.name == name)
    assert said in finding.what
    assert len(finding.why) > 20
    assert len(finding.advice) > 10


def test_what_is_no_warning_but_worth_knowing_says_why_and_what_to_do() -> None:
    host = replace(CALM, governors=None, boost=True, virtual=True)
    found = {finding.name: finding for finding in host_findings(host) + gpu_findings(COOL)}
    for name in ("governor", "boost", "virtual machine", "GPU clocks", "ECC"):
        assert found[name].status != "warning"
        assert len(found[name].why) > 20
        assert len(found[name].advice) > 10
    locked = {
        finding.name: finding for finding in gpu_findings(replace(COOL, application_clock_mhz=1500))
    }
    assert locked["GPU clocks"].advice == ""


def test_an_idle_link_may_drop_its_generation() -> None:
    findings = gpu_findings(replace(COOL, pcie_generation=1))
    assert warned(findings) == []
    assert any("an idle link drops" in finding.what for finding in findings)


def test_what_nobody_tells_is_unknown_and_no_warning() -> None:
    silent = host_findings(HostFacts(usable_cores=4, machine_cores=4))
    names = {finding.name for finding in silent if finding.status == "unknown"}
    assert names >= {"load", "background load", "pressure", "steal", "governor", "memory"}
    assert warned(silent) == []
    reasons = {finding.name: finding.what for finding in silent if finding.status == "unknown"}
    assert reasons["load"] == "no load average here"
    assert all(reasons.values())
    assert warned(gpu_findings(GpuFacts())) == []
    unknown = gpu_findings(GpuFacts(reasons={"guests": "the driver is too old for this"}))
    found = {finding.name: finding for finding in unknown}
    assert found["GPU background load"].what == "the driver is too old for this"
    assert found["GPU background load"].status == "unknown"


def test_a_finding_without_advice_is_no_warning() -> None:
    with pytest.raises(ValueError, match="why"):
        Finding("x", "warning", "what")
    with pytest.raises(ValueError, match="status"):
        Finding("x", "bad", "what")


def lay_out(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_facts_are_read_from_where_the_system_keeps_them(tmp_path: Path) -> None:
    cpu = "sys/devices/system/cpu"
    root = lay_out(
        tmp_path,
        {
            "proc/stat": "cpu  10 1 5 900 3 0 2 7 4 0\n",
            "proc/loadavg": "1.25 0.5 0.1 1/100 5\n",
            "proc/pressure/cpu": "some avg10=0.00 avg60=0.00 avg300=0.00 total=99\n",
            "proc/cpuinfo": "flags\t\t: fpu vme hypervisor\n",
            "proc/meminfo": "MemTotal: 9000000 kB\nMemAvailable: 4194304 kB\n",
            f"{cpu}/cpu0/cpufreq/scaling_governor": "powersave\n",
            f"{cpu}/cpu1/cpufreq/scaling_governor": "powersave\n",
            f"{cpu}/intel_pstate/no_turbo": "0\n",
            f"{cpu}/smt/active": "1\n",
            "sys/fs/cgroup/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/cpu.stat": "usage_usec 5\nnr_throttled 12\n",
            "sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc\n",
        },
    )
    facts = host_facts(root, 0.01, {"OMP_NUM_THREADS": "1", "HOME": "/"})
    assert facts.load_1min == 1.25
    assert facts.governors == ("powersave",)
    assert facts.boost is True
    assert facts.smt is True
    assert facts.quota_cores == 1.5
    assert facts.throttled_periods == 0  # none while watching
    assert facts.virtual is True
    assert facts.memory_bytes == 4 * 2**30
    assert facts.clock_source == "tsc"
    assert facts.threads_wanted == {"OMP_NUM_THREADS": "1"}
    assert facts.pressure_ratio == facts.steal_ratio == 0.0
    assert facts.clock_cost_ns > 0


@pytest.mark.parametrize("text", ["", "max 100000\n", "odd\n", "5\n", "1 0\n"])
def test_a_quota_that_is_none_or_odd_is_no_quota(tmp_path: Path, text: str) -> None:
    root = lay_out(tmp_path, {"sys/fs/cgroup/cpu.max": text})
    assert host_facts(root, 0.001, {}).quota_cores is None


def test_an_empty_system_tells_nothing_and_nothing_fails(tmp_path: Path) -> None:
    facts = host_facts(tmp_path, 0.001, {})
    assert facts.pressure_ratio is facts.busy_ratio is facts.governors is facts.memory_bytes is None
    assert host_findings(facts)


class Nvml(SimpleNamespace):
    """Answers as NVML does; a function that is not given is not supported."""

    def __init__(self, **answers: Any) -> None:
        super().__init__(NVMLError=pynvml.NVMLError, answers=answers)

    def nvmlInit(self) -> None:  # noqa: N802
        pass

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("nvml") or name.startswith("nvmlClocks"):
            raise AttributeError(name)  # constants that this version does not know

        def answer(*_: Any) -> Any:
            if name not in self.answers:
                raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
            return self.answers[name]

        return answer


def test_nvml_is_asked_one_question_at_a_time() -> None:
    facts = gpu_facts(
        Nvml(
            nvmlDeviceGetName=b"NVIDIA H200",
            nvmlDeviceGetPersistenceMode=0,
            nvmlDeviceGetCurrentClocksThrottleReasons=32 | 4,
            nvmlDeviceGetComputeRunningProcesses=[SimpleNamespace(pid=1), SimpleNamespace(pid=2)],
            nvmlDeviceGetEccMode=(1, 1),
            nvmlSystemGetConfComputeState=SimpleNamespace(ccFeature=1),
            nvmlDeviceGetPowerManagementLimit=700_000,
        ),
        environ={},
    )
    assert facts.name == "NVIDIA H200"
    assert facts.persistence is False
    assert facts.faults == ("heat",)
    assert facts.guests == 2
    assert facts.ecc is True
    assert facts.confidential is True
    assert facts.power_limit_w == 700.0
    assert facts.mig is facts.pcie_width is facts.heat_c is facts.busy_percent is None


def test_a_gpu_that_was_asked_for_and_is_not_there_is_a_warning(tmp_path: Path) -> None:
    def refuse() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_DRIVER_NOT_LOADED)

    none = SimpleNamespace(NVMLError=pynvml.NVMLError, nvmlInit=refuse)
    found = {finding.name: finding for finding in examine("cuda:0", 0.001, tmp_path, none)}
    assert found["GPU"].status == "warning"
    found = {finding.name: finding for finding in examine("auto", 0.001, tmp_path, none)}
    assert found["GPU"].status == "ok"
    names = {finding.name for finding in examine("cpu", 0.001, tmp_path, none)}
    assert "GPU" not in names


@pytest.fixture
def findings(monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    known = host_findings(CALM)
    monkeypatch.setattr(doctor, "examine", lambda *_: tuple(known))
    return known


def test_a_fit_machine_exits_with_0_and_warnings_with_3(
    findings: list[Finding], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor"]) == 0
    assert "This machine is fit to measure on." in capsys.readouterr().out
    findings += host_findings(replace(CALM, busy_ratio=0.4))
    assert main(["doctor"]) == EXIT_WARNINGS == 3
    shown = " ".join(capsys.readouterr().out.split())
    assert "1 warning (background load): what is measured now may be disturbed." in shown
    assert "To do: stop them" in shown


@pytest.mark.parametrize("columns", [80, 120])
def test_it_is_read_in_any_width(
    findings: list[Finding],
    columns: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    host = replace(CALM, busy_ratio=0.4, quota_cores=1.0, virtual=True)
    findings += [*host_findings(host), doctor.no_gpu("the driver is not loaded")]
    main(["doctor"])
    shown = capsys.readouterr().out
    assert shown.index("- GPU: ") < shown.index("- virtual machine: ")  # warnings first
    assert max(map(len, shown.splitlines())) <= columns
    assert "..." not in shown


def test_its_json_is_only_json(findings: list[Finding], capsys: pytest.CaptureFixture[str]) -> None:
    assert findings
    assert main(["doctor", "--json", "-"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["fit"] is True
    assert document["exit_code"] == 0
    assert {"name", "status", "what", "why", "advice"} == set(document["findings"][0])


@pytest.mark.parametrize(("words", "said"), [(["--device", "tpu"], "tpu"), (["--watch", "0"], "0")])
def test_it_refuses_in_a_sentence(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) == 1


def test_only_the_usable_cores_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host.os, "sched_getaffinity", lambda _: {1})
    lines = "cpu  90 0 0 0 0 0 0 9 0 0\ncpu0 80 0 0 0 0 0 0 8 0 0\ncpu1 10 0 0 0 0 0 0 1 0 0\n"
    root = lay_out(tmp_path, {"proc/stat": lines})
    assert host._stat(root) == (10 * TICK_NS, 1 * TICK_NS)
    assert host._counted_cores(root) == 1
    monkeypatch.setattr(host.os, "sched_getaffinity", lambda _: {7})
    assert host._stat(root) == (90 * TICK_NS, 9 * TICK_NS)  # of all, where one is not told


def test_the_tightest_quota_above_the_process_counts(tmp_path: Path) -> None:
    two = {
        "proc/self/cgroup": "0::/a/b\n",
        "sys/fs/cgroup/a/cpu.max": "50000 100000\n",
        "sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
        "sys/fs/cgroup/a/cpu.stat": "nr_throttled 4\n",
    }
    root = lay_out(tmp_path / "two", two)
    assert quota_cores(root) == 0.5
    assert throttled_periods(root) == 4
    one = {
        "proc/self/cgroup": "3:cpu,cpuacct:/docker/x\n2:memory:/docker/x\n",
        "sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us": "150000\n",
        "sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    }
    assert quota_cores(lay_out(tmp_path / "one", one)) == 1.5


def test_without_the_binding_the_doctor_and_the_suites_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    found = {finding.name: finding for finding in examine("cuda", 0.001, tmp_path)}
    assert found["GPU"].status == "warning"
    assert "nvidia-ml-py is not installed" in found["GPU"].what
    found = {finding.name: finding for finding in examine("auto", 0.001, tmp_path)}
    assert found["GPU"].status == "ok"
    assert gpu_name("cuda") is None
