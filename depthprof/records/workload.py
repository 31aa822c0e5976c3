"""What is asked for: the stages, and the workload both sides are given."""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from depthprof.errors import BadInput, nearest

STAGES = ("preprocess", "h2d", "forward", "postprocess", "sync", "d2h", "return")
"""The stages of one iteration, in order; a stage is the gap between two neighbouring marks."""

DEVICE_STAGES = ("h2d", "forward", "postprocess", "d2h")
"""The stages whose work runs on the device; on CUDA they are timed by the device's own clock."""

TOTAL = "total"
"""The name of the row for the whole iteration, beside the stages."""

SIZE_ALIASES = {
    "vits": "small",
    "vitb": "base",
    "vitl": "large",
    "vitg": "giant",
}
SIZES = tuple(SIZE_ALIASES.values())
DTYPES = ("fp32", "fp16", "bf16")
ATTENTIONS = ("published", "sdpa", "xformers")
PRODUCTS = ("image", "depth")
OUTPUT_FAULTS = ("nonfinite", "constant")
"""Outputs that are no depth, and that may be measured all the same if asked for by these words."""

PATCH_PIXELS = 14
"""Side of one patch of the network in pixels; network inputs are multiples of it."""

MOST_METRES = 10_000
"""No metric model is trained for more; a larger number would overflow fp16 (65504) soon."""


DESCRIBED = ("batch", "fixed_size", "dtype", "attention", "product", "max_depth")
"""What is named of a workload where it is not the default; model and input size always are."""

BARE_WORDS = {
    "fixed_size": "square",
    **dict.fromkeys(("dtype", "attention", "product"), "{}"),
    "max_depth": "max-depth {:g}",
}
"""How `DESCRIBED` fields are said without their name."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What one side has to do, apart from which pipeline does it.

    Attributes:
        model: "small", "base", "large" or "giant" (aliases vits, vitb, vitl, vitg).
        input_size: shorter side of the network input in pixels, rounded to a multiple of 14 as the
            published code does.
        batch: pictures an iteration. A batch above 1 resizes each to (input_size, input_size).
        fixed_size: the same square resize for a batch of 1 (False keeps the aspect ratio).
        device: "auto", "cpu", "cuda" or "cuda:N".
        dtype: "fp32", "fp16" or "bf16": type of the weights and of forward's arithmetic.
        attention: "published" (softmax written out), "sdpa" (torch's fused call) or "xformers".
        threads: torch and OpenCV threads while measuring; None leaves one core free on a CPU, and
            the libraries' own choice on a GPU. What it came to is recorded with the run.
        product: what the caller gets, "image" (uint8 [H, W, 3] BGR) or "depth" (float32 [H, W]).
        seed: seed of the random weights when no checkpoint is given.
        max_depth: None for relative depth; in metres for a metric checkpoint of V2, whose network
            ends in a sigmoid times this depth (published: 20 indoor, 80 outdoor).

    Raises:
        BadInput: a value outside the above, named with what there is.
    """

    model: str = "small"
    input_size: int = 518
    batch: int = 1
    fixed_size: bool = False
    device: str = "auto"
    dtype: str = "fp32"
    attention: str = "published"
    threads: int | None = None
    product: str = "image"
    seed: int = 0
    max_depth: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", SIZE_ALIASES.get(self.model, self.model))
        _one_of("model", self.model, (*SIZES, *SIZE_ALIASES))
        _one_of("dtype", self.dtype, DTYPES)
        _one_of("attention", self.attention, ATTENTIONS)
        _one_of("product", self.product, PRODUCTS)
        _at_least("input-size", self.input_size, PATCH_PIXELS)
        _at_least("batch", self.batch, 1)
        _at_least("seed", self.seed, 0)
        if self.threads is not None:
            _at_least("threads", self.threads, 1)
        _check_device(self.device)
        if self.max_depth is not None:
            object.__setattr__(self, "max_depth", _metres("max-depth", self.max_depth))

    @property
    def square(self) -> bool:
        """Whether every picture is resized to one square (a batch needs one size)."""
        return self.fixed_size or self.batch > 1

    def changed(self, **values: Any) -> "Workload":
        """Return a copy with some fields replaced, validated anew."""
        return replace(self, **values)


def workload_differences(first: Workload, second: Workload) -> tuple[str, ...]:
    """Names of the fields in which two workloads differ, in the order they are declared."""
    names = (field.name for field in fields(Workload))
    return tuple(name for name in names if getattr(first, name) != getattr(second, name))


def workload_document(workload: Workload) -> dict[str, Any]:
    """The fields as a plain mapping for hashes and the store: without max_depth where it is None.

    So what was kept before that field existed still belongs to the same workload.
    """
    document = asdict(workload)
    if document["max_depth"] is None:
        del document["max_depth"]
    return document


def describe_workload(workload: Workload, network_input: str | None = None) -> str:
    """One line that names all that counts; the input as asked for, where it is not given."""
    metric = "" if workload.max_depth is None else f", max-depth {workload.max_depth:g} m"
    return (
        f"model {workload.model}, network input {network_input or workload.input_size},"
        f" batch {workload.batch}, {workload.dtype}, attention {workload.attention},"
        f" product {workload.product}{metric}"
    )


def workload_words(workload: Workload, *, named: bool) -> list[str]:
    """Model with input size, then what is not the default.

    Args:
        named: every value by the name of its field ("dtype fp16"), or only where it needs one.
    """
    usual, words = Workload(), [f"{workload.model} {workload.input_size}"]
    for name in DESCRIBED:
        value = getattr(workload, name)
        if value != getattr(usual, name):
            text = f"{name.replace('_', '-')} {value}"
            words.append(text if named else BARE_WORDS.get(name, text).format(value))
    return words


def _one_of(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise BadInput(f'unknown {name} "{value}"; {nearest(str(value), known)}')


def _at_least(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise BadInput(f"{name} is {value!r}, but must be a whole number of at least {least}")


def _metres(name: str, value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < MOST_METRES:
        raise BadInput(f"{name} is {value!r}, but must be a number of metres above 0, such as 20")
    return float(value)


def _check_device(device: object) -> None:
    name, _, index = str(device).partition(":")
    plain = name in ("auto", "cpu") and not index and ":" not in str(device)
    if plain or (name == "cuda" and (index.isdecimal() or ":" not in str(device))):
        return
    raise BadInput(
        f'unknown device "{device}"; there are: auto, cpu, cuda, cuda:N (such as cuda:0)'
    )
