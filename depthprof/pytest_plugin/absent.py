"""Entries of earlier runs that a session did not measure, and why: named, or only counted."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

GONE = "deleted or renamed since"
PARAMETERS = "the test is there, but not with these parameters"
UNMEASURED = "the test ran and no longer measures it"
NOT_RUN = {
    "deselected": "deselected",
    "unasked": "not among the tests that were asked for",
    "broken": "its file could not be collected",
    "unreached": "the session ended before it",
}
OUTCOMES = {"failed": "the test failed", "skipped": "the test was skipped"}
ON_PURPOSE = (NOT_RUN["deselected"], NOT_RUN["unasked"])
"""Reasons that the command line gives: such entries are counted, the others are named."""

MOST_NAMES = 20
"""Names that one line shows."""

Entries = Mapping[str, Mapping[str, Any]]
"""Entries of a saved run by full name."""


@dataclass(slots=True)
class Selected:
    """The tests of one session, by node id.

    Attributes:
        config: of the session. chosen: tests that were to run. deselected: those left out by -k, -m
            and the like. broken: files that could not be collected.
        outcomes: "passed", "failed" or "skipped" of those that ran.
    """

    config: pytest.Config
    chosen: set[str] = field(default_factory=set)
    deselected: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    outcomes: dict[str, str] = field(default_factory=dict)

    def note(self, report: pytest.TestReport) -> None:
        """Keep the worst outcome of a test's phases and subtests."""
        worst = ("failed", "skipped", "passed")
        known = self.outcomes.get(report.nodeid, "passed")
        self.outcomes[report.nodeid] = min(known, report.outcome, key=worst.index)

    def why_absent(self, name: str, entry: Mapping[str, Any]) -> str:
        """Say why this session has no figures of an entry.

        Args:
            name: full name of the entry in the earlier run. entry: as saved there.
        """
        known = self.chosen | self.deselected
        node = name if name in known else node_of(name, entry)
        outcome = self.outcomes.get(node)
        if outcome is not None:
            return OUTCOMES.get(outcome, UNMEASURED)
        if node in self.deselected:
            return NOT_RUN["deselected"]
        if node in self.chosen:
            return NOT_RUN["unreached"]
        if node.partition("::")[0] in self.broken:
            return NOT_RUN["broken"]
        if not self._is_asked_for(node):
            return NOT_RUN["unasked"]
        functions = {one.partition("[")[0] for one in known}
        return PARAMETERS if node.partition("[")[0] in functions else GONE

    def _is_asked_for(self, node: str) -> bool:
        """Whether the command line covers a test, were it there."""
        file = (self.config.rootpath / node.partition("::")[0]).resolve()
        options = self.config.option
        if getattr(options, "lf", False) or getattr(options, "pyargs", False):
            files = {one.partition("::")[0] for one in self.chosen | self.deselected}
            return not file.exists() or node.partition("::")[0] in files
        ignored = [self._absolute(path) for path in getattr(options, "ignore", None) or ()]
        globs = [str(self._absolute(path)) for path in getattr(options, "ignore_glob", None) or ()]
        if any(file.is_relative_to(path) for path in ignored):
            return False
        if any(fnmatch(str(file), glob) for glob in globs):
            return False
        return any(self._covers(argument, file, node) for argument in self.config.args)

    def _covers(self, argument: str, file: Path, node: str) -> bool:
        path, _, inner = argument.partition("::")
        if not file.is_relative_to(self._absolute(path)):
            return False
        within = node.partition("::")[2]
        return not inner or within == inner or within.startswith((f"{inner}::", f"{inner}["))

    def _absolute(self, path: str | Path) -> Path:
        return (self.config.invocation_params.dir / path).resolve()


def node_of(name: str, entry: Mapping[str, Any]) -> str:
    """Node id of the test that made a saved entry, whose name may say a variant and a stage more.

    Args:
        name: full name of the entry. entry: as saved, with "param" where it is one of several.
    """
    words, params = entry.get("param"), entry.get("params") or {}
    if not words or words != f"{params.get('variant')}-{params.get('stage')}":
        return name
    if name.endswith(f"-{words}]"):
        return f"{name.removesuffix(f'-{words}]')}]"
    return name.removesuffix(f"[{words}]")


def own_entries(entries: Entries) -> dict[str, Mapping[str, Any]]:
    """Entries that depthprof made."""
    from depthprof.storage.run_files import own_part  # loads numpy: not in every session

    return {name: one for name, one in entries.items() if own_part(one.get("extra_info"))}


def absent_lines(
    runs: Mapping[Any, Entries], measured: Collection[str], tests: Selected
) -> tuple[list[str], bool]:
    """Say which entries of ours were not measured.

    Args:
        runs: entries of each earlier run by file. measured: full names of this session's.
        tests: what became of its tests.

    Returns:
        A line a file and reason, and whether any is missing that nobody asked to leave out.
    """
    lines: list[str] = []
    is_lost = False
    for path, entries in runs.items():
        found: dict[str, list[str]] = {}
        for name, entry in own_entries(entries).items():
            if name not in measured:
                found.setdefault(tests.why_absent(name, entry), []).append(name)
        lines += _lines(path, found)
        is_lost |= any(why not in ON_PURPOSE for why in found)
    return lines, is_lost


def _lines(path: object, found: Mapping[str, list[str]]) -> Iterator[str]:
    """A line a reason: the names where nobody asked to leave them out, else their number."""
    for why, names in found.items():
        count = "1 entry" if len(names) == 1 else f"{len(names)} entries"
        if why in ON_PURPOSE:
            yield f"not run, so not compared: {count} of {path} ({why})"
            continue
        more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        yield f"not compared: {count} of {path} ({why}): {', '.join(names[:MOST_NAMES])}{more}"
