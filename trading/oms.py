"""The order book of our own orders: one transition function, idempotent apply, late truth kept.

Nothing here talks to a venue or a store. Evidence comes in (an answer, a stream message, a fill,
a query), the book says what changed, and `trading/trader.py` journals and publishes it.
Source: reliability 2 and 4.4.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import NamedTuple

from msgspec.structs import replace

from domain.instruments import QTY_UNIT
from domain.orders import (
    FILLED_BY_CUM,
    OPEN_BY_CUM,
    RESURRECT,
    SAME,
    TERMINAL,
    TRANSITIONS,
    Fill,
    Order,
    OrderEvent,
    OrderStatus,
)
from domain.ports import BrokerOrder

_S, _E = OrderStatus, OrderEvent

PENDING = frozenset({_S.SUBMITTED, _S.PENDING_CANCEL, _S.PENDING_REPLACE})
"""States in which a request is under way: only they can be in doubt."""

_OPEN = frozenset({_S.ACCEPTED, _S.PARTIALLY_FILLED})
_LIVE = PENDING | _OPEN

# Older news after newer, or an answer to a question that has been settled: no change, counted, no alarm.
STALE: frozenset[tuple[OrderStatus, OrderEvent]] = frozenset(
    [(state, _E.ACCEPTED) for state in (*_OPEN, _S.PENDING_REPLACE, _S.FILLED)]
    + [(state, _E.AMBIGUOUS) for state in (*_OPEN, *TERMINAL)]
    + [(state, _E.CANCEL_REJECTED) for state in (*_OPEN, *TERMINAL)]
    + [(state, _E.REPLACE_REJECTED) for state in (*_OPEN, *TERMINAL)]
    + [(state, _E.CANCEL_REQUESTED) for state in TERMINAL]
    + [(state, _E.REPLACE_REQUESTED) for state in TERMINAL]
    + [(state, _E.ABSENT) for state in TERMINAL]
    + [(ended, event) for ended in (_S.FILLED, _S.CANCELED, _S.EXPIRED) for event in (_E.CANCELED, _E.EXPIRED)]
    + [(_S.REJECTED, _E.REJECTED), (_S.DENIED, _E.DENIED), (_S.DENIED, _E.NOT_SENT)]
)

CHANGED = "changed"
DUPLICATE = "duplicate"
OLDER = "stale"
ILLEGAL = "illegal"


Number = tuple[str, str]
"""(instrument id, the venue's order number): some venues count per symbol."""
NO_NUMBER: Number = ("", "")


def number_of(thing: Order | BrokerOrder | Fill) -> Number:
    """Return the venue's number of an order, or of the order that a fill belongs to."""
    return thing.instrument_id, thing.venue_order_id


class Applied(NamedTuple):
    """What one piece of evidence did to an order.

    `outcome` is changed, duplicate, stale or illegal; `alarm` a code of the sentences or empty.
    """

    order: Order
    outcome: str
    alarm: str = ""


def _fill_event(order: Order, cum_qty: int) -> OrderEvent:
    if order.status in TERMINAL:
        return _E.LATE_FILL
    return _E.FILL if cum_qty >= order.qty else _E.PART_FILL


def _target(order: Order, rule: OrderStatus | str, cum_qty: int) -> OrderStatus:
    if isinstance(rule, OrderStatus):
        return rule
    if rule == OPEN_BY_CUM:
        return _S.PARTIALLY_FILLED if cum_qty else _S.ACCEPTED
    if rule == FILLED_BY_CUM:
        return _S.FILLED if cum_qty >= order.qty else order.status
    if rule == RESURRECT:
        return _S.FILLED if cum_qty >= order.qty else _S.PARTIALLY_FILLED
    assert rule == SAME, rule
    return order.status


def _alarm(event: OrderEvent, overfilled: bool, rule: OrderStatus | str, was: OrderStatus) -> str:
    if overfilled:
        return "order.overfill"
    if rule == RESURRECT or (event is _E.LATE_ACCEPT and was in (_S.REJECTED, _S.DENIED)):
        return "order.resurrected"
    return "order.late" if event in (_E.LATE_FILL, _E.LATE_ACCEPT) else ""


def apply(
    order: Order,
    event: OrderEvent,
    *,
    at_ns: int,
    reason: str = "",
    venue_order_id: str = "",
    fill_qty: int = 0,
    fill_amount: Decimal = Decimal(0),
    new_qty: int = 0,
    new_price: Decimal | None = None,
) -> Applied:
    """Return the order after one event; the only place where a state changes.

    Parameters
    ----------
    order : Order
        As it is now.
    event : OrderEvent
        Any fill is given as PART_FILL or FILL and any acceptance as ACCEPTED; whether it is late is
        decided here from the state.
    at_ns : int
        UTC, becomes `updated_ns`.
    reason : str
        Kept when the order ends.
    venue_order_id : str
        Number to bind when none is bound yet (or the new one of REPLACED).
    fill_qty, fill_amount : int, Decimal
        Of this fill, in units of 1e-8 and in quote currency.
    new_qty, new_price : int, Decimal
        Of REPLACED.

    Returns
    -------
    Applied
        Never raises for an impossible event: the truth it carries is counted and alarmed, not lost.
    """
    cum_qty = order.cum_qty + fill_qty
    if event in (_E.PART_FILL, _E.FILL):
        event = _fill_event(order, cum_qty)
    elif event is _E.ACCEPTED and order.status in TERMINAL and order.status is not _S.FILLED:
        if venue_order_id and venue_order_id == order.venue_order_id:
            return Applied(order, OLDER)
        event = _E.LATE_ACCEPT
    bound = venue_order_id if venue_order_id and (not order.venue_order_id or event is _E.REPLACED) else order.venue_order_id
    key = (order.status, event)
    rule = TRANSITIONS.get(key)
    if rule is not None and event is _E.NOT_SENT and order.venue_order_id:
        rule = None  # a number from the venue proves that something was sent
    if rule is None:
        if key in STALE:
            known = order if bound == order.venue_order_id else replace(order, venue_order_id=bound)
            return Applied(known, OLDER)
        return Applied(order, ILLEGAL, "order.illegal")
    status = _target(order, rule, cum_qty)
    in_doubt = status in PENDING and (event is _E.AMBIGUOUS or (order.in_doubt and event is not _E.SUBMITTED))
    alarm = _alarm(event, cum_qty > order.qty, rule, order.status)
    qty = new_qty if event is _E.REPLACED and new_qty else order.qty
    price = new_price if event is _E.REPLACED and new_price is not None else order.price
    if (status, in_doubt, cum_qty, bound, qty, price) == (
        order.status,
        order.in_doubt,
        order.cum_qty,
        order.venue_order_id,
        order.qty,
        order.price,
    ):
        return Applied(order, DUPLICATE, alarm)
    changed = replace(
        order,
        status=status,
        in_doubt=in_doubt,
        cum_qty=cum_qty,
        cum_amount=order.cum_amount + fill_amount,
        venue_order_id=bound,
        qty=qty,
        price=price,
        reason=reason if status in TERMINAL and reason else order.reason,
        updated_ns=at_ns,
    )
    return Applied(changed, CHANGED, alarm)


class Owed(NamedTuple):
    """Fills that the venue counts and that have not reached us: the ending waits for them."""

    cum_qty: int
    ending: OrderEvent | None
    reason: str
    since_ns: int


_ENDINGS = {_S.CANCELED: _E.CANCELED, _S.EXPIRED: _E.EXPIRED, _S.REJECTED: _E.REJECTED}


class OrderBook:
    """Our orders by both ids, the fills that were applied, and what is still owed.

    Parameters
    ----------
    find : callable (client_order_id, number) -> Order or None
        Looks an order up that is no longer in memory.
    has_fill : callable (fill_key) -> bool
        Tells whether a fill was applied in an earlier life.
    execution_ids : bool
        False: the cumulative quantity decides, stream fills are hints (reliability 4.4).
    """

    def __init__(
        self,
        find: Callable[[str, Number], Order | None],
        has_fill: Callable[[str], bool],
        execution_ids: bool = True,
    ) -> None:
        self.execution_ids = execution_ids
        self.orders: dict[str, Order] = {}
        self.live: dict[str, set[str]] = {}
        self.owed: dict[str, Owed] = {}
        self.orphans: dict[Number, list[Fill]] = {}
        self.counts: Counter[str] = Counter()
        self.rows_hit: Counter[tuple[OrderStatus, OrderEvent]] = Counter()
        self._by_venue: dict[Number, str] = {}
        self._keys: set[str] = set()
        self._find = find
        self._has_fill = has_fill

    # --- looking -------------------------------------------------------------------------------------

    def add(self, order: Order, fill_keys: Iterable[str] = ()) -> None:
        """Take an order in (a new one, or one read back)."""
        self._store(order)
        self._keys.update(fill_keys)

    def remove(self, client_order_id: str) -> None:
        """Forget an order whose journal write failed: it was never sent."""
        order = self.orders.pop(client_order_id, None)
        if order is not None:
            self.live.get(order.instrument_id, set()).discard(client_order_id)

    def get(self, client_order_id: str, number: Number = NO_NUMBER) -> Order | None:
        """Return our order by client id, else by venue number, else None."""
        order = self.orders.get(client_order_id)
        if order is not None:
            return order
        if number[1]:
            order = self.orders.get(self._by_venue.get(number, ""))
            if order is not None:
                return order
        order = self._find(client_order_id, number)
        if order is not None:
            self._store(order)
        return order

    def live_orders(self, instrument_id: str | None = None) -> list[Order]:
        """Return the orders that are not terminal, of one instrument or of all, oldest first."""
        if instrument_id is not None:
            return [self.orders[key] for key in self.live.get(instrument_id, ())]
        found = [self.orders[key] for keys in self.live.values() for key in keys]
        return sorted(found, key=lambda order: order.created_ns)

    def in_doubt(self) -> list[Order]:
        """Return the orders whose outcome is not proven."""
        return [order for order in self.live_orders() if order.in_doubt]

    def forget_numbers(self) -> None:
        """Forget the venue's numbers of orders that ended: another paper exchange counts from one again."""
        self.orders = {key: order for key, order in self.orders.items() if order.status not in TERMINAL}
        self._by_venue = {number_of(order): key for key, order in self.orders.items() if order.venue_order_id}

    def add_fill_key(self, fill_key: str) -> None:
        """Note a fill that was booked without an order of ours."""
        self._keys.add(fill_key)

    def knows_fill(self, fill_key: str) -> bool:
        """Tell whether a fill was applied, in this life or an earlier one."""
        return fill_key in self._keys or self._has_fill(fill_key)

    def _store(self, order: Order) -> None:
        self.orders[order.client_order_id] = order
        if order.venue_order_id:
            self._by_venue[number_of(order)] = order.client_order_id
        keys = self.live.setdefault(order.instrument_id, set())
        if order.status in TERMINAL:
            keys.discard(order.client_order_id)
            if not keys:
                del self.live[order.instrument_id]
        else:
            keys.add(order.client_order_id)

    # --- evidence ------------------------------------------------------------------------------------

    def event(self, client_order_id: str, event: OrderEvent, at_ns: int, reason: str = "", venue_order_id: str = "") -> Applied | None:
        """Apply an event to an order; None when the order is not ours."""
        order = self.get(client_order_id)
        if order is None:
            return None
        return self._take(order, event, apply(order, event, at_ns=at_ns, reason=reason, venue_order_id=venue_order_id))

    def renew(self, order: Order, client_order_id: str, attempt: int, at_ns: int) -> Order:
        """Give a proven unsent order its next attempt and client id."""
        result = apply(order, _E.SUBMITTED, at_ns=at_ns)
        self.rows_hit[(order.status, _E.SUBMITTED)] += 1
        renewed = replace(result.order, client_order_id=client_order_id, attempt=attempt, in_doubt=False, updated_ns=at_ns)
        self.remove(order.client_order_id)
        self._store(renewed)
        return renewed

    def _take(self, order: Order, event: OrderEvent, applied: Applied) -> Applied:
        self.rows_hit[(order.status, event)] += 1
        self.counts[applied.outcome] += 1
        if applied.alarm:
            self.counts[applied.alarm] += 1
        if applied.order is not order:
            self._store(applied.order)
        return applied

    def fill(self, fill: Fill, at_ns: int) -> Applied | None:
        """Apply an execution once; None when it belongs to no order of ours (kept as an orphan).

        The quantity counts even when the order thinks that it is over: fills are never dropped.
        """
        if self.knows_fill(fill.fill_key):
            self.counts["duplicate_fill"] += 1
            order = self.get(fill.client_order_id, number_of(fill))
            return None if order is None else Applied(order, DUPLICATE)
        order = self.get(fill.client_order_id, number_of(fill))
        if order is None:
            self.orphans.setdefault(number_of(fill), []).append(fill)
            self.counts["orphan_fill"] += 1
            return None
        amount = fill.price * Decimal(fill.qty) / QTY_UNIT
        applied = apply(order, _E.PART_FILL, at_ns=at_ns, venue_order_id=fill.venue_order_id, fill_qty=fill.qty, fill_amount=amount)
        self._keys.add(fill.fill_key)
        return self._take(order, _fill_event(order, order.cum_qty + fill.qty), applied)

    def settle_owed(self, client_order_id: str, at_ns: int) -> Applied | None:
        """Apply the ending that waited for fills, when they are all in; else None."""
        owed = self.owed.get(client_order_id)
        order = self.orders.get(client_order_id)
        if owed is None or order is None or order.cum_qty < owed.cum_qty:
            return None
        del self.owed[client_order_id]
        if owed.ending is None or order.status in TERMINAL:
            return None
        return self.event(client_order_id, owed.ending, at_ns, owed.reason)

    def stated(self, statement: BrokerOrder, at_ns: int, now_ns: int) -> list[Applied]:
        """Apply what the venue says about one of our orders; the caller has checked that it is ours.

        Parameters
        ----------
        statement : BrokerOrder
            From the stream, an answer, a query or a snapshot.
        at_ns, now_ns : int
            UTC and monotonic now.

        Returns
        -------
        list of Applied
            Empty when the statement is older than what is known. When it counts fills that have not
            come, the ending waits for them in `owed`.
        """
        order = self.get(statement.client_order_id, number_of(statement))
        if order is None:
            return []
        out: list[Applied] = []
        number = statement.venue_order_id
        ending = _ENDINGS.get(statement.status)
        ours_alone = order.status in (_S.REJECTED, _S.DENIED) and statement.status is not _S.REJECTED
        if ours_alone or order.status is _S.SUBMITTED and statement.status is not _S.REJECTED:
            # The venue knows it: a terminal state chosen by us is an opinion that it may overrule.
            accepted = self.event(order.client_order_id, _E.ACCEPTED, at_ns, venue_order_id=number)
            out += [] if accepted is None else [accepted]
        elif number and not order.venue_order_id:
            self._store(replace(order, venue_order_id=number))
        order = self.orders[order.client_order_id]
        if statement.cum_qty > order.cum_qty:
            self._owe(order.client_order_id, Owed(statement.cum_qty, ending, statement.reason, now_ns))
            return out
        if ending is not None and statement.cum_qty == order.cum_qty:
            applied = self.event(order.client_order_id, ending, at_ns, statement.reason)
            out += [] if applied is None else [applied]
        elif order.status is _S.PENDING_REPLACE and statement.status is _S.ACCEPTED:
            self.counts[OLDER] += 1
        return out

    def _owe(self, client_order_id: str, owed: Owed) -> None:
        """Keep the newest word on what is owed: an older statement counts less, or knows no ending yet."""
        known = self.owed.get(client_order_id)
        if known is None or owed.cum_qty > known.cum_qty or (owed.cum_qty == known.cum_qty and known.ending is None):
            self.owed[client_order_id] = owed

    def missing_fill(self, statement: BrokerOrder, order: Order, fee_asset: str) -> Fill | None:
        """Return the fill that a rise of the cumulative quantity proves, on a venue without execution ids."""
        delta = statement.cum_qty - order.cum_qty
        if self.execution_ids or delta <= 0:
            return None
        amount = statement.cum_amount - order.cum_amount
        return Fill(
            fill_key=f"{statement.venue_order_id}:{statement.cum_qty}",
            client_order_id=order.client_order_id,
            venue_order_id=statement.venue_order_id,
            instrument_id=order.instrument_id,
            side=order.side,
            qty=delta,
            price=amount * QTY_UNIT / delta,
            fee=Decimal(0),
            fee_asset=fee_asset,
            exchange_ns=statement.exchange_ns,
        )
