"""Samples as a tidy table, for whoever wants to look for themselves."""

from typing import TYPE_CHECKING

from depthprof.records import WARM_UP_TURN, Run

if TYPE_CHECKING:
    import pandas


def samples_frame(run: Run) -> "pandas.DataFrame":
    """Give every span of a run as a row of a pandas DataFrame.

    Columns: launch, turn, block, side ("a", "b"), label, warm_up, start_ns, stage, host_ns,
    device_ns (nullable integer, missing where the device has no clock).
    """
    import numpy as np
    import pandas as pd

    samples = run.samples
    stages = len(samples.stages)
    table = {
        name: np.repeat(getattr(samples, name), stages)
        for name in ("launch", "turn", "block", "start_ns")
    }
    side = np.repeat(samples.side, stages)
    device = pd.array([pd.NA] * len(side), dtype="Int64")
    if samples.device_ns is not None:
        device = pd.array(samples.device_ns.ravel(), dtype="Int64")
        device[samples.device_ns.ravel() < 0] = pd.NA
    return pd.DataFrame(
        {
            "launch": table["launch"],
            "turn": table["turn"],
            "block": table["block"],
            "side": np.asarray([one.name for one in run.sides], dtype=object)[side],
            "label": np.asarray([one.label for one in run.sides], dtype=object)[side],
            "warm_up": table["turn"] == WARM_UP_TURN,
            "start_ns": table["start_ns"],
            "stage": np.tile(np.asarray(samples.stages, dtype=object), len(samples)),
            "host_ns": samples.host_ns.ravel(),
            "device_ns": device,
        }
    )
