"""What a venue remembers of its public trades: the tape, candles, statistics of the day."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from domain.exchange import Candle, DayStatistics, PublicTrade
from domain.instruments import DAY_S, NS

TAPE = 2_000
SECONDS = 7_200
MINUTES = 20_000
DAYS = 400


@dataclass
class _Bar:
    open: float
    high: float
    low: float
    close: float
    volume: float = 0.0
    value: float = 0.0
    count: int = 0
    buy_volume: float = 0.0
    buy_value: float = 0.0
    last_ns: int = 0
    first_id: int = 0
    last_id: int = 0

    def add(self, trade: PublicTrade) -> None:
        price, qty = trade.price, trade.qty / 1e8
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.close = price
        self.volume += qty
        self.value += price * qty
        self.count += 1
        if trade.side > 0:
            self.buy_volume += qty
            self.buy_value += price * qty
        self.last_ns = max(self.last_ns, trade.exchange_ns)
        self.first_id = self.first_id or trade.number
        self.last_id = trade.number


@dataclass
class _Series:
    interval_s: int
    limit: int
    bars: dict[int, _Bar] = field(default_factory=dict)

    def add(self, trade: PublicTrade) -> None:
        start = trade.exchange_ns // (self.interval_s * NS) * self.interval_s
        bar = self.bars.get(start)
        if bar is None:
            bar = self.bars[start] = _Bar(trade.price, trade.price, trade.price, trade.price)
            if len(self.bars) > self.limit:
                del self.bars[next(iter(self.bars))]
        bar.add(trade)


class TradeHistory:
    """Trades of one instrument. Candles exist only where something traded."""

    def __init__(self) -> None:
        self.tape: deque[PublicTrade] = deque(maxlen=TAPE)
        self.previous_close = math.nan
        self.closed_day_ns = 0
        self._seconds = _Series(1, SECONDS)
        self._minutes = _Series(60, MINUTES)
        self._days = _Series(DAY_S, DAYS)

    def add(self, trade: PublicTrade) -> None:
        """Note a trade."""
        self.tape.append(trade)
        for series in (self._seconds, self._minutes, self._days):
            series.add(trade)

    def close_before(self, price: float, exchange_ns: int) -> None:
        """Note the close of the day before the one of `exchange_ns`."""
        self.previous_close = price
        self.closed_day_ns = (exchange_ns // (DAY_S * NS) - 1) * DAY_S * NS

    @property
    def last(self) -> float:
        """Last price, NaN while nothing traded."""
        return self.tape[-1].price if self.tape else math.nan

    def candles(self, interval_s: int, end_ns: int, count: int) -> list[Candle]:
        """Return the newest `count` candles that start before `end_ns`, oldest first."""
        source = self._days if interval_s >= DAY_S else self._minutes if interval_s >= 60 else self._seconds
        grouped: dict[int, _Bar] = {}
        for start, bar in reversed(source.bars.items()):
            if start * NS >= end_ns:
                continue
            begin = start // interval_s * interval_s
            if begin * NS >= end_ns:
                continue
            whole = grouped.get(begin)
            if whole is None:
                if len(grouped) == count:
                    break
                grouped[begin] = _Bar(**vars(bar))
            else:  # `bar` is older than what is already in `whole`
                whole.open = bar.open
                whole.high, whole.low = max(whole.high, bar.high), min(whole.low, bar.low)
                whole.volume += bar.volume
                whole.value += bar.value
                whole.count += bar.count
                whole.buy_volume += bar.buy_volume
                whole.buy_value += bar.buy_value
                whole.first_id = bar.first_id
        return [Candle(start * NS, *vars(bar).values()) for start, bar in sorted(grouped.items())]

    def day(self, market_ns: int) -> DayStatistics:
        """Return the statistics since 00:00 UTC."""
        start = market_ns // (DAY_S * NS) * DAY_S
        bar = self._days.bars.get(start)
        return self._statistics([bar] if bar else [])

    def last_24h(self, market_ns: int) -> DayStatistics:
        """Return the statistics of the last 24 hours, by whole minutes."""
        start = (market_ns // NS - DAY_S) // 60 * 60
        bars = []
        for begin, bar in reversed(self._minutes.bars.items()):
            if begin < start:
                break
            bars.append(bar)
        return self._statistics(bars[::-1])

    def _statistics(self, bars: list[_Bar]) -> DayStatistics:
        close = self.previous_close
        if not bars:
            last = self.last
            return DayStatistics(math.nan, math.nan, math.nan, last, 0.0, 0.0, 0.0, 0.0, 0, 0, 0, 0, close)
        return DayStatistics(
            bars[0].open,
            max(bar.high for bar in bars),
            min(bar.low for bar in bars),
            bars[-1].close,
            self.tape[-1].qty / 1e8,
            sum(bar.volume for bar in bars),
            sum(bar.value for bar in bars),
            sum(bar.buy_volume for bar in bars),
            sum(bar.count for bar in bars),
            bars[0].first_id,
            bars[-1].last_id,
            bars[-1].last_ns,
            close,
        )
