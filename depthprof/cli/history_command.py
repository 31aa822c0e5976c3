"""`depthprof history`: the kept runs' medians over time, and where they changed."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from depthprof.cli import output
from depthprof.cli.keeping import opened
from depthprof.errors import BadInput, OutputError, nearest
from depthprof.records import STAGES, TOTAL, WITH_CHANGES, Point, Series
from depthprof.storage.text_files import write_text
from depthprof.units import shown

if TYPE_CHECKING:
    from depthprof.storage.database import Store

OWN_WORDS = ("model", "input_size", "batch", "dtype", "attention", "product", "max_depth")
"""What is said of a workload where it is not the default; model and input size always are."""


def history(arguments: Namespace) -> int:
    """Read the series, find where they changed, and show or write it."""
    from depthprof.history.trends import analyse, otava_csv
    from depthprof.report.history_document import history_document

    if arguments.stage is not None and arguments.stage not in (*STAGES, TOTAL):
        raise BadInput(
            f'unknown stage "{arguments.stage}"; {nearest(arguments.stage, (*STAGES, TOTAL))}'
        )
    with opened(arguments) as store:
        series = stored_series(store)
    if not series:
        raise BadInput("the store holds no runs yet; `depthprof compare` and `profile` keep theirs")
    everything, series = series, _chosen(series, arguments)
    if arguments.otava is not None:
        _write_otava(Path(arguments.otava), series, otava_csv)
    histories = analyse(series, among=everything)
    if arguments.out is not None:
        from depthprof.report.history_folder import write_history

        for file in write_history(histories, arguments.out):
            output.note(f"written: {shown(file)}")
    if output.write_json(arguments.json, history_document(histories)):
        return 0
    from depthprof.report.history_terminal import print_history

    print_history(histories, output.console())
    return 0


def stored_series(store: "Store") -> list[Series]:
    """Every stage of every side on every machine, in the order of the iteration."""
    labels = {name: _words(work) for name, work in store.workloads().items()}
    machines = store.machines()
    found: dict[tuple[str, str, str, str], list[Point]] = {}
    for row in store.levels():
        label = row.label.removesuffix(" (a)").removesuffix(" (b)")
        machine = f"{machines[row.machine]} ({row.machine[:6]})"
        key = (machine, f"{label} {labels[row.workload]}", row.stage, row.clock)
        commit = f"{row.commit_sha}{WITH_CHANGES}" if row.dirty else row.commit_sha
        point = Point(row.id, row.created, commit, row.median_ns, max(0.0, row.low_ns), row.high_ns)
        points = found.setdefault(key, [])
        if points and points[-1].run == row.id:
            continue  # the same side twice in a run, as in A against A
        points.append(point)
    order = {stage: place for place, stage in enumerate((*STAGES, TOTAL))}
    keys = sorted(found, key=lambda key: (key[0], key[1], order.get(key[2], len(order)), key[3]))
    return [Series(*key, tuple(found[key])) for key in keys]


def _words(work: Mapping[str, Any]) -> str:
    from dataclasses import asdict

    from depthprof.records import Workload

    usual = asdict(Workload())
    said = [str(work["model"]), str(work["input_size"])]
    said += [
        f"{name.replace('_', '-')} {work[name]}"
        for name in OWN_WORDS[2:]
        if work.get(name) != usual[name]
    ]
    return ", ".join([" ".join(said[:2]), *said[2:]])


def _chosen(series: list[Series], arguments: Namespace) -> list[Series]:
    wanted = arguments.label
    if wanted is not None:
        known = sorted({one.label for one in series})
        series = [one for one in series if wanted in (one.label, one.label.partition(" ")[0])]
        if not series:
            raise BadInput(f'no run has the side "{wanted}"; {nearest(wanted, known)}')
    if arguments.stage is not None:
        series = [one for one in series if one.stage == arguments.stage]
    return series


def _write_otava(file: Path, series: list[Series], as_csv: Any) -> None:
    """A file a side and machine: Otava reads one test from one file."""
    groups: dict[tuple[str, str], list[Series]] = {}
    for one in series:
        groups.setdefault((one.machine, one.label), []).append(one)
    for number, group in enumerate(groups.values()):
        place = file if len(groups) == 1 else file.with_stem(f"{file.stem}-{number + 1}")
        try:
            write_text(place, as_csv(group))
        except OSError as error:
            raise OutputError(f"could not write {place}: {error.strerror}") from error
        output.note(f"written: {shown(place)} ({group[0].label} on {group[0].machine})")
