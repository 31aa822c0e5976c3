"""The outcome of a gate for CI: JUnit XML and GitHub's workflow commands."""

import re
from xml.etree import ElementTree

from depthprof.records import Decision, Result, Status
from depthprof.report.gated import (
    GateRow,
    gate_remarks,
    gate_rows,
    gate_sentence,
    gate_title,
    side_sentence,
)

NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold (section 2.2)."""


def junit(gated: Result) -> str:
    """Write the outcome as JUnit XML."""
    root = ElementTree.Element("testsuites", name="depthprof gate")
    for side in gated.sides:
        cases = [_case(side, row) for row in gate_rows(side)]
        if side.problem is not None or not cases:
            cases.append(_refused(side))
        _suite(root, _clean(side.label), cases)
    for name in gated.missing:
        case = ElementTree.Element("testcase", classname=_clean(name), name="measured")
        _add(case, "error", "missing", gate_sentence(gated))
        _suite(root, _clean(name), [case])
    for name in gated.added if gated.sides or gated.missing else ():
        case = ElementTree.Element("testcase", classname=_clean(name), name="in the baseline")
        _add(case, "skipped", "added", f"{name} is not in the baseline, so it is not compared")
        _suite(root, _clean(name), [case])
    if not gated.sides and not gated.missing:
        case = ElementTree.Element("testcase", classname="depthprof", name="measured")
        _add(case, "error", "nothing", gate_sentence(gated))
        _suite(root, "depthprof", [case])
    root.set("tests", str(len(root.findall(".//testcase"))))
    root.set("failures", str(len(root.findall(".//failure"))))
    root.set("errors", str(len(root.findall(".//error"))))
    ElementTree.indent(root)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    title = re.sub("-(?=-)", "- ", _clean(gate_title(gated)))  # a comment must not hold two
    comment = f"<!-- {title} -->\n"
    return head + comment + ElementTree.tostring(root, encoding="unicode") + "\n"


def _suite(root: ElementTree.Element, name: str, cases: list[ElementTree.Element]) -> None:
    suite = ElementTree.SubElement(root, "testsuite", name=name)
    suite.extend(cases)
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(len(suite.findall(f".//{tag}"))))
    suite.set("tests", str(len(cases)))


def _case(side: Decision, row: GateRow) -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname=_clean(side.label), name=row.stage)
    text = f"{row.stage}: {row.status.value}, {row.reason}"
    if row.status is Status.SLOWER and "slower" in side.policy.fail_on:
        _add(case, "failure", "slower", text)
    elif row.status is Status.INCOMPARABLE:
        _add(case, "error", "incomparable", text)
    elif row.status is Status.INCONCLUSIVE:
        failing = "undecided" in side.policy.fail_on
        _add(case, "failure" if failing else "skipped", "inconclusive", text)
    return case


def _refused(side: Decision) -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname=_clean(side.label), name="comparable")
    _add(case, "error", "refused", side_sentence(side))
    return case


def _add(case: ElementTree.Element, tag: str, kind: str, text: str) -> None:
    told = ElementTree.SubElement(case, tag, message=_clean(text))
    if tag != "skipped":
        told.set("type", kind)


def _clean(text: str) -> str:
    return NOT_XML.sub("?", text)


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
