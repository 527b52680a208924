"""The store of sessions in a file: what is shared, and what becomes of the file."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from circuits.testing import VirtualClock
from circuits.web import _session_sqlite
from circuits.web.sessions import Sessions, SQLiteStore, StoreError
from tests.web.session_support import WallClock, site, sources


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


@pytest.fixture
def store(path: Path) -> Iterator[SQLiteStore]:
    made = SQLiteStore(path, timeout=0)
    yield made
    made.close()


@contextlib.contextmanager
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    """A look at the file by somebody else."""
    made = sqlite3.connect(path, isolation_level=None, timeout=0)
    try:
        yield made
    finally:
        made.close()


def totals(path: Path) -> tuple[int, int]:
    """What is counted; checked against what there is."""
    with connection(path) as other:
        counted = other.execute("SELECT entries, bytes FROM totals").fetchall()
        (there,) = other.execute("SELECT count(*), total(length(data)) FROM sessions").fetchall()
    assert counted == [(there[0], int(there[1]))]
    return counted[0]  # type: ignore[no-any-return]


def test_sessions_survive_a_restart(path: Path) -> None:
    store = SQLiteStore(path)
    with site(Sessions(store=store)) as place:
        browser = place.browser()
        assert browser.text("/count") == "1"
    assert store._connection is None  # closed when the application stopped
    again = SQLiteStore(path)
    with site(Sessions(store=again)) as place:
        browser.server = place.server
        assert browser.text("/count") == "2"


def test_two_processes_share_sessions(path: Path) -> None:
    with (
        site(Sessions(store=SQLiteStore(path))) as one,
        site(Sessions(store=SQLiteStore(path))) as other,
    ):
        browser = one.browser()
        browser.text("/put?key=a&value=1")
        browser.server = other.server
        browser.text("/put?key=b&value=2")
        browser.server = one.server
        assert browser.text("/show") == "[('a', '1'), ('b', '2')]"
        browser.text("/logout")
        browser.server = other.server
        assert browser.text("/show") == "[]"


def test_of_two_writers_each_keeps_what_it_wrote(path: Path) -> None:
    one, other = SQLiteStore(path), SQLiteStore(path)
    one.save("s", {"a": 1, "b": 1, "c": 1})
    assert one.update("s", {"a": 2}, ()) == {"a": 2, "b": 1, "c": 1}
    assert other.update("s", {"b": 3}, ["c"]) == {"a": 2, "b": 3}
    assert one.load("s") == {"a": 2, "b": 3}
    other.delete("s")
    assert one.update("s", {"a": 4}, ()) is None
    assert one.load("s") is None
    one.close()
    other.close()


def test_only_what_has_changed_is_written(path: Path) -> None:
    wall = WallClock()
    store = SQLiteStore(path)
    with sources(wall=wall), site(Sessions(store=store, idle=200)) as place, connection(path) as c:

        def version() -> int:
            return c.execute("PRAGMA data_version").fetchone()[0]  # type: ignore[no-any-return]

        browser = place.browser()
        browser.text("/count")
        wall.time += 1
        browser.text("/show")  # back for the first time
        before = version()
        for _ in range(9):
            wall.time += 1
            browser.text("/show")
        assert version() == before
        wall.time += 1
        browser.text("/show")  # a twentieth of the time has passed
        assert version() != before
        before = version()
        browser.text("/count")
        assert version() != before


def test_ids_cannot_be_read_from_the_file(path: Path, store: SQLiteStore) -> None:
    sid = "Qd2" * 14 + "A"
    store.save(sid, {"user": "ada"})
    store.close()
    assert sid.encode() not in path.read_bytes()
    assert b"ada" in path.read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX")
def test_the_file_is_for_its_owner_alone(path: Path, store: SQLiteStore) -> None:
    store.save("s", {"a": 1})
    files = sorted(path.parent.iterdir())
    assert len(files) == 3  # with the log, and what readers share
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_there_is_a_limit_in_number(path: Path) -> None:
    wall = WallClock()
    store = SQLiteStore(path, limit=3)
    with sources(wall=wall):
        for name in "abcdef":
            wall.time += 1
            store.save(name, {"n": name})
            if name == "b":
                wall.time += 1
                store.touch("b")
        assert [name for name in "abcdef" if store.load(name)] == ["b", "e", "f"]
        assert totals(path)[0] == 3
    store.close()


def test_there_is_a_limit_in_bytes(path: Path) -> None:
    wall = WallClock()
    store = SQLiteStore(path, limit_bytes=5000)
    with sources(wall=wall):
        for number in range(10):
            wall.time += 1
            store.save(str(number), {"text": "x" * 1500})
            assert totals(path)[1] <= 5000
        store.update("9", {"text": "x" * 4000}, ())
        assert totals(path)[1] <= 5000
        assert store.load("9") == {"text": "x" * 4000}
    store.close()


def test_one_session_has_a_limit(path: Path, store: SQLiteStore) -> None:
    store.session_bytes = 1000
    store.save("s", {"a": 1})
    with pytest.raises(ValueError, match="more than 1000"):
        store.save("s", {"a": "x" * 1000})
    with pytest.raises(ValueError, match="more than 1000"):
        store.update("s", {"b": "x" * 1000}, ())
    assert store.load("s") == {"a": 1}
    with pytest.raises(TypeError, match="must be str"):
        store.save("s", {1: 1})  # type: ignore[dict-item]
    with pytest.raises(TypeError, match="not JSON"):
        store.save("s", {"a": b"bytes"})


@pytest.mark.usefixtures("handler_errors")
def test_a_session_that_is_too_large_is_a_500_and_stays_as_it_was(path: Path) -> None:
    store = SQLiteStore(path, session_bytes=1000)
    with site(Sessions(store=store)) as place:
        browser = place.browser()
        browser.text("/count")
        assert browser.get("/fill?size=2000").code == 500
        assert browser.text("/show") == "[('count', 1)]"


def test_a_sweep_removes_what_is_old_in_portions(
    path: Path, store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_session_sqlite, "_PORTION", 2)
    wall = WallClock()
    with sources(wall=wall):
        store.idle, store.max_age = 10, None
        for name in "abc":
            store.save(name, {"n": name})
        wall.time += 11
        store.save("d", {"n": "d"})
        assert store.load("a") is None
        store.sweep()
        assert totals(path)[0] == 2
        store.sweep()
        assert totals(path)[0] == 1
        store.idle, store.max_age = None, 10
        wall.time += 11
        assert store.load("d") is None
        store.sweep()
        assert totals(path) == (0, 0)


def test_a_clock_that_is_put_back_keeps_nothing_alive(store: SQLiteStore) -> None:
    wall = WallClock()
    with sources(wall=wall):
        store.idle = 100
        wall.time += 1e8  # as a machine without a battery may think
        store.save("s", {"a": 1})
        store.save("t", {"a": 1})
        wall.time -= 50
        assert store.load("s") == {"a": 1}
        store.touch("s")
        wall.time -= 80
        assert store.load("s") == {"a": 1}
        assert store.load("t") is None
        store.sweep()
        wall.time += 80
        assert store.load("t") is None


# -- what may become of the file ------------------------------------------------------------------


def test_a_file_that_is_locked_delays_nobody_for_long(path: Path) -> None:
    store = SQLiteStore(path, timeout=0.01)
    with VirtualClock() as clock, site(Sessions(store=store)) as place, connection(path) as other:
        browser = place.browser()
        assert browser.text("/count") == "1"
        other.execute("BEGIN IMMEDIATE")
        assert browser.get("/count").code == 503
        assert store._connection.execute("PRAGMA busy_timeout").fetchone() == (0,)  # type: ignore[union-attr]
        assert browser.text("/show") == "[('count', 1)]"  # reading goes on
        assert browser.get("/login?user=ada").code == 503
        other.execute("ROLLBACK")
        clock.advance(2)
        assert browser.text("/show") == "[('count', 1)]"
        assert store._connection.execute("PRAGMA busy_timeout").fetchone() == (10,)  # type: ignore[union-attr]
        assert browser.text("/count") == "2"


def test_a_file_that_is_removed_is_made_again(path: Path) -> None:
    store = SQLiteStore(path)
    with site(Sessions(store=store)) as place:
        browser = place.browser()
        browser.text("/count")
        old = browser.cookie
        for file in path.parent.iterdir():
            file.unlink()
        assert browser.text("/count") == "1"
        assert browser.cookie != old
        assert browser.text("/count") == "2"
        assert totals(path)[0] == 1


def test_a_file_that_is_replaced_is_opened_again(path: Path, tmp_path: Path) -> None:
    store = SQLiteStore(path)
    store.save("a", {"a": 1})
    other = SQLiteStore(tmp_path / "other.db")
    other.save("b", {"b": 1})
    other.close()
    for file in tmp_path.glob("sessions.db*"):
        file.unlink()
    os.replace(tmp_path / "other.db", path)
    assert (store.load("a"), store.load("b")) == (None, {"b": 1})
    store.close()


def test_a_folder_that_is_gone_is_a_503(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    store = SQLiteStore(folder / "sessions.db")
    with site(Sessions(store=store)) as place:
        browser = place.browser()
        browser.text("/count")
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
        assert browser.get("/count").code == 503
        folder.mkdir()
        assert browser.text("/count") == "1"


def test_a_file_that_is_damaged_is_a_503_until_it_is_removed(path: Path) -> None:
    store = SQLiteStore(path)
    with site(Sessions(store=store)) as place:
        browser = place.browser()
        browser.text("/count")
        store.close()
        with path.open("r+b") as file:
            file.write(b"garbage " * 512)
        assert browser.get("/show").code == 503
        assert place.browser().text("/") == "nothing to do with the session"
        path.unlink()
        assert browser.text("/count") == "1"


def test_pages_that_are_damaged_are_a_503(path: Path) -> None:
    store = SQLiteStore(path)
    for number in range(200):
        store.save(str(number), {"text": "x" * 1000})
    store.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * (size - 8192))
    problems = 0
    for number in range(200):
        with contextlib.suppress(StoreError):
            store.load(str(number))
            continue
        problems += 1
    assert problems > 100
    store.close()


def test_a_disk_that_is_full_is_a_503_and_loses_nothing(path: Path) -> None:
    store = SQLiteStore(path)
    with site(Sessions(store=store)) as place:
        browser = place.browser()
        browser.text("/count")
        assert store._connection is not None
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages}")
        assert browser.get("/fill?size=50000").code == 503
        # It is opened again, and there is room: the limit was of that connection.
        assert browser.text("/show") == "[('count', 1)]"
        assert browser.text("/fill?size=50000") == "filled"


@pytest.mark.parametrize("content", [b"", b"x" * 5000, b"SQLite format 3\0" + b"\0" * 5000])
def test_only_files_of_ours_are_used(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    if not content:
        SQLiteStore(path).close()
        return
    with pytest.raises(StoreError):
        SQLiteStore(path)
    assert path.read_bytes() == content


def test_a_database_of_somebody_else_is_left_alone(path: Path) -> None:
    with connection(path) as other:
        other.execute("CREATE TABLE accounts (name)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="something else"):
        SQLiteStore(path)
    assert path.read_bytes() == before
    os.unlink(path)
    SQLiteStore(path).close()
    with connection(path) as other:
        other.execute("PRAGMA user_version = 2")
    with pytest.raises(StoreError, match="another version"):
        SQLiteStore(path)


def test_a_place_that_cannot_be_used_fails_at_once(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="missing"):
        SQLiteStore(tmp_path / "missing" / "sessions.db")
    with pytest.raises(ValueError, match="at least 1"):
        SQLiteStore(tmp_path / "sessions.db", limit=0)


@pytest.mark.process
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_connection_is_not_used_in_a_child_process(path: Path, store: SQLiteStore) -> None:
    store.save("s", {"a": 1})
    before = store._connection
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            store.update("s", {"b": 2}, ())
            os.write(write, b"1" if store._connection is not before else b"0")
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(read, 1) == b"1"
    os.close(read)
    assert store.load("s") == {"a": 1, "b": 2}
    assert store._connection is before
