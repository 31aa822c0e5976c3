"""Runs that are kept: in SQLite by default, in PostgreSQL for a team.

Here a store is opened: found or made, migrated, and every refusal a sentence. Nothing that measures
imports it, so measuring does without SQLAlchemy.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from depthprof.errors import BadInput, StoreError
from depthprof.storage.database.rows import RunRow
from depthprof.storage.database.storing import Store
from depthprof.storage.database.tables import METADATA
from depthprof.storage.text_files import write_text

__all__ = ["DEFAULT_FOLDER", "URL_VARIABLE", "RunRow", "Store", "open_store"]

DEFAULT_FOLDER = Path(".depthprof")
FILE = "store.db"
URL_VARIABLE = "DEPTHPROF_STORE"
HEAD = "0002"
"""The newest revision of the schema; migrations/versions/ has a file for each."""

REVISIONS = ("0001", HEAD)
BUSY_TIMEOUT_S = 60
"""How long a writer waits for the others."""

CONNECT_TIMEOUT_S = 10
VERSION_TABLE = "alembic_version"


def store_url(given: str | None) -> str:
    """Where the store is: as given, by the variable DEPTHPROF_STORE, or SQLite in .depthprof/."""
    return given or os.environ.get(URL_VARIABLE) or f"sqlite:///{DEFAULT_FOLDER / FILE}"


@contextmanager
def open_store(url: str | None = None, *, create: bool = True) -> Iterator[Store]:
    """Open the store for some calls; make it or bring it up to date where needed.

    Args:
        url: as SQLAlchemy writes it, or the path of an SQLite file; see `store_url`.
        create: make it if there is none; otherwise that is refused.

    Raises:
        BadInput: no URL, or a database of a kind that cannot be spoken to.
        StoreError: it cannot be reached, is corrupt, of a newer schema, or may not be written.
    """
    place = _parsed(store_url(url))
    if place.get_backend_name() == "sqlite":
        _prepare_file(place, create)
    engine = _engine(place)
    try:
        with saying(place):
            _migrate(engine, place)
            yield Store(engine)
    finally:
        engine.dispose()


@contextmanager
def saying(place: URL) -> Iterator[None]:
    """Turn what a database says into one sentence.

    Raises:
        StoreError: anything went wrong in there.
    """
    name = place.render_as_string(hide_password=True)
    try:
        yield
    except DBAPIError as error:
        said = str(error.orig).strip().splitlines()[0] if error.orig else str(error)
        sentence = f"the store {name} does not answer as it should: {said}{_hint(said)}"
        raise StoreError(sentence) from error
    except SQLAlchemyError as error:
        raise StoreError(f"the store {name} cannot be used: {error}") from error


def _hint(said: str) -> str:
    hints = {
        "not a database": "; move the file away, a new one is then made",
        "malformed": "; move the file away, a new one is then made",
        "readonly": "; make it writable, or name another with --store",
        "unable to open": "; make its folder writable, or name another with --store",
        "disk is full": "; make room, or name another with --store",
        "Connection refused": "; is the server running, and the port right?",
        "connection failed": "; check host, port, name and password in the URL",
        "password authentication": "; check user and password in the URL",
    }
    return next((hint for words, hint in hints.items() if words in said), "")


def _parsed(text_: str) -> URL:
    if "://" not in text_:
        text_ = f"sqlite:///{text_}"
    try:
        place = make_url(text_)
        place.get_dialect()
    except (ArgumentError, NoSuchModuleError) as error:
        raise BadInput(
            f'"{text_}" is no URL of a store ({error}); write a file, or'
            " postgresql+psycopg://user:password@host/name"
        ) from error
    if place.get_backend_name() not in ("sqlite", "postgresql"):
        raise BadInput(f'the store "{text_}" is neither SQLite nor PostgreSQL')
    if place.drivername == "postgresql":
        place = place.set(drivername="postgresql+psycopg")
    return place


def _prepare_file(place: URL, create: bool) -> None:
    """See to the folder of an SQLite file."""
    if place.database in (None, "", ":memory:"):
        return
    file = Path(str(place.database))
    if not file.exists() and not create:
        raise StoreError(
            f"there is no store at {file} yet; `depthprof compare` and `profile` make one"
        )
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.parent.name == DEFAULT_FOLDER.name:
            _ignore(file.parent)
    except OSError as error:
        raise StoreError(
            f"the folder {file.parent} of the store cannot be made: {error.strerror};"
            " name another with --store"
        ) from error


def _ignore(folder: Path) -> None:
    """Keep git away from what is this machine's own."""
    if not (folder / ".gitignore").exists():
        write_text(folder / ".gitignore", "*\n")


def _engine(place: URL) -> Engine:
    try:
        if place.get_backend_name() == "sqlite":
            engine = create_engine(place, connect_args={"timeout": BUSY_TIMEOUT_S})
            event.listen(engine, "connect", _set_up_sqlite)
            event.listen(engine, "begin", _begin_immediate)
            return engine
        return create_engine(place, connect_args={"connect_timeout": CONNECT_TIMEOUT_S})
    except ModuleNotFoundError as error:
        raise BadInput(
            f"the store is PostgreSQL, but {error.name} is not installed;"
            ' run pip install "depthprof[postgres]"'
        ) from error


def _set_up_sqlite(connection: Any, _: Any) -> None:
    """Write-ahead log, so that readers and a writer do not wait for each other.

    Transactions are begun by us: the driver would begin them too late (SQLAlchemy documentation,
    dialects/sqlite, "Serializable isolation / Savepoints / Transactional DDL").
    """
    connection.isolation_level = None
    cursor = connection.cursor()
    try:
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_S * 1000}")
        cursor.execute("PRAGMA foreign_keys=ON")
        _write_ahead(cursor)
        cursor.execute("PRAGMA synchronous=NORMAL")
    finally:
        cursor.close()


def _write_ahead(cursor: Any) -> None:
    """Switch the log on; that takes the file for itself, and is refused without waiting."""
    if cursor.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
        return
    ends = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except Exception as error:
            if "locked" not in str(error) or time.monotonic() > ends:
                raise
            time.sleep(0.02)
        else:
            return


def _begin_immediate(connection: Connection) -> None:
    """A writer takes its place in the queue at once, instead of failing half-way."""
    readonly = connection.get_execution_options().get("readonly", False)
    connection.exec_driver_sql("BEGIN" if readonly else "BEGIN IMMEDIATE")


def _migrate(engine: Engine, place: URL) -> None:
    """Bring the schema up to date; one of several processes does it, the others wait."""
    with engine.connect().execution_options(readonly=True) as connection:
        if _revision(connection, place) == HEAD:
            return
    with engine.begin() as connection:
        if place.get_backend_name() == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(7254312)"))
        known = _revision(connection, place)
        if known == HEAD:
            return
        upgrade(connection, HEAD)


def _revision(connection: Connection, place: URL) -> str | None:
    name = place.render_as_string(hide_password=True)
    tables = inspect(connection).get_table_names()
    if VERSION_TABLE not in tables:
        strangers = set(tables) & set(METADATA.tables)
        if strangers:
            raise StoreError(f"{name} has tables of its own ({', '.join(sorted(strangers))})")
        return None
    known = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
    if known is not None and known not in REVISIONS:
        raise StoreError(
            f"the store {name} is of schema {known}, this depthprof knows up to {HEAD};"
            " install a newer depthprof"
        )
    return known


def upgrade(connection: Connection, revision: str) -> None:
    """Bring a schema up to a revision, within the transaction of the connection."""
    from alembic import command  # late: only a store that is not up to date needs it
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
