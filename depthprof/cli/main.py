"""The way in: arguments to a command, refusals to one sentence, outcomes to exit codes."""

import json
import sys
from argparse import Namespace
from collections.abc import Sequence

from depthprof.cli import output
from depthprof.cli.parser import build_parser
from depthprof.cli.stopping import Stop, stoppable
from depthprof.errors import EXIT_REFUSED, DepthprofError, WorkerLost
from depthprof.storage import crash_reports
from depthprof.units import shown

EXIT_BISECT_SKIP = 125
"""What `git bisect run` takes for "cannot be tested" (git-bisect(1))."""

EXIT_INTERRUPTED = 130
DECIDED = (0, 1)
"""Codes that `git bisect run` may act on; 1 is given by verdicts alone."""

KEEPING = ("compare", "profile", "gate", "report", "calibrate", "limits")
"""Commands whose outcome is on the disk, or is the exit code, if it could not be printed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; nothing is raised, whatever happens."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    output.begin()
    stop = Stop()
    try:
        with stoppable(stop):
            parsed = _parsed(words)
            code = parsed if isinstance(parsed, int) else _carried_out(parsed, words)
            code = _printed(code, parsed)
    except KeyboardInterrupt:  # while the last words were printed
        code = EXIT_INTERRUPTED
    code = code if stop.exit_code is None else stop.exit_code
    if _asks_for_bisect(words) and code not in (*DECIDED, EXIT_INTERRUPTED):
        return EXIT_BISECT_SKIP
    return code


def _parsed(words: Sequence[str]) -> Namespace | int:
    """The arguments, or the exit code where the parser has said all there is to say."""
    parser = build_parser()
    try:
        parsed = parser.parse_args(words)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else EXIT_REFUSED
    if parsed.command is None and not parsed.version:
        parser.print_help()
        return EXIT_REFUSED
    return parsed


def _carried_out(parsed: Namespace, words: Sequence[str]) -> int:
    try:
        return _run(parsed)
    except DepthprofError as error:
        _refuse(error, parsed, words)
        return EXIT_REFUSED
    except KeyboardInterrupt:
        output.warn("stopped; no report was written")
        return EXIT_INTERRUPTED
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever is not foreseen ends here
        text = crash_reports.reported(error, ["python", "-m", "depthprof", *words])
        output.warn(text)
        _refuse_in_json(type(error).__name__, text, parsed)
        return EXIT_REFUSED


def _run(parsed: Namespace) -> int:
    if parsed.version:
        from depthprof.system.machine import own_version

        output.say(f"depthprof {own_version()}")
        return 0
    from depthprof.cli import commands  # late: `--help` must not wait for numpy

    return commands.COMMANDS[parsed.command](parsed)


def _refuse(error: DepthprofError, parsed: Namespace, words: Sequence[str]) -> None:
    """Say why nothing came of it: a sentence on stderr, and JSON where JSON was asked for."""
    side = getattr(error, "side", None)
    name = {"a": "baseline", "b": "candidate"}.get(side or "")
    named = name and (getattr(parsed, name, None) or getattr(parsed, "baseline", None))
    text = f"side {side} ({shown(named)}): {error}" if named else str(error)
    if isinstance(error, WorkerLost) and error.printed:
        file = crash_reports.write_details(error, ["python", "-m", "depthprof", *words])
        text += "" if file is None else f"; all that it printed: {file}"
    output.warn(text)
    _refuse_in_json(type(error).__name__, text, parsed)


def _refuse_in_json(code: str, text: str, parsed: Namespace) -> None:
    if getattr(parsed, "json", None) == "-":
        reason = {"code": code, "text": text}
        document = {"schema": 1, "kind": "refusal", "error": reason, "exit_code": EXIT_REFUSED}
        output.say(json.dumps(document))


def _printed(code: int, parsed: Namespace | int) -> int:
    """The exit code, once it is known whether what was printed has arrived."""
    lost = output.finish()
    if lost is None:
        return code
    output.warn(f"standard output could not be written ({lost})")
    return code if getattr(parsed, "command", None) in KEEPING else EXIT_REFUSED


def _asks_for_bisect(words: Sequence[str]) -> bool:
    """Whether --bisect is among the words, shortened too; the parser may not have come to it."""
    return any(len(word) > len("--b") and "--bisect".startswith(word) for word in words)
