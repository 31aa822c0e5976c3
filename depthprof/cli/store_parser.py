"""The words of the commands over kept runs. Imports nothing but argparse."""

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from depthprof.cli.parser import Parser

MakeCommand = Any
STORE_HELP = "the store: a file, or postgresql://... [$DEPTHPROF_STORE, .depthprof/store.db]"


def add_store(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the store."""
    parser.add_argument("--store", metavar="URL", help=STORE_HELP)


def add_keeping(parser: argparse.ArgumentParser) -> None:
    """Add the options of commands that measure and keep the run."""
    group = parser.add_argument_group("keeping")
    add_store(group)  # type: ignore[arg-type]
    group.add_argument("--no-store", action="store_true", help="do not keep the run in the store")
    group.add_argument(
        "--tag", action="append", default=[], metavar="TAG", help="a word to find the run by"
    )


def add_runs(parser: "Parser") -> None:
    """Describe `runs` and what it can do."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", parser_class=type(parser))
    listing = actions.add_parser("list", help="the newest runs (the default)")
    listing.add_argument("--tag", metavar="TAG", help="only those with this tag")
    listing.add_argument("--limit", type=int, default=20, metavar="N", help="so many [20]")
    listing.add_argument("--json", metavar="FILE", help="write them there; - prints only that")
    show = actions.add_parser("show", help="the report of one run, in the terminal")
    show.add_argument("run", metavar="RUN", help="first digits, a tag, or newest")
    tag = actions.add_parser("tag", help="give a run tags, or take them off")
    tag.add_argument("run", metavar="RUN")
    tag.add_argument("tags", metavar="TAG", nargs="+")
    tag.add_argument("--remove", action="store_true", help="take them off")
    forget = actions.add_parser("delete", help="forget runs")
    forget.add_argument("runs", metavar="RUN", nargs="+")
    export = actions.add_parser("export", help="write runs as run.json files, as in reports/")
    export.add_argument("runs", metavar="RUN", nargs="+")
    export.add_argument("--out", default=".", metavar="DIR", help="where to [.]")
    bring = actions.add_parser("import", help="read run.json files, or pytest-benchmark's JSON")
    bring.add_argument("paths", metavar="PATH", nargs="+", help="files, or report folders")
    bring.add_argument("--tag", action="append", default=[], metavar="TAG")
    for action in (listing, show, tag, forget, export, bring):
        add_store(action)
    add_store(parser)


def add_baseline(parser: "Parser") -> None:
    """Describe `baseline` and what it can do."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", parser_class=type(parser))
    put = actions.add_parser("set", help="let a name stand for a run")
    put.add_argument("name", metavar="NAME")
    put.add_argument("run", metavar="RUN", nargs="?", default="newest", help="[newest]")
    put.add_argument("--file", metavar="FILE", help="write it there too, to be committed")
    show = actions.add_parser("show", help="what a name stands for")
    show.add_argument("name", metavar="NAME")
    listing = actions.add_parser("list", help="all of them (the default)")
    for action in (put, show, listing):
        add_store(action)
    add_store(parser)


def add_gate(parser: "Parser") -> None:
    """Describe what `gate` takes beside the options of measuring."""
    parser.add_argument(
        "baseline",
        metavar="A",
        nargs="?",
        help="measure this side now, such as v2; without it the newest run is judged",
    )
    group = parser.add_argument_group("against what")
    chosen = group.add_mutually_exclusive_group()
    chosen.add_argument("--name", metavar="NAME", help="a baseline by name [main]")
    chosen.add_argument("--file", metavar="FILE", help="a committed baseline, or a run.json")
    chosen.add_argument(
        "--against",
        metavar="REF",
        help="a commit of this repository: both are measured now, in turns (recommended in CI)",
    )
    group.add_argument(
        "--merge-base", action="store_true", help="with --against: where this branch left REF"
    )
    group.add_argument("--run", metavar="RUN", help="the run to judge, or a run.json [newest]")
    group.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="FIELD",
        help="compare although the runs differ in this field",
    )
    group.add_argument(
        "--bisect", action="store_true", help="exit with 125 where nothing was decided (git bisect)"
    )
    out = parser.add_argument_group("reports")
    out.add_argument("--junit", metavar="FILE", help="a test case a stage")
    out.add_argument("--markdown", metavar="FILE", help="the job summary")
    add_store(parser)
    parser.add_argument("--no-store", action="store_true", help="do not keep what is measured")
    parser.add_argument("--tag", action="append", default=[], metavar="TAG", help="for the run")


def add_history(parser: "Parser") -> None:
    """Describe what `history` takes."""
    parser.add_argument("--label", metavar="LABEL", help="only this side, such as v2")
    parser.add_argument("--stage", metavar="STAGE", help="only this stage")
    parser.add_argument("--out", metavar="DIR", help="write HTML, PNG and CSV there")
    parser.add_argument("--json", metavar="FILE", help="write it there; - prints only that")
    parser.add_argument("--otava", metavar="FILE", help="write the series as CSV for apache-otava")
    add_store(parser)
