"""Options of the command line that every command reads the same way."""

from argparse import Namespace
from dataclasses import replace

from depthprof.errors import BadInput
from depthprof.records import Policy


def policy_from(arguments: Namespace, known: Policy) -> Policy:
    """Change a policy by the options that were given.

    Raises:
        BadInput: a threshold, a floor or a --fail-on that means nothing.
    """
    changes: dict[str, object] = {}
    if arguments.threshold is not None:
        changes["threshold_ratio"] = _threshold(arguments.threshold)
    if arguments.floor_us is not None:
        changes["floor_ns"] = arguments.floor_us * 1_000
    fail_on = getattr(arguments, "fail_on", None)
    if fail_on is not None:
        words = tuple(word.strip() for word in fail_on.split(","))
        changes["fail_on"] = () if words == ("never",) else words
    return replace(known, **changes)  # type: ignore[arg-type]


def _threshold(text: str) -> float:
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise BadInput(f'threshold is "{text}", but must be a number such as 0.05 or 5%') from None
