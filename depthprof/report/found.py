"""Findings and hardware bounds as the reports show them: lines, cells and plain mappings."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from depthprof.advice import foremost
from depthprof.records import TOTAL, Finding, Result, StageFloor
from depthprof.report.conditions import headings
from depthprof.report.rows import Row, head, rows
from depthprof.units import duration, percent

SHOWN = 3
"""Findings a terminal shows; the report has them all."""

LEGEND = "Bound: the least time this hardware allows, the share reached, and what bounds it"
MFU_LEGEND = "; MFU is the share of the peak matrix rate"

OF_BATCH = "Figures and gains are of a whole batch."

WORTH_RATIO = 0.03
"""A stage that takes less of the iteration has its bound in the report, and not in the terminal."""

LINES = 2
"""Lines of a terminal that one finding may take."""


def terminal_lines(findings: Sequence[Finding], judged: Result, width: int) -> list[list[str]]:
    """The foremost findings, each as at most two lines no longer than `width`, and what is left.

    A remedy is shown up to its first semicolon.
    """
    shown = [
        textwrap.wrap(
            f"{place(one, judged)}{one.text}{_gained(one)}: {one.remedy.partition(';')[0]}",
            width,
            max_lines=LINES,
            placeholder=" ...",
        )
        for one in foremost(findings, SHOWN)
    ]
    left = len(findings) - len(shown)
    return [*shown, [f"{left} more in the report"]] if left > 0 else shown


def place(finding: Finding, judged: Result) -> str:
    """Whose finding it is, as "v2: "; empty for a profile, and for what holds for the whole run."""
    if not judged.run.is_comparison or (finding.side is None and finding.stage is None):
        return ""
    names = {
        side.name: name for side, name in zip(judged.run.sides, headings(judged.run), strict=True)
    }
    return f"{names[finding.side]}: " if finding.side in names else "both: "


def gain(finding: Finding) -> str:
    """What an iteration would be shorter at most, empty where it cannot be told."""
    return "" if finding.gain_ns is None else f"up to {duration(finding.gain_ns)}"


def legend(judged: Result) -> str:
    """What is to be said of the findings' figures, as far as there are such; else empty."""
    gains = [one for one in judged.measured.findings if one.gain_ns is not None]
    texts = []
    if gains:
        texts.append("Known gains first; a gain is what an iteration would be shorter at most.")
    if len({one.stage for one in gains}) < len(gains):
        texts.append("Gains of one stage overlap.")
    if by_picture(judged) and judged.measured.findings:
        texts.append(OF_BATCH)
    return " ".join(texts)


def heading(judged: Result) -> str:
    """What stands over the findings: whose figures they are, where the tables' are others."""
    return f"worth changing{' (of a whole batch)' if by_picture(judged) else ''}"


def _gained(finding: Finding) -> str:
    return "" if finding.gain_ns is None else f", gain {gain(finding)}"


def finding_rows(judged: Result) -> list[dict[str, Any]]:
    """All findings for Markdown and HTML: whose, what, gain, remedy, evidence and code."""
    return [
        {
            "text": f"{place(one, judged)}{one.text}",
            "gain": gain(one),
            "remedy": one.remedy,
            "evidence": [(figure.name, figure.value) for figure in one.evidence],
            "code": one.code,
        }
        for one in judged.measured.findings
    ]


def limit_lines(judged: Result) -> list[tuple[str, str]]:
    """How much of the hardware bound the stages reach: whose, and its longer stages.

    As ("hardware bound", "reached: forward 38 % (arithmetic), return 2 % (memory)"). A bound that a
    stage beats is a line of its own.
    """
    names = headings(judged.run) if judged.run.is_comparison else ("",)
    lines = []
    for name, bounds, took_ns in zip(names, judged.measured.bounds, _took_ns(judged), strict=True):
        longer = [
            floor
            for floor in bounds.values()
            if took_ns[floor.stage] >= WORTH_RATIO * took_ns[TOTAL]
        ]
        texts = [
            f"{floor.stage} {percent(floor.reached_ratio)} ({floor.bound_by})"
            for floor in longer
            if floor.holds
        ]
        said = [f"reached: {', '.join(texts)}"] if texts else []
        head = f"hardware bound, {name}" if name else "hardware bound"
        lines += [(head, text) for text in (*said, *_beaten(took_ns, longer))]
    return lines


