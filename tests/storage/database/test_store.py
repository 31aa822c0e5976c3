"""The store on SQLite, and on PostgreSQL where DEPTHPROF_TEST_POSTGRES names a server."""

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
from sqlalchemy import create_engine, make_url, text

from depthprof.errors import BadInput, BadRunFile, StoreError
from depthprof.records import decode, encode
from depthprof.storage.database import URL_VARIABLE, Store, open_store
from depthprof.storage.database.rows import pack, unpack
from depthprof.verdict import digest
from depthprof.verdict.decision import judge
from tests.runs import simulated
from tests.storage.database.stores import POLICY, add, judged_at, run_at

POSTGRES = os.environ.get("DEPTHPROF_TEST_POSTGRES")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'kept' / 'store.db'}"
    if POSTGRES is None:
        pytest.skip("no PostgreSQL server: set DEPTHPROF_TEST_POSTGRES to its URL")
    place = make_url(POSTGRES).set(drivername="postgresql+psycopg")
    engine = create_engine(place)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return POSTGRES


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url) as opened:
        yield opened


def test_a_run_comes_back_as_it_went_in(store: Store) -> None:
    judged = judged_at(0, change={"forward": 2.0})
    identity = add(store, judged)
    assert encode(*store.load(identity)) == encode(judged.run, judged.policy)
    assert store.digest(identity) == replace(digest(judged.run, POLICY), run=identity)


def test_the_same_run_is_kept_once(store: Store) -> None:
    judged = judged_at(0)
    assert add(store, judged, "one") == add(store, judged, "two")
    (row,) = store.rows()
    assert row.tags == ("one", "two")


def test_runs_are_listed_with_the_newest_first(store: Store) -> None:
    names = [add(store, judged_at(n, change={"forward": 1.0 + n})) for n in range(3)]
    assert [row.id for row in store.rows()] == names[::-1]
    assert [row.id for row in store.rows(limit=1)] == names[-1:]
    assert [row.culprit for row in store.rows()] == ["forward", "forward", None]
    assert store.rows()[0].labels == ("v1", "v2")
    assert store.rows(tag="none") == []


def test_a_run_is_found_by_digits_tag_or_newest(store: Store) -> None:
    names = [add(store, judged_at(n), "nightly") for n in range(2)]
    assert store.find("newest") == store.find("nightly") == names[1]
    assert store.find(names[0][:6]) == names[0]
    with pytest.raises(BadInput, match=f'no run "nope".*{names[1]}'):
        store.find("nope")
    with pytest.raises(BadInput, match="no run"):
        store.find("")
    with pytest.raises(BadInput, match="newest"):
        store.tag(names[0], ["newest"])
    store.tag(names[0], [names[1][:4]])
    assert store.find(names[1][:4]) == names[0]  # a tag goes before digits


def test_a_run_keeps_its_identity_through_its_file(store: Store) -> None:
    judged = judged_at(0)
    samples = judged.run.samples
    laid_out = replace(samples, host_ns=np.asfortranarray(samples.host_ns))
    other = judge(replace(judged.run, samples=laid_out), POLICY)
    read = judge(*decode(encode(judged.run, judged.policy)))
    assert add(store, judged) == add(store, other) == add(store, read)
    assert len(store.rows()) == 1


def test_whole_numbers_in_fields_of_floats_keep_the_identity(store: Store) -> None:
    run = replace(run_at(0), budget_s=5)
    policy = replace(POLICY, floor_ns=5_000, stage_ratios=(("forward", 1),))
    judged = judge(run, policy)
    read = judge(*decode(encode(run, policy)))
    assert add(store, judged) == add(store, read)
    assert len(store.rows()) == 1


def test_moments_are_kept_in_utc(store: Store) -> None:
    run = replace(run_at(0), created="2026-11-21T23:29:30+14:00")
    add(store, judge(run, POLICY))
    assert store.rows()[0].created == "2026-11-21T09:29:30+00:00"
    with pytest.raises(BadRunFile, match="no ISO 8601"):
        add(store, judge(replace(run, created="hello"), POLICY))


def test_an_empty_store_says_what_to_do(store: Store) -> None:
    with pytest.raises(BadInput, match="measure one first"):
        store.find("newest")
    with pytest.raises(BadInput, match="there is none yet"):
        store.baseline("main")


def test_tags_come_and_go(store: Store) -> None:
    identity = add(store, judged_at(0))
    store.tag(identity, ["a", "b", "a"])
    store.untag(identity, ["a"])
    assert store.rows()[0].tags == ("b",)
    for odd in ("", " ", "x" * 101, "a\nb"):
        with pytest.raises(BadInput, match="tag"):
            store.tag(identity, [odd])


def test_several_may_set_a_new_baseline_at_once(url: str) -> None:
    with open_store(url) as opened:
        identity = add(opened, judged_at(0))
    start = Barrier(4)

    def set_all(_: int) -> None:
        with open_store(url) as opened:
            start.wait(30)
            for number in range(10):
                opened.set_baseline(f"new-{number}", identity)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(set_all, range(4)))  # raises what a thread raised
    with open_store(url) as opened:
        assert len(opened.baselines()) == 10


