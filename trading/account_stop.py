"""손실중지 and 수익중지 of a live account: entries stop and everything leaves until the next day (workstation 5.5).

The rule is `trading.risk.stop_is_crossed`, which a portfolio back-test asks, too. It is looked at on every row, before the intents of the
row are judged; what is held leaves at the market on the next row of its symbol, in a replay at no other moment: both worlds sell alike.
"""

from __future__ import annotations

from collections.abc import Callable

from domain.instruments import NS
from domain.messages import Rows
from domain.orders import Action, Intent, OrderKind, OrderStatus, TimeInForce, make_intent_id
from trading.desk import Desk
from trading.gateway import Gateway
from trading.market_intake import MarketIntake
from trading.order_rules import ACCOUNT_RULE
from trading.risk import ACTIVE, READY, REDUCING, stop_is_crossed
from trading.trades import EXIT_LABELS

CAUSE = "account_stop"
AGAIN_NS = 2 * NS
"""A symbol that did not leave is tried again after so long where no row comes first."""


class AccountStop:
    """Watches the day's profit of a desk and sends everybody out.

    Parameters
    ----------
    desk : Desk
        Its options hold the two percentages; its cursors remember the day that was stopped, across a crash.
    gateway : Gateway
        Judges what leaves.
    """

    def __init__(self, desk: Desk, gateway: Gateway) -> None:
        self.desk = desk
        self.gateway = gateway
        self._due: dict[str, int] = {}
        self._sent = 0

    def on_rows(self, message: Rows, intake: MarketIntake, enter_day: Callable[[], None]) -> None:
        """Look at the day's profit after rows were taken in, and sell what is held of their symbols; `enter_day` begins a day first."""
        if any(self.desk.options.stops):
            enter_day()
            self._watch()
            self._send_out(intake.row_times(message))

    def _watch(self) -> None:
        """Begin and end the stop."""
        desk, day = self.desk, str(self.desk.trading_day())
        if desk.cursors.get(CAUSE, "") == day:
            desk.set_cause(CAUSE, REDUCING, day)
            return
        if CAUSE in desk.causes:
            desk.set_cause(CAUSE, ACTIVE)
        if desk.day_base <= 0.0 or desk.readiness != READY:
            return
        if any(desk.account.price(view.instrument_id) <= 0.0 for view in desk.positions.views()):
            return
        worth, (loss_pct, gain_pct) = desk.equity(), desk.options.stops
        if not stop_is_crossed(desk.day_base, worth, loss_pct, gain_pct):
            return
        desk.cursors[CAUSE] = day
        desk.ledger.cursor(CAUSE, day)
        desk.set_cause(CAUSE, REDUCING, day)
        desk.alarm("trader.account_stop", 50, profit=f"{worth - desk.day_base:,.2f}", loss_pct=loss_pct, gain_pct=gain_pct)

    def _send_out(self, rows: dict[str, int]) -> None:
        """Cancel what rests and sell what is held in these symbols: identifier → row time."""
        desk = self.desk
        if CAUSE not in desk.causes:
            return
        for order in desk.orders.live_orders():
            rests = order.kind is OrderKind.LIMIT and order.time_in_force is not TimeInForce.IOC
            if rests and order.status is not OrderStatus.PENDING_CANCEL:
                self.gateway.cancel(order, CAUSE)
        for view in desk.positions.views():
            if view.instrument_id in rows:
                self._sell(view.instrument_id, -view.sign, rows[view.instrument_id])

    def tick(self) -> None:
        """Try again what has not left and gets no row; not in a replay, whose orders belong to rows."""
        desk = self.desk
        if CAUSE not in desk.causes or desk.options.lockstep:
            return
        held = [view.instrument_id for view in desk.positions.views()]
        self._send_out({name: 0 for name in held if desk.now.mono_ns >= self._due.get(name, 0)})

    def _sell(self, identifier: str, side: int, row_time: int) -> None:
        desk = self.desk
        qty, price = self.gateway.sellable(identifier), desk.account.price(identifier)
        if qty <= 0 or price <= 0.0:
            return
        self._due[identifier] = desk.now.mono_ns + AGAIN_NS
        self._sent += 1
        self.gateway.answer(
            Intent(
                intent_id=make_intent_id(desk.account_id, CAUSE, "", identifier, desk.ledger.epoch, Action.STOP.value, self._sent),
                account=desk.account_id,
                strategy=CAUSE,
                version="",
                instrument_id=identifier,
                action=Action.STOP,
                side=side,
                qty=qty,
                reference_price=price,
                row_time=row_time,
                rule=ACCOUNT_RULE,
                label=EXIT_LABELS[ACCOUNT_RULE],
                force=True,
            )
        )
