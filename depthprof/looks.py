"""When a growing run is looked at: at numbers of pairs that were stated before it began.

Looking often and stopping when the answer pleases raises false alarms. So the looks are numbered,
each has a share of the error allowed (`stats.look_share`), and a look's number depends on nothing
but how many pairs there are.
"""

import math

FIRST_LOOK_PAIRS = 12
"""Pairs at the first look: three launches with the four turns each takes at least."""

GROWTH_RATIO = 1.5
"""Pairs grow by this ratio from look to look."""


def is_look(pairs: int) -> bool:
    """Whether a run of so many pairs may be looked at: 12, 18, 27, 41, 62, ..."""
    return _scheduled(pairs)[1] == pairs


def look_number(pairs: int) -> int:
    """Return which look this many pairs are, from 1 on.

    Between two scheduled looks it is the later one's, which is then not taken: a run ends once.
    """
    return _scheduled(pairs)[0]


def _scheduled(pairs: int) -> tuple[int, int]:
    """Number and pairs of the first scheduled look that has no fewer pairs."""
    number, scheduled = 1, FIRST_LOOK_PAIRS
    while scheduled < pairs:
        scheduled = math.ceil(scheduled * GROWTH_RATIO)
        number += 1
    return number, scheduled