def test_a_baseline_follows_its_name(store: Store) -> None:
    first, second = (add(store, judged_at(n)) for n in range(2))
    store.set_baseline("main", first)
    assert store.baseline("main") == first
    with pytest.raises(BadInput, match='is the baseline "main"'):
        store.delete(first)
    store.set_baseline("main", second)
    assert store.baseline("main") == second
    store.delete(first)
    assert [row.id for row in store.rows()] == [second]
    assert [(name, run) for name, run, _ in store.baselines()] == [("main", second)]
    with pytest.raises(BadInput, match=r'"man".*did you mean "main"'):
        store.baseline("man")


def test_levels_come_in_the_order_of_time(store: Store) -> None:
    names = [add(store, judged_at(n)) for n in (2, 0, 1)]
    found = [row.id for row in store.levels()]
    assert len(found) == 3 * 2 * 8
    assert list(dict.fromkeys(found)) == [names[1], names[2], names[0]]


def test_an_older_schema_is_brought_up_to_date(url: str) -> None:
    with open_store(url) as store:
        identity = add(store, judged_at(0))
        with store._engine.begin() as connection:
            connection.execute(text("DROP TABLE baselines"))
            connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    with open_store(url) as store:
        store.set_baseline("main", identity)
        assert store.load(identity)[0].is_comparison


def test_the_migrations_lead_to_the_tables(store: Store) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from depthprof.storage.database.tables import METADATA

    with store._engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), METADATA)
    told = [one for one in differences if "alembic_version" not in str(one)]
    foreign = ("add_fk", "remove_fk")  # the tables name fewer keys than they have on purpose
    assert [one for one in told if one[0] not in foreign] == []


def test_a_newer_schema_is_refused(url: str) -> None:
    with open_store(url) as store, store._engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    with pytest.raises(StoreError, match=r"schema 0999.*install a newer"), open_store(url):
        pass


def test_columns_of_every_kind_survive() -> None:
    from tests.report.test_reports import with_device

    for run in (run_at(0), with_device(simulated(turns=2)), replace(run_at(1), conditions=None)):
        header, columns, _ = pack(run, POLICY)
        assert encode(*unpack(header, columns, "it")) == encode(run, POLICY)
    with pytest.raises(BadRunFile, match="samples of it"):
        unpack(header, columns[:-40], "it")


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    file.write_text("this is no database, but long enough to be taken for one " * 20)
    with (
        pytest.raises(StoreError, match=r"not a database.*move the file away"),
        open_store(str(file)),
    ):
        pass
    other = tmp_path / "other.db"
    sqlite3.connect(other).execute("CREATE TABLE runs (id)").connection.close()
    with pytest.raises(StoreError, match="tables of its own"), open_store(str(other)):
        pass


def test_a_corrupt_store_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    with open_store(str(file)) as store:
        for number in range(20):
            add(store, judged_at(number))
    content = bytearray(file.read_bytes())
    content[4096:-4096] = b"\xff" * len(content[4096:-4096])
    file.write_bytes(content)
    with pytest.raises(StoreError, match=r"store\.db"), open_store(str(file)) as store:
        store.rows()


def test_a_folder_that_may_not_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    inside, none = str(tmp_path / "file" / "store.db"), str(tmp_path / "none.db")
    with pytest.raises(StoreError, match="cannot be made"), open_store(inside):
        pass
    with pytest.raises(StoreError, match="no store at"), open_store(none, create=False):
        pass


@pytest.mark.parametrize(
    ("url_", "said"),
    [
        ("mysql://x/y", "neither SQLite nor PostgreSQL"),
        ("nonsense://x", "no URL of a store"),
        ("postgresql://nobody:wrong@127.0.0.1:9/x", "does not answer"),
    ],
)
def test_a_store_that_is_none_is_refused_without_its_password(url_: str, said: str) -> None:
    with pytest.raises((BadInput, StoreError), match=said) as refused, open_store(url_):
        pass
    assert "wrong" not in str(refused.value)


def test_the_default_store_hides_from_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(URL_VARIABLE, raising=False)
    with open_store() as store:
        add(store, judged_at(0))
    assert (tmp_path / ".depthprof" / ".gitignore").read_text() == "*\n"
    assert (tmp_path / ".depthprof" / "store.db").exists()


WRITER = """
import sys
from depthprof.storage.database import open_store
from tests.storage.database.stores import add, judged_at
for number in range(int(sys.argv[2]), int(sys.argv[3])):
    with open_store(sys.argv[1]) as store:
        add(store, judged_at(number))
        print(number, flush=True)
"""


def writer(url: str, first: int, last: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, url, str(first), str(last)],
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_writers_at_once_lose_nothing(url: str) -> None:
    writers = [writer(url, 10 * n, 10 * n + 10) for n in range(4)]
    assert [len(one.communicate(timeout=90)[0].splitlines()) for one in writers] == [10] * 4
    with open_store(url) as store:
        assert len(store.rows()) == 40


@pytest.mark.slow
def test_a_killed_writer_leaves_whole_runs_only(url: str) -> None:
    with open_store(url):
        pass
    one = writer(url, 0, 1000)
    assert one.stdout is not None
    one.stdout.readline()
    time.sleep(0.2)
    one.kill()
    told = 1 + len(one.communicate()[0].splitlines())
    with open_store(url) as store:
        rows = store.rows()
        assert told <= len(rows) <= told + 1
        for row in rows:
            assert len(store.digest(row.id).levels) == 16
            assert len(store.load(row.id)[0].samples)
