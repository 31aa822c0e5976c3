"""Records to JSON and back, without loss. The layout of a run is documented in docs/run-file.md.

Nothing that measures imports msgspec: it checks what was read from a file.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from depthprof.errors import BadRunFile
from depthprof.records.judgement import Policy
from depthprof.records.run import RUN_SCHEMA, Run, Samples
from depthprof.records.telemetry import Interruptions

Record = TypeVar("Record")

_NESTED = (
    *("sides", "environment", "pictures", "left_out", "launches", "failures", "samples"),
    *("conditions", "limits", "telemetry"),
)
_MATRICES = ("host_ns", "device_ns", "stage_cpu_ns", "stage_involuntary", "stage_voluntary")
_ARRAYS = ("stages", "host_ns", "device_ns", "interruptions")
"""The last keys of a run and of its samples; the store names a run by its text, order included."""


def encode(run: Run, policy: Policy) -> str:
    """Write a run, and the policy it was judged by, as one line of JSON."""
    document = plain(run)
    document["samples"] = _with_last(document["samples"], _ARRAYS)
    if document["telemetry"] is not None:
        document["telemetry"] = _with_last(document["telemetry"], ("columns",))
    document = _with_last(document, _NESTED) | {"policy": plain(policy)}
    return json.dumps(document, separators=(",", ":"), allow_nan=False)


def decode(text: str, name: str = "the run") -> tuple[Run, Policy]:
    """Read what `encode` wrote.

    Raises:
        BadRunFile: not JSON, not a run, or of a newer schema; the sentence carries `name`.
    """
    document = read_object(text, name)
    if not isinstance(document.get("schema"), int):
        raise BadRunFile(f'{name} is JSON but not a depthprof run: it has no number "schema"')
    check_schema(document, RUN_SCHEMA, name)
    try:
        run = made(Run, document)
        _check_shapes(run)
        if "fail_on" not in document["policy"]:
            raise ValueError("policy: fail_on is missing")
        return run, made(Policy, document["policy"], "policy")
    except (KeyError, TypeError, ValueError) as error:
        raise BadRunFile(f"{name} is not a whole depthprof run: {explained(error)}") from error


def read_object(text: str, name: str) -> dict[str, Any]:
    """Read the JSON object that a file holds; any other JSON is an empty one.

    Raises:
        BadRunFile: not JSON; the sentence carries `name`.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRunFile(f"{name} is not JSON, or was cut short ({error})") from error
    return document if isinstance(document, dict) else {}


def check_schema(document: Mapping[str, Any], newest: int, name: str) -> None:
    """Refuse a file of a newer depthprof.

    Raises:
        BadRunFile: its schema is above `newest`, or no number.
    """
    schema = document.get("schema")
    if not isinstance(schema, int) or schema > newest:
        raise BadRunFile(
            f"{name} has schema {schema!r}, this depthprof reads up to {newest};"
            " install a newer depthprof"
        )


def plain(value: Any) -> Any:
    """Turn a record into what JSON can hold; a matrix [n, m] becomes m columns of length n.

    A whole number in a field of floats becomes a float, as it is read back, so that a run has one
    text and one identity.
    """
    return _plain(value, type(value))


def _plain(value: Any, kind: Any) -> Any:
    if is_dataclass(value):
        hints = _hints(value.__class__)
        return {
            field.name: _plain(getattr(value, field.name), hints[field.name])
            for field in fields(value)
        }
    if isinstance(value, np.ndarray):
        return value.T.tolist()
    kind = _without_none(kind)
    if isinstance(value, tuple):
        return [_plain(one, each) for one, each in zip(value, _of_items(kind, value), strict=True)]
    return float(value) if kind is float and value is not None else value


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _without_none(kind: Any) -> Any:
    if get_origin(kind) is not UnionType:
        return kind
    return next(one for one in get_args(kind) if one is not NoneType)


def _of_items(kind: Any, values: Sequence[Any]) -> Sequence[Any]:
    """Kinds of a tuple's items, from the annotation of the tuple."""
    inner = get_args(kind)
    return inner[:1] * len(values) if inner[-1:] == (...,) else inner


