"""All that is computed of one run, once: everything that is decided and reported reads this."""

from dataclasses import replace

from depthprof.advice import facts_of, find
from depthprof.records import Analysis, Comparison, Policy, Run, StageSummary
from depthprof.verdict.activity import activity
from depthprof.verdict.comparison import compare, medians, skipped_samples
from depthprof.verdict.digests import digest_of
from depthprof.verdict.evidence import evidence
from depthprof.verdict.timer_view import timer_view


def analyse(run: Run, policy: Policy) -> Analysis:
    """Analyse a run: medians, comparison, activity, hardware bounds and findings.

    Args:
        run: of one side or two. policy: its confidence counts.
    """
    known = evidence(run)
    comparison = compare(run, policy, known=known) if run.is_comparison else None
    found = Analysis(
        run=run,
        clocks=dict(zip(known.names, known.clocks, strict=True)),
        sides=_sides(comparison)
        if comparison
        else (dict(zip(known.names, medians(known, policy), strict=True)),),
        digest=digest_of(known, policy),
        timers=tuple(timer_view(run, side) for side in range(len(run.sides))),
        skipped=comparison.skipped if comparison else skipped_samples(known),
        per=comparison.per if comparison else "iteration",
        comparison=comparison,
        activity=activity(run),
    )
    facts = facts_of(found)
    return replace(found, bounds=tuple(side.floors for side in facts.sides), findings=find(facts))


def _sides(comparison: Comparison) -> tuple[dict[str, StageSummary], ...]:
    rows = comparison.stages
    return {row.stage: row.baseline for row in rows}, {row.stage: row.candidate for row in rows}
