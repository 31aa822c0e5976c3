"""A run without its samples: what a gate compares and a history is made of."""

import json
from dataclasses import dataclass

from depthprof.errors import BadRunFile
from depthprof.records.codec import check_schema, explained, made, plain, read_object
from depthprof.records.judgement import Estimate
from depthprof.records.run import Environment, Failure, Picture, Side
from depthprof.units import keep_shown

DIGEST_SCHEMA = 1
DIGEST_KIND = "baseline"
"""The kind that the file states: summaries are saved as baselines."""


@dataclass(frozen=True, slots=True)
class Level:
    """One stage (or "total") of one side of a run.

    Attributes:
        side: name of the side, "a" or "b". stage: its name. clock: it is judged by.
        median_ns: over all undisturbed samples of the run, with its interval.
        launches_ns: median of each process's undisturbed blocks: the unit of evidence between runs.
        spoilt_ratio: the part of its samples that was rejected.
    """

    side: str
    stage: str
    clock: str
    median_ns: Estimate
    launches_ns: tuple[float, ...]
    spoilt_ratio: float = 0.0


@dataclass(frozen=True, slots=True)
class Digest:
    """A run without its samples.

    Attributes:
        run: its identity in the store, or the name of its file.
        created: when it began, ISO 8601, UTC.
        levels: by side and stage, the total last.
        The rest is as in `Run`.
    """

    run: str
    created: str
    sides: tuple[Side, ...]
    environment: Environment
    pictures: tuple[Picture, ...]
    levels: tuple[Level, ...]
    ended: str
    failures: tuple[Failure, ...] = ()

    def __post_init__(self) -> None:
        keep_shown(self, "run")

    def levels_of(self, side: str) -> tuple[Level, ...]:
        """Levels of one side, stages in order."""
        return tuple(level for level in self.levels if level.side == side)

    def launches_of(self, side: str) -> int:
        """Most processes that any stage of a side was measured in."""
        return max((len(level.launches_ns) for level in self.levels_of(side)), default=0)


def encode_digest(digest: Digest) -> str:
    """Write a summary as JSON, indented, for files that are committed."""
    document = {"schema": DIGEST_SCHEMA, "kind": DIGEST_KIND, **plain(digest)}
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def decode_digest(text: str, name: str) -> Digest:
    """Read what `encode_digest` wrote.

    Raises:
        BadRunFile: not JSON, no summary, or of a newer schema; the sentence carries `name`.
    """
    document = read_object(text, name)
    if document.get("kind") != DIGEST_KIND:
        raise BadRunFile(f"{name} is not a depthprof baseline")
    check_schema(document, DIGEST_SCHEMA, name)
    try:
        return made(Digest, document)
    except (KeyError, TypeError, ValueError) as error:
        raise BadRunFile(f"{name} is not a whole depthprof baseline: {explained(error)}") from error
