"""From the words of the command line to sides: variants, options after @, checkpoints."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from depthprof.errors import BadInput, nearest
from depthprof.measure import SidePlan
from depthprof.pipelines.registry import check_variant
from depthprof.records import (
    ATTENTIONS,
    DTYPES,
    OUTPUT_FAULTS,
    PRODUCTS,
    SIZE_ALIASES,
    SIZES,
    Workload,
)

_KEYS = {
    "model": str,
    "input-size": int,
    "batch": int,
    "fixed-size": None,
    "device": str,
    "dtype": str,
    "attention": str,
    "threads": int,
    "product": str,
    "seed": int,
    "max-depth": float,
}
_WORDS = {
    **dict.fromkeys((*SIZES, *SIZE_ALIASES), "model"),
    **dict.fromkeys(DTYPES, "dtype"),
    **dict.fromkeys(ATTENTIONS, "attention"),
    **dict.fromkeys(PRODUCTS, "product"),
}


def side_plans(arguments: Namespace, texts: Sequence[str]) -> tuple[SidePlan, ...]:
    """Make the sides that the arguments ask for, baseline first.

    Raises:
        BadInput: an unknown variant, option, value or side of a checkpoint.
    """
    common = _common(arguments)
    named = [(name, *split_side(text)) for name, text in zip("ab", texts, strict=False)]
    for _, variant, _ in named:
        check_variant(variant)
    checkpoints = _checkpoints(arguments.checkpoint, [(n, v) for n, v, _ in named])
    same = len(set(texts)) < len(texts)
    return tuple(
        SidePlan(
            name=name,
            label=f"{text} ({name})" if same else text,
            variant=variant,
            workload=common.changed(**options),
            checkpoint=checkpoints.get(name),
            allow=tuple(word for word in OUTPUT_FAULTS if getattr(arguments, f"allow_{word}")),
        )
        for (name, variant, options), text in zip(named, texts, strict=True)
    )


def split_side(text: str) -> tuple[str, dict[str, Any]]:
    """Split "v2@fp16,batch=8" into the variant and the fields its options set.

    Raises:
        BadInput: an option that does not exist or a value of the wrong kind.
    """
    variant, at, options = text.rpartition("@")
    if not at or "/" in options or ".py:" in options:
        return text, {}  # the @ is part of a path
    fields: dict[str, Any] = {}
    for option in options.split(","):
        name, value = _option(option.strip(), text)
        fields[name.replace("-", "_")] = value
    return variant, fields


def _option(option: str, text: str) -> tuple[str, Any]:
    key, equals, value = option.partition("=")
    key = key.replace("_", "-")
    if not equals:
        return _word(option, text)
    kind = _KEYS.get(key)
    if kind is None:
        known = [name for name, of in _KEYS.items() if of is not None]
        raise BadInput(f'"{text}" has the unknown option "{key}"; {nearest(key, known)}')
    if kind is int and not value.lstrip("-").isdecimal():
        raise BadInput(f'"{text}" gives {key} the value "{value}", which is not a whole number')
    try:
        return key, kind(value)
    except ValueError:
        raise BadInput(f'"{text}" gives {key} the value "{value}", which is no number') from None


def _word(word: str, text: str) -> tuple[str, Any]:
    if word in _WORDS:
        return _WORDS[word], word
    if word in ("fixed-size", "fixed_size"):
        return "fixed-size", True
    if word.partition(":")[0] in ("auto", "cpu", "cuda"):
        return "device", word
    known = [*_WORDS, "fixed-size", "cpu", "cuda", *(f"{key}=" for key in _KEYS)]
    raise BadInput(f'"{text}" has the unknown option "{word}"; {nearest(word, known)}')


def _common(arguments: Namespace) -> Workload:
    names = [key.replace("-", "_") for key in _KEYS]
    given = {name: getattr(arguments, name) for name in names}
    return Workload(**{name: value for name, value in given.items() if value is not None})


def _checkpoints(texts: Sequence[str], sides: Sequence[tuple[str, str]]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for text in texts:
        head, equals, tail = text.partition("=")
        meant = [name for name, variant in sides if head in (name, variant)]
        if equals and not meant and not Path(text).exists():
            known = [word for side in sides for word in side]
            raise BadInput(f'--checkpoint "{text}" names no side; {nearest(head, known)}')
        path = Path(tail if meant else text)
        if not path.exists():
            raise BadInput(f"the checkpoint {path} does not exist")
        found |= dict.fromkeys(meant or [name for name, _ in sides], path)
    return found
