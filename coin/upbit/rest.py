"""Upbit: public REST reads (protocols/upbit.md 3)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

import msgspec
import numpy as np

from coin.markets import UPBIT
from coin.upbit import wire
from coin.upbit.frames import Identifier, Milliseconds
from domain.errors import DataError, VenueError
from domain.instruments import DAY_S, NS, Instrument
from domain.ports import DayBar, Endpoint
from domain.records import TRADE
from utility.event_block import NO_EVENTS, EventBlock
from utility.hosts import HostGuard
from utility.public_rest import PublicRest
from utility.rate_limit import Limit

PUBLIC_LIMITS = {group: Limit(10.0, 1.0) for group in ("market", "candle", "trade", "orderbook", "ticker")}
"""Quotation groups, per IP (protocols/upbit.md 9)."""

CANDLES_PAGE = 200
TRADES_PAGE = 500
MARKETS_PAGE = 100


class Candle(msgspec.Struct):
    candle_date_time_utc: str
    opening_price: float
    high_price: float
    low_price: float
    trade_price: float
    candle_acc_trade_volume: float
    candle_acc_trade_price: float


class PastTrade(msgspec.Struct):
    timestamp: Milliseconds
    trade_price: float
    trade_volume: Decimal
    ask_bid: str
    sequential_id: Identifier


class DayValue(msgspec.Struct):
    market: str
    acc_trade_price_24h: float


class Ticker(msgspec.Struct):
    market: str
    trade_timestamp: Milliseconds
    opening_price: float | None
    high_price: float | None
    low_price: float | None
    acc_trade_price: float


_candles = msgspec.json.Decoder(list[Candle])
_trades = msgspec.json.Decoder(list[PastTrade])
_day_values = msgspec.json.Decoder(list[DayValue])
_tickers = msgspec.json.Decoder(list[Ticker])


def load_instruments(endpoint: Endpoint, guard: HostGuard) -> list[Instrument]:
    """Return the KRW markets; raise VenueError.

    The tick of a market is asked for where the venue tells it; without an answer the dated ladder of
    the market decides.
    """
    rest = PublicRest(endpoint.rest, guard, PUBLIC_LIMITS)
    try:
        return listed(rest)
    finally:
        rest.close()


def listed(rest: PublicRest) -> list[Instrument]:
    """Return the KRW markets over an open connection; as `load_instruments`."""
    rows = rest.get("/market/all", {"is_details": "true"}, wire.markets_decoder.decode, "market")
    codes = [row.market for row in rows if row.market.startswith("KRW-")]
    ticks: list[wire.TickRow] = []
    try:
        for start in range(0, len(codes), MARKETS_PAGE):
            names = ",".join(codes[start : start + MARKETS_PAGE])
            ticks += rest.get("/orderbook/instruments", {"markets": names}, wire.ticks_decoder.decode, "orderbook")
    except (VenueError, DataError):
        ticks = []
    return wire.instruments(rows, ticks, UPBIT.ladders[-1], UPBIT.min_notional)


def day_values(rest: PublicRest) -> dict[str, float]:
    """Return the won traded in the last 24 hours by code; raise VenueError or DataError."""
    rows = rest.get("/ticker/all", {"quote_currencies": "KRW"}, _day_values.decode, "ticker")
    return {row.market: row.acc_trade_price_24h for row in rows}


def day_bars(rest: PublicRest, codes: Sequence[str]) -> list[DayBar]:
    """Return the UTC day of each code's last trade: its ticker counts from 00:00 UTC; raise VenueError or DataError.

    A market that has not traded today still states the day on which it last did.
    """
    out = []
    for start in range(0, len(codes), MARKETS_PAGE):
        for row in rest.get("/ticker", {"markets": ",".join(codes[start : start + MARKETS_PAGE])}, _tickers.decode, "ticker"):
            last_ns = row.trade_timestamp * 1_000_000
            prices = (row.opening_price or 0.0, row.high_price or 0.0, row.low_price or 0.0)
            out.append(DayBar(row.market, last_ns // (DAY_S * NS), *prices, row.acc_trade_price, last_ns=last_ns))
    return out


def history(rest: PublicRest, code: str, interval_s: int, start_ns: int, end_ns: int) -> np.ndarray:
    """Return bars (time_ns, open, high, low, close, volume, value), shape (n, 7), oldest first.

    A minute or second without a trade has no candle here and none in the answer. Bars start in
    [start_ns, end_ns) and are over by `end_ns`.
    """
    path = "/candles/seconds" if interval_s == 1 else f"/candles/minutes/{interval_s // 60}"
    bars: list[tuple[float, ...]] = []
    to_ns = end_ns
    while to_ns > start_ns:
        to = dt.datetime.fromtimestamp(to_ns // NS, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        page = rest.get(path, {"market": code, "to": to, "count": str(CANDLES_PAGE)}, _candles.decode, "candle")
        times = [wire.time_ns(candle.candle_date_time_utc) for candle in page]
        for time_ns, candle in zip(times, page, strict=True):
            if start_ns <= time_ns and time_ns + interval_s * NS <= end_ns:
                bars.append(
                    (
                        float(time_ns),
                        candle.opening_price,
                        candle.high_price,
                        candle.low_price,
                        candle.trade_price,
                        candle.candle_acc_trade_volume,
                        candle.candle_acc_trade_price,
                    )
                )
        if len(page) < CANDLES_PAGE or min(times) >= to_ns:
            break
        to_ns = min(times)
    unique = {bar[0]: bar for bar in bars}
    return np.array([unique[time] for time in sorted(unique)], np.float64).reshape(-1, 7)


def missed_trades(rest: PublicRest, code: str, index: int, after_id: int, received_ns: int) -> tuple[np.ndarray, bool]:
    """Return the trades with an id greater than `after_id`, oldest first, and whether they are all there."""
    page = rest.get("/trades/ticks", {"market": code, "count": str(TRADES_PAGE)}, _trades.decode, "trade")
    fresh = sorted((trade for trade in page if trade.sequential_id > after_id), key=lambda trade: trade.sequential_id)
    if not fresh:
        return NO_EVENTS, True
    block = EventBlock()
    parts = []
    for trade in fresh:
        qty = int(trade.trade_volume * 100_000_000)
        if qty <= 0 or not 0.0 < trade.trade_price < 1e15 or trade.ask_bid not in ("ASK", "BID"):
            continue
        side = 1 if trade.ask_bid == "BID" else -1
        time_ns = trade.timestamp * 1_000_000
        parts.append(block.one(TRADE, index, time_ns, received_ns, trade.trade_price, qty, side, first_id=trade.sequential_id))
    return (np.concatenate(parts) if parts else NO_EVENTS), len(fresh) < len(page)
