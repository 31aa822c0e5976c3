"""What the study found: tables (CSV), plots (PNG) and a page (Markdown) beside its data."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from depthprof.units import percent
from scripts.study import tables
from scripts.study.goals import goals
from scripts.study.plots import plot_alarms, plot_power, plot_times
from scripts.study.store import Store

OWN_RULE = "depthprof"
PEERS_FILE = "peers.csv"


def write_findings(store: Store) -> None:
    """Write what the results so far say; nothing where there are none."""
    rows = tables.as_it_was(store.rows())
    if not rows:
        return
    folder = store.folder
    stages, comparisons = tables.stage_table(rows), tables.comparison_table(rows)
    found = {
        "goals": goals(stages, comparisons),
        "taken": tables.taken(rows),
        "false_alarms": tables.false_alarms(stages, ["world", "condition", "arm"]),
        "false_alarms_by_stage": tables.false_alarms(stages, ["world", "condition", "stage"]),
        "false_alarms_without_sync": tables.false_alarms(
            stages[stages.stage != "sync"], ["world", "condition"]
        ),
        "unslowed": tables.unslowed_alarms(stages),
        "coverage": tables.coverage(stages),
        "alarmed_comparisons": tables.alarmed_comparisons(comparisons, ["world", "condition"]),
        "power": tables.power(stages),
        "power_goals": tables.power_goals(stages),
        "attribution": tables.attribution(comparisons),
        "times": tables.times(comparisons),
        "doubled_times": tables.doubled_times(comparisons),
    }
    peers = folder / PEERS_FILE
    found["peers_power"] = (
        tables.peers_power(pd.read_csv(peers)) if peers.exists() else pd.DataFrame()
    )
    for name, table in found.items():
        if len(table):
            table.to_csv(folder / f"{name}.csv", index=False, float_format="%.6g")
    if len(found["power"]):
        plot_power(found["power"], folder / "power.png")
    plot_times(comparisons, folder / "times.png")
    alarms = alarms_by_rule(stages, folder)
    if len(alarms):
        plot_alarms(alarms, folder / "alarms.png")
    (folder / "README.md").write_text(
        page(found, alarms, len(rows), _machine(rows)), encoding="utf-8"
    )


def _machine(rows: Sequence[dict[str, Any]]) -> str:
    """Where they were taken."""
    places = {
        "a device in virtual time"
        if row["world"] == "virtual"
        else row.get("machine", "a machine that was not noted")
        for row in rows
    }
    return " and ".join(sorted(places))


def alarms_by_rule(stages: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """False alarms of depthprof and, where they were asked, of the peers, on measured worlds."""
    measured = stages[stages.world != "virtual"]
    own = tables.false_alarms(measured, ["condition"]).assign(rule=OWN_RULE)
    lines = []
    file = folder / PEERS_FILE
    if len(own) and file.exists():
        peers = pd.read_csv(file)
        same = peers[(peers.arm != "injected") & (peers.world != "virtual")]
        for (rule, condition), group in same.groupby(["rule", "condition"], sort=False):
            counts = tables.rate(int(group.alarms.sum()), int(group.trials.sum()))
            lines.append({"rule": rule, "condition": condition} | counts)
    return pd.concat([own, pd.DataFrame(lines)], ignore_index=True) if lines else own


def page(
    found: dict[str, pd.DataFrame], alarms: pd.DataFrame, comparisons: int, machine: str
) -> str:
    """The tables as one Markdown page, rates in percent with their 95 % intervals."""
    parts = [
        "# The calibration study\n",
        f"{comparisons} comparisons on {machine}. Intervals are exact (Clopper and Pearson), 95 %."
        f" Where other processes used more than {percent(tables.QUIET_RATIO)} of the cores, quiet"
        " is called disturbed.\n",
        "## The goals\n",
        _goals(found["goals"]),
        "## What was taken\n",
        "Comparisons of one generation were taken with the same rules and injections; each"
        " generation has seeds of its own (scripts/study/cells.py; 0: not counted yet).\n",
        _plain(found["taken"]),
        "## False alarms a stage comparison, identical code\n",
        _rates(found["false_alarms"], ["world", "condition", "arm"], ["inconclusive"]),
        "## The same without `sync`, which is next to nothing on a CPU\n",
        _rates(found["false_alarms_without_sync"], ["world", "condition"], ["inconclusive"]),
        "## Stages left alone in slowed comparisons that are called SLOWER or FASTER\n",
        _rates(found["unslowed"], ["world", "condition"], ["inconclusive"]),
        "## Intervals that hold the truth, a ratio of 1, on identical code (95 % promised)\n",
        _rates(found["coverage"], ["world", "condition"], []),
        "## Comparisons with a false alarm in any stage\n",
        _rates(found["alarmed_comparisons"], ["world", "condition"], []),
        "## Beside the peers\n",
        _rates(alarms, ["rule", "condition"], []),
        "![false alarms](alarms.png)\n",
        "## Power: the slow-downs the goals name\n",
        _rates(found["power_goals"], ["goal", "world", "condition"], ["inconclusive", "same"]),
        "![detection against effect](power.png)\n",
        "## The same by the peers' rules, on the same samples, however long the stage\n",
        _rates(found["peers_power"], ["goal", "rule", "condition"], []),
        "## Attribution: the culprit named is the stage that was slowed\n",
        _rates(found["attribution"], ["world", "condition"], []),
        "## Seconds from the first measured turn to the verdict\n",
        _plain(found["doubled_times"]),
        _plain(found["times"]),
        "![time to the verdict](times.png)\n",
    ]
    return "\n".join(parts)


def _rates(table: pd.DataFrame, by: list[str], more: list[str]) -> str:
    if not len(table):
        return "No data yet.\n"
    head = [*by, "seen", "rate", "95 % interval", *more]
    lines = []
    for row in table.to_dict("records"):
        seen = f"{row['hits']} of {row['trials']}"
        lines.append(
            [*(row[name] for name in by), seen, percent(row["rate"]), _interval(row)]
            + [row[name] for name in more]
        )
    return _markdown(head, lines)


def _goals(table: pd.DataFrame) -> str:
    lines = []
    for row in table.to_dict("records"):
        more = [
            f"{row[name]:.0f} {word}"
            for name, word in (("inconclusive", "inconclusive"), ("same", "SAME"))
            if row.get(name, 0) > 0
        ]
        if row.get("median_s", 0) > 0:
            more.append(f"median {row['median_s']:.2g} s, longest {row['longest_s']:.2g} s")
        seen = f"{row['hits']:,} of {row['trials']:,} ({_interval(row)})"
        lines.append([row["figure"], row["goal"], "; ".join([seen, *more])])
    return _markdown(["figure", "goal", "seen, 95 % interval"], lines)


def _interval(row: dict[str, Any]) -> str:
    return f"{percent(row['low'])} to {percent(row['high'])}"


def _plain(table: pd.DataFrame) -> str:
    if not len(table):
        return "No data yet.\n"
    return _markdown(list(table.columns), [list(row) for row in table.itertuples(index=False)])


def _markdown(head: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    rows: list[Sequence[object]] = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows) + "\n"
