"""Does the ledger follow from its own fills: orders, positions, round trips, legal histories."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import msgspec

from domain.instruments import Instrument, Market
from domain.orders import (
    FILLED_BY_CUM,
    OPEN_BY_CUM,
    RESURRECT,
    SAME,
    TRANSITIONS,
    OrderStatus,
    qty_text,
    qty_units,
)
from storage.ledger import ledger_path
from storage.ledger_rows import FillRow, load_fills
from storage.ledger_verify import Problem, reading, verify_file
from trading.positions import PositionBook

_decode = msgspec.json.Decoder(list[tuple[str, dict[str, Any]]])


def _steps() -> frozenset[tuple[str, str]]:
    """Return every pair of states that one event may join."""
    pairs: set[tuple[str, str]] = set()
    for (state, _), rule in TRANSITIONS.items():
        targets: tuple[OrderStatus, ...]
        if isinstance(rule, OrderStatus):
            targets = (rule,)
        elif rule == OPEN_BY_CUM:
            targets = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)
        elif rule == RESURRECT:
            targets = (OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED)
        elif rule == FILLED_BY_CUM:
            targets = (state, OrderStatus.FILLED)
        else:
            assert rule == SAME
            targets = (state,)
        pairs |= {(state.value, target.value) for target in targets}
    return frozenset(pairs) | {(state.value, state.value) for state in OrderStatus}


LEGAL = _steps()


def verify_account(folder: Path, market: Market) -> list[Problem]:
    """Return everything that is wrong with an account's ledger.

    Parameters
    ----------
    folder : Path
        ``accounts/<account>``.
    market : Market
        Its market: fees and decimals of round trips.
    """
    problems = verify_file(folder)
    path = ledger_path(folder)
    with reading(path) as connection:
        fills = load_fills(connection)
        problems += _check_orders(connection, fills, str(path))
        problems += _check_histories(connection, str(path))
        problems += _check_positions(connection, fills, market, str(path))
    return problems


def _check_orders(connection: sqlite3.Connection, fills: list[FillRow], path: str) -> list[Problem]:
    sums: dict[str, int] = {}
    for row in fills:
        if row.owner == "own":
            sums[row.fill.client_order_id] = sums.get(row.fill.client_order_id, 0) + row.fill.qty
    problems: list[Problem] = []
    for row in connection.execute("SELECT client_order_id, cum_qty, state, qty FROM orders"):
        filled = sums.pop(row["client_order_id"], 0)
        if filled != qty_units(row["cum_qty"]):
            kept = {"order": row["client_order_id"], "kept": row["cum_qty"], "fills": qty_text(filled)}
            problems.append({"code": "verify.order_sum", "path": path} | kept)
    return problems + [{"code": "verify.fill_without_order", "path": path, "order": key} for key in sums]


def _check_histories(connection: sqlite3.Connection, path: str) -> list[Problem]:
    """Check that every order walked the table of reliability 2."""
    last: dict[str, str] = {}
    problems: list[Problem] = []
    for row in connection.execute("SELECT seq, payload FROM events ORDER BY seq"):
        try:
            changes = _decode.decode(row["payload"])
        except msgspec.DecodeError:
            continue  # the chain has reported it
        for name, after in changes:
            if name != "orders":
                continue
            key, state = after["intent_id"], after["state"]
            before = last.get(key, OrderStatus.INITIALIZED.value)
            if (before, state) not in LEGAL:
                problems.append({"code": "verify.transition", "path": path, "order": key, "seq": row["seq"], "step": f"{before} → {state}"})
            last[key] = state
    return problems


def _check_positions(connection: sqlite3.Connection, fills: list[FillRow], market: Market, path: str) -> list[Problem]:
    cursors = {row["name"]: row["value"] for row in connection.execute("SELECT name, value FROM cursors")}
    interval_s = int(cursors.get("interval_s", "1"))
    book = _new_book(market, interval_s, cursors)
    first = int(cursors.get("generation_fill", "0"))
    trips: list[tuple[str, float, float]] = []
    for number, row in enumerate(fills):
        if number == first and first:
            # Another paper exchange began here: what the old one held is gone, not sold.
            book = _new_book(market, interval_s, cursors)
        if row.owner != "own":
            continue
        _, trip = book.apply(row.fill, row.row_time, row.entry_row_time, row.rule, row.past_levels)
        if trip is not None:
            trips.append((row.fill.instrument_id, float(trip["entry_amount"][0]), float(trip["pnl"][0])))
    if first >= len(fills) and first:
        book = _new_book(market, interval_s, cursors)
    problems: list[Problem] = []
    kept = [(row["instrument_id"], row["entry_amount"], row["pnl"]) for row in connection.execute("SELECT * FROM round_trips ORDER BY seq")]
    if kept != trips:
        problems.append({"code": "verify.round_trips", "path": path, "kept": len(kept), "rebuilt": len(trips)})
    held = {view.instrument_id: qty_text(view.qty) for view in book.views()}
    for row in connection.execute("SELECT instrument_id, qty FROM positions"):
        rebuilt = held.pop(row["instrument_id"], "0")
        if rebuilt != row["qty"]:
            problems.append(
                {"code": "verify.position", "path": path, "instrument": row["instrument_id"], "kept": row["qty"], "rebuilt": rebuilt}
            )
    problems += [{"code": "verify.position", "path": path, "instrument": key, "kept": "0", "rebuilt": qty} for key, qty in held.items()]
    return problems


def _new_book(market: Market, interval_s: int, cursors: dict[str, str]) -> PositionBook:
    fresh = PositionBook(market, interval_s)
    for name, text in cursors.items():
        if name.startswith("instrument:"):
            fresh.add(msgspec.json.decode(text, type=Instrument))
    return fresh
