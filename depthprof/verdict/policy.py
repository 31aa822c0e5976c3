"""What counts as slower: defaults, then `[tool.depthprof.gate]`, then options.

Every command, the suites and the pytest plugin resolve their policy here. The default threshold
hangs on the kind of evidence alone: runs of different times differ by more than pairs of one run.
"""

from collections.abc import Mapping
from typing import Any, Literal

from depthprof.records import Policy
from depthprof.storage.settings import GateSettings

Evidence = Literal["paired", "unpaired"]

THRESHOLD_RATIOS: Mapping[Evidence, float] = {"paired": 0.03, "unpaired": 0.05}
"""Relative change that matters, where neither settings nor options name one."""


def policy_for(
    evidence: Evidence,
    settings: GateSettings,
    model: str,
    options: Mapping[str, Any] | None = None,
) -> Policy:
    """Resolve the policy of one comparison.

    Args:
        evidence: "paired" where both sides are measured in one run, "unpaired" where one is held
            against a run of another time.
        settings: of the project. model: size, such as "small", which may have its own thresholds.
        options: fields of `Policy` that were given by option; a threshold given so goes before
            those of single stages too.

    Raises:
        BadInput: a value that means nothing.
    """
    known, given = settings.thresholds(model), dict(options or {})
    stages = {} if "threshold_ratio" in given else known.stages
    resolved: dict[str, Any] = {
        "threshold_ratio": known.threshold_ratio or THRESHOLD_RATIOS[evidence],
        "fail_on": settings.fail_on,
        "stage_ratios": tuple(stages.items()),
    }
    if known.floor_ns is not None:
        resolved["floor_ns"] = known.floor_ns
    return Policy(**(resolved | given))
