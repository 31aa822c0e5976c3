import numpy as np

from scripts.study.layouts import components


def test_components_are_those_that_were_simulated() -> None:
    drawn = np.random.default_rng(3)
    shape = (60, 40, 5)
    ratios = (
        drawn.normal(0, 0.03, (shape[0], 1, 1))
        + drawn.normal(0, 0.05, (*shape[:2], 1))
        + drawn.normal(0, 0.10, shape)
    )
    found = components(ratios)
    assert abs(found["pair_sd"] - 0.10) < 0.005
    assert abs(found["layout_sd"] - 0.05) < 0.005
    assert abs(found["process_sd"] - 0.03) < 0.012
    assert found["f_process"] > found["f_process_5"]


def test_without_layouts_or_processes_their_components_are_none() -> None:
    found = components(np.random.default_rng(4).normal(0, 0.1, (30, 30, 4)))
    assert found["layout_sd"] < 0.015
    assert found["process_sd"] < 0.01
