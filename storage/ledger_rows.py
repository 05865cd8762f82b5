"""Ledger rows → domain structs, and everything that a start reads back."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from domain.orders import TERMINAL, Action, Fill, Order, OrderKind, OrderStatus, TimeInForce, qty_units
from domain.records import ROUND_TRIP_DTYPE


@dataclass(frozen=True)
class OrderRow:
    """An order and when (UTC ns) nobody may conclude before that the venue never got it."""

    order: Order
    deadline_ns: int


@dataclass(frozen=True)
class FillRow:
    """A fill with what the position book was told beside it."""

    fill: Fill
    owner: str
    row_time: int
    entry_row_time: int
    rule: int
    label: str
    past_levels: bool


@dataclass(frozen=True)
class Adjustment:
    """A recorded difference between fills and the venue's balances."""

    asset: str
    instrument_id: str
    expected: Decimal
    stated: Decimal
    cause: str
    acknowledged: bool


@dataclass(frozen=True)
class LedgerState:
    """What a trader goes on from."""

    orders: list[OrderRow]
    fills: list[FillRow]
    adjustments: list[Adjustment]
    cursors: dict[str, str]
    latch: tuple[str, str, str, int] | None  # level, actor, reason, utc_ns
    owners: dict[str, str]
    venue_orders: list[dict[str, object]]  # external ones that were open when last seen


def order_from_row(row: sqlite3.Row) -> OrderRow:
    """Return the order of a row of `orders`."""
    order = Order(
        client_order_id=row["client_order_id"],
        intent_id=row["intent_id"],
        account=row["account"],
        instrument_id=row["instrument_id"],
        side=row["side"],
        qty=qty_units(row["qty"]),
        kind=OrderKind(row["kind"]),
        time_in_force=TimeInForce(row["time_in_force"]),
        price=None if row["price"] is None else Decimal(row["price"]),
        attempt=row["attempt"],
        action=Action(row["action"]),
        status=OrderStatus(row["state"]),
        in_doubt=bool(row["in_doubt"]),
        cum_qty=qty_units(row["cum_qty"]),
        cum_amount=Decimal(row["cum_amount"]),
        venue_order_id=row["venue_order_id"],
        reason=row["reason"],
        created_ns=row["created_ns"],
        updated_ns=row["updated_ns"],
        row_time=row["row_time"],
        rule=row["rule_number"],
        label=row["label"],
    )
    return OrderRow(order, row["deadline_ns"])


def fill_from_row(row: sqlite3.Row) -> Fill:
    """Return the fill of a row of `fills`."""
    return Fill(
        fill_key=row["fill_key"],
        client_order_id=row["client_order_id"],
        venue_order_id=row["venue_order_id"],
        instrument_id=row["instrument_id"],
        side=row["side"],
        qty=qty_units(row["qty"]),
        price=Decimal(row["price"]),
        fee=Decimal(row["fee"]),
        fee_asset=row["fee_asset"],
        exchange_ns=row["exchange_ns"],
        received_ns=row["received_ns"],
        is_maker=bool(row["is_maker"]),
    )


def load_fills(connection: sqlite3.Connection) -> list[FillRow]:
    """Return every fill in the order in which it was applied."""
    return [
        FillRow(
            fill_from_row(row),
            row["owner"],
            row["row_time"],
            row["entry_row_time"],
            row["rule_number"],
            row["label"],
            bool(row["past_levels"]),
        )
        for row in connection.execute("SELECT * FROM fills ORDER BY seq")
    ]


@dataclass(frozen=True)
class TripRow:
    """A closed trade as the ledger keeps it; `trip` has shape (1,) and ROUND_TRIP_DTYPE."""

    seq: int
    instrument_id: str
    label: str
    trip: NDArray[np.void]


def load_trips(connection: sqlite3.Connection, after_seq: int, first: int, last: int) -> list[TripRow]:
    """Return the trades behind `after_seq` that were closed at row times `first` to `last`, oldest first."""
    rows = connection.execute(
        "SELECT * FROM round_trips WHERE seq > ? AND exit_time BETWEEN ? AND ? ORDER BY seq", (after_seq, first, last)
    )
    out = []
    for row in rows:
        trip = np.zeros(1, ROUND_TRIP_DTYPE)
        for name in trip.dtype.names or ():
            if name != "symbol":
                trip[name] = row[name]
        out.append(TripRow(row["seq"], row["instrument_id"], row["label"], trip))
    return out


def newest_fills(connection: sqlite3.Connection, after_seq: int, first: int, last: int, most: int) -> list[Fill]:
    """Return the newest `most` fills behind `after_seq` at row times `first` to `last`, oldest first."""
    rows = connection.execute(
        "SELECT * FROM fills WHERE seq > ? AND row_time BETWEEN ? AND ? ORDER BY seq DESC LIMIT ?", (after_seq, first, last, most)
    )
    return [fill_from_row(row) for row in rows][::-1]


def load_state(connection: sqlite3.Connection, terminal_orders: int) -> LedgerState:
    """Return what a start reads back: all live orders and the newest `terminal_orders` ended ones."""
    run = connection.execute
    ended = [status.value for status in TERMINAL]
    marks = ",".join("?" * len(ended))
    live = run(f"SELECT * FROM orders WHERE state NOT IN ({marks}) ORDER BY created_ns", ended)
    orders = [order_from_row(row) for row in live]
    recent = run(
        f"SELECT * FROM orders WHERE state IN ({marks}) ORDER BY updated_ns DESC LIMIT ?",
        (*ended, terminal_orders),
    )
    orders += [order_from_row(row) for row in recent]
    latch = run("SELECT level, actor, reason, utc_ns FROM latch WHERE id = 1").fetchone()
    return LedgerState(
        orders=orders,
        fills=load_fills(connection),
        adjustments=[
            Adjustment(
                row["asset"],
                row["instrument_id"],
                Decimal(row["expected"]),
                Decimal(row["stated"]),
                row["cause"],
                bool(row["acknowledged"]),
            )
            for row in run("SELECT * FROM adjustments ORDER BY seq")
        ],
        cursors={row["name"]: row["value"] for row in run("SELECT name, value FROM cursors")},
        latch=None if latch is None else tuple(latch),
        owners={row[0]: row[1] for row in run("SELECT instrument_id, owner FROM positions")},
        venue_orders=[dict(row) for row in run("SELECT * FROM venue_orders WHERE owner = 'external'")],
    )
