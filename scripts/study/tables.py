"""From the study's rows to rates with intervals. Pure functions over tables."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd
from scipy.stats import binomtest

from depthprof.records import TOTAL
from scripts.study.cells import DOUBLED

ALARMS = ("SLOWER", "FASTER")
CONFIDENCE = 0.95

GOALS = {
    # goal: (stages, added ratio, least length in ns)
    "+5 % of 1 ms or more": (("preprocess", "forward"), 0.05, 1e6),
    "+10 % of 100 us or more": (("postprocess", "return"), 0.10, 1e5),
    "+100 % of 50 us or more": (("h2d", "postprocess"), 1.00, 5e4),
}
"""The slow-downs the goals name, by the stages that are slowed so, and how long such must be."""


KNOWN_TO = 0.05
"""A stage's length is known within this part: one that is just as long as a goal says counts."""

QUIET_RATIO = 0.25
"""Where other processes used more of the cores than this, a machine was not quiet."""


def as_it_was(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows by the condition there really was: "quiet" with busy neighbours is "disturbed".

    It is told by the machine's counters alone, never by what was found.
    """
    return [
        row | {"condition": "disturbed"}
        if row["condition"] == "quiet" and (row.get("neighbours_ratio") or 0.0) > QUIET_RATIO
        else row
        for row in rows
    ]


def taken(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """What there is: comparisons by world, condition and arm, of which rules and budgets."""
    counts = Counter(
        (row["world"], row["condition"], row["arm"], row.get("generation", 0), _budget(row))
        for row in rows
    )
    names = ("world", "condition", "arm", "generation", "budget_s", "comparisons")
    return pd.DataFrame([(*key, count) for key, count in sorted(counts.items())], columns=names)


def _budget(row: dict[str, Any]) -> str:
    """Of real clocks; on the virtual device pairs are drawn, as many as 60 s would give."""
    known = "budget_s" in row and row["world"] != "virtual"
    return f"{row['budget_s']:g}" if known else "-"


def stage_table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """One line a stage comparison: where, which stage, injected or not, verdict."""
    lines = []
    for row in rows:
        where = {
            name: row[name]
            for name in ("name", "world", "condition", "arm", "injected", "kind", "added_ratio")
        } | {"budget_s": row.get("budget_s", float("nan"))}
        for stage, found in row["stages"].items():
            ratio = found["ratio"] or [None] * 3
            lines.append(
                where
                | {"stage": stage, "status": found["status"], "code": found["code"]}
                | {"clock": found["clock"], "pairs": found["pairs"], "ratio": ratio[1]}
                | {"low": ratio[0], "high": ratio[2], "baseline_ns": found["baseline_ns"]}
                | {"spoilt_ratio": found["spoilt_ratio"]}
            )
    return pd.DataFrame(lines)


def comparison_table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """One line a comparison: where, what was named, how long it took."""
    names = ("name", "world", "condition", "arm", "injected", "kind", "added_ratio", "culprit")
    more = ("exit_code", "ended", "turns", "measured_s", "elapsed_s", "neighbours_ratio")
    table = pd.DataFrame([{name: row[name] for name in (*names, *more)} for row in rows])
    table["alarms"] = [_alarms(row) for row in rows]
    return table


def rate(hits: int, trials: int) -> dict[str, float | int]:
    """A rate with its exact interval (Clopper and Pearson, Biometrika 26 (1934) 404-413)."""
    if not trials:
        return {"hits": 0, "trials": 0, "rate": float("nan"), "low": 0.0, "high": 1.0}
    interval = binomtest(hits, trials).proportion_ci(CONFIDENCE, method="exact")
    low, high = float(interval.low), float(interval.high)
    return {"hits": hits, "trials": trials, "rate": hits / trials, "low": low, "high": high}


def false_alarms(stages: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Verdicts SLOWER or FASTER on identical code, and what was left undecided."""
    same = stages[stages.arm != "injected"]
    lines = []
    for key, group in same.groupby(list(by)):
        alarmed = int(group.status.isin(ALARMS).sum())
        undecided = int((group.status == "INCONCLUSIVE").sum())
        place = dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True))
        lines.append(place | rate(alarmed, len(group)) | {"inconclusive": undecided})
    return pd.DataFrame(lines)


def unslowed_alarms(stages: pd.DataFrame) -> pd.DataFrame:
    """The same of the stages that were left alone in slowed comparisons; `sync` and total apart.

    They are not quite identical code: a stage much slowed leaves cold caches to its neighbours.
    """
    alone = stages[(stages.arm == "injected") & (stages.stage != stages.injected)]
    alone = alone[~alone.stage.isin(("sync", TOTAL))].assign(arm="unslowed")
    return false_alarms(alone, ["world", "condition"]) if len(alone) else pd.DataFrame()


def coverage(stages: pd.DataFrame) -> pd.DataFrame:
    """How often the interval of a ratio holds 1 on identical code, where the truth is 1."""
    same = stages[(stages.arm != "injected") & stages.low.notna()]
    lines = []
    for (world, condition), group in same.groupby(["world", "condition"]):
        holds = int(((group.low <= 1) & (group.high >= 1)).sum())
        lines.append({"world": world, "condition": condition} | rate(holds, len(group)))
    return pd.DataFrame(lines)


