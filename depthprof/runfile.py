"""A saved run, read back: all that the reports need, without torch."""

from pathlib import Path

from depthprof.errors import BadRunFile
from depthprof.records import Policy, Run, decode

RUN_FILE = "run.json"
"""Name of the run's file in a report folder."""


def read_run(path: str | Path) -> tuple[Run, Policy]:
    """Read a run and the policy it was judged by, from a report folder or its run.json.

    Raises:
        BadRunFile: missing, unreadable, cut short, no run, or of a newer schema.
    """
    path = Path(path)
    file = path / RUN_FILE if path.is_dir() else path
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        where = (
            f"the folder {path} holds no {RUN_FILE}" if path.is_dir() else f"{path} is not there"
        )
        raise BadRunFile(f"{where}; name a report folder or its {RUN_FILE}") from None
    except UnicodeDecodeError:
        raise BadRunFile(f"{file} is not a depthprof run: it is not text") from None
    except OSError as error:
        raise BadRunFile(f"{file} cannot be read: {error.strerror}") from error
    return decode(text, str(file))
