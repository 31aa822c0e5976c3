"""What every worker does alike: answer commands line by line, and run a block when told.

Knows nothing of torch, so a worker without it starts within a fraction of a second.
"""

import gc
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from typing import Any, TextIO

from depthprof.errors import DepthprofError
from depthprof.runner.iteration import Iteration
from depthprof.system.conditions import BlockWatch, can_watch

Command = dict[str, Any]
Answer = dict[str, Any]
Act = Callable[[Command], Answer]


def serve(acts: Mapping[str, Act]) -> None:
    """Answer commands from standard input until it closes; JSON lines, one answer a command.

    Standard output is kept for the answers alone; what a pipeline prints goes to standard error,
    and fails for no encoding. Neither commands nor answers depend on the encoding of the console.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    for line in sys.stdin.buffer:
        command = json.loads(line)
        _answer(acts[command["command"]], command, answers)


def take_block(
    iteration: Iteration,
    watch: BlockWatch,
    batches: Sequence[Any],
    command: Command,
    within: AbstractContextManager[Any] | None = None,
) -> Answer:
    """Run one block and answer what it measured; the garbage collector runs before it, not in it.

    Args:
        iteration: of the side. watch: of the side's device.
        batches: the side's pictures; the command says with which one to begin.
        within: a context to run the iterations in.

    Raises:
        StageFailed: a stage raised.
    """
    start = command["first"] % len(batches)
    in_turn = [*batches[start:], *batches[:start]]
    watched = command.get("watch", False) and can_watch()
    gc.collect()
    gc.disable()
    try:
        with within or nullcontext():
            watch.begin()
            block = iteration.block(in_turn, command["iterations"], watched)
            conditions = watch.end()
    finally:
        gc.enable()
    return {**asdict(block), "conditions": conditions}


def _answer(act: Act, command: Command, answers: TextIO) -> None:
    try:
        answer = act(command)
    except DepthprofError as error:
        answer = {
            "error": type(error).__name__,
            "text": str(error),
            "side": getattr(error, "side", None),
            "stage": getattr(error, "stage", None),
        }
    answers.write(json.dumps(answer) + "\n")
    answers.flush()
