"""What everybody may know of the exchange: instruments, books, trades, candles, statistics, steps, fees."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

from domain.exchange import Candle, DayStatistics, Level, PublicTrade
from domain.instruments import NS, Instrument, Market
from paper.book import FlowBook
from paper.history import TradeHistory
from paper.matching import RestingOrders


class InstrumentState:
    """One instrument: its flow, its tape, our resting orders."""

    def __init__(self) -> None:
        self.book = FlowBook()
        self.history = TradeHistory()
        self.resting = RestingOrders()
        self.has_book = False


class PublicSide:
    """The public half of `domain.exchange.ExchangeCore`.

    Attributes
    ----------
    market_ns : int
        Market time: the greatest venue time handled.
    """

    def __init__(self, market: Market, instruments: Sequence[Instrument]) -> None:
        self.market = market
        self.instruments = tuple(instruments)
        self.market_ns = 0
        self._index = {instrument.code: i for i, instrument in enumerate(self.instruments)}
        self._states = [InstrumentState() for _ in self.instruments]

    def index(self, code: str) -> int | None:
        return self._index.get(code)

    def book(self, index: int, depth: int) -> tuple[list[Level], list[Level]]:
        book = self._states[index].book
        return book.asks.levels(depth), book.bids.levels(depth)

    def book_time(self, index: int) -> tuple[int, int]:
        book = self._states[index].book
        return (book.exchange_ns, book.last_id) if self._states[index].has_book else (0, 0)

    def snapshot_id(self, index: int) -> int:
        return self._states[index].book.last_id

    def totals(self, index: int) -> tuple[float, float]:
        book = self._states[index].book
        return book.total(-1), book.total(1)

    def trades(self, index: int, limit: int) -> list[PublicTrade]:
        tape = self._states[index].history.tape
        return [tape[-1]] if limit == 1 and tape else list(tape)[-limit:]

    def candles(self, index: int, interval_s: int, end_ns: int, count: int) -> list[Candle]:
        return self._states[index].history.candles(interval_s, end_ns, count)

    def day(self, index: int) -> DayStatistics:
        return self._states[index].history.day(self.market_ns)

    def previous_close(self, index: int) -> tuple[int, float]:
        history = self._states[index].history
        return history.closed_day_ns, history.previous_close

    def last_24h(self, index: int) -> DayStatistics:
        return self._states[index].history.last_24h(self.market_ns)

    def price_step(self, index: int, price: Decimal) -> Decimal:
        own = self.instruments[index].price_step
        step = own or self.market.step_at(float(price), self._day())
        return Decimal(repr(step))

    def fee_rate(self) -> Decimal:
        return Decimal(self.market.fee_rule(self._day()).fee_ppm) / 1_000_000

    def _day(self) -> dt.date:
        return dt.datetime.fromtimestamp(self.market_ns // NS + self.market.day_offset_s(), dt.UTC).date()
