"""The ledger of an account: its only writer, and what a start reads back (reliability 4).

Writes are collected and committed together: every row of a transaction, the hash-chained event
that repeats those rows, and the messages for the outbox become durable in one sync. The statements
are compiled once from storage/schema.py and run through the DBAPI connection, because a commit
stands between an intent and its first byte.
"""

# long: one writer, one transaction: what it commits together stands together

from __future__ import annotations

import hashlib
import os
import sqlite3
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert

from domain.errors import DataError
from domain.orders import Decision, Fill, Intent, Order, qty_text
from storage import schema
from storage.account_lock import AccountLock
from storage.checkpoints import Checkpoints
from storage.ledger_rows import LedgerState, OrderRow, TripRow, fill_from_row, load_state, load_trips, newest_fills, order_from_row
from storage.migrations import upgrade
from storage.migrations.ledger_0001 import migrate as ledger_0001

MIGRATIONS = (ledger_0001,)
GENESIS = bytes(32)
BUSY_TIMEOUT_MS = 2_000
UNREADABLE = (sqlite3.DatabaseError, UnicodeError)
"""What SQLite raises on a file that was changed under it: its own errors, and text that is none."""
_DIALECT = sqlite.dialect(paramstyle="named")


def reason_of(error: Exception) -> str:
    """Return what a damaged file said, in words that can be shown: a broken text's bytes are not."""
    return "text that is not UTF-8" if isinstance(error, UnicodeError) else str(error)


class LedgerFailure(DataError):
    """A commit failed: nothing of it is durable and this handle is not used again (P34)."""


def _upsert(table: Table) -> str:
    keys = [column.name for column in table.primary_key]
    statement = insert(table)
    rest = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
    return str(statement.on_conflict_do_update(index_elements=keys, set_=rest).compile(dialect=_DIALECT))


def _insert(table: Table) -> str:
    return str(insert(table).compile(dialect=_DIALECT))


def _delete(table: Table) -> str:
    where = [column == _bind(column.name) for column in table.primary_key]
    return str(table.delete().where(*where).compile(dialect=_DIALECT))


def _bind(name: str) -> Any:
    from sqlalchemy import bindparam

    return bindparam(name)


# Tables whose rows never change once written are inserted: a second write of a key must fail loudly.
_APPEND_ONLY = ("epochs", "intents", "fills", "round_trips")
WRITE = {str(t.name): _insert(t) if t.name in _APPEND_ONLY else _upsert(t) for t in schema.metadata.sorted_tables}
DELETE = {str(t.name): _delete(t) for t in schema.metadata.sorted_tables}
_ACK = "UPDATE outbox SET acked = 1 WHERE seq <= :seq AND acked = 0"
_PRUNE = "DELETE FROM outbox WHERE seq <= :seq"
_encode = msgspec.json.Encoder().encode


def decimal_text(value: Decimal) -> str:
    """Return a Decimal as plain text, without exponent."""
    return f"{value:f}"


def chain(prev: bytes, seq: int, epoch: int, kind: str, source: str, payload: str, mono_ns: int, utc_ns: int) -> bytes:
    """Return the hash of an event that follows `prev`."""
    head = f"{seq}|{epoch}|{kind}|{source}|{mono_ns}|{utc_ns}|".encode()
    return hashlib.blake2b(prev + head + payload.encode(), digest_size=32).digest()


def ledger_path(folder: Path) -> Path:
    """Return the ledger file of an account's folder."""
    return folder / "ledger.db"


