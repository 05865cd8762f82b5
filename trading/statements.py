"""Positions and other people's orders in the words of the bus."""

from __future__ import annotations

from domain.messages import PositionState
from domain.orders import Order, OrderKind, TimeInForce
from domain.ports import BrokerOrder
from trading.positions import PositionView


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
