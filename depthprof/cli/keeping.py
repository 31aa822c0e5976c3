"""Runs and the store, as seen from the command line."""

import os
from argparse import Namespace
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from depthprof.cli import output
from depthprof.errors import BadInput, StoreError
from depthprof.records import Judged

if TYPE_CHECKING:
    from depthprof.storage.database import Store


def opened(arguments: Namespace, *, create: bool = False) -> "AbstractContextManager[Store]":
    """Open the store that the options, the settings or the environment name.

    Raises:
        BadInput: SQLAlchemy is not installed, or the URL is none.
        StoreError: the store cannot be used.
    """
    if find_spec("sqlalchemy") is None:
        raise BadInput(
            "SQLAlchemy is not installed, so there is no store; run `pip install depthprof`"
        )
    from depthprof.storage.database.opening import URL_VARIABLE, open_store
    from depthprof.storage.settings import read_settings

    url = arguments.store or os.environ.get(URL_VARIABLE) or read_settings().store
    return open_store(url, create=create)


def keep(judged: Judged, arguments: Namespace, written: Path | None) -> str | None:
    """Keep a run in the store, unless that was not wanted or cannot be had here.

    Returns:
        Its identity, None where it was not kept.

    Raises:
        StoreError: it should have been kept; the sentence says where the run is all the same.
    """
    if getattr(arguments, "no_store", True):
        return None
    if find_spec("sqlalchemy") is None:
        output.warn("not kept in the store, because SQLAlchemy is not installed")
        return None
    from depthprof.verdict import digest

    try:
        with opened(arguments, create=True) as store:
            return store.add(judged, digest(judged.run, judged.policy), arguments.tag)
    except (BadInput, StoreError) as error:
        if written is None:
            raise
        raise StoreError(
            f"{error}. The run is kept in {written / 'run.json'};"
            f" `depthprof runs import {written}` adds it later"
        ) from error
