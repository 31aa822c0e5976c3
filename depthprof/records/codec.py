"""Runs to JSON and back, without loss. The layout is documented in docs/run-file.md."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthprof.errors import BadRunFile
from depthprof.records.calibration import calibration_from
from depthprof.records.conditions import BlockConditions, Interruptions
from depthprof.records.judgement import Policy
from depthprof.records.limits import limits_from
from depthprof.records.observed import observed_from
from depthprof.records.run import (
    RUN_SCHEMA,
    Environment,
    Failure,
    Launch,
    LeftOut,
    Picture,
    Run,
    Samples,
    Side,
    Weights,
)
from depthprof.records.telemetry import telemetry_document, telemetry_from
from depthprof.records.workload import workload_from

_FIELDS = fields(BlockConditions)
_COLUMNS = ("launch", "turn", "block", "side", "start_ns")


def encode(run: Run, policy: Policy) -> str:
    """Write a run, and the policy it was judged by, as one line of JSON."""
    document = {name: getattr(run, name) for name in _plain_fields()}
    document["sides"] = [asdict(side) for side in run.sides]
    document["environment"] = asdict(run.environment)
    document["pictures"] = [asdict(picture) for picture in run.pictures]
    document["left_out"] = [asdict(one) for one in run.left_out]
    document["launches"] = [asdict(launch) for launch in run.launches]
    document["failures"] = [asdict(failure) for failure in run.failures]
    document["samples"] = _encode_samples(run.samples)
    document["conditions"] = None if run.conditions is None else _lists(run.conditions)
    document["limits"] = None if run.limits is None else asdict(run.limits)
    telemetry = run.telemetry
    document["telemetry"] = None if telemetry is None else telemetry_document(telemetry)
    document["policy"] = asdict(policy)
    return json.dumps(document, separators=(",", ":"), allow_nan=False)


def decode(text: str, name: str = "the run") -> tuple[Run, Policy]:
    """Read what `encode` wrote.

    Raises:
        BadRunFile: not JSON, not a run, or of a newer schema; the sentence carries `name`.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise BadRunFile(f"{name} is not JSON, or was cut short ({error})") from error
    if not isinstance(document, dict) or not isinstance(document.get("schema"), int):
        raise BadRunFile(f'{name} is JSON but not a depthprof run: it has no number "schema"')
    if document["schema"] > RUN_SCHEMA:
        raise BadRunFile(
            f"{name} has schema {document['schema']}, this depthprof reads up to {RUN_SCHEMA};"
            " install a newer depthprof"
        )
    try:
        return _decode(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadRunFile(
            f"{name} is not a whole depthprof run: {type(error).__name__} {error}"
        ) from error


def _decode(document: Mapping[str, Any]) -> tuple[Run, Policy]:
    known = {"may_grow": True, **document}  # told from schema 5 on
    plain = {name: known[name] for name in _plain_fields()}
    limits, telemetry = document.get("limits"), document.get("telemetry")  # from schema 4 on
    run = Run(
        sides=tuple(side_from(side) for side in document["sides"]),
        environment=Environment(**document["environment"]),
        pictures=tuple(Picture(**picture) for picture in document["pictures"]),
        left_out=tuple(LeftOut(**one) for one in document.get("left_out", ())),
        launches=tuple(_launch(launch) for launch in document["launches"]),
        failures=tuple(Failure(**failure) for failure in document["failures"]),
        samples=_decode_samples(document["samples"]),
        conditions=_conditions(document.get("conditions")),  # schema 1 has none
        limits=None if limits is None else limits_from(limits),
        telemetry=None if telemetry is None else telemetry_from(telemetry),
        **plain,
    )
    if len(run.sides) not in (1, 2):
        raise ValueError(f"it has {len(run.sides)} sides, where one or two are expected")
    return run, _policy(document["policy"])


def _policy(data: Mapping[str, Any]) -> Policy:
    known = data.get("calibration")
    calibration = None if known is None else calibration_from(known)
    return Policy(
        **{
            **data,
            "fail_on": tuple(data["fail_on"]),
            "calibration": calibration,
            "stage_ratios": tuple((name, ratio) for name, ratio in data.get("stage_ratios", ())),
        }
    )


def _plain_fields() -> tuple[str, ...]:
    nested = {
        *("sides", "environment", "pictures", "launches", "failures", "samples", "conditions"),
        *("limits", "telemetry", "left_out"),
    }
    return tuple(name for name in Run.__dataclass_fields__ if name not in nested)


def side_from(data: Mapping[str, Any]) -> Side:
    """Make a Side from a plain mapping, as a saved run has it."""
    weights, observed = data["weights"], data.get("observed")
    return Side(
        **{
            **data,
            "workload": workload_from(data["workload"]),
            "weights": None if weights is None else Weights(**weights),
            "input_shapes": tuple(tuple(shape) for shape in data["input_shapes"]),
            "notes": tuple(data["notes"]),
            "observed": None if observed is None else observed_from(observed),
        }
    )


def _launch(data: Mapping[str, Any]) -> Launch:
    return Launch(
        **{
            **data,
            "padding_bytes": tuple(data["padding_bytes"]),
            "warm_up_iterations": tuple(data["warm_up_iterations"]),
        }
    )


def _encode_samples(samples: Samples) -> dict[str, Any]:
    document: dict[str, Any] = {name: getattr(samples, name).tolist() for name in _COLUMNS}
    document["stages"] = list(samples.stages)
    for name in ("host_ns", "device_ns"):
        matrix = getattr(samples, name)
        document[name] = None if matrix is None else matrix.T.tolist()
    known = samples.interruptions
    document["interruptions"] = None if known is None else _lists(known)
    return document


def _lists(columns: Interruptions | BlockConditions) -> dict[str, Any]:
    """Columns and matrices as lists, a matrix column by column."""
    return {field.name: getattr(columns, field.name).T.tolist() for field in fields(columns)}


def _conditions(document: Mapping[str, Any] | None) -> BlockConditions | None:
    if document is None:
        return None
    columns = {field.name: _integers(document[field.name], field.name) for field in _FIELDS}
    if len({len(column) for column in columns.values()}) > 1:
        raise ValueError("its columns of conditions have unlike lengths")
    return BlockConditions(**columns)


def _interruptions(
    document: Mapping[str, Any] | None, stages: int, count: int
) -> Interruptions | None:
    if document is None:
        return None
    columns = {name: _integers(document[name], name) for name in ("involuntary", "voluntary")}
    if any(len(column) != count for column in columns.values()):
        raise ValueError("its columns of interruptions have unlike lengths")
    names = ("stage_cpu_ns", "stage_involuntary", "stage_voluntary")
    return Interruptions(
        **columns, **{name: _matrix(document[name], name, stages, count) for name in names}
    )


def _decode_samples(document: Mapping[str, Any]) -> Samples:
    stages = tuple(document["stages"])
    columns = {name: _integers(document[name], name) for name in _COLUMNS}
    count = len(columns["side"])
    if any(len(column) != count for column in columns.values()):
        raise ValueError("its sample columns have unlike lengths")
    device = document["device_ns"]
    return Samples(
        **columns,
        host_ns=_matrix(document["host_ns"], "host_ns", len(stages), count),
        device_ns=None if device is None else _matrix(device, "device_ns", len(stages), count),
        stages=stages,
        interruptions=_interruptions(document.get("interruptions"), len(stages), count),
    )


def _integers(values: list[int], name: str) -> NDArray[np.int64]:
    column = np.asarray(values, dtype=np.int64 if not values else None)
    if column.dtype != np.int64 or column.ndim != 1:
        raise ValueError(f"its column {name} does not hold whole numbers only")
    column.flags.writeable = False
    return column


def _matrix(values: list[list[int]], name: str, stages: int, count: int) -> NDArray[np.int64]:
    matrix = np.asarray(values, dtype=np.int64 if not count else None).reshape(len(values), -1).T
    if matrix.shape != (count, stages) or matrix.dtype != np.int64:
        raise ValueError(f"its {name} is not {stages} columns of {count} whole numbers")
    matrix.flags.writeable = False
    return matrix