def _took_ns(judged: Result) -> list[dict[str, float]]:
    """What an iteration of each side takes, by stage."""
    return [
        {
            stage: known.median_ns.value * (side.workload.batch if by_picture(judged) else 1)
            for stage, known in stages.items()
        }
        for side, stages in zip(judged.run.sides, judged.measured.sides, strict=True)
    ]


def _beaten(took_ns: Mapping[str, float], floors: Iterable[StageFloor]) -> list[str]:
    """What is wrong with the bounds that a side's stages beat, a sentence each."""
    return [
        f"{floor.stage} took less ({duration(took_ns[floor.stage])}) than the hardware bound"
        f" allows ({duration(floor.floor_ns)}, {floor.bound_by}): the bound is wrong, not the"
        " measurement; please report"
        for floor in floors
        if not floor.holds
    ]


def floored_head(judged: Result) -> tuple[str, ...]:
    """Names of the table's columns, the bounds' after them where there are any."""
    if not any(_floors(judged)):
        return head(judged)
    if not judged.run.is_comparison:
        return (*head(judged), "bound")
    return (*head(judged), *(f"bound of {name}" for name in headings(judged.run)))


def floor_legend(judged: Result) -> str:
    """What the bounds' columns are, and which bounds are wrong; empty where there are none."""
    cells = [_cell(floor) for side in _floors(judged) for floor in side.values()]
    if not cells:
        return ""
    legend = f"{LEGEND}{MFU_LEGEND if any('MFU' in cell for cell in cells) else ''}."
    names = headings(judged.run) if judged.run.is_comparison else ("",)
    wrong = [
        f"{name}: {sentence}" if name else sentence
        for name, bounds, took_ns in zip(
            names, judged.measured.bounds, _took_ns(judged), strict=True
        )
        for sentence in _beaten(took_ns, bounds.values())
    ]
    return " ".join([legend, *(f"{one[0].upper()}{one[1:]}." for one in wrong)])


def floored_rows(judged: Result) -> list[Row]:
    """The table's rows with a cell for each side's bound, where there are any."""
    floors = _floors(judged)
    if not any(floors):
        return rows(judged)
    return [
        replace(row, cells=(*row.cells, *(_cell(side.get(row.stage)) for side in floors)))
        for row in rows(judged)
    ]


def findings_document(judged: Result) -> list[dict[str, Any]]:
    """All findings as plain mappings for JSON."""
    return [asdict(finding) for finding in judged.measured.findings]


def floors_document(judged: Result) -> list[dict[str, Any]]:
    """All hardware bounds as plain mappings for JSON, each with its side's name."""
    return [
        {"side": side.name, **asdict(floor)}
        for side, floors in zip(judged.run.sides, _floors(judged), strict=True)
        for floor in floors.values()
    ]


def _floors(judged: Result) -> list[Mapping[str, StageFloor]]:
    """Bounds by side and stage, of an iteration, or of a picture where the table is."""
    batches = [side.workload.batch if by_picture(judged) else 1 for side in judged.run.sides]
    return [
        {stage: replace(bound, floor_ns=bound.floor_ns / batch) for stage, bound in bounds.items()}
        for batch, bounds in zip(batches, judged.measured.bounds, strict=True)
    ]


def by_picture(judged: Result) -> bool:
    """Whether the tables' figures are of one picture, and not of an iteration."""
    return judged.measured.per == "picture"


def _cell(floor: StageFloor | None) -> str:
    if floor is None:
        return ""
    if not floor.holds:
        return f"wrong: {duration(floor.floor_ns)}, {floor.bound_by}"
    text = f"{duration(floor.floor_ns)}: {percent(floor.reached_ratio)}, {floor.bound_by}"
    if floor.bound_by == "arithmetic":
        return f"{text} (MFU)"
    return text if floor.flops_ratio is None else f"{text}; MFU {percent(floor.flops_ratio)}"
