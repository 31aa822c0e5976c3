"""The runs that --benchmark-compare names: each entry is decided against them as the gate does."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from depthprof.errors import BadRunFile, nearest
from depthprof.pytest_plugin.absent import Entries, own_entries
from depthprof.pytest_plugin.entries import Entry, Recorded, short_label
from depthprof.records import Decision, Digest, Status
from depthprof.storage.run_files import PACKED, own_part, unpack
from depthprof.storage.settings import GateSettings
from depthprof.units import duration, percent, times
from depthprof.verdict import digest
from depthprof.verdict.noise import kept_calibration
from depthprof.verdict.policy import policy_for
from depthprof.verdict.unpaired import gate_digests

INTERVAL_FIGURES = ("median", "mean")
"""Figures of --benchmark-compare-fail that are decided by the processes' medians."""

ANY_RATIO = 1e-9
"""Threshold where every relative change counts, since what is allowed is said in seconds."""

HEADER = ("stage", "variant", "before", "after", "ratio (interval)", "verdict", "reason")

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Allowed:
    """What --benchmark-compare-fail allows.

    Attributes:
        options: of the policy, one set a form; a stage is slower if it is by any of them.
        plain: checks of figures that have no interval, left to pytest-benchmark.
    """

    options: tuple[Mapping[str, float], ...] = ({},)
    plain: tuple[Any, ...] = ()


def allowed(checks: Collection[Any]) -> Allowed:
    """Read pytest-benchmark's checks, each with a `field` and a `threshold` (percent or seconds).

    "median:5%" replaces the threshold of the policy. "median:0.001" replaces its floor: the whole
    interval must speak of a change, and the estimate must exceed so many seconds.
    """
    decided = [check for check in checks if check.field in INTERVAL_FIGURES]
    ratios = [check.threshold / 100 for check in decided if _is_relative(check)]
    seconds = [check.threshold for check in decided if not _is_relative(check)]
    options: list[Mapping[str, float]] = []
    if ratios:
        options.append({"threshold_ratio": max(min(ratios), ANY_RATIO)})
    if seconds:
        options.append({"threshold_ratio": ANY_RATIO, "floor_ns": min(seconds) * 1e9})
    plain = tuple(check for check in checks if check.field not in INTERVAL_FIGURES)
    return Allowed(tuple(options) or ({},), plain)


@dataclass(frozen=True, slots=True)
class Held:
    """An entry, compared with one earlier run.

    Attributes:
        remark: why it was not decided, or not by us. slower: a sentence for each way it failed.
        is_compared: by whomever.
    """

    remark: str | None = None
    slower: tuple[str, ...] = ()
    is_compared: bool = False


