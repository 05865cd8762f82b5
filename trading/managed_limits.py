"""Limit orders of the order settings in the live strategy host: on their way, in the book, taken back, moved.

A row decides as a row of the back-test does (`backtester/managed.py`, decision 51): what rests may be cancelled or moved, and an exit
takes it out of the book first. In a back-test that happens at once. Here the venue has to agree: what is to follow waits as a `Plan`
until the order in the way has ended, and while it is on its way no code runs for the symbol. A replacement is a cancel and a new order for
what is left, on every venue (docs/decisions/0056).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from domain.orders import Action, Intent, Order, OrderKind, make_intent_id, price_decimal
from trading.numbers import day_seconds
from trading.order_rules import ENTRY, EXIT, REPLACES, cancel_is_due, is_buying, limit_price, replace_is_due, replace_price
from trading.resting import REPLACED_STEP, Plan, Resting

if TYPE_CHECKING:
    from trading.managed_codes import ManagedCodes
    from trading.symbol import Symbol

log = logging.getLogger(__name__)

SIDES = {Action.ENTRY: ENTRY, Action.EXIT: EXIT}


@dataclass(slots=True)
class Turn:
    """A row of a symbol as far as its order is concerned.

    `resting` is what stands in the book for the rest of the row; `is_quiet`: no code runs; `has_ended`: no entry begins.
    """

    resting: Action | None = None
    is_quiet: bool = False
    has_ended: bool = False
    takes_back: bool = False
    plan: Plan | None = None


class ManagedLimits:
    """The resting orders of one strategy.

    Parameters
    ----------
    codes : ManagedCodes
        Whose settings they follow.
    """

    def __init__(self, codes: ManagedCodes) -> None:
        self.codes = codes
        self.host = codes.host

    # --- on a row ---------------------------------------------------------------------------------------

    def begin(self, symbol: Symbol, has_filled: bool, is_inside: bool, was_inside: bool) -> Turn:
        """Ask what becomes of the order under way; `has_filled`: it was filled, whole or in part, since the row before."""
        if has_filled or (symbol.pending is not None and not symbol.is_resting):
            return Turn(is_quiet=True)
        resting = symbol.resting
        if resting is None or symbol.pending is None:
            return Turn()
        codes, is_exit = self.codes, resting.action is Action.EXIT
        side, seconds = codes.rules[SIDES[resting.action]], day_seconds(symbol.row_time, codes.interval_s)
        if not self.host.is_live:
            return Turn(is_quiet=True)
        if self.host.disabled and not is_exit:
            return Turn(takes_back=True, has_ended=True)
        if cancel_is_due(side, is_exit, float(seconds - resting.since_s), is_inside, was_inside):
            return Turn(takes_back=True, has_ended=True)
        buying, own_step = is_buying(is_exit, resting.sign), symbol.instrument.price_step
        if self.host.may_act() and replace_is_due(
            side, buying, resting.replaced, resting.price, symbol.last_price, codes.ladder, symbol.day, own_step
        ):
            price = float(replace_price(side, buying, symbol.last_price, codes.ladder, symbol.day, own_step))
            plan = Plan(price=price, rule=resting.rule, label=resting.label, is_replacement=True)
            return Turn(resting.action, has_ended=True, takes_back=True, plan=plan)
        return Turn(resting.action)

    def end(self, symbol: Symbol, turn: Turn) -> None:
        """Let out what the row has decided."""
        if turn.takes_back:
            self.take_back(symbol, turn.plan)
        elif turn.plan is not None:
            self._exit(symbol, turn.plan)

    def close(self, symbol: Symbol, read_ns: int, step: int) -> bool:
        """Take back what rests and sell what is held, at the end of the day; tell whether anything was asked for."""
        plan = Plan(is_forced=True, step=step, read_ns=read_ns)
        if symbol.pending is not None:
            if symbol.is_resting:
                self.take_back(symbol, plan)
            elif symbol.resting is not None and symbol.resting.is_leaving:
                symbol.resting.plan = plan
            return symbol.resting is not None
        if symbol.qty and symbol.is_own:
            self._exit(symbol, plan)
            return True
        return False

    def price(self, side: int, sign: int, symbol: Symbol, ask1: float, bid1: float) -> float:
        """Return the price of a new limit order; 0 when what it is counted from has none."""
        codes = self.codes
        own_step = symbol.instrument.price_step
        return float(limit_price(codes.rules[side], side == EXIT, sign, symbol.last_price, ask1, bid1, codes.ladder, symbol.day, own_step))

    # --- out and back ---------------------------------------------------------------------------------------

    def order(self, symbol: Symbol, action: Action, sign: int, units: int, price: float, plan: Plan) -> None:
        """Ask for a limit order; a replacement goes on as the order that it replaces."""
        before = symbol.resting if plan.is_replacement else None
        replaced = 0 if before is None else before.replaced + 1
        step = REPLACED_STEP + replaced if replaced else plan.step
        root = "" if before is None else before.root
        since_s = int(day_seconds(symbol.row_time, self.codes.interval_s))
        resting = Resting(action, sign, root, price, since_s, replaced, plan.rule, plan.label)
        side = sign if action is Action.ENTRY else -sign
        self.host.emit(
            symbol, action, side, units, plan.read_ns, plan.rule, plan.label, is_forced=False, step=step,
            price=price_decimal(price), resting=resting,
        )  # fmt: skip

    def take_back(self, symbol: Symbol, plan: Plan | None) -> None:
        """Ask the trader to cancel what rests; `plan` follows when it has ended."""
        resting, order, intent = symbol.resting, symbol.order, symbol.pending
        if resting is None or order is None or intent is None:
            return
        resting.is_leaving, resting.plan = True, plan
        self.host.waiting[intent.intent_id] = symbol
        self.host.cancel(order)

    def follow(self, symbol: Symbol) -> None:
        """Go on after a resting order has ended."""
        resting = symbol.resting
        if resting is None or symbol.pending is not None:
            return
        plan = resting.plan
        if plan is None or not self.host.may_act():
            symbol.resting = None
            return
        symbol.take_late()  # a cancel that crossed with a fill
        if plan.is_replacement:
            if resting.left > 0:
                self.order(symbol, resting.action, resting.sign, resting.left, plan.price, plan)
        elif symbol.qty and symbol.is_own:
            symbol.resting = None
            self._exit(symbol, plan)
        if symbol.pending is None:
            symbol.resting = None

    def _exit(self, symbol: Symbol, plan: Plan) -> None:
        units = symbol.qty if plan.is_forced else min(plan.units, symbol.qty)
        if units <= 0:
            return
        if plan.price > 0.0:
            self.order(symbol, Action.EXIT, symbol.sign, units, plan.price, plan)
            return
        self.host.emit(
            symbol, Action.EXIT, -symbol.sign, units, plan.read_ns, plan.rule, plan.label, is_forced=plan.is_forced, step=plan.step
        )

    # --- found at the start -----------------------------------------------------------------------------------

    def adopt(self, symbol: Symbol, order: Order) -> bool:
        """Go on with an order of an earlier life of this strategy; False when it is not one.

        Its intent's id says so, and how often it was replaced. When it was given counts from its own row.
        """
        host, side = self.host, self.codes.rules[SIDES[order.action]]
        for replaced in range(int(side[REPLACES]) + 1):
            step = REPLACED_STEP + replaced if replaced else 0
            text, code = host.text, symbol.instrument.code
            name = make_intent_id(host.account, text.name, text.version, code, order.row_time, order.action.value, step)
            if name == order.intent_id:
                break
        else:
            return False
        price = float(order.price or 0)
        sign = order.side if order.action is Action.ENTRY else -order.side
        since_s = int(day_seconds(order.row_time, self.codes.interval_s))
        resting = Resting(order.action, sign, order.intent_id, price, since_s, replaced, order.rule, order.label)
        intent = Intent(
            intent_id=order.intent_id, account=order.account, strategy=text.name, version=text.version,
            instrument_id=order.instrument_id, action=order.action, side=order.side, qty=order.qty, reference_price=price,
            row_time=order.row_time, step=step, rule=order.rule, label=order.label, kind=OrderKind.LIMIT, price=order.price,
        )  # fmt: skip
        symbol.adopt(intent, resting, order)
        log.info("event=order_adopted code=%s client_order_id=%s replaced=%d", code, order.client_order_id, replaced)
        return True
