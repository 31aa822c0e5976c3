import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from depthprof.errors import BadInput
from depthprof.history.trends import analyse, otava_csv
from depthprof.records import Series
from tests.history.series import BASE_NS, noise, series

STEP = noise(60, 4) + 0.08 * (np.arange(60) >= 40)


def test_a_change_names_its_commit_and_its_size() -> None:
    given = series(STEP)
    (history,) = analyse([given])
    (change,) = history.change_points
    point = given.points[change.index]
    assert abs(change.index - 40) <= 2
    assert (change.commit, change.created) == (point.commit, point.created)
    assert change.previous_commit == given.points[change.index - 1].commit
    assert change.ratio.low < np.exp(0.08) < change.ratio.high
    assert change.ratio.value == pytest.approx(change.after_ns / change.before_ns)
    assert change.before_ns == pytest.approx(BASE_NS, rel=0.02)
    assert change.confidence == 1 - change.p_value >= 0.95
    assert history.code == "changed"
    assert history.text == "1 change of level in 60 runs"


def test_a_drift_names_both_ends() -> None:
    given = series(noise(120) - 0.01 * np.clip(np.arange(120.0) - 50, 0, 20))
    (history,) = analyse([given])
    drift = history.drift
    assert drift is not None
    assert history.change_points == ()
    assert drift.first_commit == given.points[drift.first_index].commit
    assert drift.last_created == given.points[drift.last_index].created
    assert drift.ratio.low < np.exp(-0.2) < drift.ratio.high < 1
    runs = drift.last_index - drift.first_index
    assert drift.point_ratio.value**runs == pytest.approx(drift.ratio.value)
    assert history.text == "a slow drift in 120 runs"


@pytest.mark.parametrize("count", [0, 1, 9])
def test_too_few_points(count: int) -> None:
    (history,) = analyse([series(noise(count))])
    assert history.code == "too_few_points"
    assert history.text == f"too few points: {count}, and nothing can be said of fewer than 10"
    assert history.noise_ratio is None


def test_a_constant_series_is_steady() -> None:
    (history,) = analyse([series(np.zeros(30))])
    assert history.code == "steady"
    assert history.text == "steady over 30 runs, about 5.00 ms with a noise of 0 %"


def test_a_stage_of_no_length() -> None:
    given = series(noise(12))
    points = (replace(given.points[0], median_ns=0.0), *given.points[1:])
    (history,) = analyse([replace(given, points=points)])
    assert history.code == "zero_length"


def test_the_same_commit_again_and_unknown_commits() -> None:
    given = series(STEP)
    same = replace(given, points=tuple(replace(p, commit="abc1234") for p in given.points))
    none = replace(given, points=tuple(replace(p, commit=None) for p in given.points))
    first, second = analyse([same, none])
    assert first.change_points[0].commit == first.change_points[0].previous_commit == "abc1234"
    assert second.change_points[0].commit is None


def with_point(given: Series, place: int, **fields: object) -> Series:
    points = list(given.points)
    points[place] = replace(points[place], **fields)  # type: ignore[arg-type]
    return replace(given, points=tuple(points))


@pytest.mark.parametrize("field", ["median_ns", "low_ns", "high_ns"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_what_is_no_median_is_refused_by_name(field: str, value: float) -> None:
    with pytest.raises(BadInput, match=rf"v2 small 518, forward: {field} of run run-3 is "):
        analyse([with_point(series(noise(20)), 3, **{field: value})])


def test_dates_are_checked() -> None:
    with pytest.raises(BadInput, match="run run-3 was created 'yesterday', which is no ISO 8601"):
        analyse([with_point(series(noise(20)), 3, created="yesterday")])
    with pytest.raises(BadInput, match=r"run run-4 .* comes after run run-3 .* ordered by time"):
        analyse([with_point(series(noise(20)), 3, created="2027-01-01T00:00:00Z")])


@pytest.mark.parametrize("ratio", [0.0, 0.6, float("nan")])
def test_a_senseless_false_alarm_ratio(ratio: float) -> None:
    with pytest.raises(BadInput, match=r"above 0 and at most 0.5"):
        analyse([], ratio)


def test_fewer_false_alarms_are_asked_for() -> None:
    weak = series(noise(60, 6) + 0.022 * (np.arange(60) >= 30))
    (strict,), (lax,) = analyse([weak], 1e-4), analyse([weak], 0.5)
    assert strict.code == "steady"
    assert lax.code == "changed"


def test_the_csv_for_otava() -> None:
    forward, total = series(noise(5)), series(noise(5, 2), "total")
    total = replace(total, points=total.points[:-1])
    rows = list(csv.reader(io.StringIO(otava_csv([forward, total]))))
    assert rows[0] == ["time", "commit", "forward", "total"]
    assert len(rows) == 5  # the last run has no total
    point = forward.points[0]
    assert rows[1][:3] == [point.created, point.commit, repr(point.median_ns)]
    assert float(rows[4][3]) == total.points[3].median_ns


def test_otava_gets_one_machine_and_label_and_each_stage_once() -> None:
    one = series(noise(5))
    with pytest.raises(BadInput, match="one machine and one label"):
        otava_csv([one, replace(one, machine="other")])
    with pytest.raises(BadInput, match="each stage once, but these are forward, forward"):
        otava_csv([one, replace(one, clock="device")])
    assert otava_csv([]) == "time,commit\n"


def test_commits_with_commas_survive_the_csv() -> None:
    odd = with_point(series(noise(3)), 1, commit='a,"b"\n')
    rows = list(csv.reader(io.StringIO(otava_csv([odd]))))
    assert rows[2][1] == 'a,"b"\n'
