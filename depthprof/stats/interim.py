"""When a growing run is analysed, and what error each analysis may spend; stated before it begins.

Looking often and stopping when the answer pleases raises false alarms. So the analyses are
numbered, their times depend on nothing but how many segments were measured, and each has a share of
the error. Early ones have little of it (Haybittle, Brit. J. Radiol. 44 (1971) 793-797; Peto et al.,
Brit. J. Cancer 34 (1976) 585-612); the last one, whose time the budget sets, has the rest. The
shares add up to the whole error, so it holds whatever the analyses' dependence (Boole's
inequality), and any number of them may be taken.
"""

import math
from typing import Literal, get_args

Until = Literal["decided", "culprit", "exit code"]
"""What a comparison is measured for: every stage decided, the first clear culprit, or the exit
code."""

UNTIL: tuple[Until, ...] = get_args(Until)

LAST = 0
"""Number of the analysis at the planned end of a run; the early ones are 1, 2, ..."""

FIRST_ANALYSIS, GROWTH_RATIO = 6, 1.5
"""Segments at the first early analysis, and by what ratio they grow from one to the next."""

EARLY_SHARE = 0.1
"""Share of a row's error that all early analyses may spend together."""

CHANGE_PART = 0.04
"""Part of 1 - confidence with which identical code may be called changed in a row: 0.2 % at 95 %.
An estimate must reach the threshold besides, so the share of false alarms is lower."""

SAME_ERROR, SAME_ERROR_EARLY = 0.05, 0.01
"""Error with which a change by exactly the threshold may be called SAME, at the end and at each
early analysis: two one-sided tests, which need no correction (Schuirmann, J. Pharmacokinet.
Biopharm. 15 (1987) 657-680; Berger and Hsu, Stat. Sci. 11 (1996) 283-302)."""

FEWEST_TO_STOP = 12
"""So many units may end a run early by calling a stage SAME."""

FEWEST_AT_THE_END = 6
"""Fewer units than this decide nothing."""

FEWEST_FOR_SMALL = 10
"""Fewer units may only call changes beyond LARGE_RATIO. Were a layout's effect one of two values,
n layouts would agree by chance in 2 of 2^n runs: with 10 as rarely as a row may err at all."""

LARGE_RATIO = 1.25
"""The furthest from 1 that a layout moved identical code, in 6,400 stages on two machines
(docs/calibration.md)."""

FEWEST_PROCESSES, PROCESSES = 6, 10
"""A run has so many processes at least and at most, as its budget allows."""

ANALYSED_PROCESSES = 3
"""No early analysis before so many processes were measured, and fewer call only large changes: how
much processes differ cannot be estimated from fewer."""


def is_analysis(segments: int) -> bool:
    """Whether an early analysis is due at so many segments: 6, 9, 14, 21, 32, 48, ..."""
    return _scheduled(segments)[1] == segments


def analysis_number(segments: int) -> int:
    """Number of the early analysis, from 1 on, that so many segments count as.

    Between two scheduled ones (after Ctrl-C) it is the later, which is then not taken.
    """
    return _scheduled(segments)[0]


def change_error(confidence: float, analysis: int) -> float:
    """Two-sided error with which an analysis may call an unchanged row changed.

    The k-th early one has EARLY_SHARE / (k (k + 1)) of it; those shares, without end, add up to
    EARLY_SHARE.

    Raises:
        ValueError: the number is negative.
    """
    if analysis < 0:
        raise ValueError(f"analysis {analysis!r}: early ones are numbered from 1, the last is 0")
    whole = CHANGE_PART * (1 - confidence)
    if analysis == LAST:
        return (1 - EARLY_SHARE) * whole
    return EARLY_SHARE / (analysis * (analysis + 1)) * whole


def same_error(analysis: int) -> float:
    """One-sided error with which an analysis may call a changed row SAME."""
    return SAME_ERROR if analysis == LAST else SAME_ERROR_EARLY


def _scheduled(segments: int) -> tuple[int, int]:
    """Number and segments of the first scheduled analysis that has no fewer."""
    number, scheduled = 1, FIRST_ANALYSIS
    while scheduled < segments:
        scheduled = math.ceil(scheduled * GROWTH_RATIO)
        number += 1
    return number, scheduled
