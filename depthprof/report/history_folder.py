"""The folder of a history: page, document, and a plot for each machine and label."""

import io
import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from depthprof.errors import OutputError
from depthprof.records import SeriesHistory
from depthprof.report.figures import DPI
from depthprof.report.folder import reserve
from depthprof.report.history_document import history_document
from depthprof.report.history_figure import history_figure
from depthprof.report.history_html import history_html
from depthprof.report.history_wording import by_subject
from depthprof.storage.text_files import write_text

LONGEST_NAME = 60


def write_history(histories: Sequence[SeriesHistory], folder: str | Path) -> tuple[Path, ...]:
    """Write history.html, history.json and history-LABEL.png into a folder; return their paths.

    Each file is replaced whole. The page holds the plots itself.

    Raises:
        OutputError: no space, or not writable; what was there stays.
    """
    folder = Path(folder)
    groups = by_subject(histories)
    plots = [_png(group) for group in groups]
    names = _names(groups)
    document = json.dumps(history_document(histories), indent=2, allow_nan=False) + "\n"
    page = history_html(list(zip(groups, plots, strict=True)))
    texts = {"history.html": page, "history.json": document}
    reserve(folder)
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".depthprof-") as made:
            for name, text in texts.items():
                write_text(Path(made) / name, text)
            for name, plot in zip(names, plots, strict=True):
                (Path(made) / name).write_bytes(plot)
            for name in (*texts, *names):
                (Path(made) / name).replace(folder / name)
    except OSError as error:
        raise OutputError(
            f"no history can be written to {folder}: {error.strerror or error}; name another folder"
        ) from error
    return tuple(folder / name for name in (*texts, *names))


def _png(group: Sequence[SeriesHistory]) -> bytes:
    buffer = io.BytesIO()
    history_figure(group).savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def _names(groups: Sequence[Sequence[SeriesHistory]]) -> list[str]:
    """File names by label, a number behind those that would be alike."""
    names: list[str] = []
    for group in groups:
        label = re.sub(r"[^A-Za-z0-9_.@=]+", "-", group[0].series.label).strip("-.")
        stem = f"history-{label[:LONGEST_NAME] or 'label'}"
        number, name = 1, f"{stem}.png"
        while name in names:
            number += 1
            name = f"{stem}-{number}.png"
        names.append(name)
    return names
