"""The table every report shows, as text: one row a stage and one for the whole."""

from dataclasses import dataclass

from depthprof.records import (
    TOTAL,
    Comparison,
    Result,
    StageComparison,
    StageSummary,
    Status,
    Verdict,
)
from depthprof.report import conditions, wording
from depthprof.units import duration, percent, times


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: its cells in the order of `head`, and what they stand for."""

    stage: str
    cells: tuple[str, ...]
    status: str = ""
    reason: str = ""

    @property
    def decided(self) -> bool:
        """Whether the row is a change that was told apart from nothing."""
        return self.status in (Status.SLOWER, Status.FASTER)

    @property
    def is_total(self) -> bool:
        """Whether the row is the whole iteration."""
        return self.stage == TOTAL


def head(judged: Result) -> tuple[str, ...]:
    """Names of the columns."""
    if judged.comparison is None:
        return ("stage", "median", "spread", "interval of the median", "share")
    first, second = conditions.headings(judged.run)
    interval = f"{percent(judged.comparison.confidence)} interval"
    return ("stage", first, second, "ratio", interval, "verdict", "share")


def rows(judged: Result) -> list[Row]:
    """The rows of a comparison, the total first, or of a profile, the total last."""
    if judged.comparison is not None and judged.judgement is not None:
        verdicts = judged.judgement
        return [
            _compared(row, verdicts.verdict(row.stage)) for row in total_first(judged.comparison)
        ]
    known = judged.measured
    return [_profiled(name, known.clocks[name], one) for name, one in known.sides[0].items()]


def total_first(comparison: Comparison) -> tuple[StageComparison, ...]:
    """The rows as they are shown: first whether the whole is slower, then where."""
    return (comparison.stages[-1], *comparison.stages[:-1])


def device_rows(judged: Result) -> bool:
    """Whether any row is timed by the device's clock."""
    return any(row.cells[0].endswith(wording.DEVICE_MARK) for row in rows(judged))


def interval(row: StageComparison) -> str:
    """The ratio's interval as text, "-" where there is none."""
    if row.ratio is None:
        return "-"
    return times(row.ratio.low, row.ratio.high)


def _compared(row: StageComparison, verdict: Verdict) -> Row:
    cells = (
        wording.stage_name(row.stage, row.clock),
        _time(row.baseline),
        _time(row.candidate),
        "-" if row.ratio is None else times(row.ratio.value),
        interval(row),
        verdict.status.value,
        wording.share(row.stage, row.candidate),
    )
    return Row(row.stage, cells, verdict.status.value, verdict.reason.text)


def _profiled(stage: str, clock: str, summary: StageSummary) -> Row:
    median = summary.median_ns
    cells = (
        wording.stage_name(stage, clock),
        duration(median.value),
        wording.spread(summary),
        f"{duration(median.low)} - {duration(median.high)}",
        wording.share(stage, summary),
    )
    return Row(stage, cells)


def _time(summary: StageSummary) -> str:
    return f"{duration(summary.median_ns.value)} {wording.spread(summary):>4}"
