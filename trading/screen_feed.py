"""What the receiver shows the screen: public trades, the watched book, its forming bar; conflated, never more often than asked.

Nothing here touches a row. The recorder and the strategy have everything; a screen needs what changed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from domain.instruments import NS, QTY_UNIT
from domain.messages import Events, LiveBar, Message
from domain.records import EVENT_DTYPE, INVALID, TRADE
from utility.sequence import VIEW

SCREEN_TRADES_MAX = 1_000
BARS_EVERY = 2
"""The forming bar is told with every second picture."""


class ScreenFeed:
    """Public trades and the forming bars of one market.

    Parameters
    ----------
    market : str
    interval_s : int
        Of the rows, which is what a forming bar covers.
    count : int
        Number of instruments.
    publish : callable (stream, message) -> seq
    """

    def __init__(self, market: str, interval_s: int, count: int, publish: Callable[[bytes, Message], int]) -> None:
        self.watched = 0
        self.book_is_new = False
        self._market = market
        self._interval_s = interval_s
        self._publish = publish
        self._trades: list[np.ndarray] = []
        self._trade_count = 0
        self._start_ns = np.zeros(count, np.int64)
        self._bars = np.zeros((count, 6))  # open, high, low, close, bought, sold
        self._bar_is_new = False
        self._turn = 0

    def take(self, events: np.ndarray) -> None:
        """Note one frame."""
        kinds = events["kind"]
        if int(kinds[0]) == TRADE and self._trade_count < SCREEN_TRADES_MAX:
            trades = events if len(events) == 1 else events[kinds == TRADE]
            self._trades.append(trades)
            self._trade_count += len(trades)
        if int(kinds[-1]) not in (TRADE, INVALID) and int(events["instrument"][-1]) == self.watched:
            self.book_is_new = True

    def watch(self, index: int) -> None:
        """Choose the instrument whose book and forming bar are told."""
        self.watched = index
        self.book_is_new = self._bar_is_new = True

    def show(self) -> None:
        """Publish what came since the last call."""
        self._turn += 1
        if self._trades:
            trades = np.concatenate(self._trades) if len(self._trades) > 1 else self._trades[0]
            self._trades, self._trade_count = [], 0
            self._publish(VIEW, Events(market=self._market, count=len(trades), data=trades.astype(EVENT_DTYPE, copy=False).tobytes()))
            for index in np.unique(trades["instrument"]).tolist():
                self._form(index, trades[trades["instrument"] == index])
        if self._bar_is_new and self._turn % BARS_EVERY == 0 and self._start_ns[self.watched]:
            self._bar_is_new = False
            self._publish(VIEW, self.live_bar())

    def live_bar(self) -> LiveBar:
        """Return the forming bar of the watched instrument."""
        opening, high, low, close, bought, sold = self._bars[self.watched].tolist()
        return LiveBar(
            market=self._market,
            instrument=self.watched,
            interval_s=self._interval_s,
            start_ns=int(self._start_ns[self.watched]),
            open=opening,
            high=high,
            low=low,
            close=close,
            buy_volume=bought,
            sell_volume=sold,
        )

    def _form(self, index: int, trades: np.ndarray) -> None:
        step = self._interval_s * NS
        starts = trades["exchange_ns"] // step * step
        newest = int(starts.max())
        if newest < self._start_ns[index]:
            return  # late ones; their row is out
        trades = trades[starts == newest]
        prices, sizes = trades["price"], trades["qty"] / QTY_UNIT
        bar = self._bars[index]
        if newest > self._start_ns[index]:
            self._start_ns[index] = newest
            bar[:] = prices[0], prices[0], prices[0], prices[0], 0.0, 0.0
        bar[1], bar[2], bar[3] = max(bar[1], prices.max()), min(bar[2], prices.min()), prices[-1]
        bought = trades["side"] > 0
        bar[4] += sizes[bought].sum()
        bar[5] += sizes[~bought].sum()
        self._bar_is_new |= index == self.watched
