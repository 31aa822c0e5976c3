"""Options declared once, as fields of the frozen values that the commands take."""

from argparse import SUPPRESS, Action, ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from depthprof.cli import output
from depthprof.errors import BadInput

if TYPE_CHECKING:
    from depthprof.records import Policy

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Command:
    """A command, or an action of one: the value it takes and the function that it runs.

    Attributes:
        takes: a dataclass of options. run: takes one of it, returns the exit code.
        examples: as typed after `python -m depthprof`. text: help of an action.
        actions: by name; without any, or without one given, the command itself is run.
    """

    takes: type
    run: Callable[[Any], int]
    examples: tuple[str, ...] = ()
    text: str = ""
    actions: Mapping[str, "Command"] = field(default_factory=dict)


def argument(metavar: str, text: str | None = None, **more: Any) -> Any:
    """Declare a positional argument; it is required unless `more` has a default."""
    known = {"default": more.pop("default")} if "default" in more else {}
    declared = {"metavar": metavar, "help": text, "positional": True}
    return field(**known, metadata=declared | more)


def option(metavar: str, text: str, *, default: Any = None, **more: Any) -> Any:
    """Declare an option with a value; `more` goes to argparse."""
    return field(default=default, metadata={"metavar": metavar, "help": text, **more})


def flag(text: str, *, default: bool | None = False) -> Any:
    """Declare an option without a value."""
    return field(default=default, metadata={"action": "store_true", "help": text})


def add(parser: Any, kind: type) -> None:
    """Add the options of a dataclass; fields that are dataclasses become groups."""
    chosen = None
    for one in fields(kind):
        if is_dataclass(one.type):
            title = getattr(one.type, "TITLE", None)
            add(parser.add_argument_group(title) if title else parser, one.type)  # type: ignore[arg-type]
            continue
        words = dict(one.metadata)
        where = parser
        if words.pop("exclusive", False):
            where = chosen = chosen or parser.add_mutually_exclusive_group()
        old = words.pop("old", None)
        if words.pop("positional", False):
            where.add_argument(one.name, default=SUPPRESS, **words)
            continue
        where.add_argument(f"--{one.name.replace('_', '-')}", default=SUPPRESS, **words)
        if old is not None:
            hidden = words | {"help": SUPPRESS, "default": SUPPRESS, "dest": one.name}
            where.add_argument(old, action=_Renamed, **hidden)


def read(kind: type[T], words: Namespace) -> T:
    """Read a value from what argparse found; what was not given has the field's default."""
    found: dict[str, Any] = {}
    for one in fields(kind):  # type: ignore[arg-type]
        if is_dataclass(one.type):
            found[one.name] = read(one.type, words)  # type: ignore[arg-type]
        elif hasattr(words, one.name):
            value = getattr(words, one.name)
            found[one.name] = tuple(value) if isinstance(value, list) else value
    return kind(**found)


