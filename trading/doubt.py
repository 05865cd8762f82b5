"""Outcomes that are not proven: asked for by id until they are, never guessed (reliability 3, 5.8).

Beside orders in doubt it watches what should have been answered by now: a place without any answer,
a cancel without an ending, fills that the venue counts and that have not come, and attempts that
wait for their turn.
"""

from __future__ import annotations

from dataclasses import dataclass

from domain.instruments import NS
from domain.orders import TERMINAL, Action, Order, OrderEvent, OrderStatus, make_client_order_id
from domain.ports import BrokerOutcome, BrokerQuery
from trading.desk import Desk
from trading.effects import Cancel, Place, Query
from trading.oms import PENDING
from trading.risk import ENTRY, EXIT, HALTED, READY, REDUCING

DELAYS_S = (0.5, 1.0, 2.0, 4.0, 8.0, 10.0)
"""Pauses between questions by id; the last one repeats."""
NEGATIVES = 3
"""Complete negative reads in a row that, after the settle window, prove absence."""
ANSWER_S = 5.0
"""A place that has no outcome by then is in doubt."""
CANCEL_S = 3.0
"""A cancel that has no ending by then is asked about."""
OWED_S = 0.5
"""Fills that the venue counts are asked for after this."""
MAX_ATTEMPTS = 5
VALID_S = {ENTRY: 1.5, EXIT: 30.0}
"""How long an intent may still be sent after a proven refusal before the first byte."""


@dataclass(slots=True)
class Doubt:
    """One order that is being asked about."""

    due_ns: int
    step: int = 0
    negatives: int = 0
    negative_since_ns: int = 0
    asked_ns: int = 0


