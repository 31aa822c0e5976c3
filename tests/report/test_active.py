"""How activity is shown: terminal, Markdown, page, summary and figure."""

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from depthprof.records import Policy, Result
from depthprof.report.active import activity_lines
from depthprof.report.figures import figures
from depthprof.report.html import html
from depthprof.report.markdown import markdown
from depthprof.report.summary import summary
from depthprof.report.terminal import print_judged
from depthprof.verdict.activity import activity
from depthprof.verdict.decision import judge
from tests.readings import EVERY_100_MS, LONG, MS, S, gpu_run, with_readings
from tests.runs import simulated


def full() -> Result:
    run = simulated(turns=20)
    at_ns = np.cumsum(run.samples.host_ns.sum(axis=1))
    samples = replace(
        run.samples,
        start_ns=at_ns - run.samples.host_ns.sum(axis=1),
        device_ns=run.samples.host_ns.copy(),
    )
    sides = tuple(replace(side, device="cuda:0") for side in run.sides)
    run = replace(run, samples=samples, sides=sides)
    moments = np.arange(0, int(at_ns[-1]), 100 * MS) / S
    count = len(moments)
    return judge(
        with_readings(
            run,
            moments,
            cost_ns=2 * MS,
            gpu_busy_percent=97,
            memory_busy_percent=31,
            sm_clock_mhz=[1980 if k % 2 else 1755 for k in range(count)],
            memory_clock_mhz=3201,
            power_mw=412_000,
            energy_mj=[41_200 * k for k in range(count)],
            temperature_c=61,
            memory_used_bytes=2 << 30,
            throttle_reasons=0x24,
            other_processes=1,
            pcie_sent_bytes_per_s=1 << 20,
            pcie_received_bytes_per_s=1 << 22,
            sm_active_permille=412,
            tensor_active_permille=175,
            dram_active_permille=221,
            host_busy_ns=[50 * MS * k for k in range(count)],
            host_pressure_ns=[10 * MS * k for k in range(count)],
            host_stolen_ns=0,
            host_available_bytes=5 << 30,
        ),
        Policy(),
    )


FULL = full()


@pytest.mark.parametrize("width", [80, 120])
def test_the_terminal_keeps_the_two_utilisations_apart(width: int) -> None:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    print_judged(FULL, console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    flat = " ".join(text.split())
    assert "busy by our events: " in flat
    assert "NVML utilisation (a kernel ran): 97 %" in flat
    assert "MHz (lowest 1755)" in flat
    assert "412 W" in flat
    assert "faults: heat 100 % of readings" in flat
    assert "5.0 GiB of memory free" in flat
    words = [word for word, _ in activity_lines(FULL.run, activity(FULL.run), ("v1", "v2"))]
    assert words == ["gpu", "gpu", "host", "telemetry"]


def test_markdown_and_page_have_every_figure_and_the_notes() -> None:
    page = re.sub(r"<wbr>|</?span[^>]*>", "", html(FULL, {}))  # where lines may break
    text = markdown(FULL)
    for words in (
        "busy share (our events)",
        "NVML utilisation (a kernel ran in the sampling period)",
        "tensor cores active (GPM)",
        "clock held down by a fault",
        "power cap 100 % of readings",
        "energy of an iteration",
        "time in which a task waited for a core",
        "power is not offered",
    ):
        assert words in page
        assert words in text


def test_the_summary_has_it_and_a_run_without_it_is_silent() -> None:
    document = summary(FULL)["activity"]
    assert document["sides"][0]["nvml_busy_ratio"] == 0.97
    assert document["reading_ns"] == 2 * MS
    plain = judge(simulated(turns=2), Policy())
    assert summary(plain)["activity"] is None
    assert activity_lines(plain.run, None, ("v1", "v2")) == []
    assert activity(plain.run) is None
    assert "while measuring" not in html(plain, {})
    assert "while measuring" not in markdown(plain)
    assert "telemetry" not in figures(plain)


def test_only_the_host_is_one_line() -> None:
    run = simulated(turns=4)
    at_ns = np.cumsum(run.samples.host_ns.sum(axis=1))
    run = replace(run, samples=replace(run.samples, start_ns=at_ns - run.samples.host_ns[:, 0]))
    run = with_readings(run, [0.1, 0.2, 0.3], host_available_bytes=5 << 30)
    run = replace(run, telemetry=replace(run.telemetry, gpu=None, notes=()))  # type: ignore[type-var]
    assert [word for word, _ in activity_lines(run, activity(run), ("v1", "v2"))] == ["host"]


def test_what_broke_is_told_in_the_terminal_and_single_readings_are_not() -> None:
    run = with_readings(gpu_run(LONG), EVERY_100_MS, power_mw=400_000)
    assert run.telemetry is not None
    notes = ("NVML does not tell the energy: no permission", "NVML stopped answering 2.0 s into")
    run = replace(run, telemetry=replace(run.telemetry, notes=notes))
    assert activity_lines(run, activity(run), ("v1", "v2"))[-1] == ("telemetry", notes[1])


def test_the_figure_draws_what_is_known() -> None:
    known = figures(FULL)["telemetry"]
    panels = [axes.get_ylabel() for axes in known.axes]
    assert panels == ["GPU, %", "MHz", "W", "C", "GiB", "host, %"]
    lines = {line.get_label(): line for axes in known.axes for line in axes.get_lines()}
    assert set(lines["power"].get_ydata()) == {412.0}
    assert np.allclose(lines["cores busy"].get_ydata(), 50)
    assert all(axes.collections for axes in known.axes)  # the sides' blocks are shaded


def test_unknown_columns_alone_draw_no_curve() -> None:
    run = with_readings(simulated(turns=2), EVERY_100_MS)
    figure = figures(judge(run, Policy()))["telemetry"]
    assert [axes.get_ylabel() for axes in figure.axes] == ["nothing was offered"]
