"""Exit codes, made in one place: 0 pass, 1 slower, 3 undecided."""

from collections.abc import Iterable

from depthprof.errors import EXIT_INCONCLUSIVE, EXIT_PASS, EXIT_SLOWER
from depthprof.records import TOTAL, Comparison, Policy, Status, Verdict


def exit_code(comparison: Comparison, verdicts: tuple[Verdict, ...], policy: Policy) -> int:
    """Exit code of a comparison: 0 pass, 1 slower, 3 undecided, as `policy.fail_on` allows.

    What is slower counts before what is undecided. An undecided stage counts where it could explain
    a change of the whole, or, with "undecided" in `fail_on`, in any case.
    """
    statuses = {verdict.stage: verdict.status for verdict in verdicts}
    if Status.SLOWER in statuses.values() and "slower" in policy.fail_on:
        return EXIT_SLOWER
    waiting = undecided(verdicts)
    if waiting and "undecided" in policy.fail_on:
        return EXIT_INCONCLUSIVE
    matter = any(could_explain(comparison, stage, policy) for stage in waiting)
    return EXIT_INCONCLUSIVE if matter and "inconclusive" in policy.fail_on else EXIT_PASS


def gate_exit_code(comparison: Comparison, verdicts: tuple[Verdict, ...], policy: Policy) -> int:
    """Exit code of a gate: where not one stage is decided it has seen nothing, and never passes."""
    code = exit_code(comparison, verdicts, policy)
    found = {verdict.status for verdict in verdicts}
    is_blind = Status.INCOMPARABLE in found or found == {Status.INCONCLUSIVE}
    return EXIT_INCONCLUSIVE if code == EXIT_PASS and is_blind else code


def undecided(verdicts: Iterable[Verdict]) -> tuple[str, ...]:
    """Stages without a decision, the total among them."""
    open_ = (Status.INCONCLUSIVE, Status.INCOMPARABLE)
    return tuple(verdict.stage for verdict in verdicts if verdict.status in open_)


def could_explain(
    comparison: Comparison, stage: str, policy: Policy, *, part: bool = False
) -> bool:
    """Whether an undecided stage alone could make the whole change by its threshold.

    With `part` it is asked whether it could by what an interval must clear: a third of that.
    """
    row, total = comparison.stage(stage), comparison.stage(TOTAL)
    difference = row.grounds.same_ns
    if stage == TOTAL or difference is None:
        return True
    whole_ns = total.baseline.median_ns.value
    needed = policy.needed(TOTAL, whole_ns)[0 if part else 1]
    return max(abs(difference.low), abs(difference.high)) >= needed * whole_ns
