"""The order's life: every row of the table, and what is no row at all."""

from __future__ import annotations

from decimal import Decimal

import pytest

from domain.orders import (
    FILLED_BY_CUM,
    OPEN_BY_CUM,
    RESURRECT,
    SAME,
    TERMINAL,
    TRANSITIONS,
    Action,
    Fill,
    Order,
    OrderEvent,
    OrderKind,
    OrderStatus,
    TimeInForce,
)
from domain.ports import BrokerOrder
from trading.oms import CHANGED, DUPLICATE, ILLEGAL, OLDER, PENDING, STALE, OrderBook, apply

_S, _E = OrderStatus, OrderEvent
QTY = 10


def make_order(status: OrderStatus = _S.SUBMITTED, cum: int = 0, **changes: object) -> Order:
    fields: dict[str, object] = {
        "client_order_id": "a" * 26 + "-1",
        "intent_id": "a" * 26,
        "account": "upbit-paper",
        "instrument_id": "upbit:KRW-AAA",
        "side": 1,
        "qty": QTY,
        "kind": OrderKind.LIMIT,
        "time_in_force": TimeInForce.GTC,
        "price": Decimal(100),
        "action": Action.ENTRY,
        "status": status,
        "cum_qty": cum,
        "venue_order_id": "" if status in (_S.INITIALIZED, _S.SUBMITTED, _S.DENIED) else "v1",
    }
    return Order(**(fields | changes))  # type: ignore[arg-type]


def make_fill(number: int = 1, qty: int = 4, **changes: object) -> Fill:
    fields: dict[str, object] = {
        "fill_key": f"v1:{number}",
        "client_order_id": "a" * 26 + "-1",
        "venue_order_id": "v1",
        "instrument_id": "upbit:KRW-AAA",
        "side": 1,
        "qty": qty,
        "price": Decimal(100),
        "fee": Decimal(0),
        "fee_asset": "KRW",
        "exchange_ns": number,
    }
    return Fill(**(fields | changes))  # type: ignore[arg-type]


def make_statement(status: OrderStatus, cum: int = 0, **changes: object) -> BrokerOrder:
    fields: dict[str, object] = {
        "client_order_id": "a" * 26 + "-1",
        "venue_order_id": "v1",
        "instrument_id": "upbit:KRW-AAA",
        "side": 1,
        "status": status,
        "qty": QTY,
        "cum_qty": cum,
        "cum_amount": Decimal(cum * 100) / 10**8,
        "price": Decimal(100),
        "exchange_ns": 1,
    }
    return BrokerOrder(**(fields | changes))  # type: ignore[arg-type]


def make_book(*orders: Order, execution_ids: bool = True) -> OrderBook:
    book = OrderBook(lambda client, venue: None, lambda key: False, execution_ids)
    for order in orders:
        book.add(order)
    return book


def _expected(order: Order, rule: OrderStatus | str, cum: int) -> OrderStatus:
    if isinstance(rule, OrderStatus):
        return rule
    table = {
        SAME: order.status,
        OPEN_BY_CUM: _S.PARTIALLY_FILLED if cum else _S.ACCEPTED,
        FILLED_BY_CUM: _S.FILLED if cum >= order.qty else order.status,
        RESURRECT: _S.FILLED if cum >= order.qty else _S.PARTIALLY_FILLED,
    }
    return table[rule]


@pytest.mark.parametrize(("state", "event"), list(TRANSITIONS), ids=lambda value: value.value)
def test_row_leads_where_the_table_says(state: OrderStatus, event: OrderEvent) -> None:
    cum = {_S.PARTIALLY_FILLED: 4, _S.FILLED: QTY}.get(state, 0)
    order = make_order(state, cum)
    if event is _E.NOT_SENT:
        order = make_order(state, cum, venue_order_id="")
    qty = {_E.PART_FILL: 3, _E.FILL: QTY - cum, _E.LATE_FILL: 3}.get(event, 0)
    given = _E.PART_FILL if event is _E.LATE_FILL else _E.ACCEPTED if event is _E.LATE_ACCEPT else event
    number = "v9" if event is _E.LATE_ACCEPT else ""
    applied = apply(order, given, at_ns=5, fill_qty=qty, venue_order_id=number)
    assert applied.order.status is _expected(order, TRANSITIONS[(state, event)], cum + qty)
    assert applied.order.cum_qty == cum + qty
    assert applied.outcome in (CHANGED, DUPLICATE)


def test_no_pair_is_both_a_row_and_stale() -> None:
    assert not STALE & set(TRANSITIONS)


@pytest.mark.parametrize("state", list(_S))
@pytest.mark.parametrize("event", [event for event in _E if event not in (_E.LATE_FILL, _E.LATE_ACCEPT, _E.PART_FILL, _E.FILL)])
def test_any_other_pair_changes_no_state_and_never_raises(state: OrderStatus, event: OrderEvent) -> None:
    order = make_order(state)
    applied = apply(order, event, at_ns=5)
    if (state, event) in TRANSITIONS or event is _E.ACCEPTED:
        return
    assert applied.outcome in (OLDER, ILLEGAL)
    assert applied.order.status is state
    assert (applied.alarm == "order.illegal") == (applied.outcome == ILLEGAL)


def test_accepted_after_filled_is_older_news() -> None:
    assert apply(make_order(_S.FILLED, QTY), _E.ACCEPTED, at_ns=5, venue_order_id="v1").outcome == OLDER


