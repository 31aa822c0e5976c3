"""From the words of the command line to sides: variants, options after @, checkpoints."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from depthprof.errors import BadInput, nearest
from depthprof.pipelines.registry import check_variant
from depthprof.records import (
    OUTPUT_FAULTS,
    Workload,
)
from depthprof.runner import SidePlan
from depthprof.runner.plan import OPTIONS, split_side


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


def _common(arguments: Namespace) -> Workload:
    names = [key.replace("-", "_") for key in OPTIONS]
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
