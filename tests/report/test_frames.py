"""Samples as tables: in Python, and as `runs export` writes them."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import depthprof
from depthprof.cli.main import main
from depthprof.records import STAGES, Interruptions
from depthprof.report.frames import samples_frame, to_frame
from depthprof.storage.database import open_store
from tests.report.test_reports import CASES
from tests.runs import simulated
from tests.storage.database.stores import add, judged_at

COLUMNS = [
    "run",
    "side",
    "label",
    "process",
    "pair",
    "block",
    "iteration",
    "warm_up",
    "start_ns",
    "stage",
    "host_ns",
    "device_ns",
    "rejected",
]


def test_samples_as_a_frame_add_up() -> None:
    run = CASES["device"].run
    frame = depthprof.to_frame(run, "mine")
    assert list(frame) == COLUMNS
    assert list(frame.stage[:7]) == list(STAGES)
    assert (set(frame.side), set(frame.run)) == ({"a", "b"}, {"mine"})
    assert frame.host_ns.sum() == run.samples.host_ns.sum()
    assert frame.device_ns.notna().all()
    assert not frame.rejected.any()
    assert to_frame(CASES["same"].run).device_ns.isna().all()


def test_iterations_are_counted_within_their_block() -> None:
    frame = to_frame(simulated(turns=2, launches=2, iterations=3))
    one = frame[frame.stage == "forward"].groupby(["process", "pair", "block"]).iteration
    assert one.apply(list).map(lambda numbers: numbers == [0, 1, 2]).all()


def test_what_the_filter_rejects_is_marked() -> None:
    run = simulated(turns=2, launches=1)
    count = len(run.samples)
    none = np.zeros((count, len(STAGES)), dtype=np.int64)
    forced = none.copy()
    forced[1, 2] = 1
    seen = Interruptions(forced.sum(axis=1), none[:, 0], none, forced, none)
    frame = to_frame(replace(run, samples=replace(run.samples, interruptions=seen)))
    assert list(frame.index[frame.rejected]) == [len(STAGES) + 2]


def test_earlier_column_names_are_kept() -> None:
    assert list(samples_frame(CASES["same"].run)) == (
        [
            "launch",
            "turn",
            "block",
            "side",
            "label",
            "warm_up",
            "start_ns",
            "stage",
            "host_ns",
            "device_ns",
        ]
    )


def test_a_run_is_exported_as_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    judged = judged_at(0)
    place = str(tmp_path / "store.db")
    with open_store(place) as store:
        name = add(store, judged)
    export = ["runs", "export", name, "--out", str(tmp_path), "--store", place, "--format"]
    expected = to_frame(judged.run, name)
    assert main([*export, "csv"]) == 0
    found = pd.read_csv(tmp_path / f"{name}.csv", dtype={"run": str, "device_ns": "Int64"})
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    pytest.importorskip("pyarrow")
    assert main([*export, "parquet"]) == 0
    found = pd.read_parquet(tmp_path / f"{name}.parquet")
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    capsys.readouterr()
    assert main([*export, "parquet"]) == 2
    assert 'pip install "depthprof[parquet]"' in capsys.readouterr().err
