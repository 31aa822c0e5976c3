"""Looking at growing data: a schedule that no data can move, and an error that adds up."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from depthprof.stats.interim import GROWTH_RATIO, is_look, look_number
from depthprof.stats.paired import look_share

LOOKS = [pairs for pairs in range(1, 2_000) if is_look(pairs)]


def test_looks_are_scheduled_and_grow_geometrically() -> None:
    assert LOOKS[:5] == [12, 18, 27, 41, 62]
    assert all(GROWTH_RATIO <= then / first < GROWTH_RATIO + 0.1 for first, then in pairwise(LOOKS))


@given(st.integers(0, 100_000))
def test_no_two_looks_have_the_same_number(pairs: int) -> None:
    number = look_number(pairs)
    later = next(n for n in range(max(1, pairs), 2 * pairs + 20) if is_look(n))
    assert number == look_number(later)  # a run that ends early takes the number of the next look
    assert look_number(later + 1) == number + 1


def test_the_shares_of_all_looks_add_up_to_the_error_allowed() -> None:
    shares = [look_share(number) for number in range(1, 10_000)]
    assert 0.999 < sum(shares) < 1
    assert shares == sorted(shares, reverse=True)
