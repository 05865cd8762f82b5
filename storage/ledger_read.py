"""What the command line asks a ledger: filtered lists, the account, in short read-only transactions."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from domain.errors import InputError
from domain.instruments import Instrument
from domain.orders import TERMINAL
from storage.ledger import decimal_text, ledger_path
from storage.ledger_verify import reading

_LISTS = {
    "orders": ("orders", "created_ns", "created_ns"),
    "fills": ("fills", "exchange_ns", "seq"),
    "intents": ("intents", "utc_ns", "utc_ns"),
    "round_trips": ("round_trips", "seq", "seq"),
}
_LIVE = "state NOT IN (" + ",".join(f"'{status.value}'" for status in sorted(TERMINAL)) + ")"


def accounts(root: Path, account: str | None = None, market: str | None = None) -> list[Path]:
    """Return the folders of the accounts that have a ledger, by name.

    Parameters
    ----------
    root : Path
        ``accounts/`` of the data directory.
    account, market : str, optional
        Only this account; only accounts of this market.

    Raises
    ------
    InputError
        ``ledger.no_account`` when `account` has no ledger.
    """
    found = sorted(path.parent for path in root.glob("*/ledger.db")) if root.is_dir() else []
    if account is not None:
        known = [folder.name for folder in found]
        found = [folder for folder in found if folder.name == account]
        if not found:
            raise InputError("ledger.no_account", account=account, known=", ".join(known) or "–")
    if market is not None:
        found = [folder for folder in found if cursor(folder, "market") == market]
    return found


def cursor(folder: Path, name: str) -> str:
    """Return a named value of a ledger; empty when it is not there."""
    with reading(ledger_path(folder)) as connection:
        row = connection.execute("SELECT value FROM cursors WHERE name = ?", (name,)).fetchone()
    return "" if row is None else str(row[0])


def listing(folder: Path, what: str, from_ns: int = 0, limit: int = 1_000) -> list[dict[str, Any]]:
    """Return the newest rows of a list, oldest first.

    Parameters
    ----------
    folder : Path
        ``accounts/<account>``.
    what : {"orders", "fills", "intents", "round_trips"}
    from_ns : int
        UTC; rows before it are left out.
    limit : int
        Largest number of rows.
    """
    table, time, order = _LISTS[what]
    with reading(ledger_path(folder)) as connection:
        rows = connection.execute(
            f"SELECT * FROM {table} WHERE {time} >= ? ORDER BY {order} DESC LIMIT ?", (from_ns if what != "round_trips" else 0, limit)
        )
        found = [dict(row) | {"account": folder.name} for row in rows]
    return found[::-1]


def positions(folder: Path) -> list[dict[str, Any]]:
    """Return what is held."""
    with reading(ledger_path(folder)) as connection:
        rows = connection.execute("SELECT * FROM positions WHERE qty != '0' ORDER BY instrument_id")
        return [dict(row) | {"account": folder.name} for row in rows]


def account(folder: Path) -> dict[str, Any]:
    """Return cash, holdings, counts and the latch as the ledger has them."""
    with reading(ledger_path(folder)) as connection:
        run = connection.execute
        cursors = {row["name"]: row["value"] for row in run("SELECT name, value FROM cursors")}
        latch = run("SELECT level, actor, reason, utc_ns FROM latch WHERE id = 1").fetchone()
        return {
            "account": folder.name,
            "market": cursors.get("market", ""),
            "currency": cursors.get("currency", ""),
            "totals": _totals(run("SELECT * FROM fills ORDER BY seq"), run("SELECT * FROM adjustments ORDER BY seq"), cursors),
            "realised": run("SELECT coalesce(sum(pnl), 0) FROM round_trips").fetchone()[0],
            "round_trips": run("SELECT count(*) FROM round_trips").fetchone()[0],
            "positions": run("SELECT count(*) FROM positions WHERE qty != '0'").fetchone()[0],
            "open_orders": run(f"SELECT count(*) FROM orders WHERE {_LIVE}").fetchone()[0],
            "in_doubt": run("SELECT count(*) FROM orders WHERE in_doubt = 1").fetchone()[0],
            "intents": run("SELECT count(*) FROM intents").fetchone()[0],
            "refusals": {row[0]: row[1] for row in run("SELECT rule, count(*) FROM intents WHERE rule != '' GROUP BY rule")},
            "unacknowledged_differences": run("SELECT count(*) FROM adjustments WHERE acknowledged = 0").fetchone()[0],
            "epoch": run("SELECT coalesce(max(epoch), 0) FROM epochs").fetchone()[0],
            "latch": "none" if latch is None else latch["level"],
            "latched_ns": 0 if latch is None else latch["utc_ns"],
            "ledger_path": str(ledger_path(folder)),
        }


def _totals(fills: Iterable[Any], adjustments: Iterable[Any], cursors: dict[str, str]) -> dict[str, str]:
    """Return every asset: what was there at the opening, each fill since, each adjustment."""
    totals = {name[8:]: Decimal(value) for name, value in cursors.items() if name.startswith("opening:")}
    bases: dict[str, str] = {}
    for name, text in cursors.items():
        if name.startswith("instrument:"):
            instrument = msgspec.json.decode(text, type=Instrument)
            bases[instrument.instrument_id] = instrument.base
    currency = cursors.get("currency", "")

    def move(asset: str, amount: Decimal) -> None:
        totals[asset] = totals.get(asset, Decimal(0)) + amount

    first = int(cursors.get("generation_fill", "0"))
    for row in fills:
        if row["seq"] <= first:
            continue
        sign, qty, price = (1 if row["side"] > 0 else -1), Decimal(row["qty"]), Decimal(row["price"])
        move(bases.get(row["instrument_id"]) or row["instrument_id"].split(":", 1)[1], sign * qty)
        move(currency, -sign * qty * price)
        move(row["fee_asset"] or currency, -Decimal(row["fee"]))
    skipped = int(cursors.get("generation_adjustment", "0"))
    for row in adjustments:
        if row["seq"] > skipped:
            move(row["asset"], Decimal(row["stated"]) - Decimal(row["expected"]))
    return {asset: decimal_text(amount) for asset, amount in sorted(totals.items()) if amount}


def kill_progress(folder: Path, since_event: int) -> tuple[int, list[str], list[str], bool]:
    """Return what a pulled switch has done since an event: cancels, sold instruments, held ones, whether it was noticed."""
    with reading(ledger_path(folder)) as connection:
        run = connection.execute
        noticed = run("SELECT count(*) FROM events WHERE seq > ? AND payload LIKE '%\"latch\"%'", (since_event,)).fetchone()[0] > 0
        cancelled = 0
        asked: set[str] = set()
        for (payload,) in run("SELECT payload FROM events WHERE seq > ? AND payload LIKE '%pending_cancel%'", (since_event,)):
            for name, row in msgspec.json.decode(payload):
                if name == "orders" and row["state"] == "pending_cancel" and row["intent_id"] not in asked:
                    asked.add(row["intent_id"])
                    cancelled += 1
        held = [row[0] for row in run("SELECT instrument_id FROM positions WHERE qty != '0' ORDER BY instrument_id")]
        sold = [row[0] for row in run("SELECT DISTINCT instrument_id FROM intents WHERE action = 'flatten' AND strategy = 'kill'")]
        return cancelled, [name for name in sold if name not in held], held, noticed


def last_event(folder: Path) -> int:
    """Return the number of the newest event."""
    with reading(ledger_path(folder)) as connection:
        return int(connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0])
