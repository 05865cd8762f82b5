"""Binance spot seen from the venue: market streams, raw and combined. Source: protocols/binance.md 10."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec
import numpy as np

from coin.binance.paper_views import MS, best_row, eight, levels, mini_ticker, size, ticker_row
from domain.exchange import ExchangeCore, Frame, PaperUpdate
from domain.instruments import NS
from domain.records import LEVEL, TRADE
from utility.rate_windows import CountedWindow

_MAX_STREAMS = 1_024
_DEPTHS = {"depth5": 5, "depth10": 10, "depth20": 20}


class StreamSession:
    """One connection to ``/ws``, ``/ws/<stream>`` or ``/stream?streams=``.

    Raises
    ------
    ValueError
        The path is no stream path.
    """

    is_private = False

    def __init__(self, core: ExchangeCore, path: str, query: str, intervals: Mapping[str, int]) -> None:
        self.core = core
        self._intervals = intervals
        self.is_combined = False
        self._names: dict[str, tuple[str, int | None]] = {}
        self._window = CountedWindow(5, NS)
        self._last_bar: dict[str, tuple[int, int]] = {}
        self._best: dict[int, tuple[object, ...]] = {}
        if path == "/stream":
            self.is_combined = True
            wanted = dict(parse_qsl(query, keep_blank_values=True)).get("streams", "")
            names = [name for name in wanted.split("/") if name]
        elif path == "/ws" or path.startswith("/ws/"):
            names = [name for name in unquote(path[4:]).split("/") if name]
        else:
            raise ValueError(path)
        for name in names:
            self._add(name)

    def _add(self, name: str) -> bool:
        parsed = self._parse(name)
        # An unknown stream is taken and stays silent, as a client of the venue sees it.
        self._names[name] = parsed or ("", None)
        return parsed is not None

    def _parse(self, name: str) -> tuple[str, int | None] | None:
        if name == "!miniTicker@arr":
            return "miniTickers", None
        symbol, _, kind = name.partition("@")
        if symbol != symbol.lower():  # names in other letters stay silent
            return None
        index = self.core.index(symbol.upper())
        if index is None:
            return None
        base = kind.removesuffix("@100ms").removesuffix("@1000ms")
        if base in ("trade", "aggTrade", "depth", "bookTicker", "ticker", "miniTicker") or base in _DEPTHS:
            return base, index
        if kind.startswith("kline_") and kind[6:] in self._intervals:
            return kind, index
        return None

    # --- requests ----------------------------------------------------------------------------------------

    def receive(self, frame: Frame, wall_ns: int) -> list[Frame]:
        if not self._window.use(1, wall_ns):
            return [_error(3, "Too many messages", None)]
        try:
            request = msgspec.json.decode(frame)
        except msgspec.DecodeError:
            return [_error(3, "Invalid JSON: expected value at line 1 column 1", None)]
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            return [_error(2, "Invalid request: missing field `method`", None)]
        number, params = request.get("id"), request.get("params", [])
        if not isinstance(params, list):
            return [_error(2, "Invalid request: params must be a list", number)]
        return [self._obey(request["method"], params, number)]

    def _obey(self, method: str, params: list[Any], number: Any) -> Frame:
        if method in ("SUBSCRIBE", "UNSUBSCRIBE"):
            if not params or not all(isinstance(name, str) for name in params):
                return _error(2, "Invalid request: params must be stream names", number)
            if len(self._names) + len(params) > _MAX_STREAMS:
                return _error(2, "Invalid request: too many streams", number)
            for name in params:
                if method == "SUBSCRIBE":
                    self._add(name)
                else:
                    self._names.pop(name, None)
            return _result(None, number)
        if method == "LIST_SUBSCRIPTIONS":
            return _result(list(self._names), number)
        if method == "SET_PROPERTY" and len(params) == 2 and params[0] == "combined" and isinstance(params[1], bool):
            self.is_combined = params[1]
            return _result(None, number)
        if method == "GET_PROPERTY" and params == ["combined"]:
            return _result(self.is_combined, number)
        return _error(2, f"Invalid request: unknown variant `{method}`", number)

    # --- frames ------------------------------------------------------------------------------------------

    def _frame(self, name: str, body: dict[str, Any] | list[Any]) -> Frame:
        return msgspec.json.encode({"stream": name, "data": body} if self.is_combined else body).decode()

    def public(self, events: np.ndarray) -> list[Frame]:
        head = events[0]
        index, kind = int(head["instrument"]), int(head["kind"])
        out: list[Frame] = []
        for name, (base, wanted) in self._names.items():
            if wanted != index:
                continue
            if kind == TRADE and base in ("trade", "aggTrade"):
                out.append(self._frame(name, self._trade(head, index, base)))
            elif kind == LEVEL and base == "depth":
                out.append(self._frame(name, self._depth(events, index)))
            elif kind != TRADE and base == "bookTicker":
                out += self._book_ticker(name, index)
        return out

    def _trade(self, head: np.void, index: int, base: str) -> dict[str, Any]:
        number, moment = int(head["first_id"]), int(head["exchange_ns"]) // MS
        body: dict[str, Any] = {"e": base, "E": max(moment, self.core.market_ns // MS), "s": self.core.instruments[index].code}
        body["t" if base == "trade" else "a"] = number
        body |= {"p": eight(float(head["price"])), "q": size(int(head["qty"]))}
        if base == "aggTrade":
            body |= {"f": number, "l": number}
        return body | {"T": moment, "m": int(head["side"]) < 0, "M": True}

    def _depth(self, events: np.ndarray, index: int) -> dict[str, Any]:
        """Return the recorded change with its own ids and time: one entry a price, what it is after the whole change."""
        sides: dict[int, dict[float, int]] = {1: {}, -1: {}}
        for price, qty, sign in zip(events["price"].tolist(), events["qty"].tolist(), events["side"].tolist(), strict=True):
            if sign:
                sides[sign][price] = qty
        last = events[-1]
        return {
            "e": "depthUpdate",
            "E": int(last["exchange_ns"]) // MS,
            "s": self.core.instruments[index].code,
            "U": int(events[0]["first_id"]),
            "u": int(last["last_id"]),
            "b": levels(list(sides[1].items())),
            "a": levels(list(sides[-1].items())),
        }

    def _book_ticker(self, name: str, index: int) -> list[Frame]:
        row = best_row(self.core, index)
        key = tuple(row.values())
        if self._best.get(index) == key:
            return []
        self._best[index] = key
        body = {
            "u": self.core.snapshot_id(index),
            "s": row["symbol"],
            "b": row["bidPrice"],
            "B": row["bidQty"],
            "a": row["askPrice"],
            "A": row["askQty"],
        }
        return [self._frame(name, body)]

    def private(self, update: PaperUpdate) -> list[Frame]:
        return []

    def timed(self, market_ns: int) -> list[Frame]:
        out: list[Frame] = []
        for name, (base, index) in self._names.items():
            if base == "miniTickers":
                rows = [mini_ticker(self.core, i) for i in range(len(self.core.instruments)) if self.core.trades(i, 1)]
                out.append(self._frame(name, rows))
            elif index is None:
                continue
            elif base in _DEPTHS:
                asks, bids = self.core.book(index, _DEPTHS[base])
                body = {"lastUpdateId": self.core.snapshot_id(index), "bids": levels(bids), "asks": levels(asks)}
                out.append(self._frame(name, body))
            elif base == "miniTicker":
                out.append(self._frame(name, mini_ticker(self.core, index)))
            elif base == "ticker":
                out.append(self._frame(name, self._ticker(index)))
            elif base.startswith("kline_"):
                out += self._kline(name, base[6:], index)
        return out

    def _ticker(self, index: int) -> dict[str, Any]:
        row = ticker_row(self.core, index, is_mini=False)
        pairs = zip("pPwxcQbBaAohlvqOCFLn", _TICKER_KEYS, strict=True)
        return {"e": "24hrTicker", "E": self.core.market_ns // MS, "s": row["symbol"]} | {short: row[name] for short, name in pairs}

    def _kline(self, name: str, interval: str, index: int) -> list[Frame]:
        step = self._intervals[interval] * NS
        bars = self.core.candles(index, self._intervals[interval], self.core.market_ns + 1, 2)
        out: list[Frame] = []
        for bar in bars:
            is_closed = bar.start_ns + step <= self.core.market_ns
            known = self._last_bar.get(name, (0, 0))
            if bar.start_ns < known[0] or (is_closed and known[0] > bar.start_ns) or (bar.start_ns == known[0] and known[1] == -1):
                continue
            self._last_bar[name] = (bar.start_ns, -1 if is_closed else bar.trades)
            k = {
                "t": bar.start_ns // MS,
                "T": (bar.start_ns + step) // MS - 1,
                "s": self.core.instruments[index].code,
                "i": interval,
                "f": bar.first_id,
                "L": bar.last_id,
                "o": eight(bar.open),
                "c": eight(bar.close),
                "h": eight(bar.high),
                "l": eight(bar.low),
                "v": eight(bar.volume),
                "n": bar.trades,
                "x": is_closed,
                "q": eight(bar.value),
                "V": eight(bar.buy_volume),
                "Q": eight(bar.buy_value),
                "B": "0",
            }
            out.append(self._frame(name, {"e": "kline", "E": self.core.market_ns // MS, "s": k["s"], "k": k}))
        return out

    def close(self) -> None:
        self._names = {}


_TICKER_KEYS = (
    "priceChange",
    "priceChangePercent",
    "weightedAvgPrice",
    "prevClosePrice",
    "lastPrice",
    "lastQty",
    "bidPrice",
    "bidQty",
    "askPrice",
    "askQty",
    "openPrice",
    "highPrice",
    "lowPrice",
    "volume",
    "quoteVolume",
    "openTime",
    "closeTime",
    "firstId",
    "lastId",
    "count",
)


def _result(result: Any, number: Any) -> Frame:
    return msgspec.json.encode({"result": result, "id": number}).decode()


def _error(code: int, text: str, number: Any) -> Frame:
    body: dict[str, Any] = {"code": code, "msg": text}
    return msgspec.json.encode({"error": body, "id": number} if number is not None else body).decode()
