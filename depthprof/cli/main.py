"""The way in: arguments to a command, refusals to one sentence, outcomes to exit codes."""

import os
import sys
from collections.abc import Sequence

from depthprof.cli.parser import build_parser
from depthprof.errors import DepthprofError

EXIT_REFUSED = 2
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = build_parser()
    parsed = parser.parse_args(arguments)
    if parsed.version:
        from depthprof.machine import own_version

        print(f"depthprof {own_version()}")
        return 0
    if parsed.command is None:
        parser.print_help()
        return EXIT_REFUSED
    from depthprof.cli import commands  # late: `--help` must not wait for numpy

    try:
        return commands.COMMANDS[parsed.command](parsed)
    except DepthprofError as error:
        commands.refuse(error, parsed)
        return EXIT_REFUSED
    except KeyboardInterrupt:
        print("depthprof: stopped before anything was measured; no report", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of our output went away (`| head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_REFUSED