def alarmed_comparisons(comparisons: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Comparisons of identical code with a false alarm in any stage."""
    same = comparisons[comparisons.arm != "injected"]
    lines = []
    for key, group in same.groupby(list(by)):
        place = dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True))
        lines.append(place | rate(int((group.alarms > 0).sum()), len(group)))
    return pd.DataFrame(lines)


def power(stages: pd.DataFrame) -> pd.DataFrame:
    """By world, condition, stage and size of the slow-down: found, undecided, missed."""
    hit = stages[(stages.arm == "injected") & (stages.stage == stages.injected)]
    lines = []
    for key, group in hit.groupby(["world", "condition", "stage", "added_ratio"]):
        names = ("world", "condition", "stage", "added_ratio")
        lines.append(dict(zip(names, key, strict=True)) | _found(group))
    return pd.DataFrame(lines)


def power_goals(stages: pd.DataFrame) -> pd.DataFrame:
    """The same, gathered as the goals ask for it."""
    hit = stages[(stages.arm == "injected") & (stages.stage == stages.injected)]
    lines = []
    for goal, (names, ratio, least_ns) in GOALS.items():
        wanted = hit[hit.stage.isin(names) & (abs(hit.added_ratio - ratio) < 1e-9)]
        wanted = wanted[wanted.baseline_ns >= (1 - KNOWN_TO) * least_ns]
        for (world, condition), group in wanted.groupby(["world", "condition"]):
            place = {"goal": goal, "world": world, "condition": condition}
            lines.append(place | _found(group))
    return pd.DataFrame(lines)


def peers_power(peers: pd.DataFrame) -> pd.DataFrame:
    """How often each peer's rule calls the goals' slow-downs, on the measured worlds."""
    hit = peers[(peers.arm == "injected") & (peers.world != "virtual")]
    lines = []
    for goal, (names, ratio, _) in GOALS.items():
        wanted = hit[hit.injected.isin(names) & (abs(hit.added_ratio - ratio) < 1e-9)]
        for (rule, condition), group in wanted.groupby(["rule", "condition"], sort=False):
            place = {"goal": goal, "rule": rule, "condition": condition}
            lines.append(place | rate(int(group.alarms.sum()), int(group.trials.sum())))
    return pd.DataFrame(lines)


def attribution(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Of slowed comparisons in which a culprit is named: how often it is the slowed stage."""
    lines = []
    slowed = comparisons[(comparisons.arm == "injected") & comparisons.culprit.notna()]
    for (world, condition), group in slowed.groupby(["world", "condition"]):
        right = int((group.culprit == group.injected).sum())
        lines.append({"world": world, "condition": condition} | rate(right, len(group)))
    if lines:
        right = int((slowed.culprit == slowed.injected).sum())
        lines.append({"world": "all", "condition": "all"} | rate(right, len(slowed)))
    return pd.DataFrame(lines)


def times(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Seconds from the first measured turn to the verdict, by arm and size of the slow-down."""
    taken = comparisons[comparisons.measured_s.notna()].copy()
    taken["what"] = [
        "identical" if arm != "injected" else f"+{100 * ratio:.0f} %"
        for arm, ratio in zip(taken.arm, taken.added_ratio, strict=True)
    ]
    lines = []
    for (world, condition, what), group in taken.groupby(["world", "condition", "what"]):
        seconds = group.measured_s
        lines.append(
            {"world": world, "condition": condition, "what": what, "comparisons": len(group)}
            | {f"q{q}_s": round(float(seconds.quantile(q / 100)), 2) for q in (50, 90, 100)}
        )
    return pd.DataFrame(lines)


SOON_S = 1.5
"""Goal for the time that a doubled stage takes to be told, from the first block on."""


def doubled_times(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Seconds from the first block to the verdict where a stage of 1 ms or more is doubled."""
    doubled = comparisons[(comparisons.added_ratio == 1.0) & comparisons.injected.isin(DOUBLED)]
    lines = []
    for (world, condition), group in doubled.dropna(subset=["measured_s"]).groupby(
        ["world", "condition"]
    ):
        seconds = group.measured_s
        place = {"world": world, "condition": condition, "comparisons": len(group)}
        within = int((seconds <= SOON_S).sum())
        lines.append(
            place
            | {"median_s": round(float(seconds.median()), 2), "longest_s": float(seconds.max())}
            | {"within_goal": within}
        )
    return pd.DataFrame(lines)


def _found(group: pd.DataFrame) -> dict[str, float | int]:
    counts = {
        status.lower(): int((group.status == status).sum())
        for status in ("INCONCLUSIVE", "SAME", "FASTER")
    }
    return rate(int((group.status == "SLOWER").sum()), len(group)) | counts


def _alarms(row: dict[str, Any]) -> int:
    return sum(
        found["status"] in ALARMS
        for stage, found in row["stages"].items()
        if stage != TOTAL or row["arm"] != "injected"
    )
