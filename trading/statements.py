"""Positions, other people's orders and the day's record in the words of the bus."""

from __future__ import annotations

from domain.messages import DayRecord, PositionState, RoundTripState
from domain.orders import Order, OrderKind, TimeInForce
from domain.ports import BrokerOrder
from storage.ledger import Ledger
from trading.positions import PositionView

DAY_FILLS = 500
DAY_TRIPS = 5_000
"""More of a day than a screen lists; what came before is in the ledger."""


def position_state(view: PositionView, owner: str) -> PositionState:
    """Return the message of a position."""
    return PositionState(
        instrument_id=view.instrument_id,
        qty=view.qty * (view.sign or 1),
        entry_price=view.entry_price,
        entry_cost=view.entry_cost,
        entry_time=view.entry_time,
        entry_row_time=view.entry_row_time,
        realised=view.realised,
        owner=owner,
        exit_amount=view.exit_amount,
    )


def external_order(statement: BrokerOrder, account: str) -> Order:
    """Return an order of somebody else in our words, for the screen and for the kill switch."""
    return Order(
        client_order_id=statement.client_order_id,
        intent_id="",
        account=account,
        instrument_id=statement.instrument_id,
        side=statement.side,
        qty=statement.qty,
        kind=OrderKind.LIMIT if statement.price is not None else OrderKind.MARKET,
        time_in_force=TimeInForce.GTC,
        price=statement.price,
        status=statement.status,
        cum_qty=statement.cum_qty,
        cum_amount=statement.cum_amount,
        venue_order_id=statement.venue_order_id,
        reason="external",
        created_ns=statement.exchange_ns,
        updated_ns=statement.exchange_ns,
    )


def day_record(ledger: Ledger, day: int, interval_s: int, cursors: dict[str, str]) -> DayRecord:
    """Return what the account did on a trading day, for a listener that begins to watch.

    Parameters
    ----------
    cursors : dict
        Of the ledger: what another paper exchange knew does not count.
    """
    fills = ledger.newest_fills(day, interval_s, int(cursors.get("generation_fill", "0")), DAY_FILLS)
    rows = ledger.trips_of(day, interval_s, int(cursors.get("generation_trip", "0")))
    trips = (
        RoundTripState(seq=row.seq, code=row.instrument_id.partition(":")[2], label=row.label, data=row.trip.tobytes())
        for row in rows[-DAY_TRIPS:]
    )
    return DayRecord(fills=tuple(fills), trips=tuple(trips))
