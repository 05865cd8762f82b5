"""Binance spot: public REST reads (protocols/binance.md 3)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec
import numpy as np

from coin.binance import wire
from coin.binance.frames import DepthSnapshot, Identifier, Milliseconds, parse_snapshot, units
from domain.instruments import DAY_S, NS, Instrument
from domain.ports import DayBar, Endpoint
from domain.records import TRADE
from utility.event_block import NO_EVENTS, EventBlock
from utility.hosts import HostGuard
from utility.public_rest import PublicRest
from utility.rate_limit import Limit

PUBLIC_LIMITS = {"weight": Limit(6000.0, 60.0)}
"""Weights a minute, per IP (protocols/binance.md 8)."""

QUOTE = "USDT"
DEPTH_LEVELS = 1000
KLINES_PAGE = 1000
TRADES_PAGE = 1000
DAYS_PAGE = 100
DAY_WEIGHT, DAYS_WEIGHT_MAX = 4.0, 200.0
"""Of the trading day: for a symbol, and for more than fifty in one request."""
_MS = 1_000_000

Kline = tuple[int, Decimal, Decimal, Decimal, Decimal, Decimal, int, Decimal, int, Decimal, Decimal, object]


class PastTrade(msgspec.Struct):
    id: Identifier
    price: Decimal
    qty: str
    time: Milliseconds
    isBuyerMaker: bool


class DayValue(msgspec.Struct):
    symbol: str
    quoteVolume: Decimal


class TradingDay(msgspec.Struct):
    symbol: str
    openPrice: Decimal
    highPrice: Decimal
    lowPrice: Decimal
    quoteVolume: Decimal
    openTime: Milliseconds
    lastId: int


_klines = msgspec.json.Decoder(list[Kline])
_trades = msgspec.json.Decoder(list[PastTrade])
_day_values = msgspec.json.Decoder(list[DayValue])
_trading_days = msgspec.json.Decoder(list[TradingDay])


def load_instruments(endpoint: Endpoint, guard: HostGuard) -> list[Instrument]:
    """Return the USDT spot symbols that trade; raise VenueError."""
    rest = PublicRest(endpoint.rest, guard, PUBLIC_LIMITS)
    try:
        info = rest.get("/api/v3/exchangeInfo", {"showPermissionSets": "false"}, wire.exchange_info_decoder.decode, "weight", 20.0)
        return [wire.instrument(row) for row in info.symbols if row.quoteAsset == QUOTE and row.status == "TRADING"]
    finally:
        rest.close()


def depth(rest: PublicRest, code: str) -> DepthSnapshot:
    """Return the book of a symbol; raise VenueError or DataError."""
    return rest.get("/api/v3/depth", {"symbol": code, "limit": str(DEPTH_LEVELS)}, parse_snapshot, "weight", 50.0)


def day_values(rest: PublicRest) -> dict[str, float]:
    """Return the quote currency traded in the last 24 hours by code; raise VenueError or DataError."""
    rows = rest.get("/api/v3/ticker/24hr", {"type": "MINI"}, _day_values.decode, "weight", 80.0)
    return {row.symbol: float(row.quoteVolume) for row in rows}


def day_bars(rest: PublicRest, codes: Sequence[str]) -> list[DayBar]:
    """Return the running UTC day of each code, with the id of the last trade in it; raise VenueError or DataError.

    The daily candle would say the same figures, one symbol a request and without the id.
    """
    out = []
    for start in range(0, len(codes), DAYS_PAGE):
        page = codes[start : start + DAYS_PAGE]
        params = {"symbols": msgspec.json.encode(list(page)).decode()}
        cost = min(DAY_WEIGHT * len(page), DAYS_WEIGHT_MAX)
        for row in rest.get("/api/v3/ticker/tradingDay", params, _trading_days.decode, "weight", cost):
            prices = (float(row.openPrice), float(row.highPrice), float(row.lowPrice))
            day = row.openTime * _MS // (DAY_S * NS)
            out.append(DayBar(row.symbol, day, *prices, float(row.quoteVolume), last_id=max(row.lastId, 0)))
    return out


def history(rest: PublicRest, code: str, interval_s: int, start_ns: int, end_ns: int) -> np.ndarray:
    """Return bars (time_ns, open, high, low, close, volume, value), shape (n, 7), oldest first.

    Empty candles are there, with volume 0. Bars start in [start_ns, end_ns) and are over by `end_ns`.
    """
    interval = "1s" if interval_s == 1 else f"{interval_s // 60}m"
    length_ms = interval_s * 1000
    rows: list[tuple[float, ...]] = []
    start_ms, end_ms = -(-start_ns // _MS), end_ns // _MS
    while start_ms + length_ms <= end_ms:
        params = {"symbol": code, "interval": interval, "startTime": str(start_ms), "endTime": str(end_ms - 1), "limit": str(KLINES_PAGE)}
        page = rest.get("/api/v3/klines", params, _klines.decode, "weight", 2.0)
        fresh = [row for row in page if start_ms <= row[0] and row[0] + length_ms <= end_ms]
        rows += [(float(row[0] * _MS), *(float(row[i]) for i in (1, 2, 3, 4, 5, 7))) for row in fresh]
        if len(page) < KLINES_PAGE or not fresh:
            break
        start_ms = fresh[-1][0] + length_ms
    return np.array(rows, np.float64).reshape(-1, 7)


def previous_close(rest: PublicRest, code: str) -> tuple[int, float]:
    """Return (start in ns of the UTC day that runs, close of the day before), (0, 0.0) where the venue has no such candle.

    Raises
    ------
    VenueError
    """
    page = rest.get("/api/v3/klines", {"symbol": code, "interval": "1d", "limit": "2"}, _klines.decode, "weight", 2.0)
    if len(page) < 2:
        return 0, 0.0  # the last candle is the running one: this symbol is younger than a day
    close = float(page[-2][4])
    return (page[-1][0] * _MS, close) if 0.0 < close < 1e15 else (0, 0.0)


def missed_trades(rest: PublicRest, code: str, index: int, after_id: int, received_ns: int) -> tuple[np.ndarray, bool]:
    """Return the trades after `after_id`, oldest first, and whether the first of them follows it at once."""
    page = rest.get("/api/v3/trades", {"symbol": code, "limit": str(TRADES_PAGE)}, _trades.decode, "weight", 25.0)
    fresh = sorted((trade for trade in page if trade.id > after_id), key=lambda trade: trade.id)
    if not fresh:
        return NO_EVENTS, True
    block = EventBlock()
    parts = []
    for trade in fresh:
        price, qty = float(trade.price), units(trade.qty)
        if qty <= 0 or not 0.0 < price < 1e15:
            continue
        side = -1 if trade.isBuyerMaker else 1
        parts.append(block.one(TRADE, index, trade.time * _MS, received_ns, price, qty, side, first_id=trade.id))
    return (np.concatenate(parts) if parts else NO_EVENTS), fresh[0].id == after_id + 1
