"""Medians of one stage over runs and commits, and where they changed."""

from dataclasses import dataclass

from depthprof.records.judgement import Estimate

WITH_CHANGES = "+"
"""Ends the name of a commit whose folder had changes that no commit holds."""


@dataclass(frozen=True, slots=True)
class Point:
    """One run's median of one stage.

    Attributes:
        run: name of the run. created: when, ISO 8601, UTC. commit: what was measured, if known,
            with WITH_CHANGES after it where that was not quite it.
        median_ns: the median; low_ns, high_ns: its interval.
    """

    run: str
    created: str
    commit: str | None
    median_ns: float
    low_ns: float
    high_ns: float


@dataclass(frozen=True, slots=True)
class Series:
    """Medians of one stage over time, on one machine.

    Attributes:
        machine: its name or fingerprint. label: side and workload in words ("v2 small 518").
        stage: the stage. clock: the clock that timed it.
        points: one a run, ordered by time.
    """

    machine: str
    label: str
    stage: str
    clock: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """A step from one level to another that lasted.

    Attributes:
        index: first point at the new level.
        commit, created: that point's; previous_commit: the one of the point before it.
        before_ns, after_ns: the levels.
        ratio: after / before, with its interval.
        p_value: chance that the strongest step of a steady series is as strong.
        confidence: 1 - p_value.
        earliest_index, latest_index: the step lies between them with 95 %; -1 where not told.
    """

    index: int
    commit: str | None
    previous_commit: str | None
    created: str
    before_ns: float
    after_ns: float
    ratio: Estimate
    p_value: float
    confidence: float
    earliest_index: int = -1
    latest_index: int = -1


@dataclass(frozen=True, slots=True)
class Drift:
    """A slow steady change over many points.

    Attributes:
        first_index, last_index: last point of the old level, first of the new one.
        first_commit, last_commit, first_created, last_created: those points'.
        before_ns, after_ns: the levels.
        point_ratio: change from one point to the next; ratio: change in all.
        p_value: chance that a steady series looks as unsteady; confidence: 1 - p_value.
    """

    first_index: int
    last_index: int
    first_commit: str | None
    last_commit: str | None
    first_created: str
    last_created: str
    before_ns: float
    after_ns: float
    point_ratio: Estimate
    ratio: Estimate
    p_value: float
    confidence: float


@dataclass(frozen=True, slots=True)
class SeriesHistory:
    """A series and what became of it.

    Attributes:
        series: as given.
        change_points: steps, in order. drift: a slow change, if there is one.
        code: "steady", "changed", or why nothing could be said: "too_few_points", "zero_length".
        text: the same as a sentence.
        noise_ratio: robust standard deviation of a point about its level, relative.
        persistence: share of a deviation that the next point keeps.
        gaps: what later or earlier runs of the same machine do not have of it, a sentence each.
    """

    series: Series
    change_points: tuple[ChangePoint, ...]
    drift: Drift | None
    code: str
    text: str
    noise_ratio: float | None = None
    persistence: float | None = None
    gaps: tuple[str, ...] = ()
