"""What a project keeps under [tool.depthprof] of its pyproject.toml: workload, gate, store.

The nearest pyproject.toml that has such a table counts, from the folder depthprof is called in
upwards. Options on the command line go before it.
"""

import sys
import tomllib
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any

from depthprof.errors import BadInput, nearest
from depthprof.records import FAIL_ON, STAGES, TOTAL, Policy, Workload
from depthprof.records.workload import SIZE_ALIASES
from depthprof.storage.text_files import NotText, read_text

FILE = "pyproject.toml"
TABLE = "tool.depthprof"
ROWS = (*STAGES, TOTAL)
_TEXTS = tuple[str, ...]


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
        processes: worker processes when the gate measures by itself.
        fail_on: which of "slower", "inconclusive" and "undecided" fail.
        allow: fields in which the machines may differ.
        common: thresholds of all models; models: of one, by its size.
    """

    baseline: str = "main"
    processes: int | None = None
    fail_on: tuple[str, ...] = FAIL_ON
    allow: tuple[str, ...] = ()
    common: Thresholds = field(default_factory=Thresholds)
    models: Mapping[str, Thresholds] = field(default_factory=dict)

    def thresholds(self, model: str) -> Thresholds:
        """Thresholds of a model's size: its own words, and where it has none the common ones."""
        own, common = self.models.get(model, Thresholds()), self.common
        if own.threshold_ratio is None:
            ratio, of_all = common.threshold_ratio, {}
        else:  # goes before the common one of a single stage
            ratio, of_all = own.threshold_ratio, dict.fromkeys(ROWS, own.threshold_ratio)
        floor_ns = common.floor_ns if own.floor_ns is None else own.floor_ns
        return Thresholds(ratio, floor_ns, {**common.stages, **of_all, **own.stages})


@dataclass(frozen=True, slots=True)
class Settings:
    """[tool.depthprof]: what the suites measure, and where runs are kept.

    Attributes:
        models: sizes that the suites measure. budget_s: seconds of each comparison of theirs;
            None leaves it to them.
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
            with _named(f"{file}:"):
                return _settings(table, file)
    return Settings()


def _table(file: Path) -> Any:
    """What the file has under [tool.depthprof]; None where there is no such table."""
    try:
        document = tomllib.loads(read_text(file))
    except NotText as error:
        raise BadInput(f"{file} is not text: {error}") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadInput(f"{file} is not valid TOML: {error}") from None
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}") from error
    tools = document.get("tool")
    return tools.get("depthprof") if isinstance(tools, dict) else None


def _settings(table: Any, file: Path) -> Settings:
    known = _read(table, _schema(), TABLE)
    with _named(f"[{TABLE}.gate]"):
        gate = _gate(known.pop("gate", {}))
    if "budget" in known:
        known["budget_s"] = known.pop("budget")
    found = Settings(**known, gate=gate, file=file)
    with _named(f"[{TABLE}]"):
        if not found.models:
            raise BadInput("models is empty, but must name at least one size")
        for model in found.models:
            found.workload(model=model)  # refuses what no workload can be
    return found


def _gate(known: dict[str, Any]) -> GateSettings:
    if "launches" in known:  # Python hides a DeprecationWarning from those who run a program
        text = f"[{TABLE}.gate] launches is now processes"
        warnings.warn(text, FutureWarning, stacklevel=2)
        known.setdefault("processes", known.pop("launches"))
    if known.get("fail_on") == ("never",):
        known["fail_on"] = ()
    own = known.pop("models", {})
    models = {SIZE_ALIASES.get(name, name): _thresholds(each) for name, each in own.items()}
    common = _thresholds(known)
    gate = GateSettings(**known, common=common, models=models)
    Policy(fail_on=gate.fail_on)  # refuses what no policy can be
    return gate


def _thresholds(known: dict[str, Any]) -> Thresholds:
    """Take the thresholds out of what was read."""
    floor_ns = known.pop("floor_us") * 1_000 if "floor_us" in known else None
    return Thresholds(known.pop("threshold", None), floor_ns, known.pop("stages", {}))


def _schema() -> dict[str, Any]:
    """Every key with the type of its value, or with the keys of its table."""
    from msgspec import Meta  # late: most projects have no such table

    most = sys.float_info.max  # a number of TOML may be inf
    text = Annotated[str, Meta(min_length=1)]
    whole = Annotated[int, Meta(ge=1)]
    thresholds = {
        "threshold": _Ratio,
        "floor-us": Annotated[float, Meta(ge=0, le=most)],
        "stages": dict.fromkeys(ROWS, _Ratio),
    }
    gate = {
        "baseline": text,
        "processes": whole,
        "launches": whole,
        "fail-on": _TEXTS,
        "allow": _TEXTS,
        "models": dict.fromkeys((*SIZE_ALIASES.values(), *SIZE_ALIASES), thresholds),
    }
    return {
        "models": _TEXTS,
        **dict.fromkeys(("device", "dtype", "attention", "product", "store"), text),
        **dict.fromkeys(("input-size", "batch", "threads"), whole),
        "fixed-size": bool,
        "budget": Annotated[float, Meta(gt=0, le=most)],
        "gate": gate | thresholds,
    }


def _read(table: Any, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Read a table key by key; `-` in a key becomes `_`, and one text stands for a list of one."""
    from msgspec import ValidationError, convert

    if not isinstance(table, dict):
        raise BadInput(f"[{path}] is {table!r}, but must be a table")
    found = {}
    for key, value in table.items():
        if key not in schema:
            raise BadInput(f'[{path}] has the unknown key "{key}"; {nearest(key, schema)}')
        kind, name, below = schema[key], key.replace("-", "_"), f"{path}.{key}"
        is_one = kind == _TEXTS and isinstance(value, str)
        try:
            found[name] = (
                _read(value, kind, below)
                if isinstance(kind, dict)
                else convert([value] if is_one else value, kind, dec_hook=_ratio)
            )
        except ValidationError as error:
            said = str(error).replace("`", "").replace("Expected", "expected", 1)
            raise BadInput(f"[{below}] is {value!r}, {said}") from None
    return found


class _Ratio(float):
    """0.05 or "5%"."""


def _ratio(_: type, value: Any) -> _Ratio:
    is_percent = isinstance(value, str) and value.endswith("%")
    try:
        number = float(value.removesuffix("%")) / 100 if is_percent else float(value)
    except (TypeError, ValueError):
        number = 0.0
    if isinstance(value, bool) or not 0 < number < 10:
        raise ValueError('expected a change such as 0.05 or "5%"')
    return _Ratio(number)


@contextmanager
def _named(place: str) -> Iterator[None]:
    """Put where it is before what is refused."""
    try:
        yield
    except BadInput as error:
        raise BadInput(f"{place} {error}") from None
