"""Two sides that ran on unlike numbers of threads."""

from collections.abc import Iterator

from depthprof.advice.facts import Facts, figures
from depthprof.records import Finding

CODE = "unlike_threads"
ORDER = 12

REMEDY = (
    "give both the same --threads, unless the threads are what is compared; a forward on the CPU"
    " and OpenCV's resize depend on them"
)


def rule(facts: Facts) -> Iterator[Finding]:
    """The sides of a comparison ran with unlike numbers of threads.

    Then a difference between them may be the threads' and not the code's. No threshold. The gain
    is unknown.
    """
    threads = [side.side.threads for side in facts.sides]
    if len(set(threads)) < 2:
        return
    shown = " and ".join(str(count) for count in threads)
    yield Finding(
        CODE,
        None,
        None,
        f"the sides ran on unlike numbers of threads: {shown}",
        figures(*((side.side.label, f"{side.side.threads} threads") for side in facts.sides)),
        None,
        REMEDY,
    )
