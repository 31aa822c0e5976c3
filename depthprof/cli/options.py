"""Options of the command line that every command reads the same way."""

from argparse import Namespace
from dataclasses import replace
from typing import Any

from depthprof.errors import BadInput
from depthprof.records import Policy


def paired_policy(arguments: Namespace, model: str) -> Policy:
    """The policy of a command that measures both sides in one run: settings, then options.

    Raises:
        BadInput: a setting or an option that means nothing.
    """
    from depthprof.storage.settings import read_settings
    from depthprof.verdict.policy import policy_for

    return policy_for("paired", read_settings().gate, model, policy_options(arguments))


def changed_policy(arguments: Namespace, known: Policy) -> Policy:
    """A policy that a run was saved with, changed by the options that were given.

    Raises:
        BadInput: an option that means nothing.
    """
    return replace(known, **policy_options(arguments))


def policy_options(arguments: Namespace) -> dict[str, Any]:
    """Fields of `Policy` that were given by option.

    Raises:
        BadInput: a threshold that is no number.
    """
    changes: dict[str, Any] = {}
    if arguments.threshold is not None:
        changes["threshold_ratio"] = _threshold(arguments.threshold)
    if arguments.floor_us is not None:
        changes["floor_ns"] = arguments.floor_us * 1_000
    fail_on = getattr(arguments, "fail_on", None)
    if fail_on is not None:
        words = tuple(word.strip() for word in fail_on.split(","))
        changes["fail_on"] = () if words == ("never",) else words
    return changes


def _threshold(text: str) -> float:
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise BadInput(f'threshold is "{text}", but must be a number such as 0.05 or 5%') from None
