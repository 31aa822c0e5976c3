from random import Random

import numpy as np
import torch

from scripts.study.layouts import Layout, components


class Owner:
    def __init__(self) -> None:
        self.network = torch.nn.Sequential(torch.nn.Linear(40, 30), torch.nn.BatchNorm1d(30))
        self.buffer = np.random.default_rng(0).random((3, 4))
        self.shared = self.buffer
        self.view = self.buffer[1:]
        self.name = "kept"


def test_a_new_layout_moves_everything_and_changes_no_value() -> None:
    owner, pictures = Owner(), [np.ones((4, 5, 3), np.uint8)]
    owner.network.eval()
    asked = torch.ones(2, 40)
    before = owner.network(asked)
    places = [held.data_ptr() for held in owner.network.parameters()]
    old_buffer, old_picture = owner.buffer, pictures[0]
    Layout(Random(1)).renew([owner, pictures])
    assert torch.allclose(owner.network(asked), before)
    assert all(
        held.data_ptr() != place
        for held, place in zip(owner.network.parameters(), places, strict=True)
    )
    assert owner.buffer is not old_buffer
    assert pictures[0] is not old_picture
    assert np.array_equal(owner.buffer, old_buffer)


def test_what_two_names_share_stays_shared_and_views_stay() -> None:
    owner = Owner()
    view = owner.view
    Layout(Random(2)).renew([owner])
    assert owner.shared is owner.buffer
    assert owner.view is view


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
