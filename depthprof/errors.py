"""The error tree: every refusal a user can meet, as one clear sentence.

An error says what is wrong, which value, and what to do. The command line prints the sentence and
exits with 2; nobody but a developer ever sees a traceback.
"""

from collections.abc import Iterable

from depthprof.units import shown

EXIT_PASS, EXIT_SLOWER, EXIT_REFUSED, EXIT_INCONCLUSIVE = 0, 1, 2, 3
"""What a command ends with; README lists them."""


class DepthprofError(Exception):
    """Base of all refusals; `str(error)` is the sentence shown to the user.

    The names in a sentence may hold anything, so it is made fit to be shown here, once for all.
    """

    def __init__(self, sentence: str = "") -> None:
        super().__init__(shown(sentence))


class BadInput(DepthprofError, ValueError):
    """An argument, a file or a picture that cannot be used as given."""


class BadCheckpoint(BadInput):
    """A checkpoint that is corrupt, holds code, or belongs to another size."""


class BadPicture(BadInput):
    """A path that is no picture, or a picture that cannot be measured on."""


class NotTogether(BadInput):
    """Two sides that one process cannot hold as they are; separate processes can."""


class NamesClash(NotTogether):
    """Two sides have modules of one name, and a process can import one of them only."""


class SharedState(NotTogether):
    """A side changes what all sides of its process share, such as a module's function."""


class BadRunFile(BadInput):
    """A saved run that is unreadable, truncated or of an unknown schema."""


class StoreError(DepthprofError):
    """The store of runs cannot be reached, read or written."""


class PipelineError(DepthprofError):
    """A pipeline that breaks the contract of its stages or raises in one of them.

    `side` is "a" or "b" where known, `stage` the stage it happened in (or "load").
    """

    def __init__(self, sentence: str, *, side: str | None = None, stage: str | None = None) -> None:
        super().__init__(sentence)
        self.side = side
        self.stage = stage


class BadOutput(PipelineError):
    """A side whose outputs are no depth: not finite, or the same everywhere."""


class OutOfMemory(PipelineError):
    """One side asked for more memory than the device or the host has."""


class WorkerLost(PipelineError):
    """The worker process crashed, was killed, or hung.

    `printed` is all that it printed, if it ended by an error that nobody foresaw.
    """

    printed = ""


class OutputError(DepthprofError):
    """A report that could not be written (full disk, folder not writable)."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Name what there is, the closest first: `did you mean "small"? There are: small, base`."""
    import difflib  # imported late: only a refusal needs it

    names = list(known)
    close = difflib.get_close_matches(word, names, n=2, cutoff=0.5)
    guess = " or ".join(f'"{name}"' for name in close)
    listing = "there are: " + ", ".join(names)
    return f"did you mean {guess}? {listing[0].upper()}{listing[1:]}" if guess else listing
