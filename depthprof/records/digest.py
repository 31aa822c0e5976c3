"""A run without its samples: what a gate compares and a history is made of."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from depthprof.errors import BadRunFile
from depthprof.records.codec import side_from
from depthprof.records.judgement import Estimate
from depthprof.records.naming import keep_shown
from depthprof.records.run import Environment, Failure, Picture, Side

DIGEST_SCHEMA = 1
DIGEST_KIND = "baseline"
"""What the file says it is: digests are saved as baselines."""


@dataclass(frozen=True, slots=True)
class Level:
    """One stage (or "total") of one side of a run.

    Attributes:
        side: name of the side, "a" or "b". stage: its name. clock: it is judged by.
        median_ns: over all sound samples of the run, with its interval.
        launches_ns: median of each launch's sound blocks: the unit of evidence between runs.
        spoilt_ratio: the part of its samples that the machine spoilt.
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
        """Most launches any stage of a side stands on."""
        return max((len(level.launches_ns) for level in self.levels_of(side)), default=0)


def encode_digest(digest: Digest) -> str:
    """Write a digest as JSON, indented, for files that are committed."""
    document = {"schema": DIGEST_SCHEMA, "kind": DIGEST_KIND, **asdict(digest)}
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def decode_digest(text: str, name: str) -> Digest:
    """Read what `encode_digest` wrote.

    Raises:
        BadRunFile: not JSON, no digest, or of a newer schema; the sentence carries `name`.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise BadRunFile(f"{name} is not JSON, or was cut short ({error})") from error
    if not isinstance(document, dict) or document.get("kind") != DIGEST_KIND:
        raise BadRunFile(f"{name} is not a depthprof baseline")
    if not isinstance(document.get("schema"), int) or document["schema"] > DIGEST_SCHEMA:
        raise BadRunFile(
            f"{name} has schema {document.get('schema')!r}, this depthprof reads up to"
            f" {DIGEST_SCHEMA}; install a newer depthprof"
        )
    try:
        return digest_from(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadRunFile(
            f"{name} is not a whole depthprof baseline: {type(error).__name__} {error}"
        ) from error


def digest_from(data: Mapping[str, Any]) -> Digest:
    """Make a digest from a plain mapping."""
    return Digest(
        run=data["run"],
        created=data["created"],
        sides=tuple(side_from(side) for side in data["sides"]),
        environment=Environment(**data["environment"]),
        pictures=tuple(Picture(**picture) for picture in data["pictures"]),
        levels=tuple(level_from(level) for level in data["levels"]),
        ended=data["ended"],
        failures=tuple(Failure(**failure) for failure in data["failures"]),
    )


def level_from(data: Mapping[str, Any]) -> Level:
    """Make a level from a plain mapping."""
    return Level(
        side=data["side"],
        stage=data["stage"],
        clock=data["clock"],
        median_ns=Estimate(**data["median_ns"]),
        launches_ns=tuple(float(value) for value in data["launches_ns"]),
        spoilt_ratio=float(data["spoilt_ratio"]),
    )
