"""What is said of the pictures: which there were, what was converted, which were left out."""

from depthprof.records import LeftOut, Picture, Run

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
