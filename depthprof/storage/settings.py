"""What a project keeps under [tool.depthprof] of its pyproject.toml: workload, gate, store.

The nearest pyproject.toml that has such a table counts, from the folder depthprof is called in
upwards. Options on the command line go before it.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from depthprof.errors import BadInput, nearest
from depthprof.records import FAIL_ON, STAGES, TOTAL, Workload
from depthprof.storage.text_files import NotText, read_text

FILE = "pyproject.toml"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What counts as slower, for one model or all. None leaves it to what is more general.

    Attributes:
        threshold_ratio: of every stage. stages: of single stages, by name.
        floor_ns: absolute change that matters.
    """

    threshold_ratio: float | None = None
    floor_ns: float | None = None
    stages: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GateSettings:
    """[tool.depthprof.gate]: how `depthprof gate` judges.

    Attributes:
        baseline: name of the baseline, where none is given.
        launches: starts of a worker when the gate measures by itself.
        fail_on: which of "slower" and "inconclusive" fail.
        allow: fields in which the machines may differ.
        common: thresholds of all models; models: of one, by its size.
    """

    baseline: str = "main"
    launches: int | None = None
    fail_on: tuple[str, ...] = FAIL_ON
    allow: tuple[str, ...] = ()
    common: Thresholds = field(default_factory=Thresholds)
    models: Mapping[str, Thresholds] = field(default_factory=dict)

    def thresholds(self, model: str) -> Thresholds:
        """Thresholds of a model's size: its own words, and where it has none the common ones."""
        own, common = self.models.get(model, Thresholds()), self.common
        return Thresholds(
            common.threshold_ratio if own.threshold_ratio is None else own.threshold_ratio,
            common.floor_ns if own.floor_ns is None else own.floor_ns,
            {**common.stages, **_of_all(own), **own.stages},
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """[tool.depthprof]: what the suites measure, and where runs are kept.

    Attributes:
        models: sizes that the suites measure. budget_s: seconds of measured turns of each
            comparison of theirs; None leaves it to them.
        store: URL of the store; None is SQLite in .depthprof/.
        file: the pyproject.toml that was read; None if there was none.
        The rest is as in `Workload`.
    """

    models: tuple[str, ...] = ("small",)
    device: str = "auto"
    input_size: int = 518
    batch: int = 1
    fixed_size: bool = False
    dtype: str = "fp32"
    attention: str = "published"
    threads: int | None = None
    product: str = "image"
    budget_s: float | None = None
    store: str | None = None
    gate: GateSettings = field(default_factory=GateSettings)
    file: Path | None = None

    def workload(self, **changes: Any) -> Workload:
        """The workload of these settings, of the first model unless `changes` name one."""
        names = {one.name for one in fields(Workload)} & {one.name for one in fields(self)}
        known = {name: getattr(self, name) for name in names} | {"model": self.models[0]}
        return Workload(**(known | changes))


def read_settings(start: Path | None = None) -> Settings:
    """Read the settings that hold in a folder; without any, the defaults.

    Args:
        start: where to begin looking; the folder depthprof is called in if None.

    Raises:
        BadInput: the file is no TOML, or has an unknown key or a value that means nothing.
    """
    begin = (start or Path.cwd()).resolve()
    for folder in (begin, *begin.parents):
        file = folder / FILE
        table = _table(file) if file.is_file() else None
        if table is not None:
            return _settings(table, file)
    return Settings()


def _table(file: Path) -> Mapping[str, Any] | None:
    try:
        document = tomllib.loads(read_text(file))
    except NotText as error:
        raise BadInput(f"{file} is not text: {error}") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadInput(f"{file} is not valid TOML: {error}") from None
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}") from error
    tools = document.get("tool")
    found = tools.get("depthprof") if isinstance(tools, dict) else None
    return None if found is None else _is_table(found, _Place(file, ""))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in which file a value stands: for the sentence that refuses it."""

    file: Path
    path: str

    def below(self, key: str) -> "_Place":
        return _Place(self.file, f"{self.path}.{key}")

    def refuse(self, text: str) -> BadInput:
        return BadInput(f"{self.file}: [tool.depthprof{self.path}] {text}")


def _settings(table: Mapping[str, Any], file: Path) -> Settings:
    place = _Place(file, "")
    kinds: dict[str, Any] = {
        "models": _words,
        "device": _text,
        "input-size": _whole,
        "batch": _whole,
        "fixed-size": _flag,
        "dtype": _text,
        "attention": _text,
        "threads": _whole,
        "product": _text,
        "budget": _positive,
        "store": _text,
        "gate": _gate,
    }
    known = _read(table, kinds, place)
    if "budget" in known:
        known["budget_s"] = known.pop("budget")
    found = Settings(**known, file=file)
    if not found.models:
        raise place.below("models").refuse("is empty, but must name at least one size")
    for model in found.models:  # refuses what no workload can be
        try:
            found.workload(model=model)
        except BadInput as error:
            raise place.refuse(str(error)) from None
    return found


def _gate(table: Any, place: _Place) -> GateSettings:
    kinds: dict[str, Any] = {
        "baseline": _text,
        "launches": _whole,
        "fail-on": _fail_on,
        "allow": _words,
        "models": _models,
        **_THRESHOLDS,
    }
    known = _read(_is_table(table, place), kinds, place)
    common = _thresholds_of(known)
    rest = {key: value for key, value in known.items() if key not in _FIELDS}
    return GateSettings(**rest, common=common)


def _models(table: Any, place: _Place) -> dict[str, Thresholds]:
    models = {}
    for name, value in _is_table(table, place).items():
        below = place.below(name)
        try:
            model = Workload(model=name).model
        except BadInput as error:
            raise place.refuse(str(error)) from None
        models[model] = _thresholds_of(_read(_is_table(value, below), _THRESHOLDS, below))
    return models


def _thresholds_of(known: Mapping[str, Any]) -> Thresholds:
    floor_us = known.get("floor_us")
    return Thresholds(
        known.get("threshold"),
        None if floor_us is None else floor_us * 1_000,
        known.get("stages", {}),
    )


def _of_all(own: Thresholds) -> dict[str, float]:
    """A model's own threshold for all its stages goes before the common one of a single stage."""
    return {} if own.threshold_ratio is None else dict.fromkeys(_ROWS, own.threshold_ratio)


