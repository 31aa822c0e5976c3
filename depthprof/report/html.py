"""A report as one HTML file that opens offline: no script, no network, light and dark."""

import base64
import re
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, Template, select_autoescape
from markupsafe import Markup, escape

from depthprof.records import (
    DEVICE_STAGES,
    STAGES,
    Drilled,
    Result,
    StageSummary,
    Status,
    TimerView,
)
from depthprof.report import active, conditions, found, wording
from depthprof.report import drilled as inside
from depthprof.report.rows import device_rows, rows
from depthprof.units import duration
from depthprof.verdict.timer_view import is_asynchronous

CAPTIONS = {
    "waterfall": "Where the time goes",
    "ratios": "How much slower, and how surely",
    "samples": "Every iteration, in the order taken",
    "telemetry": "What GPU and host did meanwhile",
}
ON_THE_HOST = CAPTIONS | {"telemetry": "What the host did meanwhile"}
"""The captions where no side is on a GPU."""


def html(judged: Result, figures: Mapping[str, str]) -> str:
    """Write the report; `figures` are SVG texts by name, put into the file as data."""
    run = judged.run
    captions = CAPTIONS if active.uses_gpu(run) else ON_THE_HOST
    return template("template.html.j2").render(
        title=conditions.title(run),
        sentence=wording.sentence(judged),
        tone=_tone(judged),
        head=found.floored_head(judged),
        rows=found.floored_rows(judged),
        findings=found.finding_rows(judged),
        findings_legend=found.legend(judged),
        by_picture=found.by_picture(judged),
        floor_legend=found.floor_legend(judged),
        legend=wording.DEVICE_LEGEND if device_rows(judged) else "",
        remarks=wording.remarks(judged),
        facts=conditions.facts(judged),
        figures=[(name, captions[name], _data_uri(svg)) for name, svg in figures.items()],
        timers=_timers(judged),
        active_title=active.title(run),
        active_rows=active.activity_rows(judged.measured.activity),
        active_notes=active.activity_notes(judged.measured.activity),
        launches=run.launches,
        workloads=_workloads(judged),
        labels=[side.label for side in run.sides],
        environment=[(k, v) for k, v in asdict(run.environment).items() if v is not None],
        policy=asdict(judged.policy),
        inside=_inside(judged.drilled),
        created=run.created,
        command=run.command,
    )


def _inside(drilled: Drilled | None) -> dict[str, Any] | None:
    """Tables and remarks of what lies inside, None where nobody looked."""
    if drilled is None:
        return None
    tables = [
        (inside.PARTS_HEAD, inside.part_rows(drilled)),
        (inside.ops_head(drilled), inside.op_rows(drilled)),
    ]
    return {
        "tables": [(head, lines) for head, lines in tables if lines],
        "remarks": inside.remarks(drilled),
    }


def _tone(judged: Result) -> str:
    """How the first sentence is marked: by the verdicts, whatever the exit code makes of them."""
    statuses = {row.status for row in rows(judged)}
    if judged.run.failures or Status.SLOWER in statuses:
        return "alarm"
    return "unsure" if Status.INCONCLUSIVE in statuses else "calm"


def _data_uri(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _timers(judged: Result) -> list[dict[str, Any]]:
    """By side on a GPU: the naive timer's figures beside what happened, a line a stage."""
    made = []
    for number, side in enumerate(judged.run.sides):
        view, stages = judged.measured.timers[number], judged.measured.sides[number]
        if not is_asynchronous(judged.run, number):
            continue
        lines = [_timer_line(stage, stages[stage], view) for stage in STAGES]
        made.append({"label": side.label, "lines": lines, "sentence": wording.timer_sentence(view)})
    return made


def _timer_line(stage: str, known: StageSummary, view: TimerView) -> tuple[str, ...]:
    naive = view.host_ns.get(stage)
    device = known.device_ns if stage in DEVICE_STAGES else None
    return (
        stage,
        "no such stage" if naive is None else duration(naive),
        duration(known.host_ns),
        "" if device is None else duration(device),
    )


def _workloads(judged: Result) -> list[tuple[str, list[str], bool]]:
    """A line a field: the value of each side, and whether they differ."""
    columns = [
        asdict(side.workload) | {"threads": side.threads, "device": side.device}
        for side in judged.run.sides
    ]
    return [
        (name, [str(column[name]) for column in columns], len({c[name] for c in columns}) > 1)
        for name in columns[0]
    ]


LONGEST_WORD = 18
"""Letters that stay on one line; a longer word may be broken."""

TOGETHER = re.compile(r"\d{4}-\d\d-\d\d|[<>±+~-]*\d[\d.,]* (?:%|[A-Za-z]{1,3}(?:/s)?)(?![A-Za-z])")
"""What is read as one: a date, or a figure with its unit."""

BREAKABLE = r"[^/_:,.(<@=]{{1,{0}}}[/_:,.(<@=]?|[/_:,.(<@=]"
"""Pieces of a long word: up to a sign that stands between its parts, or as long as may be."""


@cache
def template(name: str) -> Template:
    """Load a page's template; whatever it is given is escaped."""
    environment = Environment(
        loader=PackageLoader("depthprof.report", "."),
        autoescape=select_autoescape(default=True, default_for_string=True),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["fit"] = fit
    return environment.get_template(name)


def fit(value: object, longest: int = LONGEST_WORD) -> Markup:
    """Make the text of a table's cell such that it breaks where a reader would break it.

    Figures and dates stay whole; longer words than `longest` letters may be broken, at the signs
    between their parts where they have such. What is copied from the page is the text as it was.
    """
    text, parts, end = str(value), [], 0
    for match in TOGETHER.finditer(text):
        parts += [
            _broken(text[end : match.start()], longest),
            Markup('<span class="nb">{}</span>').format(match[0]),
        ]
        end = match.end()
    return Markup("").join([*parts, _broken(text[end:], longest)])


def _broken(text: str, longest: int) -> Markup:
    """Escape a text and let its long words be broken."""
    pieces = re.compile(BREAKABLE.format(longest))
    return Markup("").join(
        Markup("<wbr>").join(map(escape, pieces.findall(word)))
        if len(word) > longest
        else escape(word)
        for word in re.split(r"(\s+)", text)
    )
