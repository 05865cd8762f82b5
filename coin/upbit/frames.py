"""Upbit: public frames → events.

DEFAULT and SIMPLE keys, text and binary frames, numbers in any notation. Quantities are exact: a
JSON number becomes float64 and is taken as units of 1e-8 only while that is provably the number
that was written (below 2^51 units, and next to a whole unit); else the frame is read again as
decimals. Nothing here raises; a refused frame is counted by reason. Source: protocols/upbit.md 10.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from domain.instruments import DAY_S, NS, Instrument
from domain.orders import qty_units
from domain.records import LAST, PREV_CLOSE, SNAPSHOT, TOTAL, TRADE
from utility.event_block import NO_EVENTS, EventBlock

Milliseconds = Annotated[int, Meta(ge=0, lt=9_000_000_000_000)]
Identifier = Annotated[int, Meta(ge=0, le=2**63 - 1)]

_PRICE_LIMIT = 1e15
_EXACT_UNITS = 2.0**51
_MS = 1_000_000
_DAY_MS = DAY_S * 1000
_DAY_NS = DAY_S * NS

_TRADE_KEYS = {
    "code": "cd",
    "trade_timestamp": "ttms",
    "trade_price": "tp",
    "trade_volume": "tv",
    "ask_bid": "ab",
    "sequential_id": "sid",
    "prev_closing_price": "pcp",
    "stream_type": "st",
}
_BOOK_KEYS = {
    "code": "cd",
    "timestamp": "tms",
    "total_ask_size": "tas",
    "total_bid_size": "tbs",
    "orderbook_units": "obu",
    "stream_type": "st",
}
_UNIT_KEYS = {"ask_price": "ap", "bid_price": "bp", "ask_size": "as", "bid_size": "bs"}


class Unit(msgspec.Struct):
    """The n-th ask beside the n-th bid."""

    ask_price: float
    bid_price: float
    ask_size: float
    bid_size: float


class Trade(msgspec.Struct, tag_field="type", tag="trade"):
    code: str
    trade_timestamp: Milliseconds
    trade_price: float
    trade_volume: float
    ask_bid: str
    sequential_id: Identifier
    prev_closing_price: float | None = None
    stream_type: str = "REALTIME"


class Book(msgspec.Struct, tag_field="type", tag="orderbook"):
    code: str
    timestamp: Milliseconds
    total_ask_size: float
    total_bid_size: float
    orderbook_units: list[Unit]
    stream_type: str = "REALTIME"


class SimpleUnit(msgspec.Struct, rename=_UNIT_KEYS):
    """As Unit; `rename` reaches a class's own fields only, so they are spelled again."""

    ask_price: float
    bid_price: float
    ask_size: float
    bid_size: float


class SimpleTrade(msgspec.Struct, tag_field="ty", tag="trade", rename=_TRADE_KEYS):
    code: str
    trade_timestamp: Milliseconds
    trade_price: float
    trade_volume: float
    ask_bid: str
    sequential_id: Identifier
    prev_closing_price: float | None = None
    stream_type: str = "REALTIME"


class SimpleBook(msgspec.Struct, tag_field="ty", tag="orderbook", rename=_BOOK_KEYS):
    code: str
    timestamp: Milliseconds
    total_ask_size: float
    total_bid_size: float
    orderbook_units: list[SimpleUnit]
    stream_type: str = "REALTIME"


class Control(msgspec.Struct):
    """What is no data: ``{"status": "UP"}``, an error, a stream that nobody asked for."""

    status: str | None = None
    error: dict[str, object] | None = None
    type: str | None = None
    ty: str | None = None
    method: str | None = None
    result: object = msgspec.UNSET


class _ExactUnit(msgspec.Struct):
    ask_size: Decimal
    bid_size: Decimal


class _ExactSimpleUnit(msgspec.Struct, rename={"ask_size": "as", "bid_size": "bs"}):
    ask_size: Decimal
    bid_size: Decimal


class _Exact(msgspec.Struct):
    trade_volume: Decimal | None = None
    orderbook_units: list[_ExactUnit] = []


class _ExactSimple(msgspec.Struct, rename={"trade_volume": "tv", "orderbook_units": "obu"}):
    trade_volume: Decimal | None = None
    orderbook_units: list[_ExactSimpleUnit] = []


_default = msgspec.json.Decoder(Trade | Book)
_simple = msgspec.json.Decoder(SimpleTrade | SimpleBook)
_control = msgspec.json.Decoder(Control)
_exact = msgspec.json.Decoder(_Exact)
_exact_simple = msgspec.json.Decoder(_ExactSimple)


def _is_exact(scaled: float, whole: float) -> bool:
    return whole < _EXACT_UNITS and abs(scaled - whole) <= whole * 4.5e-16 + 1e-7


