"""A worker process and its pipe, from both ends: commands and answers, a JSON line each."""

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any, Self, TextIO

from depthprof import errors
from depthprof.storage.child_processes import child_environment

PADDING_LIMIT_BYTES = 4096
PADDING_VARIABLE = "DEPTHPROF_PADDING"
READY = "ready"
"""The command that every worker answers once it has imported what it needs."""

TRACEBACK = "Traceback (most recent call last):"

Command = dict[str, Any]
Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Layout:
    """Padding of a worker's environment and argv: it shifts the stack and what lies after it.

    Source: Mytkowicz et al., Producing Wrong Data Without Doing Anything Obviously Wrong, ASPLOS
    2009: the size of the environment alone moves run times.
    """

    environment_bytes: int
    argv_bytes: int

    @classmethod
    def drawn(cls, random: Random) -> "Layout":
        """Draw a layout, each padding below one page."""
        return cls(random.randrange(PADDING_LIMIT_BYTES), random.randrange(PADDING_LIMIT_BYTES))


class WorkerProcess:
    """One worker process; a context manager that leaves no process behind."""

    def __init__(
        self,
        layout: Layout,
        module: str,
        folder: Path | None = None,
        instead_of: Path | None = None,
    ) -> None:
        self._noise = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, "x" * layout.argv_bytes],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._noise,
            env=_environment(layout, folder, instead_of),
            cwd=_moved(Path.cwd(), folder, instead_of) if folder else None,
            start_new_session=True,  # Ctrl-C is the parent's to handle
        )
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the worker was started without pipes")
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self._unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, command: Command, timeout_s: float) -> Answer:
        """Send a command and wait for its answer.

        Raises:
            WorkerLost: the worker ended, or gave no answer within `timeout_s` seconds.
            DepthprofError: the refusal that the worker answered with.
        """
        try:
            self._stdin.write(json.dumps(command).encode() + b"\n")
            self._stdin.flush()
        except BrokenPipeError:
            raise self._lost() from None
        answer = json.loads(self._line(timeout_s))
        if "error" in answer:
            raise _refusal(answer)
        return dict(answer)

    def close(self) -> None:
        """End the worker now; it has nothing to save."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._stdin, self._stdout, self._noise):
            with suppress(BrokenPipeError):  # the worker is gone, and what was unsent with it
                pipe.close()

    def _line(self, timeout_s: float) -> bytes:
        deadline = monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                if not selector.select(max(0.0, deadline - monotonic())):
                    raise errors.WorkerLost(
                        f"the worker gave no answer within {timeout_s:.0f} s and was stopped:"
                        " a stage hangs, or the machine is far too small for this workload"
                    )
                chunk = os.read(self._stdout.fileno(), 1 << 20)
                if not chunk:
                    raise self._lost()
                self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _lost(self) -> errors.WorkerLost:
        code = self._process.wait()
        if code == -signal.SIGKILL:
            why = "was killed, most often because memory ran out: try a smaller --batch or --model"
        elif code < 0:
            why = f"crashed ({signal.Signals(-code).name})"
        else:
            why = f"ended by itself with exit code {code}"
        self._noise.seek(0)
        printed = self._noise.read().decode(errors="replace").strip().splitlines()
        last = f'; it last printed "{printed[-1].strip()}"' if printed else ""
        lost = errors.WorkerLost(f"the worker {why}{last}")
        if code > 0 and TRACEBACK in printed:
            lost.printed = "\n".join(printed)
        return lost


def _moved(place: Path, folder: Path | None, instead_of: Path | None) -> Path:
    """The same place below `folder`, for what lies below the folder it stands for."""
    if folder is None:
        return place
    if instead_of is None or not place.resolve().is_relative_to(instead_of):
        return folder if place == Path.cwd() else place
    moved = folder / place.resolve().relative_to(instead_of)
    return moved if moved.is_dir() else folder


def _environment(
    layout: Layout, folder: Path | None, instead_of: Path | None = None
) -> dict[str, str]:
    package_parent = str(Path(__file__).resolve().parents[2])
    known = [Path(place) for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place]
    own = [str(_moved(place, folder, instead_of)) for place in known]
    places = [str(folder) if folder else "", package_parent, *own]
    return child_environment(
        PYTHONPATH=os.pathsep.join(place for place in places if place),
        **{PADDING_VARIABLE: "x" * layout.environment_bytes},
    )


def serve(acts: Mapping[str, Callable[[Command], Answer]]) -> None:
    """In the worker: answer commands from standard input until it closes.

    Standard output is kept for the answers alone; what a pipeline prints goes to standard error,
    and fails for no encoding. Neither commands nor answers depend on the encoding of the console.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    known = {READY: lambda _: {}, **acts}
    for line in sys.stdin.buffer:
        command = json.loads(line)
        _answer(known[command["command"]], command, answers)


def _answer(act: Callable[[Command], Answer], command: Command, answers: TextIO) -> None:
    try:
        answer = act(command)
    except errors.DepthprofError as error:
        answer = {
            "error": type(error).__name__,
            "text": str(error),
            "side": getattr(error, "side", None),
            "stage": getattr(error, "stage", None),
        }
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def _refusal(answer: Answer) -> errors.DepthprofError:
    kind = getattr(errors, answer["error"])
    if issubclass(kind, errors.PipelineError):
        return kind(answer["text"], side=answer["side"], stage=answer["stage"])  # type: ignore[no-any-return]
    return kind(answer["text"])  # type: ignore[no-any-return]