class Doubts:
    """Asks until it knows.

    Parameters
    ----------
    desk : Desk
        State and pen.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.watched: dict[str, Doubt] = {}
        self.retries: dict[str, int] = {}
        self.renewed = 0
        self.cut_utc_ns = 0
        self.wants_cut = False

    def watch(self, client_order_id: str, after_s: float = DELAYS_S[0]) -> None:
        """Ask about an order soon; what is being asked about already keeps its place."""
        due = self.desk.now.mono_ns + int(after_s * NS)
        known = self.watched.get(client_order_id)
        if known is None:
            self.watched[client_order_id] = Doubt(due)
        else:
            known.due_ns = min(known.due_ns, due)

    def ask_now(self, order: Order) -> None:
        """Ask at once, as the first question."""
        self.watch(order.client_order_id, 0.0)
        self._ask(order, self.watched[order.client_order_id])

    def forget(self, client_order_id: str) -> None:
        """Stop asking: it is known."""
        self.watched.pop(client_order_id, None)
        self.retries.pop(client_order_id, None)
        self.desk.sent.pop(client_order_id, None)

    def settle(self, order: Order) -> None:
        """Stop or go on asking according to what the order now is."""
        key = order.client_order_id
        if order.status in TERMINAL:
            if key not in self.desk.orders.owed:
                self.forget(key)
            return
        if order.status is not OrderStatus.SUBMITTED or order.in_doubt:
            self.desk.sent.pop(key, None)
        if order.in_doubt:
            self.watch(key)
        elif key in self.desk.orders.owed:
            self.watch(key, OWED_S)
        elif order.status is OrderStatus.PENDING_CANCEL:
            self.watch(key, CANCEL_S)
        elif order.status is not OrderStatus.SUBMITTED:
            self.watched.pop(key, None)

    # --- answers ---------------------------------------------------------------------------------------

    def outcome(self, outcome: BrokerOutcome) -> None:
        """Apply the answer to a place or a cancel."""
        desk = self.desk
        order = desk.orders.get(outcome.client_order_id)
        if order is None:
            if outcome.about == "cancel" and outcome.kind == "cancel_accepted":
                return  # the kill switch cancels other people's orders too; their end comes as the venue's statement
            desk.alarm("order.unknown_answer", 40, client_order_id=outcome.client_order_id, answer=outcome.kind)
            return
        if order.status is OrderStatus.PENDING_CANCEL and order.venue_order_id and outcome.kind in ("not_sent", "transient"):
            # It was the cancel that did not get through; repeating a cancel is safe.
            self.watch(order.client_order_id, max(outcome.retry_after_s, 0.2))
            return
        if outcome.kind in ("not_sent", "transient") and order.status is OrderStatus.SUBMITTED:
            self._unsent(order, outcome)
            return
        event = _EVENTS.get(outcome.kind)
        if event is None:
            if outcome.kind == "cancel_accepted":
                self.watch(order.client_order_id, CANCEL_S)
            return
        if event is OrderEvent.REJECTED and order.status not in TERMINAL:
            desk.counters.rejects.add(desk.limit_ns())
            self._watch_rejects()
        applied = desk.orders.event(order.client_order_id, event, desk.now.utc_ns, outcome.code, outcome.venue_order_id)
        changed = desk.took(applied)
        if applied is None:
            return
        if changed is not None and changed.venue_order_id and not order.venue_order_id:
            desk.claim_orphans(changed)
        if outcome.kind == "cancel_rejected":
            # Too late usually means filled: a failed cancel proves nothing about the order.
            self.watch(order.client_order_id, 0.0)
        current = desk.orders.get(order.client_order_id)
        if current is not None:
            self.settle(current)

    def _watch_rejects(self) -> None:
        desk = self.desk
        if desk.counters.rejects.count(desk.limit_ns()) >= desk.risk.rejects_per_min:
            desk.set_cause("rejects", HALTED, str(desk.risk.rejects_per_min))

    def _unsent(self, order: Order, outcome: BrokerOutcome) -> None:
        """Plan the next attempt of an order that certainly was not processed, or end it."""
        desk = self.desk
        purpose = ENTRY if takes_exposure(order) else EXIT
        wait_s = max(outcome.retry_after_s, 0.1 * 2**order.attempt)
        age_s = (desk.now.utc_ns - order.created_ns) / NS
        final = outcome.code.startswith("send.")
        if final or order.attempt >= MAX_ATTEMPTS or age_s + wait_s > VALID_S[purpose]:
            self._end_unsent(order, outcome.code)
            return
        desk.sent.pop(order.client_order_id, None)
        self.watched.pop(order.client_order_id, None)
        self.retries[order.client_order_id] = desk.now.mono_ns + int(wait_s * NS)

    def _end_unsent(self, order: Order, reason: str) -> None:
        desk = self.desk
        desk.counters.refusals[reason or "not_sent"] += 1  # nobody's limit is silent: a replay compares what was refused
        desk.took(desk.orders.event(order.client_order_id, OrderEvent.NOT_SENT, desk.now.utc_ns, reason or "not_sent"))
        self.forget(order.client_order_id)

    def query(self, answer: BrokerQuery) -> None:
        """Apply the answer to a question by id: only complete negative reads count towards absence."""
        desk = self.desk
        order = desk.orders.get(answer.client_order_id)
        if order is None:
            return
        doubt = self.watched.get(order.client_order_id)
        if answer.failed:
            if doubt is not None:
                doubt.negatives = 0
            return
        if not answer.found:
            self._negative(order, doubt)
            return
        if doubt is not None:
            doubt.negatives = 0
        for fill in sorted(answer.fills, key=lambda one: one.exchange_ns):
            desk.take_fill(fill)
        if answer.order is not None:
            self.stated_by_query(answer, order)

    def stated_by_query(self, answer: BrokerQuery, order: Order) -> None:
        """Apply the order of an answer; a cancel that the venue knows nothing of is sent again."""
        desk = self.desk
        assert answer.order is not None
        was_pending = order.status is OrderStatus.PENDING_CANCEL
        for applied in desk.orders.stated(answer.order, desk.now.utc_ns, desk.now.mono_ns):
            desk.took(applied)
        current = desk.orders.get(order.client_order_id)
        if current is None:
            return
        desk.claim_orphans(current)
        current = desk.orders.get(order.client_order_id) or current
        if was_pending and current.status is OrderStatus.PENDING_CANCEL and current.client_order_id not in desk.orders.owed:
            desk.do(Cancel(current))
            self.watch(current.client_order_id, CANCEL_S)
            return
        self.settle(current)

    def _negative(self, order: Order, doubt: Doubt | None) -> None:
        desk = self.desk
        if order.status in TERMINAL:
            self.forget(order.client_order_id)
            return
        if doubt is None:
            self.watch(order.client_order_id)
            doubt = self.watched[order.client_order_id]
        doubt.negatives += 1
        doubt.negative_since_ns = doubt.negative_since_ns or desk.now.mono_ns
        self.conclude(order)

    def conclude(self, order: Order) -> None:
        """End an order as absent when everything that proves it is there (reliability 5.8)."""
        desk = self.desk
        doubt = self.watched.get(order.client_order_id)
        deadline = desk.deadlines.get(order.client_order_id, order.updated_ns + desk.settle_ns())
        if doubt is None or doubt.negatives < NEGATIVES or desk.now.utc_ns < deadline:
            return
        if self.cut_utc_ns < deadline:
            # Open orders and history must agree, read after the window: a cut that started by then.
            self.wants_cut = True
            return
        applied = desk.orders.event(order.client_order_id, OrderEvent.ABSENT, desk.now.utc_ns, "absent")
        desk.took(applied)
        self.forget(order.client_order_id)

    # --- time ------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Ask what is due, send what waits, doubt what was not answered."""
        desk, now = self.desk, self.desk.now.mono_ns
        self.renewed = 0
        for key, sent_ns in list(desk.sent.items()):
            if now - sent_ns >= int(ANSWER_S * NS):
                del desk.sent[key]
                self.doubt(key)
        for key, due_ns in list(self.retries.items()):
            if now >= due_ns:
                del self.retries[key]
                self._attempt(key)
        for key, doubt in list(self.watched.items()):
            order = desk.orders.get(key)
            if order is None:
                del self.watched[key]
            elif now >= doubt.due_ns:
                self._ask(order, doubt)
                self.conclude(order)

    def doubt(self, client_order_id: str) -> None:
        """Mark an order in doubt and start asking."""
        desk = self.desk
        desk.took(desk.orders.event(client_order_id, OrderEvent.AMBIGUOUS, desk.now.utc_ns))
        order = desk.orders.get(client_order_id)
        if order is not None and order.status in PENDING:
            self.watch(client_order_id)

    def _ask(self, order: Order, doubt: Doubt) -> None:
        delay = DELAYS_S[min(doubt.step + 1, len(DELAYS_S) - 1)]
        doubt.step += 1
        doubt.asked_ns = self.desk.now.mono_ns
        doubt.due_ns = self.desk.now.mono_ns + int(delay * NS)
        self.desk.do(Query(order))

    def _attempt(self, key: str) -> None:
        """Send again under a new client id, journalled first, when it is still allowed."""
        desk = self.desk
        order = desk.orders.get(key)
        if order is None or order.status is not OrderStatus.SUBMITTED:
            return
        entry = takes_exposure(order)
        allowed = desk.readiness == READY and desk.trading_state < REDUCING if entry else desk.trading_state < HALTED
        if not allowed:
            self._end_unsent(order, "not_allowed_any_more")
            return
        desk.ledger.delete("reservations", {"client_order_id": order.client_order_id})
        desk.open_symbol(order.instrument_id, f"doubt {order.client_order_id}")
        attempt = order.attempt + 1
        renewed = desk.orders.renew(order, make_client_order_id(order.intent_id, attempt), attempt, desk.now.utc_ns)
        desk.deadlines.pop(key, None)
        desk.deadlines[renewed.client_order_id] = desk.now.utc_ns + desk.settle_ns()
        desk.keep(renewed)
        desk.do(Place(renewed))
        self.renewed += 1


def takes_exposure(order: Order) -> bool:
    """Tell whether an order is an entry: what a halt stops."""
    return order.action is Action.ENTRY or (order.action is Action.MANUAL and order.side > 0)


_EVENTS = {
    "accepted": OrderEvent.ACCEPTED,
    "rejected": OrderEvent.REJECTED,
    "not_sent": OrderEvent.NOT_SENT,
    "transient": OrderEvent.NOT_SENT,
    "exists": OrderEvent.AMBIGUOUS,
    "in_doubt": OrderEvent.AMBIGUOUS,
    "cancel_rejected": OrderEvent.CANCEL_REJECTED,
}
