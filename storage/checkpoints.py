"""Moves a ledger's write-ahead log into its database, from a thread of its own.

A checkpoint writes and syncs a thousand pages; an order may not wait so long. It needs no lock against
the writer: what is committed meanwhile stays in the log for the next time.
"""

from __future__ import annotations

import sqlite3
import sys
import threading
from pathlib import Path

CHECKPOINT_PAGES = 1_000
"""Pages in the log after which they are moved."""
WAITED_FOR_PAGES = 16 * CHECKPOINT_PAGES
"""Pages at which the writer waits for it: the log must not grow without end where commits never leave a gap."""


class Checkpoints:
    """The checkpoints of one database.

    Parameters
    ----------
    path : Path
        The database; its log lies beside it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._wal = path.with_name(path.name + "-wal")
        self._thread: threading.Thread | None = None
        self._error: sqlite3.Error | None = None

    def turn(self, connection: sqlite3.Connection) -> None:
        """Begin a checkpoint when one is due; call it from the writer, between transactions.

        Raises
        ------
        sqlite3.Error
            This one, or the one before, could not be written.
        """
        if self._error is not None:
            raise self._error
        pages = self._wal.stat().st_size // 4_096 if self._wal.exists() else 0
        if pages > WAITED_FOR_PAGES:
            self.join()
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        elif pages > CHECKPOINT_PAGES and (self._thread is None or not self._thread.is_alive()):
            self._thread = threading.Thread(target=self._move, name="ledger-checkpoint", daemon=True)
            self._thread.start()

    def join(self) -> None:
        """Wait for the one under way."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _move(self) -> None:
        try:
            connection = sqlite3.connect(self._path, isolation_level=None, timeout=0.0)
            try:
                connection.execute("PRAGMA synchronous = FULL")
                if sys.platform == "darwin":
                    connection.execute("PRAGMA fullfsync = ON")
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            finally:
                connection.close()
        except sqlite3.Error as error:
            if error.sqlite_errorcode not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):  # those: the next time
                self._error = error
