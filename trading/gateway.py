"""Intent → Decision → Order: one serial section that checks, reserves and journals (reliability P25).

The gateway gathers what `trading/risk.py` needs to know, asks it, and writes the answer down, also
when it is a refusal. A 시장가 entry leaves as a limit IOC at the collar, an exit as a market order.
"""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from functools import lru_cache

from domain.instruments import NS, Instrument
from domain.messages import IntentAck
from domain.orders import (
    Action,
    Decision,
    Intent,
    Order,
    OrderEvent,
    OrderKind,
    OrderStatus,
    TimeInForce,
    make_client_order_id,
    price_decimal,
)
from trading.account import market_day
from trading.arming import is_armed
from trading.desk import Desk
from trading.effects import Cancel
from trading.judge import decide
from trading.ladder import DOWN, UP, price_step, round_price
from trading.oms import apply
from trading.risk import ENTRY, EXIT, FACT_FIELDS, HALTED, LIMIT, PROTECTIVE, new_facts

RECORDED_A_SECOND = 100
"""Refusals a second that are written down; a flood beyond is counted only, or it would fill the journal."""

REMEMBERED = 10_000
RECENT_NS = 2 * 86_400 * NS
"""Answers kept in memory; older ones are read from the ledger."""

_PLACES = slice(0, len(FACT_FIELDS))

_PROTECTIVE = frozenset({Action.FLATTEN, Action.STOP})


