"""What may follow a variant's @: "v2@fp16,batch=8"."""

from typing import Any

from depthprof.errors import BadInput, nearest
from depthprof.records import ATTENTIONS, DTYPES, PRODUCTS, SIZE_ALIASES, SIZES

OPTIONS = {
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
    kind = OPTIONS.get(key)
    if kind is None:
        known = [name for name, of in OPTIONS.items() if of is not None]
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
    known = [*_WORDS, "fixed-size", "cpu", "cuda", *(f"{key}=" for key in OPTIONS)]
    raise BadInput(f'"{text}" has the unknown option "{word}"; {nearest(word, known)}')
