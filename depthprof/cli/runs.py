"""`depthprof runs` and `depthprof baseline`: the kept runs, and names for some of them."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from depthprof.cli import output
from depthprof.cli.options import Command, StoreOptions, argument, flag, option
from depthprof.cli.report import opened
from depthprof.errors import BadInput, BadRunFile
from depthprof.units import shown

if TYPE_CHECKING:
    from depthprof.records import Policy, Run
    from depthprof.storage.database import RunRow


@dataclass(frozen=True, slots=True, kw_only=True)
class _List(StoreOptions):
    tag: str | None = option("TAG", "only those with this tag")
    limit: int = option("N", "at most so many [20]", default=20, type=int)
    json: str | None = option("FILE", "write them there as JSON; - prints nothing else")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run(StoreOptions):
    run: str = argument("RUN", "first digits, a tag, or newest")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tag(_Run):
    tags: tuple[str, ...] = argument("TAG", nargs="+")
    remove: bool = flag("remove them instead")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Runs(StoreOptions):
    runs: tuple[str, ...] = argument("RUN", nargs="+")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Export(_Runs):
    out: str = option("DIR", "where to [.]", default=".")
    format: str = option(
        "FORMAT",
        "json: the run.json; csv, parquet: a row for each stage of each iteration [json]",
        default="json",
        choices=("json", "csv", "parquet"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Import(StoreOptions):
    paths: tuple[str, ...] = argument("PATH", "files, or report folders", nargs="+")
    tag: tuple[str, ...] = option("TAG", "for each of them", default=(), action="append")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Name(StoreOptions):
    name: str = argument("NAME")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Set(_Name):
    run: str = argument("RUN", "[newest]", nargs="?", default="newest")
    file: str | None = option("FILE", "write it there too, to be committed")


def newest_runs(settings: StoreOptions) -> int:
    """List the newest runs."""
    return list_runs(_List(store=settings.store))


def list_runs(settings: _List) -> int:
    """List runs, the newest first."""
    if settings.limit < 1:
        raise BadInput(f"limit is {settings.limit!r}, but must be at least 1")
    with opened(settings) as store:
        rows = store.rows(tag=settings.tag, limit=settings.limit)
    document = {"schema": 1, "kind": "runs", "runs": [asdict(row) for row in rows]}
    if not output.write_json(settings.json, document):
        _print_rows(rows)
    return 0


def _print_rows(rows: "Iterable[RunRow]") -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("run", "when (UTC)", "commit"):
        table.add_column(name, no_wrap=True)
    for name in ("sides", "outcome", "tags"):
        table.add_column(name, overflow="fold")
    for row in rows:
        commit = (row.commit or "-")[:8] + ("+" if row.dirty else "")
        outcome = f"{row.culprit} slower" if row.culprit else row.ended
        cells = (row.id, row.created[:16].replace("T", " "), commit)
        rest = (" vs ".join(row.labels), outcome, ", ".join(row.tags))
        table.add_row(*(Text(cell) for cell in (*cells, *rest)))
    none = "No runs are kept yet; `depthprof compare` and `profile` keep theirs."
    output.console().print(table if table.row_count else none)


def show_run(settings: _Run) -> int:
    """Print the report of one run."""
    from depthprof.report.terminal import print_judged
    from depthprof.verdict.decision import judge

    with opened(settings) as store:
        run, policy = store.load(store.find(settings.run))
    print_judged(judge(run, policy), output.console())
    return 0


def tag_run(settings: _Tag) -> int:
    """Add tags to a run, or remove them."""
    with opened(settings) as store:
        identity = store.find(settings.run)
        (store.untag if settings.remove else store.tag)(identity, settings.tags)
    did = "removed" if settings.remove else "added"
    output.say(f"{identity}: {', '.join(settings.tags)} {did}")
    return 0


def delete_runs(settings: _Runs) -> int:
    """Delete runs; none, if one of them is not there."""
    with opened(settings) as store:
        for identity in [store.find(word) for word in settings.runs]:
            store.delete(identity)
            output.say(f"{identity}: deleted")
    return 0


def export_runs(settings: _Export) -> int:
    """Write runs as files."""
    from depthprof.records import encode
    from depthprof.report.frames import to_frame, write_parquet

    with opened(settings) as store:
        for identity in [store.find(word) for word in settings.runs]:
            run, policy = store.load(identity)
            file = Path(settings.out) / f"{identity}.{settings.format}"
            if settings.format == "parquet":
                write_parquet(run, identity, file)
            elif settings.format == "csv":
                rows = to_frame(run, identity)
                output.write_text(file, rows.to_csv(index=False, lineterminator="\n"))
            else:
                output.write_text(file, encode(run, policy))
            output.say(f"{identity}: {shown(file)}")
    return 0


def import_runs(settings: _Import) -> int:
    """Add the runs of files to the store."""
    from depthprof.verdict.decision import judge

    with opened(settings, create=True) as store:
        for path in settings.paths:
            for run, policy in _runs_of(path):
                judged = judge(run, policy)
                identity = store.add(judged, judged.measured.digest, settings.tag)
                output.say(f"{identity}: {shown(path)}")
    return 0


def _runs_of(path: str) -> "Sequence[tuple[Run, Policy]]":
    """Runs of a run.json, a report folder, or a file of pytest-benchmark."""
    from depthprof.storage.run_files import is_benchmark_file, read_run, read_runs

    if not is_benchmark_file(Path(path)):
        return [read_run(path)]
    if runs := read_runs(path):
        return runs
    raise BadRunFile(
        f"{path} holds benchmarks, but no run of depthprof; only what the suites or the"
        " fixture depth_profile saved can be read"
    )


def set_baseline(settings: _Set) -> int:
    """Let a name stand for a run."""
    from depthprof.records import Policy, encode_digest
    from depthprof.stats.paired import shared_confidence
    from depthprof.stats.rank_sum import fewest_launches

    with opened(settings) as store:
        identity = store.find(settings.run)
        store.set_baseline(settings.name, identity)
        known = store.digest(identity)
    output.say(f'{identity} is the baseline "{settings.name}" now')
    processes = max((known.launches_of(side.name) for side in known.sides), default=0)
    needed = fewest_launches(shared_confidence(Policy().confidence, 8))
    if processes < needed:
        output.warn(
            f"it has {processes} processes; the gate decides from {needed} of each side"
            f" (--processes {needed + 2} when measuring)"
        )
    if settings.file is not None:
        output.write_text(Path(settings.file), encode_digest(replace(known, run=settings.name)))
        output.say(f"written to {shown(settings.file)}")
    return 0


def show_baseline(settings: _Name) -> int:
    """Print what a name stands for."""
    from depthprof.report.tables import print_digest

    with opened(settings) as store:
        print_digest(store.digest(store.baseline(settings.name)), output.console())
    return 0


def list_baselines(settings: StoreOptions) -> int:
    """List all baselines."""
    with opened(settings) as store:
        known = store.baselines()
    lines = [f"{name}  {run}  set {when[:16].replace('T', ' ')}" for name, run, when in known]
    none = "There is no baseline yet; `depthprof baseline set main` makes the newest run one."
    output.say("\n".join(lines or [none]))
    return 0


COMMANDS = {
    "runs": Command(
        StoreOptions,
        newest_runs,
        ("runs list --tag nightly --limit 5", "runs show newest"),
        actions={
            "list": Command(_List, list_runs, text="the newest runs (the default)"),
            "show": Command(_Run, show_run, text="the report of one run, in the terminal"),
            "tag": Command(_Tag, tag_run, text="add tags to a run, or remove them"),
            "delete": Command(_Runs, delete_runs, text="delete runs"),
            "export": Command(_Export, export_runs, text="write runs as run.json files"),
            "import": Command(_Import, import_runs, text="add run.json or pytest-benchmark files"),
        },
    ),
    "baseline": Command(
        StoreOptions,
        list_baselines,
        ("baseline set main newest --file baseline.json", "baseline show main"),
        actions={
            "set": Command(_Set, set_baseline, text="let a name stand for a run"),
            "show": Command(_Name, show_baseline, text="what a name stands for"),
            "list": Command(StoreOptions, list_baselines, text="all of them (the default)"),
        },
    ),
}
