"""Upbit's past: candles and trades, page by page, newest first (protocols/upbit.md 3.3 and 3.4)."""

from __future__ import annotations

import datetime as dt
import math
import time
from collections.abc import Callable

import msgspec
import numpy as np

from coin.upbit import LIVE, wire
from coin.upbit.rest import CANDLES_PAGE, PUBLIC_LIMITS, TRADES_PAGE, Candle, PastTrade, listed
from domain.instruments import DAY_S, NS, Instrument
from domain.ports import Endpoint, History
from domain.records import CANDLE_DTYPE, EVENT_DTYPE, TRADE
from utility.hosts import HostGuard
from utility.http_answer import Answer
from utility.public_rest import PublicRest
from utility.rate_limit import RateLimiter

REACH_S = {"1s": 90 * DAY_S, "1m": math.inf, "trades": 8 * DAY_S}
"""Second candles reach back three months; trades seven days and today."""

_candles = msgspec.json.Decoder(list[Candle])
_trades = msgspec.json.Decoder(list[PastTrade])


def _heard(limiter: RateLimiter, group: str, answer: Answer) -> None:
    """Read ``Remaining-Req: group=candles; min=600; sec=9``; the spelling of the group varies, so it is that of the request."""
    parts = dict(part.strip().partition("=")[::2] for part in answer.headers.get("remaining-req", "").split(";"))
    if parts.get("sec", "").isdecimal():
        limiter.left(group, float(parts["sec"]))


class UpbitHistory:
    """History (domain/ports.py) of Upbit.

    Parameters
    ----------
    today_ns : callable
        UTC nanoseconds; trades are asked for by the number of days ago.
    """

    kinds = ("1s", "1m", "trades")
    has_empty_candles = False
    has_running_ids = False

    def __init__(self, endpoint: Endpoint, today_ns: Callable[[], int] = time.time_ns) -> None:
        self._today_ns = today_ns
        self._rest = PublicRest(endpoint.rest, HostGuard.of(endpoint, LIVE), PUBLIC_LIMITS, _heard)

    @property
    def requests(self) -> int:
        return self._rest.requests

    def reach_s(self, kind: str) -> float:
        return REACH_S[kind]

    def instruments(self) -> list[Instrument]:
        return listed(self._rest)

    def page(self, kind: str, code: str, start_ns: int, end_ns: int, held: np.ndarray) -> tuple[np.ndarray, bool]:
        if kind == "trades":
            return self._trade_page(code, start_ns, end_ns, held)
        path, step = ("/candles/seconds", NS) if kind == "1s" else ("/candles/minutes/1", 60 * NS)
        to_ns = min(end_ns, int(held["open_ns"].min())) if len(held) else end_ns
        if to_ns <= start_ns:
            return np.zeros(0, CANDLE_DTYPE), True
        page = self._candles(path, code, to_ns, CANDLES_PAGE)
        rows = [
            (at, one.opening_price, one.high_price, one.low_price, one.trade_price, one.candle_acc_trade_volume, one.candle_acc_trade_price)
            for at, one in page.items()
            if start_ns <= at and at + step <= to_ns
        ]
        found = np.sort(np.array([(*row, math.nan, math.nan) for row in rows], CANDLE_DTYPE), order="open_ns")
        # Of a page that reaches past the start nothing is missing behind it; one that brings nothing is the end of what the venue has.
        return found, not len(found) or min(page) <= start_ns

    def close_before(self, code: str, day_ns: int) -> float:
        page = self._candles("/candles/days", code, day_ns, 1)
        return page[max(page)].trade_price if page and max(page) == day_ns - DAY_S * NS else 0.0

    def close(self) -> None:
        self._rest.close()

    def _candles(self, path: str, code: str, to_ns: int, count: int) -> dict[int, Candle]:
        to = dt.datetime.fromtimestamp(to_ns // NS, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        page = self._rest.get(path, {"market": code, "to": to, "count": str(count)}, _candles.decode, "candle")
        return {wire.time_ns(one.candle_date_time_utc): one for one in page}

    def _trade_page(self, code: str, start_ns: int, end_ns: int, held: np.ndarray) -> tuple[np.ndarray, bool]:
        params = {"market": code, "count": str(TRADES_PAGE)}
        ago = self._today_ns() // (DAY_S * NS) - start_ns // (DAY_S * NS)
        if ago > 0:
            params["days_ago"] = str(ago)
        if len(held):
            params["cursor"] = str(int(held["first_id"].min()))
        known = set(held["first_id"].tolist())
        while True:
            page = self._rest.get("/trades/ticks", params, _trades.decode, "trade")
            fresh = {one.sequential_id: one for one in page if one.sequential_id not in known}
            inside = [fresh[key] for key in sorted(fresh) if start_ns <= fresh[key].timestamp * 1_000_000 < end_ns]
            if inside or not fresh or min(one.timestamp for one in fresh.values()) * 1_000_000 < start_ns:
                break
            known |= set(fresh)  # all of them younger than the span: further back
            params["cursor"] = str(min(fresh))
        out = np.zeros(len(inside), EVENT_DTYPE)
        for k, one in enumerate(inside):
            out["price"][k], out["qty"][k] = one.trade_price, int(one.trade_volume * 100_000_000)
            out["side"][k] = {"BID": 1, "ASK": -1}.get(one.ask_bid, 0)
            out["exchange_ns"][k], out["first_id"][k] = one.timestamp * 1_000_000, one.sequential_id
        out["kind"] = TRADE
        older = any(one.timestamp * 1_000_000 < start_ns for one in page)
        return out, not inside or older


def open_history(endpoint: Endpoint) -> History:
    """Return the past at `endpoint`."""
    return UpbitHistory(endpoint)
