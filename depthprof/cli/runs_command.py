"""`depthprof runs` and `depthprof baseline`: what is kept, and what is held for the measure."""

import json
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from depthprof.cli import output
from depthprof.cli.keeping import opened
from depthprof.errors import BadInput, BadRunFile
from depthprof.records import Judged, Policy, Run, encode, encode_digest
from depthprof.units import shown

if TYPE_CHECKING:
    from depthprof.storage.database import RunRow, Store


def runs(arguments: Namespace) -> int:
    """List, show, tag, delete, export or import runs."""
    action = arguments.action or "list"
    with opened(arguments, create=action == "import") as store:
        return _RUNS[action](store, arguments)


def baseline(arguments: Namespace) -> int:
    """Set, show or list baselines."""
    with opened(arguments) as store:
        return _BASELINES[arguments.action or "list"](store, arguments)


def _list(store: "Store", arguments: Namespace) -> int:
    limit = getattr(arguments, "limit", 20)
    if limit < 1:
        raise BadInput(f"limit is {limit!r}, but must be at least 1")
    rows = store.rows(tag=getattr(arguments, "tag", None), limit=limit)
    target = getattr(arguments, "json", None)
    if target is not None:
        document = {"schema": 1, "kind": "runs", "runs": [asdict(row) for row in rows]}
        text = json.dumps(document, indent=2)
        if target == "-":
            output.say(text)
            return 0
        output.write_text(Path(target), text + "\n")
    _print_rows(rows)
    return 0


def _print_rows(rows: "Iterable[RunRow]") -> None:
    from rich.table import Table
    from rich.text import Text

    console = output.console()
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
    if table.row_count:
        console.print(table)
    else:
        console.print("No runs are kept yet; `depthprof compare` and `profile` keep theirs.")


def _show(store: "Store", arguments: Namespace) -> int:
    from depthprof.report.terminal import print_judged
    from depthprof.verdict.decision import judge

    run, policy = store.load(store.find(arguments.run))
    print_judged(judge(run, policy), output.console())
    return 0


def _tag(store: "Store", arguments: Namespace) -> int:
    identity = store.find(arguments.run)
    (store.untag if arguments.remove else store.tag)(identity, arguments.tags)
    words = ", ".join(arguments.tags)
    output.say(f"{identity}: {words} {'taken off' if arguments.remove else 'given'}")
    return 0


def _delete(store: "Store", arguments: Namespace) -> int:
    for identity in [store.find(word) for word in arguments.runs]:
        store.delete(identity)
        output.say(f"{identity}: deleted")
    return 0


def _export(store: "Store", arguments: Namespace) -> int:
    out = Path(arguments.out)
    for identity in [store.find(word) for word in arguments.runs]:
        file = out / f"{identity}.json"
        output.write_text(file, encode(*store.load(identity)))
        output.say(f"{identity}: {shown(file)}")
    return 0


def _import(store: "Store", arguments: Namespace) -> int:
    from depthprof.verdict import digest
    from depthprof.verdict.decision import judge

    for path in arguments.paths:
        for run, policy in _runs_of(path):
            judged: Judged = judge(run, policy)
            identity = store.add(judged, digest(run, policy), arguments.tag)
            output.say(f"{identity}: {shown(path)}")
    return 0


def _runs_of(path: str) -> "Sequence[tuple[Run, Policy]]":
    """Runs of a run.json, a report folder, or a file of pytest-benchmark."""
    from depthprof.storage import benchmark_files
    from depthprof.storage.run_files import read_run

    if Path(path).is_dir() or not benchmark_files.is_benchmark_file(Path(path)):
        return [read_run(path)]
    runs = benchmark_files.read_runs(path)
    if not runs:
        raise BadRunFile(
            f"{path} holds benchmarks, but no run of depthprof; only what the suites or the"
            " fixture depth_profile saved can be read"
        )
    return runs


def _set(store: "Store", arguments: Namespace) -> int:
    identity = store.find(arguments.run)
    store.set_baseline(arguments.name, identity)
    output.say(f'{identity} is the baseline "{arguments.name}" now')
    known = store.digest(identity)
    launches = max((known.launches_of(side.name) for side in known.sides), default=0)
    from depthprof.records import Policy
    from depthprof.stats.paired import shared_confidence
    from depthprof.stats.rank_sum import fewest_launches

    needed = fewest_launches(shared_confidence(Policy().confidence, 8))
    if launches < needed:
        output.warn(
            f"it has {launches} launches; the gate decides from {needed} on each side"
            f" on (--launches {needed + 2} when measuring)"
        )
    if arguments.file is not None:
        output.write_text(Path(arguments.file), encode_digest(replace(known, run=arguments.name)))
        output.say(f"written to {shown(arguments.file)}")
    return 0


def _show_baseline(store: "Store", arguments: Namespace) -> int:
    from depthprof.report.digested import print_digest

    print_digest(store.digest(store.baseline(arguments.name)), output.console())
    return 0


def _list_baselines(store: "Store", _: Namespace) -> int:
    known = store.baselines()
    for name, run, when in known:
        output.say(f"{name}  {run}  set {when[:16].replace('T', ' ')}")
    if not known:
        output.say(
            "There is no baseline yet; `depthprof baseline set main` makes the newest run one."
        )
    return 0


_Act = Callable[["Store", Namespace], int]
_RUNS: dict[str, _Act] = {
    "list": _list,
    "show": _show,
    "tag": _tag,
    "delete": _delete,
    "export": _export,
    "import": _import,
}
_BASELINES: dict[str, _Act] = {"set": _set, "show": _show_baseline, "list": _list_baselines}
