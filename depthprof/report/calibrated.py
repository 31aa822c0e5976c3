"""What a machine can tell apart, for people."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from depthprof.records import TOTAL, Calibration, StageCalibration
from depthprof.units import duration, percent


def sentence(known: Calibration) -> str:
    """The outcome in one sentence, told of the stage that takes longest."""
    longest = longest_stage(known)
    if longest is None:
        return "No stage had enough sound pairs to say what this machine can tell apart."
    return (
        f"On this machine +{percent(longest.detectable_ratio)} in {longest.stage} is detectable in"
        f" {known.budget_s:.0f} s (in {percent(known.power)} of runs)."
    )


def longest_stage(known: Calibration) -> StageCalibration | None:
    """The stage that takes longest, None where no stage is known."""
    stages = [stage for stage in known.stages if stage.stage != TOTAL]
    return max(stages, key=lambda stage: stage.median_ns, default=None)


def print_calibration(known: Calibration, console: Console) -> None:
    """Print the table and the sentence to a console of any width from 80 up."""
    placebos = f"{known.placebos} of them with a placebo"
    console.print(Text(f"calibration of {known.subject}", style="bold"))
    console.print(
        Text(f"{known.comparisons} comparisons of identical code, {placebos}", style="dim")
    )
    console.print()
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    table.add_column("stage")
    table.add_column("clock")
    for name in ("median", "pairs", "launches", "noise floor", "detectable", "false alarms"):
        table.add_column(name, justify="right", no_wrap=True)
    for stage in known.stages:
        table.add_row(
            stage.stage,
            stage.clock,
            duration(stage.median_ns),
            f"±{percent(stage.pair_sd_ratio)}",
            f"±{percent(stage.launch_sd_ratio)}",
            percent(stage.noise_ratio),
            f"+{percent(stage.detectable_ratio)}",
            str(stage.false_alarms),
            style="bold" if stage.stage == TOTAL else "",
        )
    console.print(table)
    console.print()
    console.print(Text(sentence(known), style="bold"))
