from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scripts.study import history, history_null
from scripts.study.history_limit import likeliest_place, likeliest_place_alone
from scripts.study.history_series import NOISE_RATIO, NOISES, TRUTHS, step_of


@pytest.mark.parametrize("name", NOISES)
def test_noises_are_as_wide_as_they_say(name: str) -> None:
    drawn = NOISES[name](np.random.default_rng(1), 200_000)
    assert np.std(drawn) == pytest.approx(NOISE_RATIO, rel=0.08)
    neighbours = np.corrcoef(drawn[1:], drawn[:-1])[0, 1]
    assert neighbours == pytest.approx(0.5 if name == "autocorrelated" else 0.0, abs=0.02)


@pytest.mark.parametrize("name", NOISES)
def test_who_knows_everything_places_a_clear_step(name: str) -> None:
    random = np.random.default_rng(2)
    truth = step_of(0.5)(random)
    values = truth.logs + NOISES[name](random, len(truth.logs))
    assert abs(likeliest_place(values, 0.0, float(truth.logs[-1]), name) - truth.changes[0]) <= 2
    if name != "heavy-tailed":
        assert abs(likeliest_place_alone(values, name) - truth.changes[0]) <= 2


def test_the_study_writes_its_tables_and_is_right_in_the_clear(tmp_path: Path) -> None:
    assert history.main([str(tmp_path), "--series", "6"]) == 0
    goals = pd.read_csv(tmp_path / "goals.csv")
    assert len(goals) == len(NOISES) * len(TRUTHS)
    changed = goals[goals.truth != "steady"].changed
    assert (changed > 0.8).all()
    assert {p.name for p in tmp_path.iterdir()} == {
        "alarms.csv",
        "goals.csv",
        "limits.csv",
        "sizes.csv",
        "sizes.png",
    }


def test_the_table_of_chances_is_made_from_its_seed() -> None:
    once, again = (history_null.strengths(20, 50) for _ in range(2))
    assert (once == again).all()
    assert 1.8 < np.median(once) < 2.8
