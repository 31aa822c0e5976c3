"""The words of the command line. Imports little, so that `--help` answers at once."""

import argparse
import sys
from typing import Any, NoReturn

from depthprof.cli import output, store_parser
from depthprof.units import shown

EPILOG = """\
sides:
  v1, v2                     the two published pipelines
  path/to/file.py:NAME       a callable of your own that takes the Workload and gives a pipeline
  package.module:NAME        the same, from a module
  SIDE@OPTION[,OPTION]       options of that side alone: v2@fp16  v2@sdpa,batch=8  v1@threads=1

exit codes:
  0 pass    1 slower    2 refused, or a side failed    3 inconclusive
"""


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


def build_parser() -> Parser:
    """Build the parser of all commands."""
    parser = Parser(
        prog="python -m depthprof",
        description="Which stage of a depth model got slower, by how much, and how surely.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version and end")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    _compare(commands)
    _profile(commands)
    _report(commands)
    _calibrate(commands)
    _doctor(commands)
    _limits(commands)
    _gate(commands)
    store_parser.add_runs(_command(commands, "runs", "list, show, tag, export, import kept runs"))
    store_parser.add_baseline(
        _command(commands, "baseline", "let a name stand for a run, for the gate")
    )
    store_parser.add_history(
        _command(commands, "history", "show how stages changed over the kept runs, and where")
    )
    commands.add_parser("variants", help="list what can be measured")
    return parser


def _command(commands: "argparse._SubParsersAction[Parser]", name: str, text: str) -> Parser:
    return commands.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _compare(commands: "argparse._SubParsersAction[Parser]") -> None:
    parser = _command(commands, "compare", "measure two sides in turns and judge every stage")
    parser.add_argument("baseline", metavar="A", help="the baseline, such as v1")
    parser.add_argument("candidate", metavar="B", help="the candidate, such as v2")
    _workload(parser)
    _measuring(parser)
    _observing(parser)
    parser.add_argument(
        "--separate", action="store_true", help="a worker process for each side, not one for both"
    )
    _policy(parser)
    parser.add_argument(
        "--fail-on",
        metavar="WHAT",
        help="what gives a failing exit code: slower,inconclusive (the default), one, or never",
    )
    _output(parser)
    store_parser.add_keeping(parser)


def _profile(commands: "argparse._SubParsersAction[Parser]") -> None:
    parser = _command(commands, "profile", "measure one side stage by stage, without a baseline")
    parser.add_argument("baseline", metavar="A", help="what to measure, such as v2")
    _workload(parser)
    _measuring(parser)
    _observing(parser)
    _policy(parser)
    _drilling(parser)
    _output(parser)
    store_parser.add_keeping(parser)


def _gate(commands: "argparse._SubParsersAction[Parser]") -> None:
    parser = _command(
        commands, "gate", "hold a run against a baseline, or two commits against each other"
    )
    store_parser.add_gate(parser)
    _workload(parser)
    _measuring(parser)
    _policy(parser)
    parser.add_argument(
        "--fail-on",
        metavar="WHAT",
        help="what gives a failing exit code: slower,inconclusive (the default), one, or never",
    )
    parser.add_argument("--json", metavar="FILE", help="write the outcome there; - prints only it")
    parser.add_argument("--quiet", action="store_true", help="print the one sentence only")


def _report(commands: "argparse._SubParsersAction[Parser]") -> None:
    parser = _command(commands, "report", "make the reports of a saved run again, without torch")
    parser.add_argument("path", metavar="PATH", help="a report folder, or the run.json in it")
    _policy(parser)
    parser.add_argument("--json", metavar="FILE", help="write the summary there; - prints only it")
    parser.add_argument("--quiet", action="store_true", help="print the one sentence only")


def _doctor(commands: "argparse._SubParsersAction[Parser]") -> None:
    parser = _command(commands, "doctor", "say whether this machine is fit to measure on")
    parser.add_argument("--device", default="auto", metavar="DEVICE", help="auto, cpu, cuda[:N]")
    parser.add_argument(
        "--watch", type=float, default=1.0, metavar="SECONDS", help="how long to watch load [1]"
    )
    parser.add_argument(
        "--timing",
        nargs="?",
        const="v2",
        metavar="SIDE",
        help="check our clocks against torch.profiler's instead, on a side [v2]",
    )
    parser.add_argument("--json", metavar="FILE", help="write the findings there; - prints only it")


def _limits(commands: "argparse._SubParsersAction[Parser]") -> None:
    parser = _command(commands, "limits", "measure what this machine could do at best, and keep it")
    parser.add_argument("--device", default="auto", metavar="DEVICE", help="auto, cpu, cuda[:N]")
    parser.add_argument(
        "--threads", type=int, metavar="N", help="torch threads [CPU: all cores but one]"
    )
    parser.add_argument("--fresh", action="store_true", help="measure again, whatever is kept")
    parser.add_argument("--json", metavar="FILE", help="write the limits there; - prints only it")