@dataclass(slots=True)
class Earlier:
    """One saved run of tests, with the runs that it holds.

    Attributes:
        path: its file. entries: by full name. allowed: what --benchmark-compare-fail allows.
        settings: what counts as slower besides, and in what machines may differ.
        rows: of the table, as far as entries were decided.
    """

    path: Any
    entries: Entries
    allowed: Allowed
    settings: GateSettings
    rows: list[Row] = field(default_factory=list)
    _own: Entries = field(init=False)
    _packed: dict[str, str] = field(init=False)
    _digests: dict[str, Digest] = field(default_factory=dict)
    _decided: dict[tuple[str, ...], tuple[Decision, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._own = own_entries(self.entries)
        parts = [own_part(entry["extra_info"]) or {} for entry in self._own.values()]
        self._packed = {part["run"]: part[PACKED] for part in parts if {"run", PACKED} <= set(part)}

    def held(self, made: Any, entry: Entry, recorded: Recorded) -> Held:
        """Compare an entry of this session.

        Args:
            made: pytest-benchmark's record of it. entry: what was recorded, of which run.
        """
        name, path = made.fullname, self.path
        if not self._own:
            return Held(f"nothing is compared with {path}: it holds no entry of depthprof")
        if name not in self.entries:
            near = nearest_name(name, self._own)
            return Held(f"{name} is not in {path}: new, or renamed; {near}")
        if name not in self._own:
            return self._without_run(made, "it was not measured by depthprof")
        part = own_part(self._own[name]["extra_info"]) or {}
        if part.get("run") not in self._packed:
            return self._without_run(made, "it holds no run (an older depthprof saved it)")
        try:
            sides = self._sides(part, entry, recorded)
        except BadRunFile as error:
            return self._without_run(made, str(error))
        if isinstance(sides, str):
            return Held(f"{name} is not compared with {path}: {sides}")
        held = self._by_verdict(name, entry, sides)
        plain = self._plain(made) if held.is_compared else ()
        return replace(held, slower=(*held.slower, *plain))

    def _without_run(self, made: Any, why: str) -> Held:
        """Compare by pytest-benchmark's checks alone, if there are any without an interval."""
        text = f"{made.fullname} is not decided against {self.path}: {why}"
        if not self.allowed.plain:
            return Held(text)
        return Held(
            f"{text}; compared by pytest-benchmark alone", self._plain(made), is_compared=True
        )

    def _plain(self, made: Any) -> tuple[str, ...]:
        before = self.entries[made.fullname]["stats"]
        texts = [check.fails(made, before) for check in self.allowed.plain]
        return tuple(
            f"{text} (against {self.path}; checked by pytest-benchmark, without an interval)"
            for text in texts
            if text
        )

    def _sides(
        self, part: Mapping[str, Any], entry: Entry, recorded: Recorded
    ) -> tuple[Decision, ...] | str:
        """Decide as `depthprof gate` does, one outcome a policy; or why there is no comparison.

        Raises:
            BadRunFile: the earlier run cannot be read.
        """
        key = (part["run"], str(part.get("side")), recorded.identity, entry.known["side"])
        if key not in self._decided:
            before = _of_side(self._digest(key[0]), key[1])
            now = _of_side(recorded.digest, key[3])
            labels = short_label(before.sides[0]), short_label(now.sides[0])
            if labels[0] != labels[1]:
                return f"variant {labels[1]} (was {labels[0]})"
            self._decided[key] = tuple(self._gated(before, now))
        sides = self._decided[key]
        unlike = [f"{d.field} {d.candidate} (was {d.baseline})" for d in sides[0].differences]
        if unlike:
            return f"{', '.join(unlike)}; what may differ is listed under allow in the settings"
        return sides[0].problem or sides

    def _gated(self, before: Digest, now: Digest) -> Iterator[Decision]:
        for options in self.allowed.options:
            policy_of = partial(policy_for, "unpaired", self.settings, options=options)
            allow = self.settings.allow
            yield from gate_digests(before, now, policy_of, allow, kept_calibration).sides

    def _digest(self, identity: str) -> Digest:
        if identity not in self._digests:
            run, policy = unpack(self._packed[identity], str(self.path))
            self._digests[identity] = digest(run, policy, str(self.path))
        return self._digests[identity]

    def _by_verdict(self, name: str, entry: Entry, sides: tuple[Decision, ...]) -> Held:
        """A row of the table, and a sentence for each policy by which the entry is slower."""
        verdicts = [side.verdict(entry.stage) for side in sides if side.comparison]
        slower = [one.status is Status.SLOWER for one in verdicts]
        if verdicts[0].status is Status.INCOMPARABLE:
            return Held(f"{name} is not compared with {self.path}: {verdicts[0].reason.text}")
        shown = slower.index(True) if any(slower) else 0
        self.rows.append(_row(entry, sides[shown]))
        texts = tuple(
            _sentence(entry, self.path, side)
            for side, is_slower in zip(sides, slower, strict=True)
            if is_slower
        )
        of_all = sides[0].verdicts
        if not any(slower) and all(one.status is Status.INCONCLUSIVE for one in of_all):
            why = f"no stage of {entry.variant} is decided against {self.path}"
            return Held(f"{why}: {of_all[0].reason.text}")
        return Held(slower=texts, is_compared=True)


def table(rows: Collection[Row]) -> list[str]:
    """Lay out rows under their header."""
    cells = [HEADER, *rows]
    widths = [max(len(row[place]) for row in cells) for place in range(len(HEADER))]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]


def nearest_name(name: str, known: Collection[str]) -> str:
    """Name the entries that are nearly called so, or all there are."""
    text = nearest(name, list(known))
    return text.partition("? There are: ")[0].partition("there are: ")[0]


def _of_side(known: Digest, name: str) -> Digest:
    """A run as if it had one side, by a label that has no path: checkouts may lie elsewhere."""
    sides = [replace(s, label=short_label(s)) for s in known.sides if s.name == name]
    return replace(known, sides=tuple(sides), levels=known.levels_of(name))


def _row(entry: Entry, side: Decision) -> Row:
    if side.comparison is None:
        raise ValueError("a side that is not compared has no figures")
    row, verdict = side.comparison.stage(entry.stage), side.verdict(entry.stage)
    ratio = row.ratio
    return (
        f"{entry.workload} {entry.stage}",
        entry.variant,
        duration(row.baseline.median_ns.value),
        duration(row.candidate.median_ns.value),
        "-" if ratio is None else f"{times(ratio.value)} ({times(ratio.low, ratio.high)})",
        verdict.status.value,
        verdict.reason.text,
    )


def _sentence(entry: Entry, path: object, side: Decision) -> str:
    policy, (_, _, before, after, ratio, _, _) = side.policy, _row(entry, side)
    threshold = max(policy.own_threshold_of(entry.stage), policy.noise_of(entry.stage))
    limit = duration(policy.floor_ns) if threshold <= ANY_RATIO else percent(threshold)
    return (
        f"{entry.stage} of {entry.variant} got slower: ratio {ratio}, {after} against {before} in"
        f" {path}; threshold {limit}"
    )


def _is_relative(check: Any) -> bool:
    return "Percentage" in type(check).__name__
