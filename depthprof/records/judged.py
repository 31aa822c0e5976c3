"""A run together with what was concluded from it: all that a reporter may read."""

from dataclasses import dataclass

from depthprof.records.judgement import Comparison, Judgement, Policy, Profile
from depthprof.records.observed import Drilled
from depthprof.records.run import Run


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A run, the policy it was judged by, and the outcome.

    A run of two sides has `comparison` and `judgement`, a run of one side has `profile`; the
    others are None. `exit_code`: 0 pass, 1 slower, 2 refused (a side failed), 3 inconclusive.
    `drilled` is what separate iterations showed of the inside, where that was asked for.
    """

    run: Run
    policy: Policy
    exit_code: int
    comparison: Comparison | None = None
    judgement: Judgement | None = None
    profile: Profile | None = None
    drilled: Drilled | None = None
