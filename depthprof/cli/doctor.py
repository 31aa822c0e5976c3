"""`depthprof doctor`: whether this machine is fit to measure on, and whether the clocks agree."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from depthprof.cli import output
from depthprof.cli.options import Command, option
from depthprof.errors import BadInput

if TYPE_CHECKING:
    from rich.console import Console

    from depthprof.records import Timing
    from depthprof.system.doctor import Finding

EXIT_WARNINGS = 3
"""What `doctor` ends with if it has something to warn of."""

SLOW_INPUT_PIXELS = 98
"""Input size on a CPU unless the side names one: a full one would take minutes."""

STYLES = {"ok": "green", "warning": "bold yellow", "unknown": "dim"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorOptions:
    """Of `doctor`."""

    device: str = option("DEVICE", "auto, cpu, cuda[:N]", default="auto")
    watch: float = option("SECONDS", "how long to watch load [1]", default=1.0, type=float)
    timing: str | None = option(
        "SIDE",
        "check our clocks against torch.profiler's instead, on a side [v2]",
        nargs="?",
        const="v2",
    )
    json: str | None = option("FILE", "write the findings there as JSON; - prints nothing else")


def doctor(settings: DoctorOptions) -> int:
    """Examine this machine for what would disturb a measurement: 0 it is fit, 3 it is not."""
    if settings.timing is not None:
        return _timing(settings, settings.timing)
    from depthprof.records import Workload
    from depthprof.system.doctor import examine

    device = Workload(device=settings.device).device  # refuses what is no device
    if not 0 < settings.watch <= 3600:
        raise BadInput(f"watch is {settings.watch!r} s, but must be above 0 and at most 3600")
    findings = examine(device, settings.watch)
    warnings = [finding for finding in findings if finding.status == "warning"]
    code = EXIT_WARNINGS if warnings else 0
    found = [asdict(finding) for finding in findings]
    document = {"schema": 1, "kind": "doctor", "fit": not warnings, "findings": found}
    if not output.write_json(settings.json, document | {"exit_code": code}):
        print_findings(findings, output.console())
    return code


def _timing(settings: DoctorOptions, side: str) -> int:
    """Compare our clocks with torch.profiler's: 0 they agree, 3 they do not."""
    from depthprof.report.timing import print_timing

    found = _checked_timing(side, settings.device)
    was_checked = found.device == "cpu" or any(s.clock == "device" for s in found.stages)
    code = 0 if found.agrees and was_checked else EXIT_WARNINGS
    document = {"schema": 1, "kind": "timing", "agrees": found.agrees, **asdict(found)}
    if not output.write_json(settings.json, document | {"exit_code": code}):
        print_timing(found, output.console())
    return code


def _checked_timing(side: str, device: str) -> "Timing":
    from depthprof.pipelines.device import resolve_device
    from depthprof.pipelines.registry import check_variant
    from depthprof.profiling import client
    from depthprof.records import Workload
    from depthprof.runner import SidePlan
    from depthprof.runner.plan import split_side

    variant, options = split_side(side)
    check_variant(variant)
    workload = resolve_device(Workload(**{"device": device, **options}))
    if workload.device == "cpu" and "input_size" not in options:
        workload = workload.changed(input_size=SLOW_INPUT_PIXELS)
    return client.check_timing(SidePlan("a", side, variant, workload))


def print_findings(findings: Sequence["Finding"], console: "Console") -> None:
    """Print a line a finding, then why they matter, warnings first, then whether it is fit."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for _ in range(2):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        status = Text(finding.status, style=STYLES[finding.status])
        table.add_row(finding.name, status, Text(finding.what))
    console.print(table)
    console.print()
    warnings = [finding for finding in findings if finding.status == "warning"]
    others = [finding for finding in findings if finding.why and finding not in warnings]
    for finding in (*warnings, *others):
        bullet = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
        text = Text.assemble((finding.name, "bold"), f": {finding.why}. To do: {finding.advice}")
        bullet.add_row("-", text, style="" if finding.status == "warning" else "dim")
        console.print(bullet)
    console.print(Text(verdict(warnings), style="bold"))


def verdict(warnings: Sequence["Finding"]) -> str:
    """The last line: whether the machine is fit to measure on."""
    if not warnings:
        return "This machine is fit to measure on."
    names = ", ".join(finding.name for finding in warnings)
    count = "1 warning" if len(warnings) == 1 else f"{len(warnings)} warnings"
    return f"{count} ({names}): what is measured now may be disturbed."


COMMANDS = {"doctor": Command(DoctorOptions, doctor, ("doctor", "doctor --timing v2"))}
