"""Orders of a strategy that stand in the venue's book: they may not stand longer than they might be begun.

What stops entries (a halt, a pulled kill switch, a lost stream, main's death) takes resting entries back, too, and a trader that is
stopped in order leaves nothing of a strategy behind: nobody would cancel or move it. Orders of a person stay.
"""

from __future__ import annotations

from domain.instruments import NS
from domain.orders import Action, Order, OrderStatus
from trading.desk import Desk
from trading.doubt import Doubts
from trading.effects import Effect, Moment
from trading.gateway import Gateway
from trading.resting import is_of_strategy
from trading.risk import REDUCING

AGAIN_NS = NS
"""A cancel that was refused is asked for again after this."""


class Standing:
    """Watches the resting orders of one desk.

    Parameters
    ----------
    desk : Desk
    gateway : Gateway
    doubts : Doubts
    """

    def __init__(self, desk: Desk, gateway: Gateway, doubts: Doubts) -> None:
        self.desk = desk
        self.gateway = gateway
        self.doubts = doubts
        self._due: dict[str, int] = {}

    def orders(self) -> list[Order]:
        """Return the orders of strategies that rest and that nobody takes back yet."""
        return [one for one in self.desk.orders.live_orders() if is_of_strategy(one) and one.status is not OrderStatus.PENDING_CANCEL]

    def tick(self) -> None:
        """Take entries back where entries are stopped."""
        desk = self.desk
        if desk.trading_state < REDUCING:
            self._due.clear()
            return
        for order in self.orders():
            if order.action is Action.ENTRY and desk.now.mono_ns >= self._due.get(order.client_order_id, 0):
                self._due[order.client_order_id] = desk.now.mono_ns + AGAIN_NS
                self._cancel(order, "halted")

    def retire(self, now: Moment) -> list[Effect]:
        """Take everything back, at the end of this process."""
        desk = self.desk
        desk.begin(now)
        for order in self.orders():
            self._cancel(order, "stopped")
        return desk.finish("cancel", "trader")

    def is_left(self) -> bool:
        """Tell whether an order of a strategy may still be in the book."""
        return any(is_of_strategy(order) for order in self.desk.orders.live_orders())

    def _cancel(self, order: Order, reason: str) -> None:
        self.gateway.cancel(order, reason)
        self.doubts.settle(self.desk.orders.get(order.client_order_id) or order)
