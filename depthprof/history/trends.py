"""Medians over runs and commits to what became of them: steps, drifts, or why nothing is said."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from statistics import NormalDist

import numpy as np

from depthprof.errors import BadInput
from depthprof.history import FEWEST_POINTS, Change, Noise, Ramp, levels
from depthprof.records import ChangePoint, Drift, Estimate, Point, Series, SeriesHistory
from depthprof.units import duration, percent

CONFIDENCE = 0.95
"""Of the interval of each ratio."""

ROUNDING_RATIO = 1e-9
"""Deviations below this are no noise."""


def analyse(
    series: Sequence[Series],
    false_alarm_ratio: float = 0.05,
    among: Sequence[Series] | None = None,
) -> tuple[SeriesHistory, ...]:
    """Find where each series changed, by steps or slowly, and where it begins late or ends early.

    Args:
        series: medians, each series ordered by time.
        false_alarm_ratio: chance allowed, by series, that a steady one seems to have changed.
        among: all series that are known, where `series` are some of them: which runs there were.

    Raises:
        BadInput: a median that is no number or negative, a date that is none, points out of
            order, or a ratio outside 0 to 0.5; the sentence names the run.
    """
    if not 0 < false_alarm_ratio <= 0.5:
        raise BadInput(
            f"false_alarm_ratio is {false_alarm_ratio!r}, but must be above 0 and at most 0.5"
        )
    for one in series:
        _check(one)
    everything = series if among is None else among
    last = {(one.machine, one.label): one for one in series}.values()
    return tuple(
        replace(
            _history(one, false_alarm_ratio),
            gaps=(
                *_gaps(one, everything),
                *(_side_gap(one, everything) if any(one is end for end in last) else ()),
            ),
        )
        for one in series
    )


def otava_csv(series: Sequence[Series]) -> str:
    """Write series of one machine and label as CSV for Apache Otava.

    Columns: time, commit, one a stage, in nanoseconds. Otava (https://otava.apache.org) reads it
    as a test of type csv with `time_column: time` and `attributes: [commit]`. Runs that lack one
    of the stages are left out, because Otava refuses an empty cell.

    Raises:
        BadInput: the series are of several machines, labels or clocks of one stage.
    """
    if len({(one.machine, one.label) for one in series}) > 1:
        raise BadInput("a file for Otava holds one machine and one label: write one file for each")
    stages = [one.stage for one in series]
    if len(set(stages)) < len(stages):
        raise BadInput(f"a file for Otava holds each stage once, but these are {', '.join(stages)}")
    cells = {(point.run, one.stage): point.median_ns for one in series for point in one.points}
    runs = {point.run: point for one in series for point in one.points}
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["time", "commit", *stages])
    for point in sorted(runs.values(), key=_instant):
        medians = [cells.get((point.run, stage)) for stage in stages]
        if None not in medians:
            writer.writerow([point.created, point.commit or "", *map(repr, medians)])
    return buffer.getvalue()


def _check(series: Series) -> None:
    where = f"{series.label}, {series.stage}"
    for point in series.points:
        for name in ("median_ns", "low_ns", "high_ns"):
            value = getattr(point, name)
            if not (math.isfinite(value) and value >= 0):
                raise BadInput(
                    f"{where}: {name} of run {point.run} is {value!r}, but must be a number, 0 or"
                    " more; leave the run out"
                )
    times = [_time(point, where) for point in series.points]
    for (earlier, first), (later, second) in pairwise(zip(times, series.points, strict=True)):
        if later < earlier:
            raise BadInput(
                f"{where}: run {second.run} ({second.created}) comes after run {first.run}"
                f" ({first.created}), but points must be ordered by time"
            )


def _time(point: Point, where: str) -> datetime:
    try:
        return _instant(point)
    except ValueError as error:
        raise BadInput(
            f"{where}: run {point.run} was created {point.created!r}, which is no ISO 8601 date"
        ) from error


def _instant(point: Point) -> datetime:
    time = datetime.fromisoformat(point.created)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _history(series: Series, false_alarm_ratio: float) -> SeriesHistory:
    count = len(series.points)
    if count < FEWEST_POINTS:
        text = f"too few points: {count}, and nothing can be said of fewer than {FEWEST_POINTS}"
        return SeriesHistory(series, (), None, "too_few_points", text)
    medians = np.array([point.median_ns for point in series.points])
    if not (medians > 0).all():
        text = "a median is 0: a stage of no length has no ratio"
        return SeriesHistory(series, (), None, "zero_length", text)
    found = levels(np.log(medians), false_alarm_ratio)
    changes = tuple(_change_point(series, change) for change in found.changes)
    drift = None if found.ramp is None else _drift(series, found.ramp, found.ramp_chance)
    noise_ratio = _noise_ratio(found.noise)
    code = "changed" if changes or drift else "steady"
    length_ns = float(np.median(medians))
    text = _sentence(changes, drift, count, length_ns, noise_ratio)
    return SeriesHistory(series, changes, drift, code, text, noise_ratio, found.noise.persistence)


def _gaps(one: Series, among: Sequence[Series]) -> tuple[str, ...]:
    """Say where a stage begins after the first run of its side, or ends before the newest one."""
    if not one.points:
        return ()
    side = [other for other in among if (other.machine, other.label) == (one.machine, one.label)]
    known = _runs(other for other in side if other.stage == one.stage)  # by whatever clock
    others = [point for run, point in _runs(side).items() if run not in known]
    first, last = one.points[0], one.points[-1]
    before = sum(_instant(point) < _instant(first) for point in others)
    after = sum(_instant(point) > _instant(last) for point in others)
    lines = []
    if before:
        lines.append(f"begins {first.created[:10]}: {_lacking(before, 'earlier')}")
    if after:
        lines.append(f"ends {last.created[:10]}: {_lacking(after, 'later')}")
    return tuple(lines)


def _side_gap(one: Series, among: Sequence[Series]) -> tuple[str, ...]:
    """Say that a side is not in the newest runs of its machine."""
    machine = [other for other in among if other.machine == one.machine]
    own = _runs(other for other in machine if other.label == one.label)
    if not own:
        return ()
    newest = max(own.values(), key=_instant)
    after = sum(_instant(point) > _instant(newest) for point in _runs(machine).values())
    if not after:
        return ()
    runs = "run" if after == 1 else f"{after} runs"
    day = newest.created[:10]
    return (f"{one.label} ends {day}: it is not in the newest {runs} of this machine",)


def _runs(series: Iterable[Series]) -> dict[str, Point]:
    """A point of every run, by run."""
    return {point.run: point for one in series for point in one.points}


def _lacking(count: int, when: str) -> str:
    return f"1 {when} run lacks it" if count == 1 else f"{count} {when} runs lack it"


def _noise_ratio(noise: Noise) -> float:
    """Robust standard deviation of a point about its level; 0 where only rounding is left."""
    ratio = noise.deviation / math.sqrt(1 - noise.persistence**2)
    return ratio if ratio > ROUNDING_RATIO else 0.0


def _change_point(series: Series, change: Change) -> ChangePoint:
    place = change.place
    point, last = series.points[place.index], series.points[place.index - 1]
    return ChangePoint(
        index=place.index,
        commit=point.commit,
        previous_commit=last.commit,
        created=point.created,
        before_ns=math.exp(change.before),
        after_ns=math.exp(change.after),
        ratio=_ratio(change.after - change.before, change.deviation),
        p_value=change.chance,
        confidence=1 - change.chance,
        earliest_index=place.earliest,
        latest_index=place.latest,
    )


def _drift(series: Series, ramp: Ramp, chance: float) -> Drift:
    first, last = series.points[ramp.first], series.points[ramp.last]
    runs = ramp.last - ramp.first
    return Drift(
        first_index=ramp.first,
        last_index=ramp.last,
        first_commit=first.commit,
        last_commit=last.commit,
        first_created=first.created,
        last_created=last.created,
        before_ns=math.exp(ramp.before),
        after_ns=math.exp(ramp.before + ramp.rise),
        point_ratio=_ratio(ramp.rise / runs, ramp.deviation / runs),
        ratio=_ratio(ramp.rise, ramp.deviation),
        p_value=chance,
        confidence=1 - chance,
    )


def _ratio(difference: float, deviation: float) -> Estimate:
    """Ratio of a difference of logarithms, with its normal interval."""
    reach = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2) * deviation
    low, high = math.exp(difference - reach), math.exp(difference + reach)
    return Estimate(math.exp(difference), low, high, CONFIDENCE)


def _sentence(
    changes: Sequence[ChangePoint],
    drift: Drift | None,
    count: int,
    length_ns: float,
    noise_ratio: float,
) -> str:
    words = [f"{len(changes)} change{'s' * (len(changes) != 1)} of level"] if changes else []
    words += ["a slow drift"] if drift else []
    if words:
        return f"{' and '.join(words)} in {count} runs"
    noise = percent(noise_ratio)
    return f"steady over {count} runs, about {duration(length_ns)} with a noise of {noise}"
