"""Entries of earlier runs that a session did not measure: named, or counted where on purpose."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from depthprof.pytest_plugin.selected import ON_PURPOSE, Selected
from depthprof.storage.benchmark_files import own_part

MOST_NAMES = 20
"""Names that one line shows."""

Entries = Mapping[str, Mapping[str, Any]]
"""Entries of a saved run by full name."""


def own_entries(entries: Entries) -> dict[str, Mapping[str, Any]]:
    """Entries that depthprof made."""
    return {name: one for name, one in entries.items() if own_part(one.get("extra_info"))}


class Outcome:
    """What a session left of the earlier runs that it was to be compared with.

    Args:
        runs: entries of each by file. made: pytest-benchmark's records of this session.
        tests: what became of its tests.

    Attributes:
        lines: what is to be said of entries that were not measured.
        is_lost: whether any is missing that nobody asked to leave out.
        others_compared: entries that are not depthprof's, for pytest-benchmark to compare.
    """

    def __init__(self, runs: Mapping[Any, Entries], made: Collection[Any], tests: Selected) -> None:
        measured = {one.fullname for one in made}
        others = {one.fullname for one in made if own_part(one.extra_info) is None}
        self.lines: list[str] = []
        self.is_lost = False
        self.others_compared = 0
        for path, entries in runs.items():
            own = own_entries(entries)
            found = _absent(own, measured, tests)
            self.lines += _lines(path, found)
            self.is_lost |= any(why not in ON_PURPOSE for why in found)
            self.others_compared += len(entries.keys() & others)


def no_pass(*, is_gate: bool, is_saved: bool) -> str:
    """What to say where nothing was compared, and what to do where a gate was asked for."""
    if not is_gate:
        return "nothing was compared"
    remedy = "save a run to compare with (--benchmark-autosave), or name another one"
    if is_saved:
        remedy = "this run is saved, so the next one is compared with it"
    return f"nothing was compared, which is no pass for --benchmark-compare-fail; {remedy}"


def _absent(own: Entries, measured: Collection[str], tests: Selected) -> dict[str, list[str]]:
    """Names of the entries that were not measured, by the reason."""
    found: dict[str, list[str]] = {}
    for name, entry in own.items():
        if name not in measured:
            found.setdefault(tests.why_absent(name, entry), []).append(name)
    return found


def _lines(path: object, found: Mapping[str, list[str]]) -> Iterator[str]:
    """A line a reason: the names where nobody asked to leave them out, else their number."""
    for why, names in found.items():
        count = "1 entry" if len(names) == 1 else f"{len(names)} entries"
        if why in ON_PURPOSE:
            yield f"not run, so not compared: {count} of {path} ({why})"
            continue
        more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        yield f"not compared: {count} of {path} ({why}): {', '.join(names[:MOST_NAMES])}{more}"