class Ledger:
    """The single writer of one account.

    Parameters
    ----------
    folder : Path
        ``accounts/<account>``; made when missing.
    account : str
        Account id.
    build : str
        Build hash, written into the epoch.
    utc_ns, mono_ns : int
        Now.

    Attributes
    ----------
    commit_ns : int
        How long the last commit took, sync included.

    Raises
    ------
    RefusedError
        ``ledger.locked`` when another trader runs on the account.
    DataError
        ``ledger.foreign`` (not a ledger), ``ledger.newer``, ``ledger.damaged``.
    """

    def __init__(self, folder: Path, account: str, build: str, utc_ns: int, mono_ns: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.account = account
        self.path = ledger_path(folder)
        self.failed = False
        self.opened_ns = utc_ns
        self.commit_ns = 0
        self._lock = AccountLock(folder / "lock", "ledger.locked")
        self._lock.acquire()
        self._rows: list[tuple[str, dict[str, Any]]] = []
        self._ops: list[tuple[str, Mapping[str, Any]]] = []
        self._acked = 0
        self._checkpoints = Checkpoints(self.path)
        try:
            self._connection = _connect(self.path, folder / f"ledger-before-{utc_ns}.db")
            self._begin_epoch(build, utc_ns, mono_ns)
        except UNREADABLE as error:
            self._lock.release()
            raise _unreadable(self.path, error) from error
        except BaseException:
            self._lock.release()
            raise

    def _begin_epoch(self, build: str, utc_ns: int, mono_ns: int) -> None:
        run = self._connection.execute
        self._epoch_read = "SELECT max(epoch) FROM epochs"
        self.epoch = int(run(self._epoch_read).fetchone()[0] or 0) + 1
        last = run("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
        self.event_seq, self.head = (int(last[0]), bytes(last[1])) if last else (0, GENESIS)
        self.outbox_seq = int(run("SELECT max(seq) FROM outbox").fetchone()[0] or 0)
        floor = run("SELECT value FROM cursors WHERE name = 'outbox'").fetchone()
        self.outbox_seq = max(self.outbox_seq, int(floor[0]) if floor else 0)
        self.fill_seq = int(run("SELECT max(seq) FROM fills").fetchone()[0] or 0)
        self.trip_seq = int(run("SELECT max(seq) FROM round_trips").fetchone()[0] or 0)
        self.adjustment_seq = int(run("SELECT max(seq) FROM adjustments").fetchone()[0] or 0)
        row = {"epoch": self.epoch, "utc_ns": utc_ns, "build": build, "schema_version": schema.LEDGER_VERSION, "pid": os.getpid()}
        self.write("epochs", row)
        self.commit("epoch", "trader", mono_ns, utc_ns)
        self.keep_head(utc_ns)

    # --- writing: collected until `commit` ------------------------------------------------------------

    def write(self, table: str, row: dict[str, Any]) -> None:
        """Add a row to the transaction (all columns of `table`)."""
        self._rows.append((table, row))
        self._ops.append((WRITE[table], row))

    def delete(self, table: str, key: dict[str, Any]) -> None:
        """Delete a row by its primary key in the transaction."""
        self._rows.append((f"-{table}", key))
        self._ops.append((DELETE[table], key))

    def note(self, name: str, fields: dict[str, Any]) -> None:
        """Add a fact without a table (alarm, change of state) to the event of the transaction."""
        self._rows.append((f"!{name}", fields))

    def intent(self, intent: Intent, decision: Decision, utc_ns: int) -> None:
        """Add an intent with the decision on it."""
        reduced = decision.approved and decision.qty < intent.qty
        self.write(
            "intents",
            {
                "intent_id": intent.intent_id,
                "account": intent.account,
                "strategy": intent.strategy,
                "version": intent.version,
                "instrument_id": intent.instrument_id,
                "action": intent.action.value,
                "side": intent.side,
                "qty": qty_text(intent.qty),
                "reference_price": repr(intent.reference_price),
                "kind": intent.kind.value,
                "price": None if intent.price is None else decimal_text(intent.price),
                "row_time": intent.row_time,
                "row_ns": intent.row_ns,
                "step": intent.step,
                "rule_number": intent.rule,
                "label": intent.label,
                "forced": int(intent.force),
                "decision": "reduced" if reduced else "approved" if decision.approved else "refused",
                "allowed_qty": qty_text(decision.qty),
                "rule": decision.rule,
                "limit_value": decision.limit,
                "observed": decision.observed,
                "epoch": self.epoch,
                "utc_ns": utc_ns,
            },
        )

    def order(self, order: Order, deadline_ns: int, watermark: str = "") -> None:
        """Add the order as it now is."""
        self.write(
            "orders",
            {
                "intent_id": order.intent_id,
                "client_order_id": order.client_order_id,
                "attempt": order.attempt,
                "epoch": self.epoch,
                "account": order.account,
                "instrument_id": order.instrument_id,
                "side": order.side,
                "qty": qty_text(order.qty),
                "kind": order.kind.value,
                "time_in_force": order.time_in_force.value,
                "price": None if order.price is None else decimal_text(order.price),
                "action": order.action.value,
                "state": order.status.value,
                "in_doubt": int(order.in_doubt),
                "cum_qty": qty_text(order.cum_qty),
                "cum_amount": decimal_text(order.cum_amount),
                "venue_order_id": order.venue_order_id,
                "reason": order.reason,
                "row_time": order.row_time,
                "rule_number": order.rule,
                "label": order.label,
                "watermark": watermark,
                "deadline_ns": deadline_ns,
                "created_ns": order.created_ns,
                "updated_ns": order.updated_ns,
            },
        )

    def fill(
        self, fill: Fill, owner: str, row_time: int, entry_row_time: int = 0, rule: int = 0, label: str = "", past_levels: bool = False
    ) -> None:
        """Add an execution; its `fill_key` may exist once."""
        self.fill_seq += 1
        self.write(
            "fills",
            {
                "seq": self.fill_seq,
                "fill_key": fill.fill_key,
                "client_order_id": fill.client_order_id,
                "venue_order_id": fill.venue_order_id,
                "instrument_id": fill.instrument_id,
                "side": fill.side,
                "qty": qty_text(fill.qty),
                "price": decimal_text(fill.price),
                "fee": decimal_text(fill.fee),
                "fee_asset": fill.fee_asset,
                "exchange_ns": fill.exchange_ns,
                "received_ns": fill.received_ns,
                "is_maker": int(fill.is_maker),
                "owner": owner,
                "row_time": row_time,
                "entry_row_time": entry_row_time,
                "rule_number": rule,
                "label": label,
                "past_levels": int(past_levels),
                "epoch": self.epoch,
            },
        )

    def round_trip(self, instrument_id: str, label: str, owner: str, trip: NDArray[np.void]) -> None:
        """Add a closed trade.

        Parameters
        ----------
        trip : ndarray of ROUND_TRIP_DTYPE, shape (1,)
        """
        self.trip_seq += 1
        row: dict[str, Any] = {"seq": self.trip_seq, "instrument_id": instrument_id, "label": label, "owner": owner}
        names = trip.dtype.names or ()
        row |= {name: trip[name][0].item() for name in names if name != "symbol"}
        self.write("round_trips", row)

    def acknowledge_adjustments(self, instrument_id: str) -> None:
        """Note that a person has seen the differences of an instrument."""
        rows = self._connection.execute("SELECT * FROM adjustments WHERE instrument_id = ? AND acknowledged = 0", (instrument_id,))
        for row in rows.fetchall():
            self.write("adjustments", dict(row) | {"acknowledged": 1})

    def cursor(self, name: str, value: str) -> None:
        """Set a named value."""
        self.write("cursors", {"name": name, "value": value})

    def cursor_value(self, name: str) -> str:
        """Return a named value as it was committed; "" when there is none."""
        row = self._connection.execute("SELECT value FROM cursors WHERE name = ?", (name,)).fetchone()
        return "" if row is None else str(row[0])

    def post(self, message: bytes) -> int:
        """Put an encoded message into the outbox and return its sequence, which was `outbox_seq` + 1 before."""
        self.outbox_seq += 1
        self._ops.append((WRITE["outbox"], {"seq": self.outbox_seq, "epoch": self.epoch, "message": message, "acked": 0}))
        return self.outbox_seq

    def acknowledge(self, seq: int) -> None:
        """Note that everything up to `seq` was handled; becomes durable with the next commit."""
        if seq > self._acked:
            self._acked = min(seq, self.outbox_seq)

    @property
    def is_dirty(self) -> bool:
        """Tell whether anything waits for `commit`."""
        return bool(self._ops or self._rows)

    def commit(self, kind: str, source: str, mono_ns: int, utc_ns: int) -> None:
        """Make everything collected durable, with the event that repeats it.

        Raises
        ------
        LedgerFailure
            ``ledger.write_failed``; nothing of the transaction is durable, the handle is closed for good.
        """
        if not self.is_dirty:
            return
        if self.failed:
            self._rows.clear()
            self._ops.clear()
            raise LedgerFailure("ledger.write_failed", path=str(self.path), reason="an earlier write failed")
        seq = self.event_seq + 1
        payload = _encode(self._rows).decode()
        digest = chain(self.head, seq, self.epoch, kind, source, payload, mono_ns, utc_ns)
        run = self._connection.execute
        begun_ns = time.monotonic_ns()
        try:
            run("BEGIN IMMEDIATE")
            for statement, parameters in self._ops:
                run(statement, parameters)
            run(
                WRITE["events"],
                {
                    "seq": seq,
                    "prev_hash": self.head,
                    "hash": digest,
                    "epoch": self.epoch,
                    "type": kind,
                    "source": source,
                    "payload": payload,
                    "mono_ns": mono_ns,
                    "utc_ns": utc_ns,
                },
            )
            run("COMMIT")
        except sqlite3.Error as error:
            self.failed = True
            self._abandon()
            raise LedgerFailure("ledger.write_failed", path=str(self.path), reason=str(error)) from error
        finally:
            self._rows.clear()
            self._ops.clear()
        self.event_seq, self.head = seq, digest
        self.commit_ns = time.monotonic_ns() - begun_ns

    def _abandon(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            # SQLite rolled back by itself (disk full, I/O error); the handle is not used again either way.
            return

    def maintain(self, keep: int = 1_000) -> None:
        """Do what commits leave for a quiet moment: outbox acknowledgements, checkpoint.

        Raises
        ------
        LedgerFailure
            As `commit`.
        """
        if self.failed:
            return
        run = self._connection.execute
        try:
            if self._acked:
                run("BEGIN IMMEDIATE")
                run(_ACK, {"seq": self._acked})
                run(_PRUNE, {"seq": self._acked - keep})
                run(WRITE["cursors"], {"name": "outbox", "value": str(self.outbox_seq)})
                run("COMMIT")
                self._acked = 0
            self._checkpoints.turn(self._connection)
        except sqlite3.Error as error:
            self.failed = True
            self._abandon()
            raise LedgerFailure("ledger.write_failed", path=str(self.path), reason=str(error)) from error

    def keep_head(self, utc_ns: int) -> None:
        """Write the chain's head beside the ledger, so that a cut-off tail can be seen (P45).

        Raises
        ------
        LedgerFailure
            As `commit`.
        """
        line = msgspec.json.encode({"seq": self.event_seq, "hash": self.head.hex(), "utc_ns": utc_ns}) + b"\n"
        path = self.folder / "heads.jsonl"
        try:
            with path.open("ab") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            self.failed = True
            raise LedgerFailure("ledger.write_failed", path=str(path), reason=error.strerror or str(error)) from error

    # --- reading ---------------------------------------------------------------------------------------

    def load(self, terminal_orders: int = 2_000) -> LedgerState:
        """Return what a trader needs to go on: live orders, recent ended ones, all fills, cursors."""
        try:
            return load_state(self._connection, terminal_orders)
        except (*UNREADABLE, ValueError, KeyError, ArithmeticError) as error:  # a word or number that nobody wrote
            raise DataError("ledger.damaged", path=str(self.path), reason=reason_of(error)) from error

    def find_intent(self, intent_id: str) -> tuple[bool, str, float, float] | None:
        """Return (accepted, rule, limit, observed) of a recorded intent, or None."""
        row = self._connection.execute(
            "SELECT decision, rule, limit_value, observed FROM intents WHERE intent_id = ?", (intent_id,)
        ).fetchone()
        return None if row is None else (row[0] != "refused", row[1], row[2], row[3])

    def intent_ids(self, from_row_time: int) -> set[str]:
        """Return the ids of the recorded intents whose row is not older than `from_row_time`."""
        rows = self._connection.execute("SELECT intent_id FROM intents WHERE row_time >= ?", (from_row_time,))
        return {str(row[0]) for row in rows}

    def find_order(self, client_order_id: str, instrument_id: str, venue_order_id: str) -> OrderRow | None:
        """Return one of our orders by client id, else by instrument and venue number, also an old one; or None."""
        if client_order_id:
            row = self._connection.execute("SELECT * FROM orders WHERE client_order_id = ?", (client_order_id,)).fetchone()
            if row is not None:
                return order_from_row(row)
        if not venue_order_id:
            return None
        row = self._connection.execute(
            "SELECT * FROM orders WHERE venue_order_id = ? AND venue_order_id != '' AND instrument_id = ?", (venue_order_id, instrument_id)
        ).fetchone()
        return None if row is None else order_from_row(row)

    def fills_of(self, client_order_id: str) -> list[Fill]:
        """Return the fills of an order in the order in which they were applied."""
        rows = self._connection.execute("SELECT * FROM fills WHERE client_order_id = ? ORDER BY seq", (client_order_id,))
        return [fill_from_row(row) for row in rows]

    def has_fill(self, fill_key: str) -> bool:
        """Tell whether a fill with this key was applied."""
        return self._connection.execute("SELECT 1 FROM fills WHERE fill_key = ?", (fill_key,)).fetchone() is not None

    def count_entries(self, day: int, interval_s: int) -> int:
        """Return the entries let through on a trading day YYYYMMDD, from the row times of the interval."""
        row = self._connection.execute(
            "SELECT count(*) FROM intents WHERE action = 'entry' AND decision != 'refused' AND row_time BETWEEN ? AND ?",
            _row_times(day, interval_s),
        ).fetchone()
        return int(row[0])

    def trips_of(self, day: int, interval_s: int, after_seq: int) -> list[TripRow]:
        """Return the trades behind `after_seq` that were closed on a trading day."""
        return load_trips(self._connection, after_seq, *_row_times(day, interval_s))

    def newest_fills(self, day: int, interval_s: int, after_seq: int, most: int) -> list[Fill]:
        """Return the newest fills behind `after_seq` of a trading day, oldest first."""
        return newest_fills(self._connection, after_seq, *_row_times(day, interval_s), most)

    def outbox_since(self, seq: int) -> list[bytes]:
        """Return the encoded messages after `seq`, oldest first."""
        rows = self._connection.execute("SELECT message FROM outbox WHERE seq > ? ORDER BY seq", (seq,))
        return [bytes(row[0]) for row in rows]

    def is_owner(self) -> bool:
        """Tell whether lock and epoch are still ours; asked right before each send (P8)."""
        if self.failed or not self._lock.is_in_place():
            return False
        newest = self._connection.execute(self._epoch_read).fetchone()[0]
        return int(newest) == self.epoch

    def close(self, utc_ns: int = 0) -> None:
        """Flush and let go. A start never needs what is done here."""
        with suppress(LedgerFailure):  # a full disk: the next start does it
            if utc_ns and not self.failed:
                self.keep_head(utc_ns)
            self.maintain()
        self._checkpoints.join()
        self._connection.close()
        self._lock.release()


def _row_times(day: int, interval_s: int) -> tuple[int, int]:
    """Return the first and last row time of a trading day."""
    scale = 1_000_000 if interval_s == 1 else 10_000
    return day * scale, (day + 1) * scale - 1


def _connect(path: Path, backup: Path) -> sqlite3.Connection:
    """Open, check and migrate the file; it stays in autocommit mode."""
    fresh = not path.exists() or path.stat().st_size == 0
    connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_MS / 1_000, cached_statements=64)
    try:
        connection.row_factory = sqlite3.Row
        run = connection.execute
        run(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        if fresh:
            run(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        elif int(run("PRAGMA application_id").fetchone()[0]) != schema.APPLICATION_ID:
            raise DataError("ledger.foreign", path=str(path))
        run("PRAGMA journal_mode = WAL").fetchone()
        run("PRAGMA synchronous = FULL")
        run("PRAGMA foreign_keys = ON")
        # A checkpoint inside a commit would stand between an intent and its first byte; `maintain` does it.
        run("PRAGMA wal_autocheckpoint = 0")
        if sys.platform == "darwin":
            run("PRAGMA fullfsync = ON")
        problem = run("PRAGMA quick_check(1)").fetchone()[0]
        if problem != "ok":
            raise DataError("ledger.damaged", path=str(path), reason=problem)
        upgrade(connection, MIGRATIONS, None if fresh else backup)
    except UNREADABLE as error:
        connection.close()
        raise _unreadable(path, error) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _unreadable(path: Path, error: Exception) -> DataError:
    """Return what a failed opening means: a full disk (another start can help) is no damage (a person has to mend it)."""
    is_full = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL
    return (
        LedgerFailure("ledger.write_failed", path=str(path), reason=str(error))
        if is_full
        else DataError("ledger.damaged", path=str(path), reason=reason_of(error))
    )
