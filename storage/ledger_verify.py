"""Is the ledger what it says: file, chain, and every table rebuilt from the chain (reliability 4.5, P45)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from domain.errors import DataError
from storage import schema
from storage.ledger import GENESIS, UNREADABLE, chain, ledger_path, reason_of

Problem = dict[str, Any]

REBUILT = tuple(str(t.name) for t in schema.metadata.sorted_tables if t.name not in ("events", "outbox"))
_KEYS = {str(t.name): tuple(str(column.name) for column in t.primary_key) for t in schema.metadata.sorted_tables}
CHAIN_TAIL = 20_000
_UNCHAINED_CURSORS = frozenset({"outbox"})
_decode = msgspec.json.Decoder(list[tuple[str, dict[str, Any]]])


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a ledger read-only, in one short transaction, beside the trader that writes it.

    Raises
    ------
    DataError
        ``ledger.missing``, ``ledger.foreign``, ``ledger.newer`` or ``ledger.damaged``.
    """
    if not path.exists():
        raise DataError("ledger.missing", path=str(path))
    connection = None
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=2.0, isolation_level=None)
        connection.row_factory = sqlite3.Row
        if int(connection.execute("PRAGMA application_id").fetchone()[0]) != schema.APPLICATION_ID:
            raise DataError("ledger.foreign", path=str(path))
        found = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if found > schema.LEDGER_VERSION:
            raise DataError("ledger.newer", version=found, known=schema.LEDGER_VERSION)
        connection.execute("BEGIN")
        yield connection
    except UNREADABLE as error:
        raise DataError("ledger.damaged", path=str(path), reason=reason_of(error)) from error
    finally:
        if connection is not None:
            connection.close()


def check_readable(folder: Path) -> None:
    """Raise when an account's ledger cannot be gone on from: what a start asks before it begins anything.

    The file's pages and the newest `CHAIN_TAIL` links of the chain are checked, so that it takes a fraction of a
    second whatever the ledger's age; `verify_file` checks all of it. An account without a ledger is in order.

    Raises
    ------
    DataError
        As `reading`; ``ledger.damaged`` for a page or a link that is not what was written.
    """
    path = ledger_path(folder)
    if not path.exists() or path.stat().st_size == 0:
        return
    with reading(path) as connection:
        page = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        if page != "ok":
            raise DataError("ledger.damaged", path=str(path), reason=page)
        newest = int(connection.execute("SELECT max(seq) FROM events").fetchone()[0] or 0)
        head: bytes | None = None
        for row in connection.execute("SELECT * FROM events WHERE seq > ? ORDER BY seq", (newest - CHAIN_TAIL,)):
            prev = bytes(row["prev_hash"])
            if (head is not None and prev != head) or bytes(row["hash"]) != _digest(prev, row):
                raise DataError("ledger.damaged", path=str(path), reason=f"event {row['seq']}")
            head = bytes(row["hash"])


def verify_file(folder: Path) -> list[Problem]:
    """Return what is wrong with an account's ledger; empty means that every row follows from the chain."""
    path = ledger_path(folder)
    problems: list[Problem] = []
    with reading(path) as connection:
        for row in connection.execute("PRAGMA integrity_check(20)"):
            if row[0] != "ok":
                problems.append({"code": "verify.file", "path": str(path), "detail": row[0]})
        for row in connection.execute("PRAGMA foreign_key_check"):
            problems.append({"code": "verify.reference", "path": str(path), "detail": f"{row[0]} row {row[1]} → {row[2]}"})
        hashes, tables, chained = _walk(connection, str(path))
        problems += chained
        problems += _check_heads(folder, hashes)
        if not chained:
            problems += _compare(connection, tables, str(path))
    return problems


Tables = dict[str, dict[tuple[Any, ...], dict[str, Any]]]


def _walk(connection: sqlite3.Connection, path: str) -> tuple[dict[int, str], Tables, list[Problem]]:
    """Follow the chain from its beginning, rebuilding every table on the way."""
    tables: Tables = {name: {} for name in REBUILT}
    hashes: dict[int, str] = {}
    head, expected = GENESIS, 1
    problems: list[Problem] = []
    for row in connection.execute("SELECT * FROM events ORDER BY seq"):
        digest = _digest(head, row)
        if row["seq"] != expected or bytes(row["prev_hash"]) != head or bytes(row["hash"]) != digest:
            problems.append({"code": "verify.chain", "path": path, "seq": row["seq"]})
            break
        head, expected = digest, expected + 1
        hashes[row["seq"]] = digest.hex()
        _replay(tables, row["payload"])
    return hashes, tables, problems


def _digest(prev: bytes, row: sqlite3.Row) -> bytes:
    return chain(prev, row["seq"], row["epoch"], row["type"], row["source"], row["payload"], row["mono_ns"], row["utc_ns"])


def _replay(tables: Tables, payload: str) -> None:
    for name, row in _decode.decode(payload):
        if name.startswith("!"):
            continue
        table = name.removeprefix("-")
        key = tuple(row[column] for column in _KEYS[table])
        if name.startswith("-"):
            tables[table].pop(key, None)
        else:
            tables[table][key] = row


def _check_heads(folder: Path, hashes: dict[int, str]) -> list[Problem]:
    """Compare with the heads kept beside the ledger: a cut-off tail breaks no link of the chain."""
    path = folder / "heads.jsonl"
    if not path.exists():
        return [] if not hashes else [{"code": "verify.heads_missing", "path": str(path)}]
    problems: list[Problem] = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            head = msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.DecodeError:
            continue  # the end of a line that a kill cut
        if hashes.get(head.get("seq", 0)) != head.get("hash"):
            problems.append({"code": "verify.head", "path": str(path), "line": number, "seq": head.get("seq", 0)})
    return problems[:20]


def _compare(connection: sqlite3.Connection, tables: Tables, path: str) -> list[Problem]:
    problems: list[Problem] = []
    for name in REBUILT:
        rebuilt = dict(tables[name])
        for row in connection.execute(f"SELECT * FROM {name}"):
            found = dict(row)
            key = tuple(found[column] for column in _KEYS[name])
            if name == "cursors" and key[0] in _UNCHAINED_CURSORS:
                continue
            expected = rebuilt.pop(key, None)
            if expected is None or any(expected.get(column) != value for column, value in found.items()):
                problems.append({"code": "verify.table", "path": path, "table": name, "key": " ".join(map(str, key))})
        problems += [{"code": "verify.table", "path": path, "table": name, "key": " ".join(map(str, key))} for key in rebuilt]
    return problems[:50]
