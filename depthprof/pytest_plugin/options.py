"""What is to be measured: pytest's options over [tool.depthprof] over the defaults."""

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from depthprof.errors import BadInput

if TYPE_CHECKING:
    import pytest

    from depthprof.storage.settings import Settings

BATCHES = (4,)
"""Batches of suites/test_batches.py; a batch of 1 is what the stages are measured with."""

BATCH_INPUT_SIZE = 154
"""Input size of the batches: four pictures at 518 take 10 s an iteration on a CPU core."""

BUDGET_S = 90.0
PROCESSES = 6
"""Worker processes of a run: with fewer, runs of two times decide nothing (stats.rank_sum)."""

BATCH_BUDGET_RATIO = 0.5
_TEXTS = {
    "device": "auto, cpu, cuda or cuda:N",
    "dtype": "fp32, fp16 or bf16",
    "attention": "published, sdpa or xformers",
    "product": "image or depth",
}
_NUMBERS = {
    "input-size": "shorter side of the network input in pixels",
    "batch": "pictures an iteration",
    "threads": "torch and OpenCV threads while measuring",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options and the settings come to.

    Attributes:
        settings: [tool.depthprof] with the options laid over it.
        processes: worker processes a run; None takes the usual number.
        batches: batches that suites/test_batches.py measures, at `batch_input_size`.
    """

    settings: "Settings"
    processes: int | None
    batches: tuple[int, ...]
    batch_input_size: int

    @property
    def budget_s(self) -> float:
        """Seconds that a comparison may take."""
        return self.settings.budget_s or BUDGET_S

    @property
    def batch_budget_s(self) -> float:
        """Of a comparison of batches, whose iterations are shorter."""
        return BATCH_BUDGET_RATIO * self.budget_s


def add_options(parser: "pytest.Parser") -> None:
    """Declare the options; what they leave out is looked up in [tool.depthprof]."""
    group = parser.getgroup("depthprof", "depthprof: what the suites measure")
    add = group.addoption
    add("--depth-models", metavar="SIZES", help="sizes, as in small,base (default: small)")
    for name, text in _TEXTS.items():
        add(f"--depth-{name}", metavar=name.upper(), help=text)
    for name, text in _NUMBERS.items():
        add(f"--depth-{name}", metavar="N", type=int, help=text)
    text = f"that a comparison may take ({BUDGET_S:.0f})"
    add("--depth-budget", metavar="SECONDS", type=float, help=text)
    text = f"worker processes a comparison ({PROCESSES})"
    add("--depth-processes", metavar="N", type=int, help=text)
    add("--depth-launches", metavar="N", type=int, help="old name of --depth-processes")
    add("--depth-batches", metavar="N,N", help="of suites/test_batches.py (default: 4)")
    text = f"input size of suites/test_batches.py (default: {BATCH_INPUT_SIZE})"
    add("--depth-batch-input-size", metavar="N", type=int, help=text)


def any_given(config: "pytest.Config") -> bool:
    """Whether any of the options was given."""
    options = vars(config.option).items()
    return any(value is not None for name, value in options if name.startswith("depth_"))


def asked(config: "pytest.Config") -> Asked:
    """Read the options and the settings.

    Raises:
        BadInput: an option or a setting that means nothing, named.
    """
    from depthprof.storage.settings import read_settings

    changes = {name.replace("-", "_"): _option(config, name) for name in (*_TEXTS, *_NUMBERS)}
    changes["budget_s"] = _option(config, "budget")
    models = _option(config, "models")
    if models is not None:
        changes["models"] = tuple(word.strip() for word in models.split(","))
    given = {name: value for name, value in changes.items() if value is not None}
    settings = replace(read_settings(config.rootpath), **given)
    known = [settings.workload(model=model).model for model in settings.models]  # or refused
    sizes = _whole("--depth-batch-input-size", _option(config, "batch-input-size"))
    return Asked(
        settings=replace(settings, models=tuple(dict.fromkeys(known))),
        processes=_processes(config),
        batches=_numbers(_option(config, "batches")) or BATCHES,
        batch_input_size=sizes or BATCH_INPUT_SIZE,
    )


def _processes(config: "pytest.Config") -> int | None:
    """The number of processes, by the old name of the option too."""
    if _option(config, "launches") is not None:
        warnings.warn("--depth-launches is now --depth-processes", DeprecationWarning, stacklevel=2)
    old = _whole("--depth-launches", _option(config, "launches"))
    return _whole("--depth-processes", _option(config, "processes")) or old


def _option(config: "pytest.Config", name: str) -> Any:
    return config.getoption(f"depth_{name.replace('-', '_')}", default=None)


def _whole(name: str, value: int | None) -> int | None:
    if value is not None and value < 1:
        raise BadInput(f"{name} is {value}, but must be a whole number of at least 1")
    return value


def _numbers(text: str | None) -> tuple[int, ...]:
    words = [] if text is None else [word.strip() for word in text.split(",")]
    for word in words:
        if not word.isdecimal() or int(word) < 1:
            raise BadInput(f'--depth-batches has "{word}", but takes whole numbers such as 1,4')
    return tuple(dict.fromkeys(int(word) for word in words))
