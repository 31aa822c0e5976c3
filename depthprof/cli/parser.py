"""The words of the command line. A command's own options are loaded when they are asked for."""

import argparse
import sys
from importlib import import_module
from typing import Any, NoReturn

from depthprof.cli import output
from depthprof.units import shown

PROGRAM = "python -m depthprof"
EPILOG = """\
sides:
  v1, v2                     the two published pipelines
  path/to/file.py:NAME       a callable of your own that takes the Workload and gives a pipeline
  package.module:NAME        the same, from a module
  SIDE@OPTION[,OPTION]       options of that side alone: v2@fp16  v2@sdpa,batch=8  v1@threads=1

exit codes:
  0 pass    1 slower    2 refused, or a side failed    3 inconclusive
"""
EXAMPLES = ("compare v1 v2 --model small", "gate mine.py:make --against origin/main")

COMMANDS = {
    "compare": ("compare", "measure two sides in alternating blocks and compare every stage"),
    "profile": ("compare", "measure one side stage by stage, without a baseline"),
    "report": ("report", "make the reports of a saved run again, without torch"),
    "calibrate": ("machine", "compare a side with itself: the noise and what is detectable here"),
    "doctor": ("doctor", "check whether this machine is fit to measure on"),
    "limits": ("machine", "measure the hardware bounds of this machine, and keep them"),
    "gate": ("gate", "compare a run with a baseline, or two commits with each other"),
    "runs": ("runs", "list, show, tag, delete, export or import kept runs"),
    "baseline": ("runs", "name a kept run as a baseline of the gate"),
    "history": ("history", "show how stages changed over the kept runs, and where"),
    "variants": ("variants", "list what can be measured"),
}
"""By name, the module of `depthprof.cli` that describes and runs it, and what it does."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose refusals are one sentence."""

    def error(self, message: str) -> NoReturn:
        """Refuse in one sentence, with the way to the help, and exit with 2."""
        self.exit(2, f"depthprof: {shown(message)}; see `{self.prog} --help`\n")

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print as every command does."""
        if message:
            is_error = file is not None and file is sys.stderr
            output.Stream("stderr" if is_error else "stdout").write(message)


def build_parser(only: str | None = None) -> Parser:
    """Build the parser, with the options of one command, or of all where none is named."""
    parser = Parser(
        prog=PROGRAM,
        description="Which stage of a depth model got slower, by how much, and how certainly.",
        epilog=_epilog(EXAMPLES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version and end")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    for name, (module, text) in COMMANDS.items():
        made = commands.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if only in (None, name):
            _describe(made, import_module(f"depthprof.cli.{module}").COMMANDS[name])
    return parser


def _describe(parser: argparse.ArgumentParser, command: Any) -> None:
    """Add the options of a command and of its actions."""
    from depthprof.cli import options

    options.add(parser, command.takes)
    parser.set_defaults(called=command)
    if command.examples:
        parser.epilog = _epilog(command.examples)
    if command.actions:
        actions = parser.add_subparsers(dest="action", metavar="ACTION", parser_class=Parser)
        for name, action in command.actions.items():
            _describe(actions.add_parser(name, help=action.text), action)


def _epilog(examples: tuple[str, ...]) -> str:
    lines = "".join(f"  {PROGRAM} {example}\n" for example in examples)
    return f"examples:\n{lines}\n{EPILOG}"