class FrameDecoder:
    """Frames of one connection → events.

    Parameters
    ----------
    instruments : sequence of Instrument
        Position here is the `instrument` index of the events.

    Attributes
    ----------
    rejected : Counter
        Frames refused, by reason: malformed, unknown_symbol, price, qty, side, precision, number.
    control : str
        What the last frame was when it held no data: "", answer, error, other.
    """

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self._index = {instrument.code: i for i, instrument in enumerate(instruments)}
        self._block = EventBlock()
        self._prev_close: dict[int, tuple[int, float]] = {}
        self.rejected: Counter[str] = Counter()
        self.control = ""

    def decode(self, frame: bytes | str, received_ns: int) -> np.ndarray:
        """Return the frame's events in EVENT_DTYPE, empty for control answers and refused frames."""
        self.control = ""
        try:
            message = self._parse(frame)
            if message is None:
                return NO_EVENTS
            if isinstance(message, (Trade, SimpleTrade)):
                return self._trade(message, frame, received_ns)
            return self._book(message, frame, received_ns)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return self._reject("malformed")
        except KeyError:
            return self._reject("unknown_symbol")
        except (ValueError, OverflowError, ArithmeticError, struct.error):
            return self._reject("number")

    def _parse(self, frame: bytes | str) -> Trade | Book | SimpleTrade | SimpleBook | None:
        is_simple = frame.startswith(b'{"ty":' if isinstance(frame, bytes) else '{"ty":')
        try:
            return (_simple if is_simple else _default).decode(frame)
        except msgspec.ValidationError:
            return self._parse_again(frame, is_simple)

    def _parse_again(self, frame: bytes | str, was_simple: bool) -> Trade | Book | SimpleTrade | SimpleBook | None:
        note = _control.decode(frame)
        if note.ty in ("trade", "orderbook") and not was_simple:
            return _simple.decode(frame)
        if note.type in ("trade", "orderbook"):
            if was_simple:
                return _default.decode(frame)
            raise msgspec.DecodeError("fields")
        if note.error is not None:
            self.control = "error"
        elif note.status is not None or note.method is not None:
            self.control = "answer"
        elif note.type is not None or (note.ty is not None and note.ty not in ("trade", "orderbook")):
            self.control = "other"
        else:
            raise msgspec.DecodeError("unknown message")
        return None

    def _reject(self, reason: str) -> np.ndarray:
        self.rejected[reason] += 1
        return NO_EVENTS

    def _trade(self, message: Trade | SimpleTrade, frame: bytes | str, received_ns: int) -> np.ndarray:
        index = self._index[message.code]
        if message.stream_type == "SNAPSHOT":  # the last trade again, not a trade (strategy-language 1.1-7)
            self.control = "other"
            return NO_EVENTS
        price, volume = message.trade_price, message.trade_volume
        if not 0.0 < price < _PRICE_LIMIT:
            return self._reject("price")
        if not 0.0 < volume < 1e10:
            return self._reject("qty")
        if message.ask_bid not in ("ASK", "BID"):
            return self._reject("side")
        scaled = volume * 1e8
        qty = int(scaled + 0.5)
        if not _is_exact(scaled, float(qty)):
            exact = (_exact_simple if isinstance(message, SimpleTrade) else _exact).decode(frame).trade_volume
            qty = qty_units(exact) if exact is not None else 0
        if qty <= 0:
            return self._reject("qty")
        exchange_ns = message.trade_timestamp * _MS
        side = 1 if message.ask_bid == "BID" else -1
        close = message.prev_closing_price
        if close is not None and self._is_new_close(index, exchange_ns, close):
            start = self._block.one(PREV_CLOSE, index, exchange_ns, received_ns, close, 0, 0)
            trade = self._block.one(TRADE, index, exchange_ns, received_ns, price, qty, side, first_id=message.sequential_id)
            return np.concatenate((start, trade))
        return self._block.one(TRADE, index, exchange_ns, received_ns, price, qty, side, first_id=message.sequential_id)

    def _is_new_close(self, index: int, exchange_ns: int, close: float) -> bool:
        """Tell whether the venue's previous close is news: once per instrument and day, and when it changes."""
        if not 0.0 < close < _PRICE_LIMIT:
            return False
        known = (exchange_ns // _DAY_NS, close)
        if self._prev_close.get(index) == known:
            return False
        self._prev_close[index] = known
        return True

    def _book(self, message: Book | SimpleBook, frame: bytes | str, received_ns: int) -> np.ndarray:
        index = self._index[message.code]
        units = message.orderbook_units
        totals = (message.total_ask_size, message.total_bid_size)
        if not units:
            return self._reject("empty")
        if not (0.0 <= totals[0] < 1e13 and 0.0 <= totals[1] < 1e13):
            return self._reject("qty")
        count = len(units)
        prices = np.array([u.ask_price for u in units] + [u.bid_price for u in units])
        sizes = np.array([u.ask_size for u in units] + [u.bid_size for u in units])
        if not (prices.min() >= 0.0 and prices.max() < _PRICE_LIMIT):
            return self._reject("price")
        if not (sizes.min() >= 0.0 and sizes.max() < 9e10):
            return self._reject("qty")
        scaled = sizes * 1e8
        whole = np.rint(scaled)
        qtys = whole.astype(np.int64)
        if whole.max() >= _EXACT_UNITS or (np.abs(scaled - whole) > whole * 4.5e-16 + 1e-7).any():
            exact = (_exact_simple if isinstance(message, SimpleBook) else _exact).decode(frame).orderbook_units
            qtys[:] = [qty_units(u.ask_size) for u in exact] + [qty_units(u.bid_size) for u in exact]
        sides = np.ones(2 * count, np.int8)
        sides[:count] = -1
        kept = prices > 0.0
        if not kept.all():  # a one-sided end of the list is written as zeros
            prices, qtys, sides = prices[kept], qtys[kept], sides[kept]
            if not len(prices):
                return self._reject("empty")
        levels = len(prices)
        events = self._block.book(
            SNAPSHOT,
            index,
            message.timestamp * _MS,
            received_ns,
            np.concatenate((prices, totals)),
            np.concatenate((qtys, (0, 0))),
            np.concatenate((sides, (-1, 1))),
        )
        events["kind"][levels:] = TOTAL
        assert events["flags"][-1] & LAST
        return events
