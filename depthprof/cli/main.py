"""The way in: arguments to a command, refusals to one sentence, outcomes to exit codes."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, NamedTuple

from depthprof.cli import output
from depthprof.cli.parser import PROGRAM, build_parser
from depthprof.errors import EXIT_REFUSED, DepthprofError, WorkerLost
from depthprof.units import shown

EXIT_BISECT_SKIP = 125
"""What `git bisect run` takes for "cannot be tested" (git-bisect(1))."""

EXIT_INTERRUPTED = 130
DECIDED = (0, 1)
"""Codes that `git bisect run` may act on; 1 is given by verdicts alone."""

KEEPING = ("compare", "profile", "gate", "report", "calibrate", "limits")
"""Commands whose outcome is on the disk, or is the exit code, if it could not be printed."""

SIGNALS = tuple(
    number
    for name in ("SIGTERM", "SIGHUP")  # CI stops a job, a terminal is closed
    if (number := getattr(signal, name, None)) is not None
)


class Call(NamedTuple):
    """What was asked for: a function and the value it takes; the rest is for refusals."""

    name: str | None = None
    run: Callable[[Any], int] = lambda _: EXIT_REFUSED
    settings: Any = None
    json: str | None = None
    sides: tuple[str | None, str | None] = (None, None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; nothing is raised, whatever happens."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    output.begin()
    came: list[int] = []
    try:
        with _stoppable(came):
            code = _carried_out(words)
    except KeyboardInterrupt:  # while the last words were printed
        code = EXIT_INTERRUPTED
    code = 128 + came[0] if came else code
    if _asks_for_bisect(words) and code not in (*DECIDED, EXIT_INTERRUPTED):
        return EXIT_BISECT_SKIP
    return code


def parse(words: Sequence[str]) -> Call | int:
    """Read the arguments; the exit code where the parser itself has printed all there is."""
    command = next((word for word in words if not word.startswith("-")), "")
    parser = build_parser(command)
    try:
        found = parser.parse_args(words)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else EXIT_REFUSED
    if found.version:
        return Call(run=_version)
    if found.command is None:
        parser.print_help()
        return EXIT_REFUSED
    from depthprof.cli.options import read

    sides = getattr(found, "baseline", None), getattr(found, "candidate", None)
    settings = read(found.called.takes, found)
    return Call(found.command, found.called.run, settings, getattr(found, "json", None), sides)


def _carried_out(words: Sequence[str]) -> int:
    call = Call()
    try:
        parsed = parse(words)
        if isinstance(parsed, int):
            return _printed(parsed, call)
        call = parsed
        code = call.run(call.settings)
    except DepthprofError as error:
        _refuse(error, call, words)
        code = EXIT_REFUSED
    except KeyboardInterrupt:
        output.warn("stopped; no report was written")
        code = EXIT_INTERRUPTED
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever is not foreseen ends here
        from depthprof.storage import crash_reports

        text = crash_reports.reported(error, [*PROGRAM.split(), *words])
        output.warn(text)
        _refuse_in_json(type(error).__name__, text, call)
        code = EXIT_REFUSED
    return _printed(code, call)


def _version(_: None) -> int:
    from depthprof.system.machine import own_version

    output.say(f"depthprof {own_version()}")
    return 0


def _refuse(error: DepthprofError, call: Call, words: Sequence[str]) -> None:
    """Say why nothing came of it: a sentence on stderr, and JSON where JSON was asked for."""
    side = getattr(error, "side", None)
    named = side in ("a", "b") and (call.sides["ab".index(side)] or call.sides[0])
    text = f"side {side} ({shown(named)}): {error}" if named else str(error)
    if isinstance(error, WorkerLost) and error.printed:
        from depthprof.storage import crash_reports

        file = crash_reports.write_details(error, [*PROGRAM.split(), *words])
        text += "" if file is None else f"; all that it printed: {file}"
    output.warn(text)
    _refuse_in_json(type(error).__name__, text, call)


def _refuse_in_json(code: str, text: str, call: Call) -> None:
    if call.json == "-":
        import json

        reason = {"code": code, "text": text}
        document = {"schema": 1, "kind": "refusal", "error": reason, "exit_code": EXIT_REFUSED}
        output.say(json.dumps(document))


def _printed(code: int, call: Call) -> int:
    """The exit code, once it is known whether what was printed has arrived."""
    lost = output.finish()
    if lost is None:
        return code
    output.warn(f"standard output could not be written ({lost})")
    return code if call.name in KEEPING else EXIT_REFUSED


def _asks_for_bisect(words: Sequence[str]) -> bool:
    """Whether --bisect is among the words, shortened too; the parser may not have come to it."""
    return any(len(word) > len("--b") and "--bisect".startswith(word) for word in words)


@contextmanager
def _stoppable(came: list[int]) -> Iterator[None]:
    """Raise KeyboardInterrupt at SIGTERM or SIGHUP; a second one ends the process at once.

    Signals that are ignored (nohup) or that somebody else handles stay as they are.

    Args:
        came: gets the number of the signal that came.
    """

    def handle(number: int, _: FrameType | None) -> None:
        came.append(number)
        for known in ours:
            signal.signal(known, signal.SIG_DFL)
        raise KeyboardInterrupt

    in_main = threading.current_thread() is threading.main_thread()  # or Python refuses
    ours = [n for n in SIGNALS if in_main and signal.getsignal(n) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