def made(kind: type[Record], data: Any, path: str = "") -> Record:
    """Make a record of plain values that come from a file, each of which is checked.

    Without msgspec, on a machine that only measures, they are taken as they are.

    Args:
        kind: of the record. data: what `plain` wrote. path: of `data` in its file.

    Raises:
        ValueError: "sides[1].workload.batch: expected int, got str".
        KeyError, TypeError: the same without msgspec.
    """
    try:
        from msgspec import ValidationError, convert
    except ModuleNotFoundError:
        return built(kind, data)
    try:
        return convert(data, kind, dec_hook=lambda _, values: _column(values))
    except ValidationError as error:
        raise ValueError(_with_path(str(error), path)) from None


def built(kind: type[Record], data: Any) -> Record:
    """Make a record of plain values that need no check, as a worker answers them."""
    return cast(Record, _built(kind, data))


def _built(kind: Any, data: Any) -> Any:
    kind = _without_none(kind)
    origin = get_origin(kind)
    if data is None:
        return None
    if origin is np.ndarray:
        return _column(data)
    if origin is tuple:
        return tuple(map(_built, _of_items(kind, data), data))
    if is_dataclass(kind):
        hints = _hints(cast(type, kind))
        known = {field.name: data[field.name] for field in fields(kind) if field.name in data}
        return cast(Any, kind)(**{name: _built(hints[name], each) for name, each in known.items()})
    return data


def check_figures(record: Any, *, zero: bool, path: str = "") -> None:
    """Refuse a record with a number that is no figure.

    Raises:
        ValueError: one is not finite, below 0, or 0 and not `zero`.
    """
    for where, figure in _figures(record, path):
        if not 0 <= figure < float("inf") or (not zero and figure == 0):
            least = "of 0 or more" if zero else "above 0"
            raise ValueError(f"{where}: {figure!r} is no finite number {least}")


def explained(error: Exception) -> str:
    """Why a record cannot be made, in a few words."""
    return f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)


def _figures(value: Any, path: str) -> Iterator[tuple[str, float]]:
    if is_dataclass(value):
        for field in fields(value):
            yield from _figures(getattr(value, field.name), f"{path}.{field.name}".lstrip("."))
    elif isinstance(value, tuple):
        for index, one in enumerate(value):
            yield from _figures(one, f"{path}[{index}]")
    elif isinstance(value, int | float):
        yield path, value


def _with_path(sentence: str, path: str) -> str:
    """Put the path first in msgspec's "Expected `int`, got `str` - at `$.batch`"."""
    known = re.fullmatch(r"(.*) - at `(?:key in )?\$?(.*)`", sentence, re.DOTALL)
    said, where = known.groups() if known else (sentence, "")
    whole = f"{path}{where}".lstrip(".")
    said = said.replace("`", "")
    return f"{whole}: {said[:1].lower()}{said[1:]}" if whole else said


def _with_last(document: dict[str, Any], last: tuple[str, ...]) -> dict[str, Any]:
    first = {name: value for name, value in document.items() if name not in last}
    return first | {name: document[name] for name in last}


def _column(values: Any) -> NDArray[np.int64]:
    """Integers [n], or [n, m] from m columns, that cannot be written to."""
    column = np.asarray(values)
    if not column.size:
        column = column.astype(np.int64)
    if column.dtype != np.int64 or column.ndim not in (1, 2):
        raise ValueError("expected whole numbers only")
    column = column.T
    column.flags.writeable = False
    return column


def _check_shapes(run: Run) -> None:
    """Refuse columns that do not fit together.

    Raises:
        ValueError: unlike lengths, or neither one side nor two.
    """
    if len(run.sides) not in (1, 2):
        raise ValueError(f"it has {len(run.sides)} sides, where one or two are expected")
    samples, telemetry = run.samples, run.telemetry
    _check_columns("samples", samples, samples)
    _check_columns("samples.interruptions", samples.interruptions, samples)
    _check_columns("conditions", run.conditions, samples)
    _check_columns("telemetry.columns", telemetry and telemetry.columns, samples)


def _check_columns(path: str, record: Any, samples: Samples) -> None:
    if record is None:
        return
    count = len(samples) if isinstance(record, Interruptions) else len(record)
    for name in (field.name for field in fields(record)):
        array = getattr(record, name)
        if not isinstance(array, np.ndarray):
            continue
        if name not in _MATRICES and array.shape != (count,):
            raise ValueError(f"{path}.{name}: its columns have unlike lengths")
        if name in _MATRICES and array.shape != (count, len(samples.stages)):
            raise ValueError(
                f"{path}.{name}: expected {len(samples.stages)} columns of {count} whole numbers"
            )
