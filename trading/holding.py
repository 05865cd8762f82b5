"""What an open position cost and brought, order by order.

What an order fills on one row is summed by itself before it meets what was there: that is how the engine books an order that fills on
several levels, or in parts on several rows, and sums of float64 hang on their order.
"""

from __future__ import annotations

from domain.order_settings import SPLITS_MAX
from trading.numbers import UNIT_F
from trading.order_rules import cost_left


class Holding:
    """One position; quantities in units of 1e-8, amounts unrounded.

    `entries` and `exits` count the orders that were filled; `amount` is what the steps of a split position take their shares of, and
    `base_price` 현재가 of the newest entry's signal.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget the position."""
        self.entries = self.exits = 0
        self.bought = 0
        self.amount = self.base_price = 0.0
        self._order, self._row = "", 0
        self._is_entry = True
        self._order_raw, self._order_qty = 0.0, 0
        self._entry_raw = self._exit_raw = self._open_raw = 0.0  # before the newest order
        self._held = 0

    def take(self, order: str, qty: int, price: float, is_entry: bool, row: int = 0) -> None:
        """Add a fill of an order, met on the row of time `row`."""
        if (order, row) != (self._order, self._row):
            self._entry_raw, self._exit_raw, self._open_raw, self._held = self.entry_raw, self.exit_raw, self.open_raw, self.held
            self.entries += is_entry and order != self._order
            self.exits += not is_entry and order != self._order
            self._order, self._row, self._is_entry, self._order_raw, self._order_qty = order, row, is_entry, 0.0, 0
        self._order_raw += price * (qty / UNIT_F)
        self._order_qty += qty
        if is_entry:
            self.bought += qty

    def restore(self, qty: int, cost: float, brought: float) -> None:
        """Take a position of which nobody knows the steps: no further one is bought."""
        self.clear()
        self.entries, self.bought, self.amount = SPLITS_MAX, qty, cost
        self._entry_raw = self._open_raw = cost
        self._exit_raw, self._held = brought, qty

    @property
    def held(self) -> int:
        """Units bought and not yet sold."""
        return self._held + (self._order_qty if self._is_entry else -self._order_qty)

    @property
    def entry_raw(self) -> float:
        """Amount of all entries."""
        return self._entry_raw + self._order_raw if self._is_entry else self._entry_raw

    @property
    def exit_raw(self) -> float:
        """Amount of all exits."""
        return self._exit_raw if self._is_entry else self._exit_raw + self._order_raw

    @property
    def open_raw(self) -> float:
        """What the units still held cost."""
        if self._is_entry:
            return self._open_raw + self._order_raw
        return float(cost_left(self._open_raw, self._held, self._order_qty, 0)[0]) if self._held else 0.0
