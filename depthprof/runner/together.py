"""Sides of one process: loaded as if each were alone, and refused where they change each other."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import torch

from depthprof.errors import OutOfMemory, PipelineError, SharedState
from depthprof.pipelines.own_modules import OwnModules, tree_of
from depthprof.runner.shared_state import Change, State, are_alike, changes, read, undo

READ_BLOCKS = 2
"""After so many first blocks of a side, while it warms up, everything is read again, since a
pipeline may patch in a later call than its first. Reading takes 25 ms, so it is not done beside
blocks that are judged."""

MOST_NAMED = 6
"""So many changed names are told; the rest are counted."""

NAMES = {"a": "the baseline", "b": "the candidate"}


class Together:
    """The sides of one process, and what they share.

    Args:
        sides: as the command to load tells of them; one alone shares with nobody.
    """

    def __init__(self, sides: list[dict[str, Any]]) -> None:
        self._shares = len(sides) > 1
        self._modules = OwnModules()
        self._made: dict[str, dict[str, Change]] = {}
        self._settled: State | None = None
        self._blocks: Counter[str] = Counter()

    @contextmanager
    def loading(self, side: dict[str, Any]) -> Iterator[None]:
        """Load a side: with its own modules, from the same state as the sides before it.

        Raises:
            NamesClash: its modules cannot be beside those of another side.
            SharedState: it changes what all sides share, and another side does not do the same; or
                it cannot be loaded after another one.
        """
        places = [None if (place := side.get(n)) is None else Path(place) for n in _TREE]
        with self._modules.of(tree_of(side["variant"], *places)):
            before = read() if self._shares else None
            try:
                yield
            except PipelineError as error:
                if not self._made or error.stage != "load" or isinstance(error, OutOfMemory):
                    raise
                raise SharedState(
                    f"{_named(side['name'])} fails beside the other: {error}"
                ) from error
        if before is not None:
            self._compare(side["name"], changes(before, read()))

    def _compare(self, name: str, made: dict[str, Change]) -> None:
        first = next(iter(self._made), None)
        self._made[name] = made
        if first is None:
            undo(made)
        else:
            _refuse(self._made, first, name)

    def after_block(self, name: str, *, warming_up: bool) -> list[int]:
        """Threads of torch and OpenCV in force after a block of a side.

        Raises:
            SharedState: the side changed what all sides share in its iterations.
        """
        threads = [torch.get_num_threads(), cv2.getNumThreads()]
        known = self._settled
        if known is not None:
            self._blocks[name] += warming_up
            is_early = warming_up and self._blocks[name] <= READ_BLOCKS
            if is_early or threads != _threads(known):
                made = changes(known, read())
                if made:
                    raise SharedState(_sentence({name: list(made)}, " in its iterations"))
        return threads

    def settle(self) -> None:
        """All sides are loaded: from here on nothing that they share may change."""
        self._settled = read() if self._shares else None


_TREE = ("tree", "instead_of")


def _threads(state: State) -> list[int]:
    return [state.settings["torch's threads"], state.settings["OpenCV's threads"]]


def _refuse(made: Mapping[str, dict[str, Change]], first: str, second: str) -> None:
    """Refuse what one of two sides changes and the other does not, or to something else."""
    unlike = {
        side: [name for name in made[side] if not are_alike(made[first], made[second], name)]
        for side in (first, second)
    }
    if any(unlike.values()):
        raise SharedState(_sentence(unlike))


def _sentence(unlike: Mapping[str, list[str]], when: str = "") -> str:
    """Say which side changes what."""
    parts = []
    for side, names in sorted(unlike.items()):
        if names:
            told = ", ".join(names[:MOST_NAMED])
            more = len(names) - MOST_NAMED
            rest = f" and {more} more" if more > 0 else ""
            parts.append(f"{_named(side)} changes what both sides share{when}: {told}{rest}")
    return "; ".join(parts)


def _named(side: str) -> str:
    return NAMES.get(side, side)
