"""From options to sides and a plan, and from a plan to what was measured."""

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import monotonic

from depthprof.cli import output
from depthprof.cli.options import MeasuringOptions, WorkloadOptions
from depthprof.errors import BadInput, nearest
from depthprof.pipelines.own_code import is_file
from depthprof.pipelines.registry import VARIANTS, check_variant
from depthprof.records import OUTPUT_FAULTS, Policy, Result, Workload
from depthprof.report.conditions import left_out_lines
from depthprof.runner import Plan, Progress, SidePlan
from depthprof.runner.plan import OPTIONS, TELEMETRY_S, OnProgress, split_side
from depthprof.stats.interim import Until

PLAIN_EVERY_S = 10.0


def side_plans(work: WorkloadOptions, texts: Sequence[str]) -> tuple[SidePlan, ...]:
    """Make sides of one workload from their names, baseline first.

    Raises:
        BadInput: an unknown variant, option, value or side of a checkpoint.
    """
    given = {key: getattr(work, key) for key in (key.replace("-", "_") for key in OPTIONS)}
    common = Workload(**{key: value for key, value in given.items() if value is not None})
    named = [(name, *split_side(text)) for name, text in zip("ab", texts, strict=False)]
    for _, variant, _ in named:
        check_variant(variant)
    checkpoints = _checkpoints(work.checkpoint, [(n, v) for n, v, _ in named])
    same = len(set(texts)) < len(texts)
    return tuple(
        SidePlan(
            name=name,
            label=f"{text} ({name})" if same else text,
            variant=variant,
            workload=common.changed(**options),
            checkpoint=checkpoints.get(name),
            allow=tuple(word for word in OUTPUT_FAULTS if getattr(work, f"allow_{word}")),
        )
        for (name, variant, options), text in zip(named, texts, strict=True)
    )


def _checkpoints(texts: Sequence[str], sides: Sequence[tuple[str, str]]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for text in texts:
        head, equals, tail = text.partition("=")
        meant = [name for name, variant in sides if head in (name, variant)]
        if equals and not meant and not Path(text).exists():
            known = [word for side in sides for word in side]
            raise BadInput(f'--checkpoint "{text}" names no side; {nearest(head, known)}')
        path = Path(tail if meant else text)
        if not path.exists():
            raise BadInput(f"the checkpoint {path} does not exist")
        found |= dict.fromkeys(meant or [name for name, _ in sides], path)
    return found


def both_commits(
    sides: tuple[SidePlan, ...], root: Path, folder: Path
) -> tuple[SidePlan, SidePlan]:
    """Let the first side be what it was at the commit whose files are in `folder`.

    Raises:
        BadInput: its code is not in the repository, or was not there at that commit.
    """
    before = replace(sides[0], instead_of=root.resolve(), tree=folder.resolve())
    after = replace(sides[1], tree=root.resolve())
    place, _, name = before.variant.rpartition(":")
    if before.variant in VARIANTS:
        if not (folder / "depthprof" / "__init__.py").is_file():
            raise BadInput(
                f'"{before.variant}" is depthprof\'s own, and its code is not in {root}:'
                " name a pipeline of this repository, path/to/file.py:NAME"
            )
        return replace(before, folder=folder), replace(after, folder=root)
    if not is_file(place):
        return replace(before, folder=folder), after
    path = Path(place).resolve()
    if not path.is_relative_to(root.resolve()):
        raise BadInput(f"{place} is not in the repository {root}; --against compares its commits")
    earlier = folder / path.relative_to(root.resolve())
    if not earlier.is_file():
        raise BadInput(f'there is no "{place}" at {folder.name}')
    return replace(before, variant=f"{earlier}:{name}"), after


def plan_from(
    sides: tuple[SidePlan, ...],
    work: WorkloadOptions,
    measuring: MeasuringOptions,
    *,
    processes: int | None = None,
    separate: bool = False,
    until: Until = "decided",
    observe: bool = False,
) -> Plan:
    """Plan to measure sides, baseline first; `processes` None takes as many as are needed."""
    return Plan(
        sides=sides,
        images=tuple(Path(image) for image in work.images),
        budget_s=measuring.budget,
        launches=processes,
        separate=separate,
        until=until,
        seed=0 if work.seed is None else work.seed,
        command=shlex.join(["python", "-m", "depthprof", *sys.argv[1:]]),
        telemetry_s=None if measuring.no_telemetry else TELEMETRY_S,
        observe=observe,
        strict=work.strict,
    )


def carry_out(plan: Plan, policy: Policy, *, quiet: bool, has_conditions: bool) -> Result:
    """Measure and decide, and show how it goes.

    Args:
        quiet: show no progress. has_conditions: what is printed later names pictures left out.

    Raises:
        DepthprofError: as `depthprof.compare`.
    """
    from depthprof import api

    with progress_display(plan.budget_s, quiet=quiet) as on_progress:
        judged = api.carry_out(plan, policy, on_progress)
    if not has_conditions:
        for text in left_out_lines(judged.run.left_out):
            output.warn(f"left out: {text}")
    return judged


@contextmanager
def progress_display(budget_s: float, *, quiet: bool) -> Iterator[OnProgress]:
    """Yield what shows progress on stderr: live on a terminal, plain lines elsewhere."""
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
    """One line: the process, the phase, what is done and what is left."""
    start = f"process {progress.launch} of {progress.launches}, {progress.phase}"
    done = f"{progress.blocks} blocks, {progress.pairs} pairs done"
    return f"{start}: {done}, {progress.left_s:.0f} s left"


@contextmanager
def _live(budget_s: float) -> Iterator[OnProgress]:
    from rich.progress import BarColumn, SpinnerColumn, TextColumn
    from rich.progress import Progress as Bars

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=16))
    with Bars(*columns, console=output.console("stderr"), transient=True) as bars:
        task = bars.add_task("starting", total=budget_s)

        def show(progress: Progress) -> None:
            text = (
                f"process {progress.launch}/{progress.launches} {progress.phase},"
                f" {progress.blocks} blocks, {progress.left_s:.0f} s left"
            )
            done_s = max(0.0, budget_s - progress.left_s)
            bars.update(task, description=text, completed=done_s)

        yield show
