"""SIGTERM and SIGHUP as Ctrl-C: what was measured is kept, and what was lent is given back."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

SIGNALS = tuple(
    number
    for name in ("SIGTERM", "SIGHUP")  # CI stops a job, a terminal is closed
    if (number := getattr(signal, name, None)) is not None
)


@dataclass(slots=True)
class Stop:
    """Which signal asked for the end; None: none did."""

    number: int | None = None

    @property
    def exit_code(self) -> int | None:
        """128 + the signal's number, as shells tell it; None where none came."""
        return None if self.number is None else 128 + self.number


@contextmanager
def stoppable(stop: Stop) -> Iterator[None]:
    """Raise KeyboardInterrupt at the first signal; a second one ends the process at once.

    Signals that are ignored (nohup) or that somebody else handles stay as they are.

    Args:
        stop: told which signal came.
    """

    def handle(number: int, _: FrameType | None) -> None:
        stop.number = number
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
