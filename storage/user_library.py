"""The door to ``library.db``, which strategies, studies and the queue share: one way to open it, one way to say what is wrong with it."""

from __future__ import annotations

import errno
import os
import shutil
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, MetaData, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateIndex, CreateTable

from domain.errors import DataError

FULL_BYTES = 256 * 1024
"""A disk with less is full: SQLite's log alone wants this much for a transaction of some rows."""
BUSY_TIMEOUT_S = 10.0
"""How long a transaction waits for another process's."""
_LOOKS, _LOOK_AGAIN_S = 4, 0.05
"""How often and how far apart a file that looks cut is looked at."""


def open_library(path: Path) -> Engine:
    """Return the engine of a library file; its folder is made, the file itself with the first table.

    A connection is one transaction long: any window or command may write between two.

    Raises
    ------
    DataError
        ``studies.file_damaged``: the file is shorter than it says itself. SQLite would notice at the first page that is
        missing, perhaps after it has written others.
    """
    if _is_cut(path):
        raise DataError("studies.file_damaged", path=str(path), cause="file_cut")
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool, connect_args={"timeout": BUSY_TIMEOUT_S})
    event.listen(engine, "connect", _pragmas)
    return engine


def _is_cut(path: Path) -> bool:
    """Tell whether a database ends before its last page.

    One that another process is taking a log into looks cut for a moment, also when that log is gone at the next look: what
    looks cut is looked at again, and what is cut stays so.
    """
    for look in range(_LOOKS):
        if look:
            time.sleep(_LOOK_AGAIN_S)
        if not _looks_cut(path):
            return False
    return True


def _looks_cut(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            head = file.read(100)
            size = os.fstat(file.fileno()).st_size
    except OSError:
        return False
    if len(head) < 100 or not head.startswith(b"SQLite format 3\0"):
        return False  # empty is new, and what is no database says SQLite
    page = int.from_bytes(head[16:18], "big")
    is_counted = head[24:28] == head[92:96]  # otherwise an older program wrote last, and the number of pages does not hold
    whole = (65_536 if page == 1 else page) * int.from_bytes(head[28:32], "big")
    return is_counted and size < whole and not path.with_name(path.name + "-wal").exists()


def cause(error: BaseException) -> str:
    """Return what the database said, in its own words where it has any."""
    return str(getattr(error, "orig", None) or error).splitlines()[0]


def trouble(code: str, path: Path, error: BaseException) -> DataError:
    """Return what to tell the user of a failed access: `code`, except where the disk is full, which no backup mends."""
    said = cause(error)
    is_full = getattr(error, "errno", None) == errno.ENOSPC or (isinstance(error, OperationalError) and _is_full(path.parent))
    if is_full or said == "database or disk is full":
        return DataError("studies.unreadable", path=str(path), cause="No space left on device")
    return DataError(code, path=str(path), cause=said)


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < FULL_BYTES
    except OSError:
        return False


def _pragmas(connection: Any, _record: Any) -> None:
    connection.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # what was said to be saved is there after a power cut


def make_tables(engine: Engine, tables: MetaData) -> None:
    """Make the tables and indices that are not there yet; two who open a new library at once may both ask."""
    with engine.begin() as connection:
        for table in tables.sorted_tables:
            connection.execute(CreateTable(table, if_not_exists=True))
            for index in table.indexes:
                connection.execute(CreateIndex(index, if_not_exists=True))
