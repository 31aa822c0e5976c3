"""The conditions of a run in words: workload, device, weights, pictures, what was measured."""

from depthprof.records import (
    WARM_UP_TURN,
    Failure,
    LeftOut,
    Memory,
    Picture,
    Result,
    Run,
    Side,
    workload_differences,
)
from depthprof.records.workload import describe_workload
from depthprof.report.active import activity_lines
from depthprof.units import binary_size

ENDS = {
    "budget": "the budget was used up",
    "decided": "what it was measured for was decided",
    "scattered": "the processes differ so much that more pairs would decide no more",
    "precise": "every interval was narrow enough",
    "interrupted": "Ctrl-C was pressed",
    "failed": "a side failed",
}


def title(run: Run) -> str:
    """What was measured: "v1 against v2" or "v1"."""
    if not run.is_comparison:
        return f"profile of {run.sides[0].label}"
    return f"{run.sides[1].label} against {run.sides[0].label}"


def headings(run: Run, width: int = 12) -> tuple[str, ...]:
    """Labels of the sides, cut for the head of a narrow column; never alike."""
    short = [_shortened(side.label, width) for side in run.sides]
    if len(set(short)) < len(short):
        short = [side.name for side in run.sides]
    return tuple(short)


def legend_labels(run: Run) -> tuple[str, ...]:
    """Labels for a figure's legend, which leaves out what begins with an underscore."""
    return tuple(f" {label}" if label[:1] == "_" else label for label in headings(run, 30))


def _shortened(label: str, width: int) -> str:
    """Leave out the path of a user's pipeline, then cut from the left."""
    if len(label) > width:
        variant, at, options = label.partition("@")
        label = variant.rpartition(":")[2] + at + options
    return label if len(label) <= width else f"...{label[3 - width :]}"


def facts(judged: Result) -> list[tuple[str, str]]:
    """The conditions of the run as pairs of a word and a text, one line each."""
    run = judged.run
    side = run.sides[0]
    lines = [("workload", _workload(side))]
    if run.is_comparison:
        differing = workload_differences(side.workload, run.sides[1].workload)
        if differing:
            lines.append((f"of {run.sides[1].label}", describe_differences(run, differing)))
    lines.append(("device", ", ".join(dict.fromkeys(_device(one) for one in run.sides))))
    lines += [("weights", text) for text in dict.fromkeys(_weights(run))]
    lines += picture_lines(run)
    lines.append(("measured", _measured(run)))
    lines += activity_lines(run, judged.measured.activity, headings(run))
    lines += [("memory", text) for text in memory(run)]
    lines += [("note", note) for note in dict.fromkeys(n for one in run.sides for n in one.notes)]
    return lines


def memory(run: Run) -> list[str]:
    """One line: what an iteration of each side held at most; none where nobody looked.

    On a GPU what torch allocated and reserved there, then what the process had resident.
    """
    texts = []
    for side in run.sides:
        peaks = side.observed.memory if side.observed else Memory(None, None)
        parts = [
            f"{binary_size(size_bytes)}{where}"
            for size_bytes, where in (
                (peaks.device_allocated_bytes, " allocated"),
                (peaks.device_reserved_bytes, " reserved on the GPU"),
                (peaks.host_peak_bytes, " on the host"),
            )
            if size_bytes is not None
        ]
        if parts:
            texts.append(f"{side.label} {', '.join(parts)}")
    return [f"at most {'; '.join(texts)}"] if texts else []


def _workload(side: Side) -> str:
    inputs = ", ".join(f"{shape[-1]}x{shape[-2]}" for shape in side.input_shapes)
    return describe_workload(side.workload, f"{inputs} (w x h)")


def describe_differences(run: Run, names: tuple[str, ...]) -> str:
    """One line: the fields in which side b's workload differs, as "batch 8 (not 1)"."""
    first, second = (side.workload for side in run.sides)
    return ", ".join(
        f"{name.replace('_', '-')} {getattr(second, name)} (not {getattr(first, name)})"
        for name in names
    )


def describe_failure(run: Run, failure: Failure) -> str:
    """One line: which side, in which process, and what happened."""
    label = next((side.label for side in run.sides if side.name == failure.side), None)
    where = f"{label}, " if label else ""
    return f"{where}process {failure.launch + 1}: {failure.text}"


def _device(side: Side) -> str:
    threads = f", {side.threads} threads" if side.threads != 1 else ", 1 thread"
    return f"{side.device_name} ({side.device}{threads})"


def _weights(run: Run) -> list[str]:
    texts = []
    for side in run.sides:
        weights = side.weights
        if weights is None:
            texts.append(f"{side.label}: its own")
        elif weights.sha256 is None:
            texts.append(f"random, seed {weights.seed} (speed does not depend on their values)")
        else:
            texts.append(f"{side.label}: {weights.source}, sha256 {weights.sha256[:12]}")
    return texts


def _measured(run: Run) -> str:
    judged = int((run.samples.turn != WARM_UP_TURN).sum())
    blocks = sum(launch.turns for launch in run.launches)
    what = "pairs" if run.is_comparison else "blocks"
    count = len(run.launches)
    return (
        f"{judged} iterations in {blocks} {what} over {count} process{'' if count == 1 else 'es'},"
        f" {run.elapsed_s:.0f} s; ended because {ENDS.get(run.ended, run.ended)}"
    )


FEW_PICTURES = 3
MOST_LEFT_OUT = 10
"""So many lines a run's conditions have for files that were left out; run.json names them all."""


def picture_lines(run: Run) -> list[tuple[str, str]]:
    """Lines of the conditions: the first pictures, what was converted of the others, left out."""
    first, others = run.pictures[:FEW_PICTURES], run.pictures[FEW_PICTURES:]
    more = f" and {len(others)} more" if others else ""
    notes = dict.fromkeys(picture.note for picture in others if picture.note)
    lines = [", ".join(map(_described, first)) + more]
    lines += [f"{_names(note, others)}: {note}" for note in notes]
    return [
        *(("pictures", line) for line in lines),
        *(("left out", text) for text in left_out_lines(run.left_out)),
    ]


def left_out_lines(left_out: tuple[LeftOut, ...]) -> list[str]:
    """A line a file that was left out, and how many more there are."""
    lines = [f"{one.name} {one.why}" for one in left_out[:MOST_LEFT_OUT]]
    more = len(left_out) - MOST_LEFT_OUT
    return [*lines, f"{more} more; run.json and --json name them"] if more > 0 else lines


def _described(picture: Picture) -> str:
    size = f"{picture.name} {picture.width}x{picture.height}"
    return f"{size} ({picture.note})" if picture.note else size


def _names(note: str, pictures: tuple[Picture, ...]) -> str:
    """Names of the pictures of a note: the first ones, and how many more there are."""
    names = [picture.name for picture in pictures if picture.note == note]
    more = len(names) - FEW_PICTURES
    return ", ".join(names[:FEW_PICTURES]) + (f" and {more} more" if more > 0 else "")
