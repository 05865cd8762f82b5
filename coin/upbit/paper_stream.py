"""Upbit seen from the venue: the public and the private WebSocket. Source: protocols/upbit.md 10."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from coin.upbit.paper_views import KST, MS, book_units, change_of, finite, my_asset, my_order, size, ticker_row
from domain.exchange import ExchangeCore, Frame, Level, PaperUpdate, PublicTrade
from domain.instruments import DAY_S, NS
from domain.records import SNAPSHOT, TOTAL, TRADE
from utility.rate_windows import CountedWindow

_PUBLIC = {"ticker", "trade", "orderbook"}
_CANDLES = {"1s": 1, **{f"{n}m": 60 * n for n in (1, 3, 5, 10, 15, 30, 60, 240)}}
_DEPTHS = (1, 5, 15, 30)

SHORT = {
    "type": "ty",
    "code": "cd",
    "timestamp": "tms",
    "stream_type": "st",
    "trade_date": "td",
    "trade_time": "ttm",
    "trade_timestamp": "ttms",
    "trade_price": "tp",
    "trade_volume": "tv",
    "ask_bid": "ab",
    "prev_closing_price": "pcp",
    "change": "c",
    "change_price": "cp",
    "sequential_id": "sid",
    "best_ask_price": "bap",
    "best_ask_size": "bas",
    "best_bid_price": "bbp",
    "best_bid_size": "bbs",
    "total_ask_size": "tas",
    "total_bid_size": "tbs",
    "orderbook_units": "obu",
    "ask_price": "ap",
    "bid_price": "bp",
    "ask_size": "as",
    "bid_size": "bs",
    "level": "lv",
    "opening_price": "op",
    "high_price": "hp",
    "low_price": "lp",
    "signed_change_price": "scp",
    "change_rate": "cr",
    "signed_change_rate": "scr",
    "acc_trade_volume": "atv",
    "acc_trade_volume_24h": "atv24h",
    "acc_trade_price": "atp",
    "acc_trade_price_24h": "atp24h",
    "acc_ask_volume": "aav",
    "acc_bid_volume": "abv",
    "highest_52_week_price": "h52wp",
    "highest_52_week_date": "h52wdt",
    "lowest_52_week_price": "l52wp",
    "lowest_52_week_date": "l52wdt",
    "market_state": "ms",
    "candle_date_time_utc": "cdttmu",
    "candle_date_time_kst": "cdttmk",
    "candle_acc_trade_volume": "catv",
    "candle_acc_trade_price": "catp",
    "uuid": "uid",
    "order_type": "ot",
    "state": "s",
    "trade_uuid": "tuid",
    "price": "p",
    "avg_price": "ap",
    "volume": "v",
    "remaining_volume": "rv",
    "executed_volume": "ev",
    "trades_count": "tc",
    "reserved_fee": "rsf",
    "remaining_fee": "rmf",
    "paid_fee": "pf",
    "locked": "l",
    "executed_funds": "ef",
    "time_in_force": "tif",
    "trade_fee": "tf",
    "is_maker": "im",
    "identifier": "id",
    "smp_type": "smpt",
    "prevented_volume": "pv",
    "prevented_locked": "pl",
    "order_timestamp": "otms",
    "asset_uuid": "astuid",
    "assets": "ast",
    "currency": "cu",
    "balance": "b",
    "asset_timestamp": "asttms",
}
"""DEFAULT key → SIMPLE key."""


def shorten(value: Any) -> Any:
    """Return a message with SIMPLE keys."""
    if isinstance(value, dict):
        return {SHORT.get(name, name): shorten(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shorten(item) for item in value]
    return value


def _error(name: str) -> bytes:
    return msgspec.json.encode({"error": {"name": name, "message": name}})


class _Stream(msgspec.Struct):
    codes: dict[int, int]
    """Instrument → depth (order books)."""
    wants_snapshot: bool = True
    wants_realtime: bool = True
    interval_s: int = 0
    is_all: bool = False


class _Base:
    """What both sockets share: the request, its format, the status text, the message limits."""

    is_private = False

    def __init__(self, core: ExchangeCore) -> None:
        self.core = core
        self.streams: dict[str, _Stream] = {}
        self.format = "DEFAULT"
        self._ticket = ""
        self._window = CountedWindow(5, NS)

    def encode(self, message: dict[str, Any]) -> Frame:
        """Return a message as a binary frame in the connection's format."""
        body = shorten(message) if self.format.startswith("SIMPLE") else message
        return msgspec.json.encode([body] if self.format in ("JSON_LIST", "SIMPLE_LIST") else body)

    def receive(self, frame: Frame, wall_ns: int) -> list[Frame]:
        text = frame if isinstance(frame, str) else frame.decode("utf-8", "replace")
        if text == "PING":
            return [b'{"status":"UP"}']
        if not self._window.use(1, wall_ns):
            return [_error("TOO_MANY_REQUESTS")]
        try:
            request = msgspec.json.decode(text)
        except msgspec.DecodeError:
            return [_error("WRONG_FORMAT")]
        if isinstance(request, dict) and request.get("method") == "LIST_SUBSCRIPTIONS":
            return [self._listed()]
        if not isinstance(request, list) or not all(isinstance(item, dict) for item in request):
            return [_error("WRONG_FORMAT")]
        return self._subscribe(request)

    def _listed(self) -> bytes:
        rows = [{"type": name, "codes": [self.core.instruments[i].code for i in stream.codes]} for name, stream in self.streams.items()]
        return msgspec.json.encode({"method": "LIST_SUBSCRIPTIONS", "result": rows, "ticket": self._ticket})

    def _subscribe(self, request: list[dict[str, Any]]) -> list[Frame]:
        ticket = next((item["ticket"] for item in request if "ticket" in item), None)
        types = [item for item in request if "type" in item]
        if not isinstance(ticket, str) or not ticket:
            return [_error("NO_TICKET")]
        if not types:
            return [_error("NO_TYPE")]
        format_name = next((item["format"] for item in request if "format" in item), "DEFAULT")
        if format_name not in ("DEFAULT", "SIMPLE", "JSON_LIST", "SIMPLE_LIST"):
            return [_error("INVALID_PARAM")]
        streams: dict[str, _Stream] = {}
        for item in types:
            stream = self._stream(item)
            if isinstance(stream, str):
                return [_error(stream)]
            streams[item["type"]] = stream
        # A new request replaces the set before (what clients assume).
        self.streams, self.format, self._ticket = streams, format_name, ticket
        return self._snapshots()

    def _stream(self, item: dict[str, Any]) -> _Stream | str:
        raise AssertionError("each socket reads its own types")

    def _snapshots(self) -> list[Frame]:
        return []

    def public(self, events: np.ndarray) -> list[Frame]:
        return []

    def private(self, update: PaperUpdate) -> list[Frame]:
        return []

    def timed(self, market_ns: int) -> list[Frame]:
        return []

    def close(self) -> None:
        self.streams = {}


