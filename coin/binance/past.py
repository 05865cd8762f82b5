"""Binance's past: candles and trades of spot and of USD-M futures, page by page (protocols/binance.md 3 and 12).

The two speak one wire under two prefixes; weights, page sizes and reach are data.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

import msgspec
import numpy as np

from coin.binance import LIVE, PAST_FUTURES, wire
from coin.binance.frames import Identifier, Milliseconds, units
from coin.binance.rest import PUBLIC_LIMITS, QUOTE, Kline, PastTrade
from domain.instruments import DAY_S, NS, Instrument
from domain.ports import Endpoint, History
from domain.records import CANDLE_DTYPE, EVENT_DTYPE, TRADE
from utility.hosts import HostGuard
from utility.http_answer import Answer
from utility.public_rest import PublicRest
from utility.rate_limit import Limit, RateLimiter

T = TypeVar("T")

_MS = 1_000_000
_HOUR_MS = 3_600_000
_PERIODS = {"SECOND": 1.0, "MINUTE": 60.0, "HOUR": 3600.0, "DAY": 86_400.0}


class AggregateTrade(msgspec.Struct):
    a: Identifier
    p: Decimal
    q: str
    f: Identifier
    T: Milliseconds
    m: bool


_klines = msgspec.json.Decoder(list[Kline])
_singles = msgspec.json.Decoder(list[PastTrade])
_aggregates = msgspec.json.Decoder(list[AggregateTrade])


@dataclass(frozen=True)
class Facts:
    """What differs between the two.

    Parameters
    ----------
    kline_weights : tuple of (int, float)
        (greatest limit, weight), smallest first.
    info_weight, aggregate_weight : float
    single_weight : float
        Of the older single trades; 0 = not offered (there they cost a minute's weight for twelve pages).
    window_ms : int
        Longest span of one request for aggregate trades; 0 = any.
    aggregates_reach_s : float
    """

    market: str
    live: Endpoint
    prefix: str
    limits: dict[str, Limit]
    kinds: tuple[str, ...]
    kline_weights: tuple[tuple[int, float], ...]
    info_weight: float
    aggregate_weight: float
    single_weight: float = 0.0
    window_ms: int = 0
    aggregates_reach_s: float = math.inf


SPOT = Facts("binance", LIVE, "/api/v3", PUBLIC_LIMITS, ("1s", "1m", "trades", "aggtrades"), ((1000, 2.0),), 20.0, 4.0, single_weight=25.0)
FUTURES = Facts(
    "binance-futures",
    PAST_FUTURES,
    "/fapi/v1",
    {"weight": Limit(2400.0, 60.0)},
    ("1m", "aggtrades"),
    ((99, 1.0), (499, 2.0), (1000, 5.0)),
    1.0,
    20.0,
    window_ms=_HOUR_MS - 1,
    aggregates_reach_s=48 * 3600.0,
)
_PAGE = 1000


def _heard(limiter: RateLimiter, group: str, answer: Answer) -> None:
    """Read ``X-MBX-USED-WEIGHT-1M``: others behind the same address use the window, too."""
    used, limit = answer.headers.get("x-mbx-used-weight-1m", ""), limiter.limit(group)
    if limit is not None and used.isdecimal():
        limiter.left(group, max(limit.count - float(used), 0.0))


class BinanceHistory:
    """History (domain/ports.py) of Binance spot or futures.

    Parameters
    ----------
    endpoint : Endpoint
        Its `rest` is asked; anything but loopback must be the venue's own address.
    """

    has_empty_candles = True
    has_running_ids = True

    def __init__(self, facts: Facts, endpoint: Endpoint) -> None:
        self._facts = facts
        self.kinds = facts.kinds
        self._rest = PublicRest(endpoint.rest, HostGuard.of(endpoint, facts.live), facts.limits, _heard)

    @property
    def requests(self) -> int:
        return self._rest.requests

    def reach_s(self, kind: str) -> float:
        return self._facts.aggregates_reach_s if kind == "aggtrades" else math.inf

    def instruments(self) -> list[Instrument]:
        path, decode = f"{self._facts.prefix}/exchangeInfo", wire.exchange_info_decoder.decode
        info = self._rest.get(
            path, {"showPermissionSets": "false"} if self._facts is SPOT else {}, decode, "weight", self._facts.info_weight
        )
        for row in info.rateLimits:
            if row.rateLimitType == "REQUEST_WEIGHT" and row.interval in _PERIODS:
                self._rest.limiter.set_limit("weight", Limit(float(row.limit), _PERIODS[row.interval] * row.intervalNum))
        found = [wire.instrument(row) for row in info.symbols if row.quoteAsset == QUOTE and row.status == "TRADING"]
        market = self._facts.market
        return [msgspec.structs.replace(one, instrument_id=f"{market}:{one.code}") for one in found]

    def page(self, kind: str, code: str, start_ns: int, end_ns: int, held: np.ndarray) -> tuple[np.ndarray, bool]:
        if kind in ("1s", "1m"):
            return self._candles(kind, code, start_ns, end_ns, held)
        return self._trades(kind, code, start_ns, end_ns, held)

    def close_before(self, code: str, day_ns: int) -> float:
        params = {"symbol": code, "interval": "1d", "endTime": str(day_ns // _MS - 1), "limit": "1"}
        page = self._get("klines", params, _klines.decode, self._kline_weight(1))
        # The candle before a symbol's first day is none; one of an earlier day says nothing of yesterday's close either.
        return float(page[-1][4]) if page and page[-1][0] * _MS == day_ns - DAY_S * NS else 0.0

    def close(self) -> None:
        self._rest.close()

    # --- pages ------------------------------------------------------------------------------------

    def _get(self, path: str, params: dict[str, str], decode: Callable[[bytes], T], weight: float) -> T:
        return self._rest.get(f"{self._facts.prefix}/{path}", params, decode, "weight", weight)

    def _kline_weight(self, limit: int) -> float:
        return next(weight for most, weight in self._facts.kline_weights if limit <= most)

    def _candles(self, kind: str, code: str, start_ns: int, end_ns: int, held: np.ndarray) -> tuple[np.ndarray, bool]:
        step = NS if kind == "1s" else 60 * NS
        begin = max(start_ns, int(held["open_ns"].max()) + step) if len(held) else start_ns
        wanted = (end_ns - begin) // step
        if wanted <= 0:
            return np.zeros(0, CANDLE_DTYPE), True
        limit = min(wanted, _PAGE)
        span = {"startTime": str(begin // _MS), "endTime": str(end_ns // _MS - 1)}
        page = self._get(
            "klines", {"symbol": code, "interval": kind, **span, "limit": str(limit)}, _klines.decode, self._kline_weight(limit)
        )
        rows = [
            (row[0] * _MS, *(float(row[i]) for i in (1, 2, 3, 4, 5, 7, 9, 10)))
            for row in page
            if begin <= row[0] * _MS and row[0] * _MS + step <= end_ns
        ]
        found = np.array(rows, CANDLE_DTYPE)
        found = found[np.unique(found["open_ns"], return_index=True)[1]]
        # A short page may be a venue's habit: only one that brings nothing, or the end of the span, is the end.
        return found, not len(found) or int(found["open_ns"][-1]) + step >= end_ns

    def _trades(self, kind: str, code: str, start_ns: int, end_ns: int, held: np.ndarray) -> tuple[np.ndarray, bool]:
        if len(held):
            first_id = int(held["first_id"].max()) + 1
        else:
            first = self._first(code, start_ns, end_ns)
            if first is None:
                return np.zeros(0, EVENT_DTYPE), True
            first_id = first.f if kind == "trades" else first.a
        params = {"symbol": code, "fromId": str(first_id), "limit": str(_PAGE)}
        rows: list[tuple[int, int, float, int, int]] = []
        if kind == "trades":
            singles = self._get("historicalTrades", params, _singles.decode, self._facts.single_weight)
            rows = [(one.time, one.id, float(one.price), units(one.qty), -1 if one.isBuyerMaker else 1) for one in singles]
        else:
            sums = self._get("aggTrades", params, _aggregates.decode, self._facts.aggregate_weight)
            rows = [(one.T, one.a, float(one.p), units(one.q), -1 if one.m else 1) for one in sums]
        fresh = sorted({row[1]: row for row in rows if row[1] >= first_id}.values(), key=lambda row: row[1])
        inside = [row for row in fresh if start_ns <= row[0] * _MS < end_ns]
        out = np.zeros(len(inside), EVENT_DTYPE)
        if inside:
            when, ids, out["price"], out["qty"], out["side"] = zip(*inside, strict=True)
            out["first_id"], out["exchange_ns"], out["kind"] = ids, np.array(when, np.int64) * _MS, TRADE
        return out, not inside or any(row[0] * _MS >= end_ns for row in fresh)

    def _first(self, code: str, start_ns: int, end_ns: int) -> AggregateTrade | None:
        """Return the first aggregate of the span, None for none."""
        step = self._facts.window_ms or (end_ns - start_ns) // _MS
        begin = start_ns // _MS
        while begin < end_ns // _MS:
            span = {"startTime": str(begin), "endTime": str(min(begin + step, end_ns // _MS - 1)), "limit": str(_PAGE)}
            page = self._get("aggTrades", {"symbol": code, **span}, _aggregates.decode, self._facts.aggregate_weight)
            page = [one for one in page if start_ns <= one.T * _MS < end_ns]
            if page:
                return min(page, key=lambda one: one.a)
            begin += step + 1
        return None


def open_history(facts: Facts, endpoint: Endpoint) -> History:
    """Return the past of spot or futures at `endpoint`."""
    return BinanceHistory(facts, endpoint)
