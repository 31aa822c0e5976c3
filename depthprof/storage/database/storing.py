"""What the store can do: add, list, find, load and forget runs; tags and baselines."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, Table, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from depthprof.errors import BadInput, nearest
from depthprof.records import Digest, Policy, Result, Run, workload_document
from depthprof.storage.database.rows import RunRow, digest_of, pack, stored_rows, unpack
from depthprof.storage.database.tables import (
    ALL_LEVELS,
    BASELINES,
    ENVIRONMENTS,
    LEVELS,
    RUNS,
    SIDES,
    TAGS,
    VERDICTS,
    WORKLOADS,
    document,
    level_rows,
    run_row,
    side_row,
    verdict_rows,
)
from depthprof.units import shown

ID_DIGITS = 12
FEWEST_DIGITS = 4


class Store:
    """An open store; `depthprof.storage.database.open_store` makes one."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, judged: Result, digest: Digest, tags: Iterable[str] = ()) -> str:
        """Keep a run, whole or not at all; one that is kept already stays as it is.

        Args:
            judged: the run, its policy and its verdicts.
            digest: its summary (depthprof.verdict.digest). tags: names to find it by.

        Returns:
            The run's identity.
        """
        run, policy = judged.run, judged.policy
        header, columns, sha256 = pack(run, policy)
        identity = sha256[:ID_DIGITS]
        environment = document(asdict(run.environment))
        with self._engine.begin() as connection:
            kept = select(RUNS.c.id).where(RUNS.c.sha256 == sha256)
            if connection.execute(kept).first() is None:
                self._once(connection, ENVIRONMENTS, environment)
                row = run_row(run, identity, sha256, environment["id"])
                row |= {"header": header, "columns": columns}
                if self._once(connection, RUNS, row):  # else another process was a moment earlier
                    self._add_sides(connection, run, identity)
                    _insert(connection, LEVELS, level_rows(digest, identity))
                    _insert(connection, VERDICTS, verdict_rows(judged, identity))
            self._tag(connection, identity, tags)
        return identity

    def rows(self, *, tag: str | None = None, limit: int | None = None) -> list[RunRow]:
        """Stored runs, the newest first."""
        with self._reading() as connection:
            return stored_rows(connection, tag, limit)

    def find(self, word: str) -> str:
        """Identity of the run that a word means: "newest", a tag, or four or more first digits.

        Raises:
            BadInput: no run, or more than one, is meant.
        """
        word = shown(word)
        with self._reading() as connection:
            if word == "newest":
                query = select(RUNS.c.id).order_by(RUNS.c.created.desc(), RUNS.c.id).limit(1)
                if (newest := connection.execute(query).scalar()) is not None:
                    return str(newest)
                raise BadInput("the store holds no run yet; measure one first")
            found = self._tagged(connection, word)
            if not found and len(word) >= FEWEST_DIGITS:
                prefix = RUNS.c.id.startswith(word, autoescape=True)
                found = connection.execute(select(RUNS.c.id).where(prefix).limit(3)).scalars().all()
            if len(found) == 1:
                return str(found[0])
            if found:
                raise BadInput(f'"{word}" begins more than one run: {", ".join(found)}, ...')
            known = connection.execute(
                select(RUNS.c.id).order_by(RUNS.c.created.desc()).limit(5)
            ).scalars()
            raise BadInput(f'there is no run "{word}" in the store; {_newest(list(known))}')

    def load(self, identity: str) -> tuple[Run, Policy]:
        """Read a run with all its samples.

        Raises:
            BadRunFile: what is stored is not whole.
        """
        query = select(RUNS.c.header, RUNS.c.columns).where(RUNS.c.id == identity)
        with self._reading() as connection:
            row = connection.execute(query).one()
        return unpack(row.header, row.columns, f"the run {identity}")

    def digest(self, identity: str) -> Digest:
        """Read a run without its samples."""
        with self._reading() as connection:
            return digest_of(connection, identity)

    def levels(self) -> list[Row[Any]]:
        """Every level of every run with its run's date, commit, label and machine, oldest first."""
        with self._reading() as connection:
            return list(connection.execute(ALL_LEVELS).all())

    def workloads(self) -> Mapping[str, Mapping[str, Any]]:
        """Workloads by identity, as plain mappings."""
        with self._reading() as connection:
            rows = connection.execute(select(WORKLOADS.c.id, WORKLOADS.c.document)).all()
        return {row.id: json.loads(row.document) for row in rows}

    def machines(self) -> Mapping[str, str]:
        """What the device of each machine is called, by the machine's fingerprint."""
        query = select(SIDES.c.machine, func.min(SIDES.c.document)).group_by(SIDES.c.machine)
        with self._reading() as connection:
            rows = connection.execute(query).all()
        return {machine: json.loads(document)["device_name"] for machine, document in rows}

    def tag(self, identity: str, tags: Iterable[str]) -> None:
        """Give a run tags; those it has already stay.

        Raises:
            BadInput: a tag of no letters, or above 100.
        """
        with self._engine.begin() as connection:
            self._tag(connection, identity, tags)

    def untag(self, identity: str, tags: Iterable[str]) -> None:
        """Take tags off a run."""
        with self._engine.begin() as connection:
            connection.execute(
                delete(TAGS).where(TAGS.c.run == identity, TAGS.c.tag.in_(list(tags)))
            )

    def delete(self, identity: str) -> None:
        """Forget a run.

        Raises:
            BadInput: a baseline is set to it.
        """
        with self._engine.begin() as connection:
            query = select(BASELINES.c.name).where(BASELINES.c.run == identity)
            if name := connection.execute(query).scalar():
                raise BadInput(
                    f'the run {identity} is the baseline "{name}"; set that to another run first'
                )
            for table in (TAGS, VERDICTS, LEVELS, SIDES):
                connection.execute(delete(table).where(table.c.run == identity))
            connection.execute(delete(RUNS).where(RUNS.c.id == identity))

    def set_baseline(self, name: str, identity: str) -> None:
        """Let a name stand for a run from now on."""
        _check_word(name, "baseline")
        now = datetime.now(UTC).isoformat(timespec="seconds")
        values = {"name": name, "run": identity, "set_at": now, "revision": 0}
        with self._engine.begin() as connection:
            self._once(connection, BASELINES, values)  # another process may set it at this moment
            connection.execute(
                update(BASELINES)
                .where(BASELINES.c.name == name)
                .values(run=identity, set_at=now, revision=BASELINES.c.revision + 1)
            )

    def baselines(self) -> list[tuple[str, str, str]]:
        """Names, runs, and when they were set, by name."""
        query = select(BASELINES.c.name, BASELINES.c.run, BASELINES.c.set_at)
        with self._reading() as connection:
            rows = connection.execute(query.order_by(BASELINES.c.name)).all()
        return [(row.name, row.run, row.set_at) for row in rows]

    def baseline(self, name: str) -> str:
        """Identity of the run that a baseline's name stands for.

        Raises:
            BadInput: there is no baseline of that name.
        """
        known = {row[0]: row[1] for row in self.baselines()}
        if name in known:
            return known[name]
        hint = nearest(name, known) if known else "there is none yet"
        raise BadInput(
            f'there is no baseline "{name}"; {hint}; set one with `depthprof baseline set {name}`'
        )

    def _reading(self) -> Any:
        return self._engine.connect().execution_options(readonly=True)

    def _add_sides(self, connection: Connection, run: Run, identity: str) -> None:
        for side in run.sides:
            workload = document(workload_document(side.workload))
            self._once(connection, WORKLOADS, workload)
            row = side_row(run, side, identity, workload["id"])
            connection.execute(insert(SIDES), row)

    def _once(self, connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
        """Insert a row unless it is there; return whether it was inserted."""
        on_postgresql = self._engine.dialect.name == "postgresql"
        make = postgresql_insert if on_postgresql else sqlite_insert
        done = connection.execute(make(table).values(**row).on_conflict_do_nothing())
        return bool(done.rowcount)

    def _tag(self, connection: Connection, identity: str, tags: Iterable[str]) -> None:
        for tag in tags:
            _check_word(tag, "tag")
            if tag == "newest":
                raise BadInput('the tag "newest" would hide what `newest` means; take another word')
            self._once(connection, TAGS, {"run": identity, "tag": tag})

    def _tagged(self, connection: Connection, word: str) -> Sequence[str]:
        query = (
            select(TAGS.c.run)
            .join(RUNS, RUNS.c.id == TAGS.c.run)
            .where(TAGS.c.tag == word)
            .order_by(RUNS.c.created.desc())
            .limit(1)  # of several the newest is meant
        )
        return connection.execute(query).scalars().all()


def _insert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        connection.execute(insert(table), rows)


def _check_word(word: str, what: str) -> None:
    if not word.strip() or len(word) > 100 or not word.isprintable():
        raise BadInput(f"the {what} {word!r} is no word of 1 to 100 letters")


def _newest(known: list[str]) -> str:
    return f"the newest are {', '.join(known)}" if known else "it holds none yet"
