"""Analysing growing data: a schedule that no data can move, and an error that adds up."""

from itertools import pairwise

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from depthprof.stats.interim import (
    CHANGE_PART,
    EARLY_SHARE,
    FEWEST_FOR_SMALL,
    GROWTH_RATIO,
    LAST,
    analysis_number,
    change_error,
    is_analysis,
    same_error,
)

ANALYSES = [segments for segments in range(1, 2_000) if is_analysis(segments)]


def test_analyses_are_scheduled_and_grow_geometrically() -> None:
    assert ANALYSES[:6] == [6, 9, 14, 21, 32, 48]
    ratios = [then / first for first, then in pairwise(ANALYSES)]
    assert all(GROWTH_RATIO <= ratio < GROWTH_RATIO + 0.1 for ratio in ratios)


@given(st.integers(0, 100_000))
def test_no_two_analyses_have_the_same_number(segments: int) -> None:
    number = analysis_number(segments)
    later = next(n for n in range(max(1, segments), 2 * segments + 20) if is_analysis(n))
    assert number == analysis_number(later)  # a run that ends early takes the number of the next
    assert analysis_number(later + 1) == number + 1


def test_the_errors_of_all_analyses_add_up_to_what_a_row_may_err() -> None:
    whole = CHANGE_PART * 0.05
    early = [change_error(0.95, number) for number in range(1, 10_000)]
    assert early == sorted(early, reverse=True)
    assert sum(early) == pytest.approx(EARLY_SHARE * whole, rel=1e-3)
    assert sum(early) + change_error(0.95, LAST) < whole
    assert change_error(0.95, LAST) == pytest.approx(0.0018)
    with pytest.raises(ValueError, match="numbered from 1"):
        change_error(0.95, -1)


def test_calling_something_the_same_errs_less_early() -> None:
    assert same_error(LAST) == 0.05
    assert same_error(1) == same_error(7) == 0.01


def test_so_few_layouts_of_two_values_agree_by_chance_as_rarely_as_a_row_may_err() -> None:
    assert 2 * 0.5**FEWEST_FOR_SMALL <= CHANGE_PART * 0.05 < 2 * 0.5 ** (FEWEST_FOR_SMALL - 1)


def test_a_growing_mean_is_seldom_called_changed_at_any_analysis() -> None:
    # 4,000 growing means of layouts about 0, analysed at every scheduled number and at the end.
    # Of 4,000 at 0.2 % 8 are expected at most; 17 or more have a chance of 0.4 %. A test without
    # shares, at 0.2 % each time, errs in more.
    random = np.random.default_rng(11)
    values = random.normal(0, 1, (4_000, 100))
    found = {True: np.zeros(4_000, bool), False: np.zeros(4_000, bool)}
    for segments in [*(n for n in ANALYSES if n < 100), 100]:
        number = LAST if segments == 100 else analysis_number(segments)
        known = values[:, :segments]
        t = np.abs(known.mean(axis=1)) / (known.std(axis=1, ddof=1) / segments**0.5)
        for shares in (True, False):
            error = change_error(0.95, number) if shares else CHANGE_PART * 0.05
            found[shares] |= t > scipy.stats.t.ppf(1 - error / 2, segments - 1)
    assert found[True].sum() < 17 < found[False].sum()
