"""Forward-only migrations of a SQLite file, each in one transaction with its version number.

SQLite keeps DDL and ``PRAGMA user_version`` in the same transaction, so a kill at any moment leaves
either the old version or the new one, and the next start goes on from there. The file is copied
beside itself before the first change. Why not Alembic: docs/decisions/0010-ledger-migrations.md.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from domain.errors import DataError

Migration = Callable[[sqlite3.Connection], None]


def version(connection: sqlite3.Connection) -> int:
    """Return the schema version of the open file; 0 for an empty one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def upgrade(connection: sqlite3.Connection, migrations: Sequence[Migration], backup: Path | None = None) -> list[int]:
    """Bring the file to the newest version and return the versions that were applied.

    Parameters
    ----------
    connection : sqlite3.Connection
        In autocommit mode (``isolation_level=None``); the only writer.
    migrations : sequence of callable
        Migration i brings version i to i + 1; each runs inside a transaction made here.
    backup : Path, optional
        Where a file that already holds a version is copied first.

    Raises
    ------
    DataError
        ``ledger.newer`` when the file was written by a newer build: nothing is touched.
    """
    start = version(connection)
    if start > len(migrations):
        raise DataError("ledger.newer", version=start, known=len(migrations))
    if start == len(migrations):
        return []
    if start > 0 and backup is not None:
        copy = sqlite3.connect(backup)
        try:
            connection.backup(copy)
        finally:
            copy.close()
    applied = []
    for number in range(start, len(migrations)):
        connection.execute("BEGIN EXCLUSIVE")
        try:
            migrations[number](connection)
            connection.execute(f"PRAGMA user_version = {number + 1}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        applied.append(number + 1)
    return applied
