"""What a pulled kill switch does: cancel, then give everything back inside the collar (reliability 8).

Cancels go first; after they have ended, or three seconds, each position is sold by limit orders that
cannot rest, again every two seconds with a wider collar and at last at the market. What the venue
refuses is listed and tried again; the latch stays whatever happens.
"""

from __future__ import annotations

from domain.instruments import NS
from domain.orders import Action, Intent, OrderKind, OrderStatus, make_intent_id, price_decimal
from trading.desk import Desk
from trading.effects import Cancel
from trading.gateway import Gateway
from trading.kill_switch import CANCEL, ENTRIES, FLATTEN, FREEZE, NONE, Latch, severity
from trading.risk import ACTIVE, FROZEN, HALTED, LIMIT, REDUCING
from trading.statements import external_order

CANCEL_WAIT_NS = 3 * NS
REQUOTE_NS = 2 * NS
SLOW_NS = 10 * NS
WIDENING = (1.0, 1.5, 2.0)
"""Collar of each try; afterwards the market, every ten seconds."""

STATE_OF_LEVEL = {NONE: ACTIVE, ENTRIES: REDUCING, CANCEL: REDUCING, FLATTEN: HALTED, FREEZE: FROZEN}


class KillActions:
    """Carries out the latch's level.

    Parameters
    ----------
    desk : Desk
    gateway : Gateway
    """

    def __init__(self, desk: Desk, gateway: Gateway) -> None:
        self.desk = desk
        self.gateway = gateway
        self.cancelled = 0
        self.flattened: set[str] = set()
        self._pulled_ns = 0
        self._tries: dict[str, int] = {}
        self._due: dict[str, int] = {}

    def adopt(self) -> None:
        """Apply a level that was pulled before this start."""
        latch = self.desk.kill.changed() or self.desk.kill.state
        self._enter(latch, journal=latch.level != NONE)

    def tick(self) -> None:
        """Notice a pull or a re-arm, and go on with what the level asks for."""
        latch = self.desk.kill.changed()
        if latch is not None:
            self._enter(latch, journal=True)
        level = self.desk.kill.state.level
        if severity(level) >= severity(CANCEL):
            self._cancel_all()
        if level == FLATTEN:
            self._flatten()

    def _enter(self, latch: Latch, journal: bool) -> None:
        desk = self.desk
        desk.set_cause("kill", STATE_OF_LEVEL[latch.level], latch.level if latch.level != NONE else "")
        if not journal:
            return
        self._pulled_ns = desk.now.mono_ns
        self._tries.clear()
        self._due.clear()
        row = {"id": 1, "level": latch.level, "actor": latch.actor, "reason": latch.reason, "utc_ns": latch.utc_ns}
        desk.ledger.write("latch", row)
        if latch.level == NONE:
            for cause in ("rejects", "repeat", "forged", "loss", "halt"):
                desk.set_cause(cause, ACTIVE)
        desk.alarm("kill.level", 50 if latch.level != NONE else 20, pulled=latch.level, actor=latch.actor, reason=latch.reason)

    def _cancel_all(self) -> None:
        """Cancel every open order of the account, other people's too, but for what sells for us now."""
        desk = self.desk
        for order in desk.orders.live_orders():
            if order.status is not OrderStatus.PENDING_CANCEL and order.action not in (Action.FLATTEN, Action.STOP):
                if order.kind is OrderKind.MARKET:
                    continue  # ends by itself
                self.gateway.cancel(order, "kill")
                self.cancelled += 1
        for number, statement in list(desk.account.external.items()):
            key = " ".join(number)
            if self._due.get(key, 0) <= desk.now.mono_ns:
                self._due[key] = desk.now.mono_ns + REQUOTE_NS
                desk.do(Cancel(external_order(statement, desk.account_id)))
                self.cancelled += 1

    def _flatten(self) -> None:
        desk = self.desk
        waiting = any(not order.in_doubt and order.action is not Action.FLATTEN for order in desk.orders.live_orders())
        if waiting and desk.now.mono_ns - self._pulled_ns < CANCEL_WAIT_NS:
            return
        held = {view.instrument_id: view for view in desk.positions.views()}
        self.flattened |= {name for name in self._tries if name not in held}
        for identifier, view in held.items():
            if desk.now.mono_ns < self._due.get(identifier, 0):
                continue
            tries = self._tries.get(identifier, 0)
            self._tries[identifier] = tries + 1
            self._due[identifier] = desk.now.mono_ns + (REQUOTE_NS if tries < len(WIDENING) else SLOW_NS)
            if tries == len(WIDENING):
                desk.alarm("kill.remaining", 50, instrument_id=identifier, qty=view.qty)
            self._sell(identifier, -view.sign, tries)

    def _sell(self, identifier: str, side: int, tries: int) -> None:
        desk = self.desk
        qty = self.gateway.sellable(identifier)
        price = desk.account.price(identifier) or desk.positions.view(identifier).entry_price
        if qty <= 0 or price <= 0.0:
            return
        limit = None
        if tries < len(WIDENING):
            collar = float(desk.limits[LIMIT["collar_pct"]]) / 100.0 * WIDENING[tries]
            limit = price_decimal(self.gateway.collar_price(desk.account.instruments[identifier], price, side, collar))
        intent = Intent(
            intent_id=make_intent_id(
                desk.account_id, "kill", str(desk.kill.state.utc_ns), identifier, desk.ledger.epoch, Action.FLATTEN.value, tries
            ),
            account=desk.account_id,
            strategy="kill",
            version="",
            instrument_id=identifier,
            action=Action.FLATTEN,
            side=side,
            qty=qty,
            reference_price=price,
            row_time=0,
            kind=OrderKind.MARKET if limit is None else OrderKind.LIMIT,
            price=limit,
        )
        self.gateway.answer(intent)

    def remaining(self) -> list[str]:
        """Return the instruments that are still held."""
        return [view.instrument_id for view in self.desk.positions.views()]
