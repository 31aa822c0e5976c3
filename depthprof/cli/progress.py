"""Where the run stands: a live line on a terminal, plain lines elsewhere. Always on stderr."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from depthprof.cli import output
from depthprof.runner import Progress
from depthprof.runner.plan import OnProgress

PLAIN_EVERY_S = 10.0


@contextmanager
def progress_display(quiet: bool, budget_s: float) -> Iterator[OnProgress]:
    """Yield what `measure` is to tell its progress to."""
    if quiet:
        yield lambda _: None
    elif output.Stream("stderr").isatty():
        with _live(budget_s) as show:
            yield show
    else:
        yield _PlainLines()


class _PlainLines:
    """A line at each change of phase, and one every ten seconds."""

    def __init__(self) -> None:
        self._last: tuple[int, str] | None = None
        self._next_s = 0.0

    def __call__(self, progress: Progress) -> None:
        """Print a line if there is something to say."""
        place = (0 if progress.phase.startswith("measuring") else progress.launch, progress.phase)
        if place == self._last and monotonic() < self._next_s:
            return
        self._last, self._next_s = place, monotonic() + PLAIN_EVERY_S
        output.warn(describe(progress))


def describe(progress: Progress) -> str:
    """One line: the phase, the launch, what is done and what is left."""
    start = f"launch {progress.launch} of {progress.launches}, {progress.phase}"
    done = f"{progress.blocks} blocks, {progress.pairs} turns done"
    return f"{start}: {done}, about {progress.left_s:.0f} s of turns left"


@contextmanager
def _live(budget_s: float) -> Iterator[OnProgress]:
    from rich.progress import BarColumn, SpinnerColumn, TextColumn
    from rich.progress import Progress as Bars

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=16))
    with Bars(*columns, console=output.console("stderr"), transient=True) as bars:
        task = bars.add_task("starting", total=budget_s)

        def show(progress: Progress) -> None:
            text = (
                f"launch {progress.launch}/{progress.launches} {progress.phase},"
                f" {progress.blocks} blocks, {progress.left_s:.0f} s left"
            )
            done_s = max(0.0, budget_s - progress.left_s)
            bars.update(task, description=text, completed=done_s)

        yield show
