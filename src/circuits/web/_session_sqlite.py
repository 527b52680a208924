"""The store of sessions in an SQLite file; see :mod:`circuits.web.sessions`.

Everything happens on the loop, in transactions that touch one row. Readers wait for nobody, as
the file has a write-ahead log; a writer waits for another process no longer than ``timeout``, and
when that was in vain the next second's writers do not wait at all.

Ids are stored as hashes, so that who gets to read the file cannot take over sessions. How many
there are, and how many bytes they have, is counted by triggers, for all processes alike.
"""

from __future__ import annotations

import contextlib
import json
import os
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, TypeVar

from circuits.core import _clock
from circuits.core._held import close, hold

from ._session import Session, Store, StoreError, to_json

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Mapping

    T = TypeVar("T")

__all__ = ["SQLiteStore"]

#: "circ", and the version of the tables: what tells our files from those of others.
_APPLICATION_ID: Final = 0x63697263
_FORMAT: Final = 1

_TABLES: Final = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS sessions
    (id BLOB PRIMARY KEY, data TEXT NOT NULL, created REAL NOT NULL, used REAL NOT NULL)
    WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sessions_by_use ON sessions (used);
CREATE TABLE IF NOT EXISTS totals (entries INTEGER NOT NULL, bytes INTEGER NOT NULL);
INSERT INTO totals SELECT 0, 0 WHERE NOT EXISTS (SELECT 1 FROM totals);
CREATE TRIGGER IF NOT EXISTS sessions_added AFTER INSERT ON sessions BEGIN
    UPDATE totals SET entries = entries + 1, bytes = bytes + length(NEW.data);
END;
CREATE TRIGGER IF NOT EXISTS sessions_removed AFTER DELETE ON sessions BEGIN
    UPDATE totals SET entries = entries - 1, bytes = bytes - length(OLD.data);
END;
CREATE TRIGGER IF NOT EXISTS sessions_changed AFTER UPDATE OF data ON sessions BEGIN
    UPDATE totals SET bytes = bytes - length(OLD.data) + length(NEW.data);