class Gateway:
    """Judges intents on one desk.

    Parameters
    ----------
    desk : Desk
        State that is read, and pen that writes.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._facts = new_facts()
        self._answered: dict[str, IntentAck] = {}
        # An id names its row, so what is not among the ids of recent rows need not be looked up in the ledger.
        day = market_day(desk.market, desk.ledger.opened_ns - RECENT_NS)
        self._recent_from = day * (1_000_000 if desk.options.interval_s == 1 else 10_000)
        self._recent = desk.ledger.intent_ids(self._recent_from)
        exits = [order for order in desk.orders.orders.values() if order.action is Action.EXIT]
        self._exited = {order.instrument_id: order.row_time for order in sorted(exits, key=lambda order: order.row_time)}

    def answer(self, intent: Intent) -> IntentAck:
        """Judge an intent once; the same intent again gets the same answer and nothing else (P1).

        Returns
        -------
        IntentAck
            To be told when the transaction is durable. An approved intent has put its order on the desk.
        """
        desk = self.desk
        said = self._answered.get(intent.intent_id) or self._recorded(intent)
        if said is not None:
            desk.counters.seen["duplicate_intent"] += 1
            return said
        ack = self._answered[intent.intent_id] = self._first_answer(intent)
        if len(self._answered) > REMEMBERED:
            oldest = next(iter(self._answered))
            del self._answered[oldest]
            self._recent.add(oldest)
        return ack

    def _recorded(self, intent: Intent) -> IntentAck | None:
        intent_id = intent.intent_id
        if intent.row_time >= self._recent_from and intent_id not in self._recent:
            return None
        known = self.desk.ledger.find_intent(intent_id)
        if known is None:
            return None
        accepted, rule, limit, observed = known
        return IntentAck(intent_id=intent_id, accepted=accepted, rule=rule, limit=limit, observed=observed)

    def _first_answer(self, intent: Intent) -> IntentAck:
        desk = self.desk
        order, decision = self.judge(intent)
        self._count(intent, decision)
        if order is None and desk.counters.refused.count(desk.limit_ns(), NS) > RECORDED_A_SECOND:
            desk.counters.seen["unrecorded_refusal"] += 1
            return _ack(intent, decision)
        desk.ledger.intent(intent, decision, desk.now.utc_ns)
        if order is not None:
            if order.action is Action.EXIT:
                self._exited[order.instrument_id] = order.row_time
            self._clear_the_way(order)
            desk.submit(order, intent.strategy)
        desk.want_state()
        return _ack(intent, decision)

    def refuse(self, intent: Intent, rule: str) -> IntentAck:
        """Refuse without a journal entry: there is no journal to write to."""
        self.desk.counters.refusals[rule] += 1
        return _ack(intent, Decision(approved=False, rule=rule))

    def judge(self, intent: Intent) -> tuple[Order | None, Decision]:
        """Return the order that would leave and the decision; nothing is changed."""
        desk = self.desk
        problem = self._malformed(intent)
        if problem:
            return None, Decision(approved=False, rule=problem)
        instrument = desk.account.instruments[intent.instrument_id]
        if self._would_repeat(intent, instrument):
            return None, Decision(approved=False, rule="duplicate")
        purpose = self.purpose(intent)
        kind, tif, price = self._terms(intent, purpose, instrument)
        self._gather(intent, purpose, instrument, price)
        decision = decide(intent.qty, self._facts, desk.limits)
        if not decision.approved:
            return None, decision
        order = Order(
            client_order_id=make_client_order_id(intent.intent_id, 1),
            intent_id=intent.intent_id,
            account=intent.account,
            instrument_id=intent.instrument_id,
            side=intent.side,
            qty=decision.qty,
            kind=kind,
            time_in_force=tif,
            price=price,
            action=intent.action,
            created_ns=desk.now.utc_ns,
            updated_ns=desk.now.utc_ns,
            row_time=intent.row_time,
            rule=intent.rule,
            label=intent.label,
        )
        submitted = apply(order, OrderEvent.SUBMITTED, at_ns=desk.now.utc_ns).order
        return submitted, decision

    # --- reading the intent ------------------------------------------------------------------------------

    def _malformed(self, intent: Intent) -> str:
        """Return the rule that an intent breaks by its form, or empty."""
        if intent.account != self.desk.account_id or intent.instrument_id not in self.desk.account.instruments:
            return "decode"
        if intent.side not in (-1, 1) or intent.qty <= 0 or not intent.intent_id or len(intent.intent_id) > 26:
            return "decode"
        if not math.isfinite(intent.reference_price) or intent.reference_price <= 0.0:
            return "decode"
        if intent.kind is OrderKind.LIMIT and (intent.price is None or not intent.price.is_finite() or intent.price <= 0):
            return "decode"
        return ""

    def purpose(self, intent: Intent) -> int:
        """Return whether an intent takes exposure, gives it back, or gives it back for protection."""
        held = self.desk.positions.view(intent.instrument_id).sign
        reduces = intent.side * held < 0 if self.desk.capabilities.leverage else intent.side < 0
        if not reduces:
            return ENTRY
        return PROTECTIVE if intent.action in _PROTECTIVE or intent.force else EXIT

    def _would_repeat(self, intent: Intent, instrument: Instrument) -> bool:
        """Tell whether an order of the same strategy, symbol and side is still under way, or the row was acted on already.

        A host that died between an exit's fill and the end of its row finds itself flat when it is given that row again.
        """
        if intent.action is Action.ENTRY and self._exited.get(instrument.instrument_id) == intent.row_time:
            return True
        return any(
            order.side == intent.side and order.action == intent.action and order.status is not OrderStatus.PENDING_CANCEL
            for order in self.desk.orders.live_orders(instrument.instrument_id)
            if intent.action in (Action.ENTRY, Action.EXIT)
        )

    def _terms(self, intent: Intent, purpose: int, instrument: Instrument) -> tuple[OrderKind, TimeInForce, Decimal | None]:
        """Return kind, time in force and price: entries are never naked market orders (P26)."""
        if intent.kind is OrderKind.LIMIT:
            tif = TimeInForce.IOC if intent.action is Action.FLATTEN else TimeInForce.GTC
            return OrderKind.LIMIT, tif, intent.price
        if purpose != ENTRY:
            return OrderKind.MARKET, TimeInForce.IOC, None
        collar = float(self.desk.limits[LIMIT["collar_pct"]]) / 100.0
        price = self.collar_price(instrument, intent.reference_price, intent.side, collar)
        return OrderKind.LIMIT, TimeInForce.IOC, price_decimal(price)

    def collar_price(self, instrument: Instrument, reference: float, side: int, collar: float) -> float:
        """Return the worst price within `collar` (a fraction) of the reference, on the ladder."""
        worst = reference * (1.0 + side * collar)
        return round_price(self.desk.market, instrument, worst, self._date(), DOWN if side > 0 else UP)

    def _date(self) -> dt.date:
        return _as_date(self.desk.trading_day())

    # --- what the checks read ------------------------------------------------------------------------------

    def _gather(self, intent: Intent, purpose: int, instrument: Instrument, price: Decimal | None) -> None:
        desk, account, facts = self.desk, self.desk.account, self._facts
        identifier = intent.instrument_id
        quote = account.quotes[identifier]
        live = desk.orders.live_orders()
        here = [order for order in live if order.instrument_id == identifier]
        newer = desk.options.lockstep and intent.row_ns >= quote.exchange_ns
        fresh = intent.reference_price if newer or purpose != ENTRY else quote.last
        limit_price = float(price) if price is not None else intent.reference_price
        fee_rate = desk.market.fee_rule(self._date()).fee_ppm / 1e6
        clock = desk.limit_ns()
        strategy = desk.counters.strategy(intent.strategy)
        same = desk.counters.repeats(_repeat_key(intent))
        held = desk.positions.view(identifier)
        equity = desk.equity()
        occupied = self._occupied(live)
        values = {
            "purpose": purpose,
            "trading_state": desk.trading_state,
            "readiness": desk.readiness,
            "armed": float(is_armed(desk.options, purpose == ENTRY, f"{intent.strategy}/{intent.version}")),
            "session_open": float(self._session_open(instrument)),
            "symbol_closed": float(len(desk.closed.get(identifier, ())) + len(desk.closed.get("", ()))),
            "quote_age_s": self._age_s(intent, quote.seen_ns),
            "qty": intent.qty,
            "reference_price": intent.reference_price,
            "fresh_price": fresh,
            "limit_price": limit_price,
            "off_tick": float(price is not None and not self._on_ladder(instrument, float(price))),
            "qty_step": instrument.qty_step,
            "min_qty": instrument.min_qty,
            "min_notional": max(instrument.min_notional, desk.market.min_notional),
            "max_notional": instrument.max_notional,
            "depth_qty": quote.ask_total if intent.side > 0 else quote.bid_total,
            "same_1s": same.count(clock, NS),
            "same_60s": same.count(clock),
            "intents_1s": strategy.count(clock, NS),
            "intents_60s": strategy.count(clock),
            "orders_1s": desk.counters.orders.count(clock, NS),
            "orders_60s": desk.counters.orders.count(clock),
            "entries_day": desk.counters.entries_day,
            "open_orders": len(live) + account.external_open(),
            "crossing": float(any(_crosses(order, intent.side, limit_price) for order in here)),
            "sellable_qty": self._sellable(held.qty, identifier, -held.sign if held.sign else -1, here),
            "cash": float(account.cash_total()) - account.reserved_cash(live, fee_rate),
            "share_room": -1.0,
            "fee_rate": fee_rate,
            "equity": equity,
            "symbol_exposure": account.exposure(identifier, here),
            "gross_exposure": self._gross(live),
            "position_count": len(occupied),
            "holds_symbol": float(identifier in occupied),
            "day_loss_pct": day_loss_pct(desk.day_base, equity),
        }
        facts[_PLACES] = [values[name] for name in FACT_FIELDS]

    def _session_open(self, instrument: Instrument) -> bool:
        market = self.desk.market
        if not instrument.tradable:
            return False
        second = ((self.desk.market_ns or self.desk.now.utc_ns) // NS + market.day_offset_s()) % 86_400
        return market.session_start_s <= second < market.session_end_s

    def _age_s(self, intent: Intent, seen_ns: int) -> float:
        """Return the age of the quote in seconds; an instrument that was never seen is infinitely old."""
        if self.desk.options.lockstep:
            return 0.0
        newest = max(seen_ns, min(intent.read_ns, self.desk.now.mono_ns)) if seen_ns else 0
        return (self.desk.now.mono_ns - newest) / NS if newest else 1e9

    def _on_ladder(self, instrument: Instrument, price: float) -> bool:
        step = price_step(self.desk.market, instrument, price, self._date())
        return abs(price / step - round(price / step)) < 1e-6

    def _sellable(self, held: int, identifier: str, side: int, here: list[Order]) -> int:
        """Return what can still be given back: held, not already on its way out, and there at the venue."""
        there = held if self.desk.capabilities.leverage else min(held, max(self.desk.account.held_units(identifier), 0))
        leaving = sum(order.leaves_qty for order in here if order.side == side)
        return there - leaving - self.desk.account.external_leaves(identifier, side)

    def sellable(self, identifier: str) -> int:
        """Return how much of our own position may be given back now, units of 1e-8."""
        held = self.desk.positions.view(identifier)
        side = -held.sign if held.sign else -1
        return self._sellable(held.qty, identifier, side, self.desk.orders.live_orders(identifier))

    def _gross(self, live: list[Order]) -> float:
        account = self.desk.account
        by_symbol: dict[str, list[Order]] = {}
        for order in live:
            by_symbol.setdefault(order.instrument_id, []).append(order)
        for identifier in account.exposed():
            by_symbol.setdefault(identifier, [])
        return sum(account.exposure(identifier, orders) for identifier, orders in by_symbol.items())

    def _occupied(self, live: list[Order]) -> set[str]:
        taken = {view.instrument_id for view in self.desk.positions.views()}
        return taken | {order.instrument_id for order in live if order.action not in (Action.EXIT, Action.FLATTEN, Action.STOP)}

    # --- after the decision ---------------------------------------------------------------------------------

    def _count(self, intent: Intent, decision: Decision) -> None:
        desk, clock = self.desk, self.desk.limit_ns()
        if decision.rule:
            desk.counters.refusals[decision.rule] += 1
        if decision.approved:
            desk.counters.orders.add(clock)
            if self.purpose(intent) == ENTRY:
                # A refused intent takes nothing from the cap: a signal that stays would keep the window full for ever (P24).
                desk.counters.strategy(intent.strategy).add(clock)
                desk.counters.repeats(_repeat_key(intent)).add(clock)
                desk.counters.entries_day += 1
            return
        desk.counters.refused.add(clock)
        if decision.rule == "repeat":
            desk.set_cause("repeat", HALTED, intent.strategy)

    def _clear_the_way(self, order: Order) -> None:
        """Cancel our own resting entries that an exit would meet; the venue's own prevention is the second line."""
        limit_price = float(order.price) if order.price is not None else 0.0
        for other in self.desk.orders.live_orders(order.instrument_id):
            if other.side != order.side and _crosses(other, order.side, limit_price or (math.inf if order.side > 0 else 0.0)):
                self.cancel(other, "self_trade")

    def cancel(self, order: Order, reason: str) -> None:
        """Journal a cancel request and let it out."""
        applied = self.desk.orders.event(order.client_order_id, OrderEvent.CANCEL_REQUESTED, self.desk.now.utc_ns, reason)
        if applied is None or applied.order.status is not OrderStatus.PENDING_CANCEL:
            return
        self.desk.took(applied)
        self.desk.do(Cancel(applied.order))


@lru_cache(maxsize=64)
def _as_date(day: int) -> dt.date:
    return dt.date(day // 10_000, day // 100 % 100, day % 100)


def day_loss_pct(base: float, equity: float) -> float:
    """Return the day's loss in percent of its opening equity; 0 when it is a gain or the base is unknown."""
    return max((base - equity) / base * 100.0, 0.0) if base > 0.0 else 0.0


def _ack(intent: Intent, decision: Decision) -> IntentAck:
    return IntentAck(
        intent_id=intent.intent_id, accepted=decision.approved, rule=decision.rule, limit=decision.limit, observed=decision.observed
    )


def _repeat_key(intent: Intent) -> tuple[str, str, int, float, int]:
    return (intent.strategy, intent.instrument_id, intent.side, intent.reference_price, intent.qty)


def _crosses(order: Order, side: int, price: float) -> bool:
    """Tell whether an own live order would trade with a new one on the other side."""
    if order.side == side or not order.leaves_qty:
        return False
    if order.price is None:
        return True
    return float(order.price) <= price if side > 0 else float(order.price) >= price
