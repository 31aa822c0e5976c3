"""`depthprof history`: the kept runs' medians over time, and where they changed."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from depthprof.cli import output
from depthprof.cli.options import Command, StoreOptions, option
from depthprof.cli.report import opened
from depthprof.errors import BadInput, nearest
from depthprof.units import shown

if TYPE_CHECKING:
    from depthprof.records import Series
    from depthprof.storage.database import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryOptions(StoreOptions):
    """Of `history`."""

    label: str | None = option("LABEL", "only this side, such as v2")
    stage: str | None = option("STAGE", "only this stage")
    out: str | None = option("DIR", "write HTML, PNG and CSV there")
    json: str | None = option("FILE", "write it there as JSON; - prints nothing else")
    otava: str | None = option("FILE", "write the series as CSV for apache-otava")


def history(settings: HistoryOptions) -> int:
    """Read the series, find where they changed, and show or write it."""
    from depthprof.history.trends import analyse
    from depthprof.records import STAGES, TOTAL
    from depthprof.report.history import history_document, print_history
    from depthprof.report.history_page import write_history

    known = (*STAGES, TOTAL)
    if settings.stage is not None and settings.stage not in known:
        raise BadInput(f'unknown stage "{settings.stage}"; {nearest(settings.stage, known)}')
    with opened(settings) as store:
        everything = stored_series(store)
    if not everything:
        raise BadInput("the store holds no runs yet; `depthprof compare` and `profile` keep theirs")
    series = _chosen(everything, settings)
    if settings.otava is not None:
        _write_otava(Path(settings.otava), series)
    histories = analyse(series, among=everything)
    if settings.out is not None:
        for file in write_history(histories, settings.out):
            output.note(f"written: {shown(file)}")
    if not output.write_json(settings.json, history_document(histories)):
        print_history(histories, output.console())
    return 0


def stored_series(store: "Store") -> "list[Series]":
    """Every stage of every side on every machine, in the order of the iteration."""
    from depthprof.records import STAGES, TOTAL, WITH_CHANGES, Point, Series, Workload
    from depthprof.records.workload import workload_words

    labels = {
        name: ", ".join(workload_words(Workload(**work), named=True))
        for name, work in store.workloads().items()
    }
    machines = store.machines()
    found: dict[tuple[str, str, str, str], list[Point]] = {}
    for row in store.levels():
        label = row.label.removesuffix(" (a)").removesuffix(" (b)")
        machine = f"{machines[row.machine]} ({row.machine[:6]})"
        key = (machine, f"{label} {labels[row.workload]}", row.stage, row.clock)
        commit = f"{row.commit_sha}{WITH_CHANGES}" if row.dirty else row.commit_sha
        point = Point(row.id, row.created, commit, row.median_ns, max(0.0, row.low_ns), row.high_ns)
        points = found.setdefault(key, [])
        if not (points and points[-1].run == row.id):  # the same side twice, as in A against A
            points.append(point)
    order = {stage: place for place, stage in enumerate((*STAGES, TOTAL))}
    keys = sorted(found, key=lambda key: (key[0], key[1], order.get(key[2], len(order)), key[3]))
    return [Series(*key, tuple(found[key])) for key in keys]


def _chosen(series: "list[Series]", settings: HistoryOptions) -> "list[Series]":
    wanted = settings.label
    if wanted is not None:
        known = sorted({one.label for one in series})
        series = [one for one in series if wanted in (one.label, one.label.partition(" ")[0])]
        if not series:
            raise BadInput(f'no run has the side "{wanted}"; {nearest(wanted, known)}')
    return [one for one in series if settings.stage in (None, one.stage)]


def _write_otava(file: Path, series: "list[Series]") -> None:
    """A file a side and machine: Otava reads one test from one file."""
    from depthprof.history.trends import otava_csv

    groups: dict[tuple[str, str], list[Series]] = {}
    for one in series:
        groups.setdefault((one.machine, one.label), []).append(one)
    for number, group in enumerate(groups.values()):
        place = file if len(groups) == 1 else file.with_stem(f"{file.stem}-{number + 1}")
        output.write_text(place, otava_csv(group))
        output.note(f"written: {shown(place)} ({group[0].label} on {group[0].machine})")


COMMANDS = {
    "history": Command(
        HistoryOptions,
        history,
        ("history --label v2 --stage forward", "history --out history --otava depth.csv"),
    )
}
