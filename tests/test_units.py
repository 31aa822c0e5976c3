"""Figures as text."""

import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthprof import units


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 ns"),
        (120, "120 ns"),
        (999.6, "1.00 us"),
        (85_000, "85.0 us"),
        (7_310_000, "7.31 ms"),
        (999_999, "1.00 ms"),
        (1_373_000_000, "1.37 s"),
        (123_400_000_000, "123 s"),
        (-6_480_000, "-6.48 ms"),
        (math.nan, "n/a"),
    ],
)
def test_duration(ns: float, text: str) -> None:
    assert units.duration(ns) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (0.05, "5 %"),
        (0.984, "98 %"),
        (0.0044, "0.44 %"),
        (1.11, "111 %"),
        (0, "0 %"),
        (0.0996, "10 %"),
    ],
)
def test_percent(ratio: float, text: str) -> None:
    assert units.percent(ratio) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(1.0, "1.000"), (2.306, "2.31"), (16.44, "16.4"), (120.4, "120"), (math.inf, "n/a")],
)
def test_times(ratio: float, text: str) -> None:
    assert units.times(ratio) == text


@pytest.mark.parametrize(
    ("ratios", "text"),
    [((0.993, 1.047), "0.993 - 1.047"), ((1.99, 2.01), "1.99 - 2.01"), ((1, math.nan), "n/a")],
)
def test_an_interval_has_the_same_decimals_at_both_ends(
    ratios: tuple[float, float], text: str
) -> None:
    assert units.times(*ratios) == text


@given(st.floats(1, 1e12))
def test_duration_keeps_three_digits(ns: float) -> None:
    number, unit = units.duration(ns).split()
    factor = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}[unit]
    assert float(number) * factor == pytest.approx(ns, rel=0.0051, abs=0.51)


@pytest.mark.parametrize(
    ("bytes_per_s", "text"),
    [(3.05e9, "3.05 GB/s"), (722.8e6, "723 MB/s"), (999.9e6, "1.00 GB/s"), (12, "12 B/s")],
)
def test_rates_are_in_powers_of_ten(bytes_per_s: float, text: str) -> None:
    assert units.byte_rate(bytes_per_s) == text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a photo (1).jpg", "a photo (1).jpg"),
        ("写真🦋é", "写真🦋é"),
        (os.fsdecode(b"caf\xe9\xff"), r"caf\xe9\xff"),
        ("a\nb\tc\rd", r"a\nb\tc\rd"),
        ("\x1b[31m\x07\x7f", r"\x1b[31m\x07\x7f"),
        ("photo\u202egpj.exe", r"photo\u202egpj.exe"),
        ("a\u2028b\x85c", r"a\u2028b\x85c"),
        ("lone \ud800", r"lone \ud800"),
        ("C:\\pictures\\new", "C:\\pictures\\new"),
        (Path("a") / "b\n.py", r"a/b\n.py"),
        ("", ""),
    ],
)
def test_a_name_is_shown_on_one_line(name: str | Path, text: str) -> None:
    assert units.shown(name) == text


@given(st.text(st.characters()))
def test_what_is_shown_can_be_printed_and_encoded_and_stays_as_it_is(name: str) -> None:
    text = units.shown(name)
    assert text.isprintable()
    assert units.shown(text.encode("utf-8").decode("utf-8")) == text


@given(st.binary(min_size=1))
def test_any_bytes_are_shown(name: bytes) -> None:
    assert units.shown(os.fsdecode(name)).encode().decode().isprintable()
