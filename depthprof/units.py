"""Figures and names as people read them: nanoseconds, bytes, ratios, shares, file names.

Every figure inside depthprof carries its unit in its name (`_ns`, `_bytes`, `_ratio`); these
functions are the only place where a figure, or the name of a file, becomes text.
"""

import math
import os
from typing import Any

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
NS_PER_US = 1_000


def significant(value: float, digits: int = 3) -> str:
    """Format with a number of significant digits and without an exponent: 1234.5 -> "1230"."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "n/a"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, places)
    if rounded and math.floor(math.log10(abs(rounded))) > math.floor(math.log10(abs(value))):
        places -= 1  # 9.996 became 10.0: one digit more before the point, one fewer after it
    return f"{rounded:.{max(0, places)}f}"


def duration(nanoseconds: float) -> str:
    """Format a duration given in nanoseconds: "1.37 s", "7.31 ms", "85.0 us", "120 ns"."""
    size = abs(nanoseconds)
    for limit, unit in ((NS_PER_S, "s"), (NS_PER_MS, "ms"), (NS_PER_US, "us")):
        if size >= limit * 0.9995:
            return f"{significant(nanoseconds / limit)} {unit}"
    return f"{nanoseconds:.0f} ns" if math.isfinite(nanoseconds) else "n/a"


def signed_duration(nanoseconds: float) -> str:
    """As `duration`, with the sign always shown: "+6.31 ms"."""
    return f"+{duration(nanoseconds)}" if nanoseconds >= 0 else duration(nanoseconds)


def about(seconds: float) -> str:
    """Format a time to wait, roughly: "40 s", "18 min", "2.5 h"."""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    if seconds < 100 * 60:
        return f"{round(seconds / 60)} min"
    return f"{significant(seconds / 3600, 2)} h"


def percent(ratio: float) -> str:
    """Format a share given as a ratio: 0.984 -> "98 %", 0.05 -> "5 %", 0.0044 -> "0.44 %"."""
    if not math.isfinite(ratio):
        return "n/a"
    value = ratio * 100
    if abs(value) >= 9.95 or value == 0:
        return f"{value:.0f} %"
    return f"{significant(value, 2).removesuffix('.0')} %"


def times(*ratios: float) -> str:
    """Format ratios of two durations, candidate / baseline, alike: "1.004", "2.31", "16.4".

    Several are an interval: "0.993 - 1.047", with the decimals that the largest has alone.
    """
    if not all(map(math.isfinite, ratios)):
        return "n/a"
    limits = ((99.95, 0), (9.995, 1), (1.9995, 2))
    decimals = next((places for limit, places in limits if max(ratios) >= limit), 3)
    return " - ".join(f"{ratio:.{decimals}f}" for ratio in ratios)


def rate(per_second: float, unit: str) -> str:
    """Format a rate given in a unit a second: 1.2e10, "B" -> "12.0 GB/s" (powers of ten)."""
    for limit, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if per_second >= limit * 0.9995:
            return f"{significant(per_second / limit)} {prefix}{unit}/s"
    return f"{significant(per_second)} {unit}/s" if math.isfinite(per_second) else "n/a"


def binary_size(size_bytes: float) -> str:
    """Format a size given in bytes: "1.2 MiB"."""
    for limit, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if size_bytes >= limit:
            return f"{size_bytes / limit:.1f} {unit}"
    return f"{size_bytes:.0f} B"


def byte_rate(bytes_per_s: float) -> str:
    """Format a rate given in bytes a second, in powers of ten as data sheets do: "3.05 GB/s"."""
    for limit, unit in ((1e9, "GB/s"), (1e6, "MB/s"), (1e3, "kB/s")):
        if bytes_per_s >= limit * 0.9995:
            return f"{significant(bytes_per_s / limit)} {unit}"
    return f"{bytes_per_s:.0f} B/s" if math.isfinite(bytes_per_s) else "n/a"


def shown(name: str | os.PathLike[str]) -> str:
    r"""Make the name of a file, or a text with such names in it, safe to print, store and send.

    The result is one line of printable characters, without surrogates: it can be encoded as UTF-8,
    kept by any database, written as XML, and does nothing to a terminal. Bytes that were no UTF-8
    (os.fsdecode makes surrogates of them) become ``\xff``, other characters that cannot be printed
    (control characters, line ends, those that turn the direction of writing) ``\n``, ``\x1b``,
    ``\u202e``. Backslashes stay as they are, so what is shown already is not changed again.
    """
    text = os.fspath(name)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was no UTF-8 (PEP 383)
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def keep_shown(record: Any, *fields: str) -> None:
    """Replace texts, and tuples of texts, of a frozen record by what may be shown of them.

    Records call it when they are made, so that what was measured now and what is read from a file
    are alike, and no report, store or protocol meets a name that it cannot hold.
    """
    for field in fields:
        value = getattr(record, field)
        if isinstance(value, str):
            object.__setattr__(record, field, shown(value))
        elif isinstance(value, tuple):
            object.__setattr__(record, field, tuple(map(shown, value)))
