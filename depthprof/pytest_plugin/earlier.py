"""The runs that --benchmark-compare names: what they say of an entry, and whether it got slower."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from depthprof.benchmarkfile import own_part
from depthprof.errors import nearest
from depthprof.pytest_plugin.entries import Entry
from depthprof.pytest_plugin.regression import Bar, Timed, launches_ratio, regressed
from depthprof.settings import Settings
from depthprof.units import duration

THRESHOLD_RATIO = 0.10
FLOOR_NS = 5_000.0
"""What a change between two runs must exceed, where neither options nor settings say."""

FIGURES = ("min", "max", "mean", "median", "stddev", "iqr")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one earlier run says of an entry: `slower` fails the test, the rest is a remark."""

    slower: bool
    text: str


def findings(
    made: Any, entry: Entry, earlier: Mapping[Any, Mapping[str, Any]], bars: tuple[Bar, ...]
) -> Iterator[Finding]:
    """Judge an entry against every earlier run.

    Args:
        made: pytest-benchmark's record of it. earlier: by file, its entries by full name.
        bars: each of them may fail it.
    """
    for path, known in earlier.items():
        if made.fullname not in known:
            text = f"{made.fullname} is not in {path}: new, or renamed; {_guess(made, known)}"
            yield Finding(slower=False, text=text)
            continue
        unlike = _unlike(entry, own_part(known[made.fullname].get("extra_info")))
        if unlike:
            text = f"{made.fullname} is not compared with {path}: {unlike}"
            yield Finding(slower=False, text=text)
            continue
        yield from _slower(made, entry, str(path), known[made.fullname], bars)


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
) -> Iterator[Finding]:
    part = own_part(known.get("extra_info")) or {}
    before = Timed(known["stats"], tuple(part.get("launches_s", ())))
    now = Timed({name: made[name] for name in FIGURES}, entry.launches_s)
    for bar in bars:
        if regressed(before, now, bar):
            yield Finding(slower=True, text=_sentence(entry, path, before, now, bar))


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


def _unlike(entry: Entry, part: Mapping[str, Any] | None) -> str | None:
    """Why two entries of one name are no two times of the same thing; None where they are."""
    if part is None:
        return "it was not measured by depthprof"
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
    return ", ".join(unlike) or None


def _guess(made: Any, known: Mapping[str, Any]) -> str:
    names = [name for name, entry in known.items() if own_part(entry.get("extra_info"))]
    return nearest(made.fullname, names).partition("? There are: ")[0].partition("there are: ")[0]
