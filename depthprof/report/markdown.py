"""The report as GitHub-flavoured Markdown: for pull requests and job summaries."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict

from depthprof.records import Drilled, Result
from depthprof.report import active, conditions, found, wording
from depthprof.report import drilled as inside
from depthprof.report.rows import Row, device_rows


def markdown(judged: Result) -> str:
    """Write sentence, table, remarks, conditions and environment."""
    parts = [f"# depthprof: {escaped(conditions.title(judged.run))}", ""]
    parts += [f"**{escaped(wording.sentence(judged))}**", ""]
    parts += table(found.floored_head(judged), map(_cells, found.floored_rows(judged)))
    if legend := found.floor_legend(judged):
        parts += ["", legend]
    if device_rows(judged):
        parts += ["", escaped(wording.DEVICE_LEGEND)]
    parts += ["", *(f"- {escaped(remark)}" for remark in wording.remarks(judged))]
    parts += _findings(judged)
    if judged.drilled is not None:
        parts += _inside(judged.drilled)
    parts += ["", "## Conditions", ""]
    parts += table(("", ""), conditions.facts(judged))
    parts += _active(judged)
    parts += ["", "## Environment", ""]
    parts += table(("", ""), _environment(judged))
    if judged.run.command:
        parts += ["", "```", judged.run.command.replace("`", "'"), "```"]
    return "\n".join(parts) + "\n"


def _findings(judged: Result) -> list[str]:
    """All findings as a table, the evidence in its last column."""
    known = found.finding_rows(judged)
    if not known:
        return []
    lines = (
        (one["text"], one["gain"], one["remedy"], "; ".join(f"{k} {v}" for k, v in one["evidence"]))
        for one in known
    )
    batch = [found.OF_BATCH, ""] if found.by_picture(judged) else []
    return [
        "",
        "## Findings",
        "",
        *batch,
        *table(("what", "gain", "what to change", "evidence"), lines),
    ]


def _active(judged: Result) -> list[str]:
    known = judged.measured.activity
    rows, notes = active.activity_rows(known), active.activity_notes(known)
    if not rows and not notes:
        return []
    labels = [side.label for side in judged.run.sides]
    parts = ["", f"## {active.title(judged.run)}", ""]
    parts += table(("", *labels), rows) if rows else []
    return parts + (["", *(f"- {escaped(note)}" for note in notes)] if notes else [])


def _inside(drilled: Drilled) -> list[str]:
    parts = ["", "## Inside", ""]
    if drilled.parts:
        parts += [*table(inside.PARTS_HEAD, inside.part_rows(drilled)), ""]
    if drilled.ops:
        parts += [*table(inside.ops_head(drilled), inside.op_rows(drilled)), ""]
    return [*parts, *(f"- {escaped(remark)}" for remark in inside.remarks(drilled))]


def _environment(judged: Result) -> list[tuple[str, str]]:
    known = asdict(judged.run.environment).items()
    return [(name, str(value)) for name, value in known if value is not None]


def _cells(row: Row) -> tuple[str, ...]:
    emphasis = "**" if row.decided else ""
    return tuple(
        f"{emphasis}{cell}{emphasis}" if cell == row.status else cell for cell in row.cells
    )


def table(names: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table; cells are escaped."""
    made = ["| " + " | ".join(escaped(name) for name in names) + " |"]
    made.append("|" + " --- |" * len(names))
    made += ["| " + " | ".join(escaped(cell) for cell in line) + " |" for line in lines]
    return made


def escaped(text: str) -> str:
    """Keep a user's words from being taken for markup; our own ** stay."""
    for mark in ("\\", "|", "<", "`", "["):
        text = text.replace(mark, "\\" + mark)
    return text.replace("\n", " ")
