"""The runs that --benchmark-compare names: what is compared with them, and what got slower."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from depthprof.errors import nearest
from depthprof.pytest_plugin.absent import own_entries
from depthprof.pytest_plugin.entries import Entry
from depthprof.pytest_plugin.regression import (
    FEWEST_LAUNCHES,
    SPREADS,
    Bar,
    Timed,
    launches_ratio,
    regressed,
)
from depthprof.storage.benchmark_files import own_part
from depthprof.storage.settings import Settings
from depthprof.units import duration

THRESHOLD_RATIO = 0.10
FLOOR_NS = 5_000.0
"""What a change between two runs must exceed, where neither options nor settings say."""

FIGURES = ("min", "max", "mean", "median", "stddev", "iqr")


@dataclass(frozen=True, slots=True)
class Earlier:
    """A saved run.

    Attributes:
        entries: by full name. unlike: in what its machine was another one; None where in nothing.
    """

    entries: Mapping[str, Mapping[str, Any]]
    unlike: str | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """An entry, held against one earlier run.

    Attributes:
        remark: why it was not compared; None where it was.
        slower: a sentence for each bar that it failed.
    """

    remark: str | None = None
    slower: tuple[str, ...] = ()


def held(
    made: Any, entry: Entry, earlier: Mapping[Any, Earlier], bars: tuple[Bar, ...]
) -> Iterator[Held]:
    """Hold an entry against every earlier run that has entries of depthprof.

    Args:
        made: pytest-benchmark's record of it. earlier: saved runs by file.
        bars: each of them may fail it.
    """
    for path, run in earlier.items():
        known = own_entries(run.entries)
        name = made.fullname
        if not known:
            yield Held(f"nothing is compared with {path}: it holds no entry of depthprof")
        elif name not in run.entries:
            yield Held(f"{name} is not in {path}: new, or renamed; {nearest_name(name, known)}")
        elif name not in known:
            yield Held(f"{name} is not compared with {path}: it was not measured by depthprof")
        elif unlike := run.unlike or _unlike(
            entry, own_part(known[name]["extra_info"]) or {}, bars
        ):
            yield Held(f"{name} is not compared with {path}: {unlike}")
        else:
            yield Held(slower=tuple(_slower(made, entry, str(path), known[name], bars)))


def bars_of(checks: Any, settings: Settings, model: str, stage: str) -> tuple[Bar, ...]:
    """What must be cleared: --benchmark-compare-fail, or what the settings say of a stage.

    A check of pytest-benchmark has a `field` and a `threshold`, in percent or in seconds.
    """
    own = settings.gate.thresholds(model)
    floor_s = (FLOOR_NS if own.floor_ns is None else own.floor_ns) * 1e-9
    if not checks:
        common = THRESHOLD_RATIO if own.threshold_ratio is None else own.threshold_ratio
        return (Bar("median", own.stages.get(stage, common), floor_s),)
    return tuple(
        Bar(check.field, check.threshold / 100, floor_s)
        if "Percentage" in type(check).__name__
        else Bar(check.field, 0.0, check.threshold)
        for check in checks
    )


def _slower(
    made: Any, entry: Entry, path: str, known: Mapping[str, Any], bars: tuple[Bar, ...]
) -> Iterator[str]:
    part = own_part(known.get("extra_info")) or {}
    before = Timed(known["stats"], tuple(part.get("launches_s", ())))
    now = Timed({name: made[name] for name in FIGURES}, entry.launches_s)
    for bar in bars:
        if regressed(before, now, bar):
            yield _sentence(entry, path, before, now, bar)


def _sentence(entry: Entry, path: str, before: Timed, now: Timed, bar: Bar) -> str:
    old_s, new_s = before.figures_s[bar.figure], now.figures_s[bar.figure]
    ratio = launches_ratio(before, now)
    change = f"{new_s / old_s - 1:+.0%}, " if old_s else ""
    launches = "" if ratio is None else f"; median launch x{ratio:.2f}"
    allowed = f"{bar.threshold_ratio:.0%}" if bar.threshold_ratio else duration(bar.floor_s * 1e9)
    return (
        f"{entry.stage} of {entry.variant} got slower: {bar.figure} {duration(new_s * 1e9)} against"
        f" {duration(old_s * 1e9)} in {path} ({change}allowed {allowed}){launches}"
    )


def _unlike(entry: Entry, part: Mapping[str, Any], bars: tuple[Bar, ...]) -> str | None:
    """Why two entries of one name cannot be held against each other; None where they can."""
    work, known = entry.known["workload"], part.get("workload")
    if not isinstance(known, Mapping):
        return "it does not say what its workload was"
    unlike = [
        f"{name} {work[name]!r} (was {known[name]!r})"
        for name in work
        if name in known and known[name] != work[name]
    ]
    if part.get("clock") != entry.known["clock"]:
        unlike.append(f"clock {entry.known['clock']} (was {part.get('clock')})")
    launches = len(entry.launches_s), len(part.get("launches_s", ()))
    if min(launches) < FEWEST_LAUNCHES and any(bar.figure not in SPREADS for bar in bars):
        unlike.append(
            f"{launches[0]} processes (were {launches[1]}); at least {FEWEST_LAUNCHES} each decide"
        )
    return ", ".join(unlike) or None


def nearest_name(name: str, known: Collection[str]) -> str:
    """Name the entries that are nearly called so, or all there are."""
    text = nearest(name, list(known))
    return text.partition("? There are: ")[0].partition("there are: ")[0]