END;
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_FORMAT};
COMMIT;
"""

#: How much is removed in one go: the loop has other things to do.
_PORTION: Final = 500

#: A use is written down when the last one that was is older than this part of ``idle``.
_TOUCH_PART: Final = 20


class SQLiteStore(Store):
    """Keeps sessions in a file that survives restarts and that worker processes share.

    The values are those of JSON, and the keys text. What a request changes is merged, key by key,
    with what other processes have stored meanwhile; of two changes of one key the later one stays.
    A session that another process has ended does not come back. That a session was used is
    written down when a twentieth of ``idle`` has passed since the last time. Beyond a limit, the
    session that was not used for the longest time goes; those that never came back before others.

    The file belongs to the user alone (mode 600) and must be on a local disk.

    Args:
        path: The file; it is made if it does not exist. One that is removed is made again.
        limit: How many sessions are kept.
        limit_bytes: How many characters of JSON they may have together.
        session_bytes: How many characters of JSON one may have; more is an error.
        timeout: Seconds that a writer waits for another process; then the request gets 503.

    Raises:
        StoreError: The file cannot be used, or is something else.
        ValueError: A limit is less than 1.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        limit: int = 100_000,
        limit_bytes: int = 256 * 1024 * 1024,
        session_bytes: int = 64 * 1024,
        timeout: float = 0.25,
    ) -> None:
        if min(limit, limit_bytes, session_bytes) < 1:
            raise ValueError("limit, limit_bytes and session_bytes must be at least 1")
        self.path = os.path.abspath(path)
        self.limit = limit
        self.limit_bytes = limit_bytes
        self.session_bytes = session_bytes
        self.timeout = timeout
        self._connection: sqlite3.Connection | None = None
        self._opened_by = 0
        self._inode: tuple[int, int] | None = None
        self._impatient_until: float | None = None
        # What cannot be used shall fail here. Not kept: a process may be forked before it serves.
        self._do(lambda connection: None)
        self.close()

    # -- the file ------------------------------------------------------------------------------

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do something with the connection.

        Raises:
            StoreError: It cannot be done, or not now.
        """
        import sqlite3  # only for those who use it

        try:
            return work(self._connect())
        except sqlite3.Error as problem:
            if self._connection is not None and self._connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.rollback()
            if _code_of(problem) in ("SQLITE_BUSY", "SQLITE_LOCKED"):
                self._set_patience(0.0)
                self._impatient_until = _clock.now() + 1.0
            else:
                self.close()  # the next use may find another file, or more room
            raise StoreError(f"{self.path}: {problem}") from problem
        except OSError as problem:
            raise StoreError(str(problem)) from problem

    def _connect(self) -> sqlite3.Connection:
        connection = self._connection
        if connection is not None and self._opened_by != os.getpid():
            # Opened before a fork: the child must neither use nor close it, so it stays held.
            connection = self._connection = None
        if connection is not None:
            try:
                status = os.stat(self.path)
            except FileNotFoundError:
                self.close()  # somebody has removed the file: what is written to it is lost
            else:
                if (status.st_dev, status.st_ino) != self._inode:
                    self.close()
        if self._connection is None:
            return self._open()
        if self._impatient_until is not None and _clock.now() >= self._impatient_until:
            self._set_patience(self.timeout)
            self._impatient_until = None
        return self._connection

    def _open(self) -> sqlite3.Connection:
        import sqlite3

        # Made by us first, with a mode that SQLite takes over for the files beside it.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        status = os.stat(self.path)
        connection = sqlite3.connect(
            self.path, timeout=self.timeout, isolation_level=None, check_same_thread=False
        )
        try:
            _prepare(connection, self.path)
        except BaseException:
            connection.close()
            raise
        hold(connection)
        self._connection = connection
        self._opened_by = os.getpid()
        self._inode = (status.st_dev, status.st_ino)
        self._impatient_until = None
        return connection

    def _set_patience(self, seconds: float) -> None:
        if self._connection is not None:
            self._connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._opened_by == os.getpid():
            close(connection)

    def __del__(self) -> None:
        # Not there if the constructor has refused its arguments.
        if getattr(self, "_connection", None) is not None:
            self.close()

    # -- sessions ------------------------------------------------------------------------------

    def load(self, sid: str) -> dict[str, Any] | None:
        found = self._do(lambda connection: self._row(connection, sid))
        return None if found is None else json.loads(found[0])

    def _row(self, connection: sqlite3.Connection, sid: str) -> tuple[str, float] | None:
        query = "SELECT data, created, used FROM sessions WHERE id = ?"
        row = connection.execute(query, (_hash(sid),)).fetchone()
        if row is None or not self._is_alive(_clock.wall(), row[1], row[2]):
            return None
        return row[0], row[2]

    def save(self, sid: str, data: Mapping[str, Any]) -> None:
        text = self._encode(data)
        now = _clock.wall()
        self._do(lambda connection: self._insert(connection, sid, text, now))

    def _insert(self, connection: sqlite3.Connection, sid: str, text: str, now: float) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "INSERT INTO sessions VALUES (?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET data = excluded.data, used = excluded.used",
            (_hash(sid), text, now, now),
        )
        self._make_room(connection, sid)
        connection.execute("COMMIT")

    def update(
        self, sid: str, changed: Mapping[str, Any], removed: Iterable[str]
    ) -> dict[str, Any] | None:
        return self._do(lambda connection: self._merge(connection, sid, changed, set(removed)))

    def _merge(
        self,
        connection: sqlite3.Connection,
        sid: str,
        changed: Mapping[str, Any],
        removed: set[str],
    ) -> dict[str, Any] | None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            row = self._row(connection, sid)
            if row is None:
                return None
            merged = {k: v for k, v in json.loads(row[0]).items() if k not in removed}
            merged.update(changed)
            connection.execute(
                "UPDATE sessions SET data = ?, used = ? WHERE id = ?",
                (self._encode(merged), _clock.wall(), _hash(sid)),
            )
            self._make_room(connection, sid)
            connection.execute("COMMIT")
            return merged
        finally:
            if connection.in_transaction:
                connection.rollback()

    def delete(self, sid: str) -> None:
        query = "DELETE FROM sessions WHERE id = ?"
        self._do(lambda connection: connection.execute(query, (_hash(sid),)))

    def touch(self, sid: str) -> None:
        """Write down that a session was used, if that is due and can be done at once."""
        if self.idle is None or self._impatient_until is not None:
            return
        now = _clock.wall()
        due = now - self.idle / _TOUCH_PART
        # At once when it comes back for the first time, and when the clock has been put back.
        query = "SELECT 1 FROM sessions WHERE id = ? AND (used <= ? OR used > ? OR used = created)"
        write = "UPDATE sessions SET used = ? WHERE id = ?"

        def note(connection: sqlite3.Connection) -> None:
            if connection.execute(query, (_hash(sid), due, now)).fetchone() is not None:
                connection.execute(write, (now, _hash(sid)))

        try:
            self._do(note)
        except StoreError:
            pass  # at worst it expires a little earlier

    def sweep(self) -> None:
        for column, seconds in (("used", self.idle), ("created", self.max_age)):
            if seconds is not None:
                now = _clock.wall()
                self._remove(f"abs({column} - ?) > ?", (now, seconds))

    def _remove(self, condition: str, arguments: tuple[Any, ...]) -> None:
        query = (
            "DELETE FROM sessions WHERE id IN "
            f"(SELECT id FROM sessions WHERE {condition} LIMIT {_PORTION})"
        )
        self._do(lambda connection: connection.execute(query, arguments))

    def _make_room(self, connection: sqlite3.Connection, sid: str) -> None:
        """Remove what is above the limits; within the transaction that has added something."""
        query = (
            "DELETE FROM sessions WHERE id IN "
            "(SELECT id FROM sessions WHERE id != ? ORDER BY used > created, used LIMIT ?)"
        )
        while True:
            entries, size = connection.execute("SELECT entries, bytes FROM totals").fetchone()
            if entries <= 1 or (entries <= self.limit and size <= self.limit_bytes):
                return
            # More than one, as finding the oldest means looking at all of them.
            count = max(entries - self.limit, min(_PORTION, entries // 100), 1)
            connection.execute(query, (_hash(sid), count))

    def _encode(self, data: Mapping[str, Any]) -> str:
        text = to_json(data)
        if len(text) > self.session_bytes:
            raise ValueError(
                f"a session has {len(text)} bytes, more than {self.session_bytes}; "
                "keep less in it, or raise SQLiteStore(session_bytes=...)"
            )
        return text

    def _dump(self, value: Any) -> object:
        return json.dumps(value, separators=(",", ":"))

    def _commit(self, session: Session) -> bool:
        self._encode(session)  # so that nothing is half done when it cannot be kept
        return super()._commit(session)


def _hash(sid: str) -> bytes:
    return sha256(sid.encode("utf-8", "surrogatepass")).digest()


def _code_of(problem: sqlite3.Error) -> str:
    # The extended codes, such as SQLITE_BUSY_SNAPSHOT, begin like the plain ones.
    name = getattr(problem, "sqlite_errorname", None) or ""
    return "_".join(name.split("_")[:2])


def _prepare(connection: sqlite3.Connection, path: str) -> None:
    """Make our tables in a new file, and refuse the files of others."""
    execute = connection.execute
    owner = execute("PRAGMA application_id").fetchone()[0]
    form = execute("PRAGMA user_version").fetchone()[0]
    tables = execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if (owner, form) != (_APPLICATION_ID, _FORMAT) and (owner or form or tables):
        raise StoreError(f"{path} is a database of something else, or of another version")
    execute("PRAGMA journal_mode = WAL")
    # Nothing can be damaged by that, though the last moments before a power failure may be lost.
    execute("PRAGMA synchronous = NORMAL")
    if not tables:
        connection.executescript(_TABLES)
