"""Samples as a tidy table, for whoever wants to look for themselves."""

from pathlib import Path
from typing import TYPE_CHECKING

from depthprof.errors import BadInput, OutputError
from depthprof.records import WARM_UP_TURN, Run
from depthprof.verdict.quality import soundness

if TYPE_CHECKING:
    import pandas


def to_frame(run: Run, name: str | None = None) -> "pandas.DataFrame":
    """Give the samples of a run in long form: a row for each stage of each iteration.

    Columns: run, side ("a", "b"), label, process, pair (-1: warm-up), block, iteration (within the
    block), warm_up, start_ns (of the iteration), stage, host_ns, device_ns (nullable, missing where
    the device has no clock), rejected (by the quality filter; never in a warm-up).

    Args:
        run: to be shown. name: for the column `run`; when it was created if None.
    """
    import numpy as np
    import pandas as pd

    samples = run.samples
    blocks = pd.DataFrame({"process": samples.launch, "pair": samples.turn, "block": samples.block})
    iterations = blocks.assign(
        side=np.asarray([one.name for one in run.sides], dtype=object)[samples.side],
        label=np.asarray([one.label for one in run.sides], dtype=object)[samples.side],
        iteration=blocks.groupby(["process", "pair", "block"]).cumcount(),
        warm_up=samples.turn == WARM_UP_TURN,
        start_ns=samples.start_ns,
    )
    stages = len(samples.stages)
    frame = iterations.loc[iterations.index.repeat(stages)].reset_index(drop=True)
    device = pd.array([pd.NA] * len(frame), dtype="Int64")
    if samples.device_ns is not None:
        device = pd.array(samples.device_ns.ravel(), dtype="Int64")
        device[samples.device_ns.ravel() < 0] = pd.NA
    quality = soundness(run)
    rejected = np.zeros((len(samples), stages), dtype=bool)
    rejected[quality.index] = quality.rejected[:, :stages]
    frame = frame.assign(
        run=run.created if name is None else name,
        stage=np.tile(np.asarray(samples.stages, dtype=object), len(samples)),
        host_ns=samples.host_ns.ravel(),
        device_ns=device,
        rejected=rejected.ravel(),
    )
    first = ["run", "side", "label", "process", "pair", "block", "iteration", "warm_up", "start_ns"]
    return frame[[*first, "stage", "host_ns", "device_ns", "rejected"]]


def samples_frame(run: Run) -> "pandas.DataFrame":
    """As `to_frame`, by the columns' earlier names: launch, turn; without run, iteration, rejected.

    Columns: launch, turn, block, side ("a", "b"), label, warm_up, start_ns, stage, host_ns,
    device_ns (nullable integer, missing where the device has no clock).
    """
    frame = to_frame(run).rename(columns={"process": "launch", "pair": "turn"})
    first = ["launch", "turn", "block", "side", "label", "warm_up", "start_ns"]
    return frame[[*first, "stage", "host_ns", "device_ns"]]


def write_parquet(run: Run, name: str, file: Path) -> None:
    """Write `to_frame` as a Parquet file.

    Raises:
        BadInput: pyarrow is not installed.
        OutputError: the file cannot be written.
    """
    try:
        import pyarrow  # noqa: F401
    except ModuleNotFoundError:
        raise BadInput(
            'parquet needs pyarrow, which is not installed: run pip install "depthprof[parquet]",'
            " or take --format csv"
        ) from None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        to_frame(run, name).to_parquet(file, engine="pyarrow", index=False)
    except OSError as error:
        raise OutputError(f"could not write {file}: {error.strerror or error}") from error
