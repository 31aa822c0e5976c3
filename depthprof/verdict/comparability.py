"""Whether figures of two runs may be compared: by machine, software, workload and pictures.

One list of fields serves all: the gate names those that differ, the store and the suites' storage
keep runs of unlike machines apart.
"""

from collections.abc import Mapping, Sequence

from depthprof.errors import BadInput, nearest
from depthprof.records import Digest, Environment, FieldDifference, Side, Workload
from depthprof.records.traits import traits, workload_traits
from depthprof.units import binary_size

MEMORY_RATIO = 1.1
"""Memory may differ by so much: a virtual machine's varies by some megabytes."""


def differences(
    baseline: Digest, candidate: Digest, sides: tuple[Side, Side], allow: Sequence[str] = ()
) -> tuple[FieldDifference, ...]:
    """Fields in which two sides of two runs differ, those allowed left out.

    Raises:
        BadInput: a field that is allowed does not exist.
    """
    before = traits(baseline.environment, sides[0], baseline.pictures)
    after = traits(candidate.environment, sides[1], candidate.pictures)
    allowed = _allowed(allow, (*before, "memory"))
    if not _alike_memory(baseline.environment, candidate.environment):
        before["memory"] = binary_size(baseline.environment.memory_bytes)
        after["memory"] = binary_size(candidate.environment.memory_bytes)
    return _unlike(before, after, allowed)


def differences_asked(
    baseline: Digest, side: Side, asked: Workload, allow: Sequence[str] = ()
) -> tuple[FieldDifference, ...]:
    """Fields in which a workload that is yet to be measured differs from that of a baseline's side.

    Raises:
        BadInput: a field that is allowed does not exist.
    """
    known = traits(baseline.environment, side, baseline.pictures)
    return _unlike(
        workload_traits(side.workload), workload_traits(asked), _allowed(allow, (*known, "memory"))
    )


def is_same_code(first: Side, second: Side) -> bool:
    """Whether both sides run the same code with the same weights, by hash."""
    if first.code_sha256 is None or first.code_sha256 != second.code_sha256:
        return False
    if first.variant.rpartition(":")[2] != second.variant.rpartition(":")[2]:
        return False
    if first.weights is None or second.weights is None:
        return first.weights is second.weights
    known = (first.weights.sha256, first.weights.seed, first.weights.source)
    other = (second.weights.sha256, second.weights.seed, second.weights.source)
    return known[0] == other[0] if known[0] is not None else known == other


def _allowed(allow: Sequence[str], known: Sequence[str]) -> set[str]:
    names = {name.replace("-", "_"): name for name in allow}
    for name, given in names.items():
        if name not in known:
            raise BadInput(f'unknown field "{given}" to allow; {nearest(given, known)}')
    return set(names)


def _unlike(
    before: Mapping[str, str], after: Mapping[str, str], allowed: set[str]
) -> tuple[FieldDifference, ...]:
    return tuple(
        FieldDifference(name, before[name], after[name])
        for name in before
        if name not in allowed and before[name] != after[name]
    )


def _alike_memory(first: Environment, second: Environment) -> bool:
    low, high = sorted((first.memory_bytes, second.memory_bytes))
    return high <= MEMORY_RATIO * low
