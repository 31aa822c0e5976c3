"""The gate's outcome as GitHub-flavoured Markdown, for job summaries and pull requests."""

from depthprof.records import Result
from depthprof.report.gated import (
    HEAD,
    WORDS,
    gate_remarks,
    gate_rows,
    gate_sentence,
    gate_title,
    side_remarks,
    side_sentence,
)
from depthprof.report.markdown import escaped, table


def gate_markdown(gated: Result) -> str:
    """Write the outcome of every side with its table."""
    parts = [f"# depthprof gate: {WORDS[gated.exit_code]}", "", escaped(gate_title(gated)), ""]
    if gated.missing or not gated.sides:
        parts += [f"**{escaped(gate_sentence(gated))}**", ""]
    for side in gated.sides:
        parts += [f"**{escaped(side_sentence(side))}**", ""]
        rows = [row.cells for row in gate_rows(side)]
        if rows:
            parts += [*table(HEAD, rows), ""]
        parts += [*(f"- {escaped(remark)}" for remark in side_remarks(side)), ""]
    parts += [f"- {escaped(remark)}" for remark in gate_remarks(gated)]
    return "\n".join(parts).rstrip() + "\n"
