"""The copy to the host blamed for waiting for the device."""

from collections.abc import Iterator

from depthprof.advice.facts import Facts, figures
from depthprof.records import Finding
from depthprof.units import duration, percent

CODE = "copy_blamed"
ORDER = 10

WAIT_RATIO = 0.5
"""From this part of what the copy is blamed for on, waiting is the larger part of it."""

WORTH_NS = 10_000
"""A wait shorter than this misleads nobody."""


def rule(facts: Facts) -> Iterator[Finding]:
    """A host timer without a sync stage would blame the copy for time that others spend.

    A GPU works beside the host, and the copy to the host is the first call that waits for it (CUDA
    C++ Programming Guide, "Asynchronous Concurrent Execution"); such a timer shows the wait as the
    copy's. Reported where 10 us or more, and at least half of what it shows, are waiting. Nothing
    is gained by heeding this but the right stage to look at, so the gain is unknown.
    """
    for side in facts.sides:
        view = side.timer
        if not view.owners_ns or view.wait_ns < WORTH_NS:
            continue
        if view.wait_ns < WAIT_RATIO * view.blamed_ns:
            continue
        owner = next(iter(view.owners_ns))
        blamed, wait = duration(view.blamed_ns), duration(view.wait_ns)
        yield Finding(
            CODE,
            side.name,
            "d2h",
            f"a timer without sync blames d2h for {blamed}; {wait} wait for {owner}",
            figures(
                ("such a timer shows for d2h", blamed),
                ("of it waiting", f"{wait} ({percent(view.wait_ns / view.blamed_ns)})"),
                *((f"of that for {stage}", duration(ns)) for stage, ns in view.owners_ns.items()),
                ("d2h itself, host", duration(side.host_ns.get("d2h", 0.0))),
                ("d2h itself, device", duration(side.device_ns.get("d2h", 0.0))),
            ),
            None,
            f"look at {owner}, not at the copy; time with a sync stage before d2h",
        )
