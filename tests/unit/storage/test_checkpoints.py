"""The log moves beside the writer, commits go on meanwhile, and what could not be moved is told."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from storage import checkpoints
from storage.checkpoints import Checkpoints


def database(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL").fetchone()
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT)")
    return connection


def fill(connection: sqlite3.Connection, first: int, count: int) -> None:
    for n in range(first, first + count):
        connection.execute("INSERT INTO t VALUES (?, ?)", (n, "x" * 8_000))


def test_commits_go_on_while_the_log_moves_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "CHECKPOINT_PAGES", 50)
    path = tmp_path / "x.db"
    connection = database(path)
    found = Checkpoints(path)
    for round_number in range(20):
        fill(connection, round_number * 40, 40)
        found.turn(connection)
    found.join()
    assert path.stat().st_size > 200 * 4_096
    connection.close()
    with sqlite3.connect(path) as again:
        assert again.execute("SELECT count(*), max(n) FROM t").fetchone() == (800, 799)
        assert again.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    again.close()


def test_a_log_that_grew_too_far_is_moved_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "WAITED_FOR_PAGES", 20)
    path = tmp_path / "x.db"
    connection = database(path)
    fill(connection, 0, 40)
    before = path.stat().st_size
    Checkpoints(path).turn(connection)
    assert path.stat().st_size > before
    connection.close()


def test_a_failure_in_the_thread_reaches_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "CHECKPOINT_PAGES", 0)
    path = tmp_path / "x.db"
    connection = database(path)
    found = Checkpoints(path)

    def broken(*_args: object, **_options: object) -> sqlite3.Connection:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error

    monkeypatch.setattr(checkpoints.sqlite3, "connect", broken)
    found.turn(connection)
    found.join()
    with pytest.raises(sqlite3.OperationalError, match="disk"):
        found.turn(connection)
    connection.close()
