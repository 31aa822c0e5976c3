"""Every remark where it applies and nowhere else: device, kind of report, and what was seen."""

import io
import json
import re
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

import pytest
from rich.console import Console

from depthprof.records import (
    STAGES,
    Calibration,
    Result,
    SkippedSamples,
    StageCalibration,
    Telemetry,
)
from depthprof.report.ci import annotations, junit
from depthprof.report.found import legend
from depthprof.report.gated import gate_document, gate_markdown
from depthprof.report.html import CAPTIONS, html
from depthprof.report.markdown import markdown
from depthprof.report.summary import summary
from depthprof.report.terminal import print_gated, print_judged
from depthprof.verdict import digest
from depthprof.verdict.unpaired import gate_digests, gate_turns
from tests.advice.cases import COLOURS, FLOAT64, IMAGE, PAGEABLE
from tests.advice.made import CPU_LIMITS, LIMITS, Made, judged, on_cpu
from tests.records.gpu import telemetry

NOISE = StageCalibration("forward", "host", 5_000_000, 0.02, 0.1, 0.5, 0.6, 0)
CALIBRATED = Calibration("ab12", "v2", "2026-01-01", 6, 3, 60.0, 0.95, (NOISE,))

REPORTS = {"compare", "profile"}
GATES = {"gate in turns", "gate"}
ANY: set[str] = {"cpu", "cuda"}

REMARKS: dict[str, tuple[set[str], ...]] = {
    # what is looked for: sets of words, of each of which one must hold
    r"a (host )?timer without sync": ({"cuda"}, REPORTS),
    r"blames d2h": ({"cuda"}, REPORTS),
    r"are waiting": ({"cuda"}, REPORTS),
    r"pageable memory": ({"cuda"}, REPORTS, {"much"}),
    r"pinned": ({"cuda"}, REPORTS, {"much"}),
    r"\bGPU\b": ({"cuda"}, REPORTS),
    r"by the device's clock": ({"cuda"}, REPORTS),
    r"on the device before": ({"cuda"}, REPORTS, {"much"}),
    r"the device works in": ({"cuda"}, REPORTS, {"much"}),
    r"MFU": (REPORTS,),
    r"What GPU and host did": ({"cuda"}, REPORTS),
    r"What the host did": ({"cpu"}, REPORTS),
    r"every figure is per picture": ({"compare"}, {"much"}),
    r"of a whole batch": ({"compare"}, {"much"}),
    r"in separate processes": ({"compare"}, {"much"}),
    r"by the hypervisor": (REPORTS, {"much"}),
    r"readings of telemetry": (REPORTS, {"much"}),
    r"calibrated on": ({"compare", "gate in turns"}, {"much"}),
    r"rejected samples": ({"compare", "gate in turns", "profile"}, {"much"}),
    r"compared by CPU time": ({"compare"}, {"much"}),
    r"timed by CPU time": ({"profile"}, {"much"}),
    r"\b(candidate|verdicts?|slower|faster|INCONCLUSIVE)\b": ({"compare"} | GATES,),
    r"Smallest change that matters": ({"compare"},),
    r"minimum detectable change": (GATES, {"enough"}),
    r"on each side decide": (GATES, {"few"}),
    r"gain unknown|\(gain \)": (),
    r"Known gains first": (REPORTS, {"much"}),
}


@dataclass(frozen=True)
class Context:
    """Where a report is made: on which device, of which kind, with how much to tell."""

    device: str
    kind: str
    seen: str

    @property
    def is_few(self) -> bool:
        """Whether so few processes were measured that a gate can decide nothing."""
        return self.kind == "gate" and self.seen == "plain"

    @property
    def words(self) -> set[str]:
        return {self.device, self.kind, self.seen, "few" if self.is_few else "enough"}


EVERY = [
    Context(*words) for words in product(sorted(ANY), sorted(REPORTS | GATES), ("plain", "much"))
]


def side(context: Context, batch: int = 1) -> Made:
    much = context.seen == "much"
    traits = [PAGEABLE, FLOAT64, COLOURS] if much else []
    work = {**IMAGE, "batch": batch} if much else {}
    if context.device == "cuda":
        return Made(traits=traits, workload=work, host_us={"preprocess": 9_000 if much else 1_000})
    return on_cpu(traits=traits, workload=work, host_us={"sync": 19.5, "d2h": 0.5})


