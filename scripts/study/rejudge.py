"""The kept samples of the study, judged as the peers would judge them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from depthprof.records import STAGES, TOTAL
from scripts.study.peers import RULES, Data, Outcome, judge_by


def rejudge(rows: Sequence[dict[str, Any]], samples: Path) -> pd.DataFrame:
    """Ask every rule of every comparison whose samples were kept.

    Returns:
        One line a rule, world, condition, arm, slowed stage and size: `alarms` of `trials`. On
        identical code trials are all stages and the whole; on slowed code the slowed stage alone.
        Comparisons that a rule cannot judge are counted as `no_data`, not as trials.
    """
    counts: dict[tuple[Any, ...], list[int]] = {}
    for row in rows:
        file = samples / f"{row['name'].replace('/', '_')}.npz"
        if not file.exists():
            continue
        for data in _stages(file, row["injected"]):
            for rule in RULES:
                where = (rule, row["world"], row["condition"], row["arm"])
                key = (*where, row["injected"] or "", row["added_ratio"] or 0.0)
                count = counts.setdefault(key, [0, 0, 0])
                found = judge_by(rule, data)
                count[0] += found is Outcome.SLOWER
                count[1] += found is not Outcome.NO_DATA
                count[2] += found is Outcome.NO_DATA
    names = ("rule", "world", "condition", "arm", "injected", "added_ratio")
    return pd.DataFrame(
        [
            dict(zip(names, key, strict=True))
            | dict(zip(("alarms", "trials", "no_data"), count, strict=True))
            for key, count in counts.items()
        ]
    )


def _stages(file: Path, only: str | None) -> Iterator[Data]:
    """Every stage of a comparison, or the slowed one, as the peers are given it."""
    with np.load(file) as kept:
        host_ns = kept["host_ns"].astype(np.float64)
        side, launch, turn = kept["side"], kept["launch"], kept["turn"]
    whole = np.hstack([host_ns, host_ns.sum(axis=1, keepdims=True)])
    blocks = (launch.astype(np.int64) << 32) + turn
    for column, stage in enumerate((*STAGES, TOTAL)):
        if only in (None, stage):
            values = whole[:, column]
            yield Data(
                values[side == 0],
                values[side == 1],
                _block_medians(values[side == 0], blocks[side == 0]),
                _block_medians(values[side == 1], blocks[side == 1]),
            )


def _block_medians(values: "np.ndarray[Any, Any]", blocks: "np.ndarray[Any, Any]") -> Any:
    return pd.Series(values).groupby(blocks, sort=False).median().to_numpy()
