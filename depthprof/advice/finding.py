"""From a run to its findings: every rule asked, twins of both sides made one, in order."""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby

from depthprof.advice import rules as rule_modules
from depthprof.advice.facts import Facts
from depthprof.records import STAGES, Figure, Finding


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its findings' code, their place where no gain is known, and what finds them."""

    code: str
    order: int
    look: Callable[[Facts], Iterable[Finding]]


@cache
def rules() -> tuple[Rule, ...]:
    """Every rule there is, one a module of `depthprof.advice.rules`, in their stated order.

    Raises:
        ValueError: two modules claim one code.
    """
    names = (module.name for module in pkgutil.iter_modules(rule_modules.__path__))
    modules = [importlib.import_module(f"{rule_modules.__name__}.{name}") for name in names]
    known = [Rule(module.CODE, module.ORDER, module.rule) for module in modules]
    if len({rule.code for rule in known}) < len(known):
        raise ValueError("two rules have the same code")
    return tuple(sorted(known, key=lambda rule: (rule.order, rule.code)))


def find(facts: Facts) -> tuple[Finding, ...]:
    """All findings of a run: known gains first, the largest first, then in stated order.

    What a rule finds on both sides is one finding with side None.
    """
    found = [finding for rule in rules() for finding in rule.look(facts)]
    places = _places()
    return tuple(
        sorted(
            _merged(found, facts),
            key=lambda one: (
                one.gain_ns is None,
                -(one.gain_ns or 0.0),
                places[one.code],
                _stage_place(one.stage),
                one.side or "",
            ),
        )
    )


def foremost(findings: Sequence[Finding], count: int) -> tuple[Finding, ...]:
    """The first `count`, so chosen that no stage is told of twice before the others.

    Several rules may see one slow stage, each from its own angle; a reader in a hurry wants the
    next stage and not the next angle. For a stage speaks the rule that comes first in the stated
    order, of those that promise at least half of the stage's largest gain.

    Args:
        findings: in the order of `find`.
    """
    places = _places()
    groups: dict[str, list[Finding]] = {}
    for one in findings:
        groups.setdefault(one.stage or one.code, []).append(one)
    chosen = []
    for group in groups.values():
        enough = [one for one in group if (one.gain_ns or 0.0) * 2 >= (group[0].gain_ns or 0.0)]
        chosen.append(min(enough, key=lambda one: places[one.code]))
    chosen += [one for one in findings if not any(one is taken for taken in chosen)]
    return tuple(chosen[:count])


def _places() -> dict[str, int]:
    """Where each rule stands in the stated order."""
    return {rule.code: place for place, rule in enumerate(rules())}


def _merged(found: Sequence[Finding], facts: Facts) -> list[Finding]:
    """Make one of the findings that both sides share; figures keep the name of their side."""

    def kind(one: Finding) -> tuple[str, int]:
        return one.code, _stage_place(one.stage)

    made: list[Finding] = []
    for _, twins in groupby(sorted(found, key=kind), key=kind):
        group = list(twins)
        if {one.side for one in group} == {"a", "b"} and len(group) == 2:
            made.append(_one_of_two(group, facts))
        else:
            made += group
    return made


def _one_of_two(group: Sequence[Finding], facts: Facts) -> Finding:
    """The twin that has more to gain speaks for both; the candidate where they are level."""
    labels = {side.name: side.side.label for side in facts.sides}
    spoken = max(group, key=lambda one: (one.gain_ns or 0.0, one.side or ""))
    alike = len({one.text for one in group}) == 1
    own = "" if alike else f" in the {'baseline' if spoken.side == 'a' else 'candidate'}"
    evidence = tuple(
        Figure(f"{labels[one.side or '']}: {figure.name}", figure.value)
        for one in group
        for figure in one.evidence
    )
    return replace(spoken, side=None, text=spoken.text + own, evidence=evidence)


def _stage_place(stage: str | None) -> int:
    return STAGES.index(stage) if stage in STAGES else -1