def _stages(table: Any, place: _Place) -> dict[str, float]:
    return _read(_is_table(table, place), dict.fromkeys(_ROWS, _ratio), place)


def _read(table: Mapping[str, Any], kinds: Mapping[str, Any], place: _Place) -> dict[str, Any]:
    """Read a table key by key; `-` in a key becomes `_`."""
    found = {}
    for key, value in table.items():
        if key not in kinds:
            raise place.refuse(f'has the unknown key "{key}"; {nearest(key, kinds)}')
        found[key.replace("-", "_")] = kinds[key](value, place.below(key))
    return found


def _is_table(value: Any, place: _Place) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise place.refuse(f"is {value!r}, but must be a table")
    return value


def _text(value: Any, place: _Place) -> str:
    if not isinstance(value, str) or not value:
        raise place.refuse(f"is {value!r}, but must be a text")
    return value


def _words(value: Any, place: _Place) -> tuple[str, ...]:
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise place.refuse(f"is {value!r}, but must be a list of texts")
    return tuple(words)


def _fail_on(value: Any, place: _Place) -> tuple[str, ...]:
    words = _words(value, place)
    if words == ("never",):
        return ()
    for word in words:
        if word not in FAIL_ON:
            raise place.refuse(f'is "{word}"; {nearest(word, (*FAIL_ON, "never"))}')
    return words


def _flag(value: Any, place: _Place) -> bool:
    if not isinstance(value, bool):
        raise place.refuse(f"is {value!r}, but must be true or false")
    return value


def _whole(value: Any, place: _Place) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise place.refuse(f"is {value!r}, but must be a whole number of at least 1")
    return value


def _number(value: Any) -> float | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    return None


def _positive(value: Any, place: _Place) -> float:
    number = _number(value)
    if number is None or not 0 < number < float("inf"):
        raise place.refuse(f"is {value!r}, but must be a number above 0")
    return number


def _not_negative(value: Any, place: _Place) -> float:
    number = _number(value)
    if number is None or not 0 <= number < float("inf"):
        raise place.refuse(f"is {value!r}, but must be a number of 0 or more")
    return number


def _ratio(value: Any, place: _Place) -> float:
    """0.05 or "5%"."""
    try:
        number = (
            float(value.removesuffix("%")) / (100 if value.endswith("%") else 1)
            if isinstance(value, str)
            else _number(value)
        )
    except ValueError:
        number = None
    if number is None or not 0 < number < 10:
        raise place.refuse(f'is {value!r}, but must be a change such as 0.05 or "5%"')
    return number


_ROWS = (*STAGES, TOTAL)
_THRESHOLDS = {"threshold": _ratio, "floor-us": _not_negative, "stages": _stages}
_FIELDS = ("threshold", "floor_us", "stages")