def readings(context: Context) -> Telemetry:
    """Readings within the first iteration."""
    known = telemetry(
        3, at_ns=[10**6, 5 * 10**6, 10**7], host_stolen_ns=[0, 10**6, 3 * 10**6], cost_ns=[9, 9, 9]
    )
    return known if context.device == "cuda" else replace(known, gpu=None, notes=())


@cache
def made(context: Context) -> Result:
    much = context.seen == "much"
    sides = [side(context), side(context, 2 if context.kind == "compare" else 1)]
    found = judged(
        *sides[: 1 if context.kind == "profile" else 2],
        limits=(LIMITS if context.device == "cuda" else CPU_LIMITS),
        telemetry=readings(context) if much else None,
        launches=3 if context.is_few else 8,
    )
    if not much:
        return found
    skipped = SkippedSamples(3, {"preempted": 3})
    known = found.measured
    found = replace(
        found,
        policy=replace(found.policy, calibration=CALIBRATED),
        analysis=replace(
            known,
            run=replace(known.run, shared=False),
            skipped=skipped,
            clocks={**known.clocks, STAGES[0]: "cpu"},
        ),
    )
    if found.comparison is None:
        return found
    first_row, *rows = found.comparison.stages
    stages_compared = (replace(first_row, clock="cpu"), *rows)
    comparison = replace(found.comparison, skipped=skipped, stages=stages_compared)
    (decision,) = found.sides
    decision = replace(decision, comparison=comparison, policy=found.policy)
    return replace(found, sides=(decision,))


@cache
def text(context: Context) -> str:
    """All that the reports of a context say, tags and the names of programs' fields left out."""
    one = made(context)
    console = Console(file=io.StringIO(), width=120, record=True)
    if context.kind in REPORTS:
        print_judged(one, console)
        drawn = [name for name in CAPTIONS if one.comparison or name != "ratios"]
        page = html(one, dict.fromkeys(drawn, "<svg/>"))
        texts = [markdown(one), _untagged(page), _values(summary(one))]
    else:
        known = digest(one.run, one.policy)
        outcome = (
            gate_turns(one, "abc", "def")
            if context.kind == "gate in turns"
            else gate_digests(known, replace(known, created="later"), lambda _: one.policy)
        )
        print_gated(outcome, console)
        texts = [gate_markdown(outcome), *annotations(outcome), _untagged(junit(outcome))]
        texts.append(_values(gate_document(outcome)))
    return " ".join(" ".join([console.export_text(), *texts]).split())


def _untagged(page: str) -> str:
    return re.sub(r"<[^>]*>", " ", re.sub(r"(?s)<style>.*?</style>", "", page)).replace(
        "&#39;", "'"
    )


def _values(document: object) -> str:
    """The sentences of a document, without its keys and codes."""
    if isinstance(document, dict):
        return " ".join(map(_values, document.values()))
    if isinstance(document, list | tuple):
        return " ".join(map(_values, document))
    return document if isinstance(document, str) and " " in document else ""


@pytest.mark.parametrize("context", EVERY, ids=lambda one: f"{one.device}, {one.kind}, {one.seen}")
def test_a_remark_stands_where_it_applies_and_nowhere_else(context: Context) -> None:
    told = text(context)
    for pattern, needed in REMARKS.items():
        wanted = bool(needed) and all(context.words & some for some in needed)
        found = re.search(pattern, told)
        where = told[max(0, found.start() - 80) : found.end() + 80] if found else ""
        assert bool(found) == wanted, (pattern, "wanted" if wanted else "not wanted", where)


def test_the_views_of_timers_are_null_where_nothing_is_asynchronous() -> None:
    for context in EVERY:
        if context.kind in REPORTS:
            views = summary(made(context))["timer_view"]
            assert [view is None for view in views] == [context.device == "cpu"] * len(views)
            json.dumps(views, allow_nan=False)


def test_gains_overlap_only_where_two_of_one_stage_are_known() -> None:
    twice = judged(
        on_cpu(traits=[FLOAT64, replace(FLOAT64, stage="return"), COLOURS], workload=IMAGE)
    )
    once = judged(on_cpu(traits=[FLOAT64]))
    none = judged(on_cpu())
    assert legend(twice).endswith("Gains of one stage overlap.")
    assert (
        legend(once) == "Known gains first; a gain is what an iteration would be shorter at most."
    )
    assert legend(none) == ""
