"""`depthprof report`, and what becomes of a measured run: kept, written, printed."""

import os
from contextlib import AbstractContextManager
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
    StoreOptions,
    argument,
    changed_policy,
    option,
)
from depthprof.errors import EXIT_REFUSED, BadInput, OutputError, StoreError
from depthprof.units import shown

if TYPE_CHECKING:
    from depthprof.records import Result
    from depthprof.storage.database import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOptions:
    """Of `report`."""

    path: str = argument("PATH", "a report folder, or the run.json in it")
    policy: PolicyOptions
    printed: PrintOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePrintOptions(PrintOptions):
    """What is printed, and written for CI."""

    junit: str | None = option("FILE", "a test case a stage")
    markdown: str | None = option("FILE", "the job summary")


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


def publish(judged: "Result", out: Path, keeping: KeepOptions, printed: PrintOptions) -> int:
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


def opened(asked: StoreOptions, *, create: bool = False) -> "AbstractContextManager[Store]":
    """Open the store that the options, the environment or the settings name, in this order.

    Raises:
        BadInput: SQLAlchemy is not installed, or the URL is none.
        StoreError: the store cannot be used.
    """
    if find_spec("sqlalchemy") is None:
        raise BadInput(
            "SQLAlchemy is not installed, so there is no store; run `pip install depthprof`"
        )
    from depthprof.storage.database import URL_VARIABLE, open_store
    from depthprof.storage.settings import read_settings

    url = asked.store or os.environ.get(URL_VARIABLE) or read_settings().store
    return open_store(url, create=create)


def keep(judged: "Result", keeping: KeepOptions, written: Path | None) -> str | None:
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

    try:
        with opened(keeping, create=True) as store:
            return store.add(judged, judged.measured.digest, keeping.tag)
    except (BadInput, StoreError) as error:
        if written is None:
            raise
        raise StoreError(
            f"{error}. The run is kept in {written / 'run.json'};"
            f" `depthprof runs import {written}` adds it later"
        ) from error


def show(judged: "Result", written: Path | None, printed: PrintOptions) -> None:
    """Print a result as it was asked for: as JSON, one sentence, or the tables."""
    from depthprof.report.conditions import describe_failure
    from depthprof.report.summary import summary
    from depthprof.report.terminal import print_drilled, print_judged
    from depthprof.report.wording import sentence

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


def write_ci_files(gated: "Result", printed: GatePrintOptions) -> None:
    """Write what CI reads: JUnit, the job summary, annotations."""
    from depthprof.report.ci import annotations, junit
    from depthprof.report.gated import gate_markdown
    from depthprof.storage.text_files import append_text

    if printed.junit is not None:
        output.write_text(Path(printed.junit), junit(gated))
    if printed.markdown is not None:
        output.write_text(Path(printed.markdown), gate_markdown(gated))
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            append_text(Path(summary), gate_markdown(gated))
        except OSError as error:
            text = f"could not write the job summary {summary}: {error.strerror}"
            raise OutputError(text) from error
    if os.environ.get("GITHUB_ACTIONS") == "true" and printed.json != "-":
        output.say("\n".join(annotations(gated)))


COMMANDS = {
    "report": Command(
        ReportOptions,
        report,
        ("report reports/20260101-120000-v1-vs-v2-small", "report baseline/run.json --json -"),
    )
}