def _calibrate(commands: "argparse._SubParsersAction[Parser]") -> None:
    parser = _command(
        commands, "calibrate", "compare a side with itself, to learn what this machine can tell"
    )
    parser.add_argument("baseline", metavar="A", nargs="?", default="v2", help="a side [v2]")
    _workload(parser)
    group = parser.add_argument_group("measuring")
    group.add_argument(
        "--comparisons", type=int, default=6, metavar="N", help="of identical code [6]"
    )
    group.add_argument(
        "--budget",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="most seconds of measured turns of each; what is detectable is told for it [60]",
    )
    _policy(parser)
    parser.add_argument("--json", metavar="FILE", help="write the outcome there; - prints only it")
    parser.add_argument("--quiet", action="store_true", help="print the one sentence only")


def _workload(parser: Parser) -> None:
    group = parser.add_argument_group("workload (of both sides; SIDE@OPTION changes one)")
    group.add_argument("--model", metavar="SIZE", help="small, base, large, giant [small]")
    group.add_argument(
        "--input-size", type=int, metavar="PIXELS", help="shorter side of the network input [518]"
    )
    group.add_argument("--batch", type=int, metavar="N", help="pictures an iteration [1]")
    group.add_argument(
        "--fixed-size", action="store_true", default=None, help="resize to a square, even alone"
    )
    group.add_argument("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:N [auto]")
    group.add_argument("--dtype", metavar="DTYPE", help="fp32, fp16, bf16 [fp32]")
    group.add_argument("--attention", metavar="KIND", help="published, sdpa, xformers [published]")
    group.add_argument(
        "--threads", type=int, metavar="N", help="torch and OpenCV threads [CPU: all cores but one]"
    )
    group.add_argument("--product", metavar="WHAT", help="image, depth [image]")
    group.add_argument("--seed", type=int, metavar="N", help="of random weights and of turns [0]")
    group.add_argument(
        "--checkpoint",
        action="append",
        default=[],
        metavar="[SIDE=]FILE",
        help="weights (.pth, .safetensors) of a side: a, b or its name; without SIDE of both",
    )
    group.add_argument(
        "--max-depth",
        type=float,
        metavar="METRES",
        help="of a metric checkpoint of V2: 20 indoor, 80 outdoor [relative depth]",
    )
    group.add_argument(
        "--allow-nonfinite",
        action="store_true",
        help="measure a side although its output holds NaN or infinity",
    )
    group.add_argument(
        "--allow-constant",
        action="store_true",
        help="measure a side although its depth is the same everywhere",
    )
    group.add_argument(
        "--images", nargs="+", default=[], metavar="PATH", help="pictures or folders of them"
    )
    group.add_argument(
        "--strict",
        action="store_true",
        help="refuse a folder with a picture that cannot be read; without it that one is left out",
    )


def _measuring(parser: Parser) -> None:
    group = parser.add_argument_group("measuring")
    group.add_argument(
        "--budget",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="time for measured turns; set-up and warm-up come on top [60]",
    )
    group.add_argument(
        "--launches", type=int, metavar="N", help="starts of a worker [6; 10 with --separate]"
    )
    group.add_argument(
        "--no-telemetry", action="store_true", help="read no clocks, power, load meanwhile"
    )


def _drilling(parser: Parser) -> None:
    group = parser.add_argument_group("looking inside (in iterations after the timed ones)")
    group.add_argument(
        "--trace", metavar="FILE", help="write a trace for Perfetto there (.json or .json.gz)"
    )
    group.add_argument(
        "--modules",
        action="store_true",
        help="parts of forward, and the dearest kernels or ops",
    )
    group.add_argument(
        "--trace-iterations", type=int, default=3, metavar="N", help="iterations traced [3]"
    )


def _observing(parser: Parser) -> None:
    parser.add_argument(
        "--no-observe",
        action="store_true",
        help="no untimed look at work and memory of an iteration, and no limits",
    )


def _policy(parser: Parser) -> None:
    group = parser.add_argument_group("judging")
    group.add_argument(
        "--threshold",
        metavar="CHANGE",
        help="relative change that matters, 0.05 or 5%% [3%%; against a run of another time 5%%]",
    )
    group.add_argument(
        "--floor-us", type=float, metavar="US", help="absolute change that matters [5]"
    )


def _output(parser: Parser) -> None:
    group = parser.add_argument_group("output")
    group.add_argument("--out", default="reports", metavar="DIR", help="report folders [reports]")
    group.add_argument("--json", metavar="FILE", help="write the summary there; - prints only it")
    group.add_argument("--quiet", action="store_true", help="print the one sentence only")
