"""The external order book of one instrument: what the recorded or made flow says, and what we took.

Own orders never change the flow. What an aggressive order of ours takes from a level stays taken
until the flow restates that level with another size; own resting orders do not show in it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

import numpy as np

from domain.exchange import Level
from domain.records import FIRST, INVALID, LAST, LEVEL, SNAPSHOT, TOTAL


class BookSide:
    """Sizes by price in units of 1e-8; `sign` +1 bids (best = highest), −1 asks (best = lowest)."""

    __slots__ = ("_prices", "sign", "sizes", "taken")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.sizes: dict[float, int] = {}
        self.taken: dict[float, int] = {}
        self._prices: list[float] = []

    def set(self, price: float, size: int) -> None:
        """State a level's absolute size; 0 removes it."""
        known = self.sizes.get(price)
        if size > 0:
            if known is None:
                insort(self._prices, price)
            self.sizes[price] = size
        elif known is not None:
            del self.sizes[price]
            del self._prices[bisect_left(self._prices, price)]
        if size != known:
            self.taken.pop(price, None)

    def replace(self, levels: dict[float, int]) -> None:
        """State the whole side; a level that says the same size as before keeps what was taken."""
        self.taken = {price: qty for price, qty in self.taken.items() if levels.get(price) == self.sizes.get(price)}
        self.sizes = levels
        self._prices = sorted(levels)

    def best(self) -> float:
        """Return the best price, 0 when the side is empty."""
        if not self._prices:
            return 0.0
        return self._prices[-1] if self.sign > 0 else self._prices[0]

    def levels(self, depth: int) -> list[Level]:
        """Return the best `depth` levels as stated by the flow."""
        prices = self._prices[: -depth - 1 : -1] if self.sign > 0 else self._prices[:depth]
        return [(price, self.sizes[price]) for price in prices]

    def available(self) -> Iterator[Level]:
        """Yield what is left at each level, best first."""
        for price in reversed(self._prices) if self.sign > 0 else self._prices:
            left = self.sizes[price] - self.taken.get(price, 0)
            if left > 0:
                yield price, left

    def take(self, price: float, qty: int) -> None:
        """Note that an order of ours took `qty` at a level."""
        self.taken[price] = self.taken.get(price, 0) + qty


class FlowBook:
    """Both sides, the venue clock and the update id of the last book event."""

    def __init__(self) -> None:
        self.bids = BookSide(1)
        self.asks = BookSide(-1)
        self.exchange_ns = 0
        self.last_id = 0
        self.ask_total = 0.0
        self.bid_total = 0.0
        self.is_valid = False
        self.gaps = 0
        self.changed: list[tuple[int, float, int, int]] = []
        """Levels of the last message whose size changed: (side, price, before, after)."""

    def side(self, sign: int) -> BookSide:
        """Return the bids for +1, the asks for −1."""
        return self.bids if sign > 0 else self.asks

    def apply(self, events: np.ndarray) -> bool:
        """Apply one book message; False when it was old, or left the book invalid.

        Parameters
        ----------
        events : ndarray of EVENT_DTYPE
            The records of one message, FIRST to LAST, or one INVALID.
        """
        self.changed = []
        head, last = events[0], events[-1]
        kind = int(head["kind"])
        if kind == INVALID:
            self.is_valid = False
            return False
        assert head["flags"] & FIRST
        assert last["flags"] & LAST
        if kind == LEVEL:
            return self._delta(events, int(head["first_id"]), int(last["last_id"]), int(last["exchange_ns"]))
        self._picture(events)
        self.last_id = max(self.last_id + 1, int(last["last_id"])) if not last["last_id"] else int(last["last_id"])
        self.exchange_ns = max(self.exchange_ns, int(last["exchange_ns"]))
        self.is_valid = True
        return True

    def _delta(self, events: np.ndarray, first_id: int, last_id: int, exchange_ns: int) -> bool:
        if not self.is_valid:
            return False
        if last_id <= self.last_id:
            return False
        if first_id > self.last_id + 1:
            self.is_valid = False
            self.gaps += 1
            return False
        for price, qty, sign in zip(events["price"].tolist(), events["qty"].tolist(), events["side"].tolist(), strict=True):
            if sign:
                self._state(sign, price, qty)
        self.last_id = last_id
        self.exchange_ns = exchange_ns
        return True

    def _state(self, sign: int, price: float, qty: int) -> None:
        side = self.bids if sign > 0 else self.asks
        before = side.sizes.get(price, 0)
        if before != qty:
            self.changed.append((sign, price, before, qty))
        side.set(price, qty)

    def _picture(self, events: np.ndarray) -> None:
        new: dict[int, dict[float, int]] = {1: {}, -1: {}}
        totals = {1: 0.0, -1: 0.0}
        for kind, price, qty, sign in zip(
            events["kind"].tolist(), events["price"].tolist(), events["qty"].tolist(), events["side"].tolist(), strict=True
        ):
            if kind == SNAPSHOT and qty > 0:
                new[sign][price] = qty
            elif kind == TOTAL:
                totals[sign] = price
        for sign in (1, -1):
            side = self.side(sign)
            levels = new[sign]
            for price, before in side.sizes.items():
                after = levels.get(price, 0)
                if after != before:
                    self.changed.append((sign, price, before, after))
            for price, after in levels.items():
                if price not in side.sizes:
                    self.changed.append((sign, price, 0, after))
            side.replace(levels)
        self.ask_total, self.bid_total = totals[-1], totals[1]

    def total(self, sign: int) -> float:
        """Return a side's published total, else the sum of what is known of it."""
        published = self.bid_total if sign > 0 else self.ask_total
        if published > 0.0:
            return published
        return sum(self.side(sign).sizes.values()) / 1e8
