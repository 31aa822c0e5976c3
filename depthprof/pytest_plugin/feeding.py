"""Entries into pytest-benchmark: its figures are made of our samples, by itself.

It has no public way to take samples that were measured elsewhere, so this is the one place that
uses what its fixture uses itself: `_make_stats`, `name`, `fullname`, `group`, `params` and
`extra_info`, which are the same from 4.0 on.
"""

import copy
from collections.abc import Mapping
from typing import Any

from depthprof.pytest_plugin.entries import Entry
from depthprof.storage.benchmark_files import KEY


def feed(benchmark: Any, entry: Entry, alone: bool, known: Mapping[str, Any]) -> Any:
    """Give pytest-benchmark the samples of an entry.

    Args:
        benchmark: the fixture of the test. alone: whether the entry is the only one of the test;
            it then bears the test's name, else the variant and stage are added to it.
        known: what goes into extra_info, under the key "depthprof".

    Returns:
        pytest-benchmark's record of the entry, with its figures.
    """
    fixture = copy.copy(benchmark)
    fixture.group = f"{benchmark.group or entry.workload} {entry.stage}"
    fixture.extra_info = {**benchmark.extra_info, KEY: dict(known)}
    if not alone:
        fixture.name = entry_name(benchmark.name, entry)
        fixture.fullname = entry_name(benchmark.fullname, entry)
        fixture.param = f"{entry.variant}-{entry.stage}"
        own = {"variant": entry.variant, "stage": entry.stage}
        fixture.params = {**(benchmark.params or {}), **own}
    made = fixture._make_stats(iterations=1)
    for seconds in entry.seconds:
        made.update(seconds)
    return made


def entry_name(test: str, entry: Entry) -> str:
    """Name of one of several entries: "test_mine[v2-forward]", "test_mine[x-v2-forward]"."""
    words = f"{entry.variant}-{entry.stage}"
    return f"{test[:-1]}-{words}]" if test.endswith("]") else f"{test}[{words}]"