class _Renamed(Action):
    """The old name of an option: it is taken, with a warning."""

    def __call__(
        self, _: ArgumentParser, namespace: Namespace, values: Any, option_string: Any = None
    ) -> None:
        """Store the value under the new name."""
        new = f"--{self.dest.replace('_', '-')}"
        output.warn(f"DeprecationWarning: {option_string} is now {new}; use that")
        setattr(namespace, self.dest, values)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadOptions:
    """What the sides have to do; None leaves a field of `Workload` at its default."""

    TITLE: ClassVar[str] = "workload (of both sides; SIDE@OPTION changes one)"

    model: str | None = option("SIZE", "small, base, large, giant [small]")
    input_size: int | None = option("PIXELS", "shorter side of the network input [518]", type=int)
    batch: int | None = option("N", "pictures an iteration [1]", type=int)
    fixed_size: bool | None = flag("resize to a square, even alone", default=None)
    device: str | None = option("DEVICE", "auto, cpu, cuda, cuda:N [auto]")
    dtype: str | None = option("DTYPE", "fp32, fp16, bf16 [fp32]")
    attention: str | None = option("KIND", "published, sdpa, xformers [published]")
    threads: int | None = option("N", "torch and OpenCV threads [CPU: all cores but one]", type=int)
    product: str | None = option("WHAT", "image, depth [image]")
    seed: int | None = option("N", "of random weights and of the order of blocks [0]", type=int)
    checkpoint: tuple[str, ...] = option(
        "[SIDE=]FILE",
        "weights (.pth, .safetensors) of a side: a, b or its name; without SIDE of both",
        default=(),
        action="append",
    )
    max_depth: float | None = option(
        "METRES", "of a metric checkpoint of V2: 20 indoor, 80 outdoor [relative depth]", type=float
    )
    allow_nonfinite: bool = flag("measure a side although its output holds NaN or infinity")
    allow_constant: bool = flag("measure a side although its depth is the same everywhere")
    images: tuple[str, ...] = option("PATH", "pictures or folders of them", default=(), nargs="+")
    strict: bool = flag(
        "refuse a folder with a picture that cannot be read; without it that one is left out"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuringOptions:
    """How long to measure, in how many processes."""

    TITLE: ClassVar[str] = "measuring"

    budget: float = option(
        "SECONDS",
        "how long it may take once torch is imported [90]",
        default=90.0,
        type=float,
    )
    processes: int | None = option(
        "N", "worker processes to start [3 to 10, as the budget allows]", type=int, old="--launches"
    )
    no_telemetry: bool = flag("read no clocks, power and load meanwhile")


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyOptions:
    """What counts as slower; None leaves it to the settings of the project."""

    TITLE: ClassVar[str] = "verdict"

    threshold: str | None = option(
        "CHANGE", "relative change that matters, 0.05 or 5%% [3%%; against an earlier run 5%%]"
    )
    floor_us: float | None = option("US", "absolute change that matters [5]", type=float)

    def changes(self) -> dict[str, Any]:
        """Fields of `Policy` that were given by option.

        Raises:
            BadInput: a threshold that is no number.
        """
        changes: dict[str, Any] = {}
        if self.threshold is not None:
            changes["threshold_ratio"] = _ratio(self.threshold)
        if self.floor_us is not None:
            changes["floor_ns"] = self.floor_us * 1_000
        return changes


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingOptions(PolicyOptions):
    """What counts as slower, and what of it fails."""

    fail_on: str | None = option(
        "WHAT",
        "what fails: slower,inconclusive (the default), one of them, undecided (any stage that is),"
        " or never",
    )

    def changes(self) -> dict[str, Any]:
        """As of `PolicyOptions`, with what fails."""
        changes = PolicyOptions.changes(self)
        if self.fail_on is not None:
            words = tuple(word.strip() for word in self.fail_on.split(","))
            changes["fail_on"] = () if words == ("never",) else words
        return changes


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintOptions:
    """What is printed."""

    TITLE: ClassVar[str] = "output"

    json: str | None = option("FILE", "write the result there as JSON; - prints nothing else")
    quiet: bool = flag("print one sentence only")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions:
    """Which store."""

    store: str | None = option(
        "URL", "the store: a file, or postgresql://... [$DEPTHPROF_STORE, .depthprof/store.db]"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepOptions(StoreOptions):
    """Whether and how a measured run is kept."""

    TITLE: ClassVar[str] = "keeping"

    no_store: bool = flag("do not keep the run in the store")
    tag: tuple[str, ...] = option("TAG", "a word to find the run by", default=(), action="append")


def paired_policy(options: PolicyOptions, model: str) -> "Policy":
    """The policy of a command that measures both sides in one run: settings, then options.

    Raises:
        BadInput: a setting or an option that means nothing.
    """
    from depthprof.storage.settings import read_settings
    from depthprof.verdict.policy import policy_for

    return policy_for("paired", read_settings().gate, model, options.changes())


def changed_policy(options: PolicyOptions, known: "Policy") -> "Policy":
    """A policy that a run was saved with, changed by the options that were given."""
    return replace(known, **options.changes())


def _ratio(text: str) -> float:
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise BadInput(f'threshold is "{text}", but must be a number such as 0.05 or 5%') from None