class PublicSession(_Base):
    """Trades, order books, tickers and candles of the codes that were asked for."""

    def __init__(self, core: ExchangeCore) -> None:
        super().__init__(core)
        self._last_bar: dict[tuple[str, int], tuple[int, int]] = {}

    def _stream(self, item: dict[str, Any]) -> _Stream | str:
        name = item["type"]
        interval = _CANDLES.get(name.removeprefix("candle.")) if isinstance(name, str) and name.startswith("candle.") else None
        if name not in _PUBLIC and interval is None:
            return "NO_TYPE"
        codes = item.get("codes")
        if not isinstance(codes, list) or not codes:
            return "NO_CODES"
        wanted: dict[int, int] = {}
        for code in codes:
            bare, _, depth = str(code).partition(".")
            if depth and (name != "orderbook" or not depth.isdigit() or int(depth) not in _DEPTHS):
                return "INVALID_PARAM"
            index = self.core.index(bare)
            if index is not None:
                wanted[index] = int(depth or 30)
        if not wanted:
            return "NO_CODES"
        return _Stream(
            wanted,
            wants_snapshot=not item.get("is_only_realtime", item.get("isOnlyRealtime", False)),
            wants_realtime=not item.get("is_only_snapshot", item.get("isOnlySnapshot", False)),
            interval_s=interval or 0,
        )

    def _snapshots(self) -> list[Frame]:
        out: list[Frame] = []
        makers: dict[str, Callable[[int, _Stream], dict[str, Any] | None]] = {
            "trade": self._trade_snapshot,
            "orderbook": self._book_snapshot,
            "ticker": self._ticker_snapshot,
        }
        for name, stream in self.streams.items():
            if not stream.wants_snapshot:
                continue
            for index in stream.codes:
                message = makers[name](index, stream) if name in makers else self._candle(name, index, stream)
                if message is not None:
                    out.append(self.encode(message | {"stream_type": "SNAPSHOT"}))
        return out

    def _trade_snapshot(self, index: int, stream: _Stream) -> dict[str, Any] | None:
        tape = self.core.trades(index, 1)
        return self._trade(index, tape[-1]) if tape else None

    def _book_snapshot(self, index: int, stream: _Stream) -> dict[str, Any] | None:
        moment, _ = self.core.book_time(index)
        if not moment:
            return None
        asks, bids = self.core.book(index, stream.codes[index])
        return self._book(index, moment, asks, bids, self.core.totals(index))

    def _ticker_snapshot(self, index: int, stream: _Stream) -> dict[str, Any] | None:
        return ticker_row(self.core, index, stream=True) if self.core.trades(index, 1) else None

    def public(self, events: np.ndarray) -> list[Frame]:
        head = events[0]
        index, kind = int(head["instrument"]), int(head["kind"])
        out: list[Frame] = []
        if kind == TRADE:
            stream = self.streams.get("trade")
            if stream is not None and stream.wants_realtime and index in stream.codes:
                trade = PublicTrade(
                    int(head["first_id"]), float(head["price"]), int(head["qty"]), int(head["side"]), int(head["exchange_ns"])
                )
                out.append(self.encode(self._trade(index, trade)))
            ticker = self.streams.get("ticker")
            if ticker is not None and ticker.wants_realtime and index in ticker.codes:
                out.append(self.encode(ticker_row(self.core, index, stream=True)))
        elif kind in (SNAPSHOT, TOTAL):
            stream = self.streams.get("orderbook")
            if stream is not None and stream.wants_realtime and index in stream.codes:
                out.append(self.encode(self._book_of(events, index, stream.codes[index])))
        return out

    def _book_of(self, events: np.ndarray, index: int, depth: int) -> dict[str, Any]:
        """Return a book message with the recorded levels, totals and time."""
        asks: list[Level] = []
        bids: list[Level] = []
        totals = {1: 0.0, -1: 0.0}
        for kind, price, qty, sign in zip(
            events["kind"].tolist(), events["price"].tolist(), events["qty"].tolist(), events["side"].tolist(), strict=True
        ):
            if kind == TOTAL:
                totals[sign] = price
            else:
                (bids if sign > 0 else asks).append((price, qty))
        moment = int(events[-1]["exchange_ns"])
        return self._book(index, moment, asks[:depth], bids[:depth], (totals[-1], totals[1]))

    def _book(self, index: int, moment_ns: int, asks: list[Level], bids: list[Level], totals: tuple[float, float]) -> dict[str, Any]:
        return {
            "type": "orderbook",
            "code": self.core.instruments[index].code,
            "timestamp": moment_ns // MS,
            "total_ask_size": totals[0],
            "total_bid_size": totals[1],
            "orderbook_units": book_units(asks, bids),
            "level": 0,
            "stream_type": "REALTIME",
        }

    def _trade(self, index: int, trade: PublicTrade) -> dict[str, Any]:
        moment = dt.datetime.fromtimestamp(trade.exchange_ns // NS, dt.UTC)
        close = self.core.day(index).previous_close
        asks, bids = self.core.book(index, 1)
        change = change_of(trade.price, close)
        return {
            "type": "trade",
            "code": self.core.instruments[index].code,
            "timestamp": max(self.core.market_ns, trade.exchange_ns) // MS,
            "trade_date": moment.strftime("%Y-%m-%d"),
            "trade_time": moment.strftime("%H:%M:%S"),
            "trade_timestamp": trade.exchange_ns // MS,
            "trade_price": trade.price,
            "trade_volume": size(trade.qty),
            "ask_bid": "BID" if trade.side >= 0 else "ASK",
            "prev_closing_price": finite(close),
            "change": change["change"],
            "change_price": change["change_price"],
            "sequential_id": trade.number,
            "best_ask_price": asks[0][0] if asks else None,
            "best_ask_size": size(asks[0][1]) if asks else None,
            "best_bid_price": bids[0][0] if bids else None,
            "best_bid_size": size(bids[0][1]) if bids else None,
            "stream_type": "REALTIME",
        }

    def _candle(self, name: str, index: int, stream: _Stream) -> dict[str, Any] | None:
        bars = self.core.candles(index, stream.interval_s, self.core.market_ns + DAY_S * NS, 1)
        if not bars:
            return None
        bar = bars[-1]
        self._last_bar[name, index] = (bar.start_ns, bar.trades)
        start = dt.datetime.fromtimestamp(bar.start_ns // NS, dt.UTC)
        return {
            "type": name,
            "code": self.core.instruments[index].code,
            "candle_date_time_utc": start.strftime("%Y-%m-%dT%H:%M:%S"),
            "candle_date_time_kst": start.astimezone(KST).strftime("%Y-%m-%dT%H:%M:%S"),
            "opening_price": bar.open,
            "high_price": bar.high,
            "low_price": bar.low,
            "trade_price": bar.close,
            "candle_acc_trade_volume": bar.volume,
            "candle_acc_trade_price": bar.value,
            "timestamp": bar.last_ns // MS,
            "stream_type": "REALTIME",
        }

    def timed(self, market_ns: int) -> list[Frame]:
        """Candles are said once a second when they changed."""
        out: list[Frame] = []
        for name, stream in self.streams.items():
            if not stream.interval_s or not stream.wants_realtime:
                continue
            for index in stream.codes:
                before = self._last_bar.get((name, index))
                message = self._candle(name, index, stream)
                if message is not None and self._last_bar.get((name, index)) != before:
                    out.append(self.encode(message))
        return out


class PrivateSession(_Base):
    """myOrder and myAsset; silent until something happens."""

    is_private = True

    def _stream(self, item: dict[str, Any]) -> _Stream | str:
        if item["type"] not in ("myOrder", "myAsset", "announcement"):
            return "NO_TYPE"
        codes = item.get("codes") or []
        if item["type"] == "myAsset" and codes:
            return "INVALID_PARAM"
        wanted = {index: 0 for index in (self.core.index(str(code)) for code in codes) if index is not None}
        if codes and not wanted:
            return "NO_CODES"
        return _Stream(wanted, is_all=not codes)

    def private(self, update: PaperUpdate) -> list[Frame]:
        if update.order is not None:
            stream = self.streams.get("myOrder")
            if stream is None or not (stream.is_all or update.order.instrument in stream.codes):
                return []
            return [self.encode(my_order(update, self.core.instruments[update.order.instrument].code))]
        return [self.encode(my_asset(update))] if "myAsset" in self.streams else []
