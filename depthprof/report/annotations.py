"""GitHub's workflow commands: what is slower stands at the top of the run's page.

Source: GitHub documentation, "Workflow commands for GitHub Actions", which also says what is to
be escaped.
"""

from depthprof.records import Result, Status
from depthprof.report.gated import gate_remarks, gate_rows, gate_sentence, side_sentence


def annotations(gated: Result) -> list[str]:
    """Lines to print: an error a slower stage or refusal, a warning an undecided stage.

    A side that is not compared is a notice.
    """
    lines = []
    for side in gated.sides:
        if side.comparison is None or side.problem is not None:
            lines.append(_command("error", f"{side.label} refused", side_sentence(side)))
        for row in gate_rows(side):
            title = f"{side.label}: {row.stage} {row.status.value}"
            if row.status is Status.SLOWER:
                lines.append(_command("error", title, row.reason))
            elif row.status in (Status.INCONCLUSIVE, Status.INCOMPARABLE):
                lines.append(_command("warning", title, row.reason))
    if gated.missing or not gated.sides:
        lines.append(_command("error", "depthprof gate", gate_sentence(gated)))
    return lines + [_command("notice", "not compared", line) for line in gate_remarks(gated)]


def _command(kind: str, title: str, text: str) -> str:
    return f"::{kind} title={_property(title)}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