def test_accepted_after_cancelled_of_the_same_number_is_older_news() -> None:
    assert apply(make_order(_S.CANCELED), _E.ACCEPTED, at_ns=5, venue_order_id="v1").outcome == OLDER


def test_late_fill_after_cancel_keeps_state_and_quantity_with_an_alarm() -> None:
    applied = apply(make_order(_S.CANCELED, 4), _E.PART_FILL, at_ns=5, fill_qty=3)
    assert (applied.order.status, applied.order.cum_qty, applied.alarm) == (_S.CANCELED, 7, "order.late")


def test_fill_after_our_rejection_resurrects() -> None:
    applied = apply(make_order(_S.REJECTED), _E.PART_FILL, at_ns=5, fill_qty=3)
    assert (applied.order.status, applied.alarm) == (_S.PARTIALLY_FILLED, "order.resurrected")


def test_overfill_is_applied_with_an_alarm() -> None:
    applied = apply(make_order(_S.FILLED, QTY), _E.FILL, at_ns=5, fill_qty=2)
    assert (applied.order.status, applied.order.cum_qty, applied.alarm) == (_S.FILLED, 12, "order.overfill")


def test_doubt_is_a_flag_beside_pending_states_only() -> None:
    for state in _S:
        doubted = apply(make_order(state), _E.AMBIGUOUS, at_ns=5).order
        assert doubted.in_doubt == (state in PENDING), state
    doubted = apply(make_order(), _E.AMBIGUOUS, at_ns=5).order
    assert not apply(doubted, _E.ACCEPTED, at_ns=6, venue_order_id="v1").order.in_doubt


def test_not_sent_with_a_venue_number_is_impossible() -> None:
    assert apply(make_order(venue_order_id="v1"), _E.NOT_SENT, at_ns=5).outcome == ILLEGAL


def test_duplicate_fill_counts_once() -> None:
    book = make_book(make_order(_S.ACCEPTED))
    assert book.fill(make_fill(), 5) is not None
    again = book.fill(make_fill(qty=9), 6)
    assert again is not None
    assert (again.outcome, again.order.cum_qty) == (DUPLICATE, 4)


def test_two_equal_fills_with_their_own_keys_count_twice() -> None:
    book = make_book(make_order(_S.ACCEPTED))
    book.fill(make_fill(1), 5)
    applied = book.fill(make_fill(2), 5)
    assert applied is not None
    assert applied.order.cum_qty == 8


def test_fill_before_acceptance_is_a_legal_path() -> None:
    book = make_book(make_order())
    applied = book.fill(make_fill(), 5)
    assert applied is not None
    assert applied.order.status is _S.PARTIALLY_FILLED
    assert book.event("a" * 26 + "-1", _E.ACCEPTED, 6, venue_order_id="v1").outcome == OLDER  # type: ignore[union-attr]


def test_cancel_with_uncounted_fills_waits_for_them() -> None:
    book = make_book(make_order(_S.ACCEPTED))
    assert book.stated(make_statement(_S.CANCELED, cum=4), 5, 5) == []
    assert book.get("a" * 26 + "-1").status is _S.ACCEPTED  # type: ignore[union-attr]
    book.fill(make_fill(1, 4), 6)
    settled = book.settle_owed("a" * 26 + "-1", 7)
    assert settled is not None
    assert (settled.order.status, settled.order.cum_qty, settled.alarm) == (_S.CANCELED, 4, "")


def test_without_execution_ids_the_cumulative_quantity_makes_the_fill() -> None:
    order = make_order(_S.ACCEPTED)
    book = make_book(order, execution_ids=False)
    fill = book.missing_fill(make_statement(_S.PARTIALLY_FILLED, cum=4), order, "KRW")
    assert fill is not None
    assert (fill.qty, fill.price, fill.fill_key) == (4, Decimal(100), "v1:4")
    book.fill(fill, 5)
    assert book.missing_fill(make_statement(_S.PARTIALLY_FILLED, cum=4), book.get(order.client_order_id), "KRW") is None  # type: ignore[arg-type]


def test_fill_of_nobody_is_kept_as_an_orphan() -> None:
    book = make_book()
    assert book.fill(make_fill(client_order_id=""), 5) is None
    assert [fill.fill_key for fill in book.orphans["upbit:KRW-AAA", "v1"]] == ["v1:1"]


def test_live_orders_leave_when_terminal() -> None:
    book = make_book(make_order(_S.ACCEPTED))
    assert len(book.live_orders("upbit:KRW-AAA")) == 1
    book.event("a" * 26 + "-1", _E.CANCELED, 5)
    assert book.live_orders() == []
    assert book.get("a" * 26 + "-1").status in TERMINAL  # type: ignore[union-attr]


def test_venue_numbers_are_counted_per_symbol() -> None:
    other = make_order(_S.ACCEPTED, client_order_id="b" * 26 + "-1", intent_id="b" * 26, instrument_id="upbit:KRW-BBB", venue_order_id="v1")
    book = make_book(make_order(_S.ACCEPTED), other)
    applied = book.fill(make_fill(client_order_id="", instrument_id="upbit:KRW-BBB"), 5)
    assert applied is not None
    assert applied.order.client_order_id == other.client_order_id
    assert book.get("", ("upbit:KRW-CCC", "v1")) is None
