"""What a side leaves behind for whoever comes next."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from depthprof.advice.facts import Facts, figures
from depthprof.records import WARM_UP_TURN, Finding, Run
from depthprof.units import duration, times

CODE = "carry_over"
ORDER = 42

FEWEST_PROCESSES = 5
"""That all of five processes agree by chance has a probability of 1 in 16."""

WORTH_RATIO = 1.2
WORTH_NS = 50_000

REMEDY = (
    "keep large arrays between iterations; making them anew leaves the allocator otherwise than it"
    " was, and --separate shows each side without the other"
)


def rule(facts: Facts) -> Iterator[Finding]:
    """The next preprocess takes longer after one side than after the other, whoever's it is.

    Seen where V2's colouring left the allocator so that the next preprocess took twice as long
    (docs/measuring.md, "Processes, blocks, pairs"). In a shared process each side's blocks follow
    either side; the first iterations of blocks are compared by who ran before, each side with
    itself, so that the sides' own speed and their place in the pair cancel. Reported where all of
    five or more processes agree, and the median process has 1.2 times and 50 us or more. The gain
    is unknown: what is left behind also slows the side's own next iteration.
    """
    run = facts.run
    if not (run.is_comparison and run.shared) or "preprocess" not in run.samples.stages:
        return
    seen = _after_each_ns(run)
    if len(seen) < FEWEST_PROCESSES:
        return
    ratios = seen[:, 1] / seen[:, 0]
    if not ((ratios > 1).all() or (ratios < 1).all()):
        return
    slow = int(ratios[0] > 1)
    after_ns, else_ns = (float(np.median(seen[:, side])) for side in (slow, 1 - slow))
    if after_ns < WORTH_RATIO * else_ns or after_ns - else_ns < WORTH_NS:
        return
    label = facts.sides[slow].side.label
    yield Finding(
        CODE,
        facts.sides[slow].name,
        "preprocess",
        f"after it the next preprocess takes {times(after_ns / else_ns)} times as long",
        figures(
            (f"first preprocess after {label}", duration(after_ns)),
            (f"after {facts.sides[1 - slow].side.label}", duration(else_ns)),
            ("processes that agree", str(len(seen))),
        ),
        None,
        REMEDY,
    )


def _after_each_ns(run: Run) -> NDArray[np.float64]:
    """First preprocess of a block by who ran before, geometric over the sides: [processes, 2]."""
    samples = run.samples
    columns = np.stack([samples.launch, samples.block])
    _, first = np.unique(columns, axis=1, return_index=True)  # blocks in order, first iterations
    process, block, side = samples.launch[first], samples.block[first], samples.side[first]
    took_ns = samples.host_ns[first, samples.stages.index("preprocess")]
    follows = (process[1:] == process[:-1]) & (block[1:] == block[:-1] + 1)
    judged = follows & (samples.turn[first][1:] != WARM_UP_TURN) & (took_ns[1:] > 0)
    now, before = np.flatnonzero(judged) + 1, np.flatnonzero(judged)
    rows = []
    for one in np.unique(process[now]):
        cells = [
            took_ns[now[(process[now] == one) & (side[now] == own) & (side[before] == earlier)]]
            for earlier in (0, 1)
            for own in (0, 1)
        ]
        if all(len(cell) for cell in cells):
            logs = np.log([float(np.median(cell)) for cell in cells]).reshape(2, 2)
            rows.append(np.exp(logs.mean(axis=1)))
    return np.asarray(rows, dtype=np.float64).reshape(-1, 2)
