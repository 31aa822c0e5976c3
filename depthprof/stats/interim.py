"""When a growing run is looked at, and what such a look may say; stated before it begins.

Looking often and stopping when the answer pleases raises false alarms. So the looks are numbered,
each has a share of the error allowed (`stats.look_share`), and a look's number depends on nothing
but how many pairs there are. Launches grow once: their spread is judged after the first ones, and,
where it alone leaves a stage undecided, after some more. Both times have a share of the error.
"""

import math
from enum import Enum

FIRST_LOOK_PAIRS = 12
"""Pairs at the first look: three launches with the four turns each takes at least."""

GROWTH_RATIO = 1.5
"""Pairs grow by this ratio from look to look."""

LAUNCHES = 6
"""Launches of a run whose sides share a worker."""

SEPARATE_LAUNCHES = 10
"""Launches where each side has a worker of its own: their layouts differ, so more are needed."""

MORE_LAUNCHES = 10
"""Launches that are added where the first ones scatter too much to decide."""

FIRST_LAUNCHES_SHARE = 0.5
"""Share of the error for the first launches where more may follow; the rest is for all of them."""

LAUNCH_LOOKS = 3
"""The launches' interval is made as if it were looked at so many times. Their layouts are drawn
once, but each look hears more pairs of them, so it is more than one look and less than as many as
there are (simulated along the looks of real runs: docs/verdicts.md).
"""


class Look(Enum):
    """What a look at the data says.

    Go on; end, since all is decided; end, since launches scatter too much for more turns to decide
    what is left; or start more launches.
    """

    GO_ON = "go on"
    END = "end"
    SCATTERED = "scattered"
    MORE_LAUNCHES = "more launches"


def first_launches(*, shared: bool) -> int:
    """Launches that a run begins with, by whether its sides share a worker."""
    return LAUNCHES if shared else SEPARATE_LAUNCHES


def launch_share(launches: int, *, shared: bool, may_grow: bool = True) -> float:
    """Share of the error that so many launches may spend on their spread, at each look.

    Args:
        launches: heard so far. shared: whether the sides share a worker.
        may_grow: whether the run might start more; a number that was asked for has all the error.
    """
    if not may_grow:
        return 1 / LAUNCH_LOOKS
    is_first = launches <= first_launches(shared=shared)
    return (FIRST_LAUNCHES_SHARE if is_first else 1 - FIRST_LAUNCHES_SHARE) / LAUNCH_LOOKS


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
