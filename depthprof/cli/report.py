"""`depthprof report`, and what becomes of a measured run: kept, written, printed."""

from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from depthprof.cli import output
from depthprof.cli.options import (
    Command,
    KeepOptions,
    PolicyOptions,
    PrintOptions,
    argument,
    changed_policy,
)
from depthprof.errors import EXIT_REFUSED, BadInput, OutputError, StoreError
from depthprof.units import shown

if TYPE_CHECKING:
    from depthprof.records import Judged


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOptions:
    """Of `report`."""

    path: str = argument("PATH", "a report folder, or the run.json in it")
    policy: PolicyOptions
    printed: PrintOptions


def report(settings: ReportOptions) -> int:
    """Make the reports of a saved run again; its own policy holds unless options change it."""
    from depthprof.report import folder
    from depthprof.storage.run_files import read_drilled, read_run
    from depthprof.verdict.decision import judge

    path = Path(settings.path)
    run, saved = read_run(path)
    written = path if path.is_dir() else path.parent
    judged = judge(run, changed_policy(settings.policy, saved))
    judged = replace(judged, drilled=read_drilled(written))
    folder.rewrite(judged, written)
    show(judged, written, settings.printed)
    return 0


def publish(judged: "Judged", out: Path, keeping: KeepOptions, printed: PrintOptions) -> int:
    """Keep a run, write its reports and print it, in this order: a console that fails loses none.

    Each is tried whatever became of the one before it.
    """
    from depthprof.report import folder

    written = unwritten = None
    try:
        try:
            written = folder.write(judged, out)
        except OutputError as error:
            unwritten = error
        finally:
            keep(judged, keeping, written)
    finally:
        show(judged, written, printed)
    if unwritten is not None:
        output.warn(str(unwritten))
        return EXIT_REFUSED
    return judged.exit_code


def keep(judged: "Judged", keeping: KeepOptions, written: Path | None) -> str | None:
    """Keep a run in the store, unless that was not wanted or cannot be had here.

    Returns:
        Its identity, None where it was not kept.

    Raises:
        StoreError: it should have been kept; the sentence names the file that holds the run.
    """
    if keeping.no_store:
        return None
    if find_spec("sqlalchemy") is None:
        output.warn("not kept in the store, because SQLAlchemy is not installed")
        return None
    from depthprof.cli.runs import opened
    from depthprof.verdict import digest

    try:
        with opened(keeping, create=True) as store:
            return store.add(judged, digest(judged.run, judged.policy), keeping.tag)
    except (BadInput, StoreError) as error:
        if written is None:
            raise
        raise StoreError(
            f"{error}. The run is kept in {written / 'run.json'};"
            f" `depthprof runs import {written}` adds it later"
        ) from error


def show(judged: "Judged", written: Path | None, printed: PrintOptions) -> None:
    """Print a result as it was asked for: as JSON, one sentence, or the tables."""
    from depthprof.report.drilled import print_drilled
    from depthprof.report.summary import summary
    from depthprof.report.terminal import print_judged
    from depthprof.report.wording import describe_failure, sentence

    if printed.json is not None and output.write_json(printed.json, summary(judged, written)):
        return
    if printed.quiet:
        output.say(sentence(judged))
        for failure in judged.run.failures:
            output.say(describe_failure(judged.run, failure))
        return
    print_judged(judged, output.console())
    if judged.drilled is not None:
        print_drilled(judged.drilled, output.console())
    if written is not None:
        output.say(f"report: {shown(written / 'report.html')}")


COMMANDS = {
    "report": Command(
        ReportOptions,
        report,
        ("report reports/20260101-120000-v1-vs-v2-small", "report baseline/run.json --json -"),
    )
}
