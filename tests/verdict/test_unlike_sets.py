"""Gates over runs of other sides, stages and workloads: what is not compared is said."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from rich.console import Console

from depthprof.records import Digest, Result, Status, Workload
from depthprof.report.ci import annotations, junit
from depthprof.report.gated import gate_document, gate_markdown, gate_sentence
from depthprof.report.terminal import print_gated
from depthprof.verdict.unpaired import gate_asked, gate_digests
from tests.verdict.digests import POLICY, measured

BEFORE, AFTER = measured(0), measured(1)


def labelled(run: Digest, *labels: str) -> Digest:
    sides = zip(run.sides, labels, strict=False)
    return replace(run, sides=tuple(replace(side, label=label) for side, label in sides))


def shown(outcome: Result) -> list[str]:
    """The outcome as every report has it, on one line each."""
    console = Console(width=100, record=True, file=io.StringIO())
    print_gated(outcome, console)
    text = (console.export_text(), gate_markdown(outcome), "\n".join(annotations(outcome)))
    return [" ".join(one.split()) for one in text]


def gate(before: Digest, after: Digest, only: str | None = None) -> Result:
    return gate_digests(before, after, lambda _: POLICY, only=only)


@pytest.mark.parametrize(
    ("before", "after", "code", "said"),
    [
        (("v1",), ("v1", "v2"), 0, ["v2 is not in the baseline, so it is not compared"]),
        (("v1", "v2"), ("v1", "v3"), 2, ["renamed or deleted", "v3 is not in the baseline"]),
        (("v1", "v2"), ("v3", "v4"), 2, ["has v1, v2, which", "v3 is not in the", "v4 is not in"]),
        (("v1", "v2"), ("v2",), 2, ["the baseline has v1, which the newer run does not"]),
    ],
)
def test_sides_that_one_run_has_are_named(
    before: tuple[str, ...], after: tuple[str, ...], code: int, said: list[str]
) -> None:
    outcome = gate(labelled(BEFORE, *before), labelled(AFTER, *after))
    assert outcome.exit_code == code
    for text in shown(outcome):
        assert all(words in text for words in said), text


def test_a_side_that_was_asked_for_alone_is_compared_and_the_other_is_not_called_deleted() -> None:
    outcome = gate(BEFORE, replace(AFTER, sides=AFTER.sides[1:]), only="v2")
    assert (outcome.exit_code, outcome.missing, outcome.unasked) == (0, (), ("v1",))
    for text in shown(outcome):
        assert "v1 of the baseline was not asked for, so it is not compared" in text
        assert "deleted" not in text
    assert gate_asked(BEFORE, "v2", AFTER.sides[1].workload, lambda _: POLICY) is None


def test_a_side_that_the_baseline_lacks_is_refused_before_it_is_measured() -> None:
    outcome = gate_asked(BEFORE, "v3", Workload(), lambda _: POLICY)
    assert outcome is not None
    assert outcome.exit_code == 2
    assert "the baseline has no v3, so nothing can be compared; it has v1, v2" in gate_sentence(
        outcome
    )
    assert ElementTree.fromstring(junit(outcome)).attrib["errors"] == "1"
    document = gate_document(outcome)
    assert (document["missing"], document["added"]) == ([], ["v3"])


def test_the_document_and_junit_tell_of_added_sides() -> None:
    outcome = gate(labelled(BEFORE, "v1"), AFTER)
    assert json.loads(json.dumps(gate_document(outcome)))["added"] == ["v2"]
    root = ElementTree.fromstring(junit(outcome))
    (case,) = root.findall(".//testcase[@name='in the baseline']")
    assert case.find("skipped") is not None
    assert root.attrib["failures"] == root.attrib["errors"] == "0"


def without(run: Digest, stage: str) -> Digest:
    return replace(run, levels=tuple(one for one in run.levels if one.stage != stage))


@pytest.mark.parametrize("stage", ["preprocess", "forward", "return"])
@pytest.mark.parametrize(
    "change", [lambda b, a, s: (without(b, s), a), lambda b, a, s: (b, without(a, s))]
)
def test_a_stage_that_one_run_has_no_level_of_is_incomparable_and_shown_without_a_figure(
    stage: str, change: Callable[[Digest, Digest, str], tuple[Digest, Digest]]
) -> None:
    outcome = gate(*change(BEFORE, AFTER, stage))
    assert outcome.exit_code == 3
    side = outcome.sides[0]
    assert side.comparison is not None
    assert side.comparison is not None
    verdict = side.verdict(stage)
    assert (verdict.status, verdict.reason.code) == (Status.INCOMPARABLE, "absent_stage")
    assert side.comparison.stages[-1].stage == "total"
    line = next(one for one in gate_markdown(outcome).splitlines() if one.startswith(f"| {stage}"))
    assert sorted(cell.strip() == "-" for cell in line.split("|")[2:4]) == [False, True]
