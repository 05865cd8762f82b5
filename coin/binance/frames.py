"""Binance spot: public frames → events.

Combined frames (``{"stream": …, "data": …}``) and raw ones are read alike, with or without unknown
fields. A frame that cannot be read, or whose numbers cannot be true, is counted by reason and gives
no events; nothing here raises. Source: protocols/binance.md 10.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from domain.instruments import Instrument
from domain.orders import qty_units
from domain.records import AGGREGATE, FIRST, LAST, LEVEL, NO_ROW, SNAPSHOT, TRADE
from utility.event_block import NO_EVENTS, EventBlock

Milliseconds = Annotated[int, Meta(ge=0, lt=9_000_000_000_000)]
Identifier = Annotated[int, Meta(ge=0, le=2**63 - 1)]

_PRICE_LIMIT = 1e15
_MS = 1_000_000


class Trade(msgspec.Struct, tag_field="e", tag="trade"):
    """``<symbol>@trade``."""

    s: str
    t: Identifier
    p: str
    q: str
    T: Milliseconds
    m: bool
    X: str = "MARKET"


class AggregateTrade(msgspec.Struct, tag_field="e", tag="aggTrade"):
    """``<symbol>@aggTrade``; recordings hold it."""

    s: str
    a: Identifier
    p: str
    q: str
    T: Milliseconds
    m: bool


class Depth(msgspec.Struct, tag_field="e", tag="depthUpdate"):
    """``<symbol>@depth@100ms``."""

    s: str
    E: Milliseconds
    U: Identifier
    u: Identifier
    b: list[tuple[str, str]]
    a: list[tuple[str, str]]


class ServerShutdown(msgspec.Struct, tag_field="e", tag="serverShutdown"):
    """Said shortly before the server leaves."""


PublicMessage = Trade | AggregateTrade | Depth | ServerShutdown


class Combined(msgspec.Struct):
    """The wrapper of a combined stream."""

    stream: str
    data: PublicMessage


class Control(msgspec.Struct):
    """What is neither: an answer to SUBSCRIBE, an error, a book ticker."""

    id: int | str | None = None
    result: object = msgspec.UNSET
    code: int | None = None
    msg: str | None = None
    stream: str | None = None
    e: str | None = None
    u: int | None = None


class DepthSnapshot(msgspec.Struct):
    """``GET /api/v3/depth``."""

    lastUpdateId: Identifier
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


_combined = msgspec.json.Decoder(Combined)
_raw = msgspec.json.Decoder(PublicMessage)
_control = msgspec.json.Decoder(Control)
_snapshot = msgspec.json.Decoder(DepthSnapshot)


def units(text: str) -> int:
    """Return a decimal text as units of 1e-8, exactly; ValueError when it is none or finer."""
    if text[-9:-8] == ".":  # the venue writes eight decimals
        return int(text[:-9] + text[-8:])
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(text) from None
    if not value.is_finite() or abs(value) > 10**11:
        raise ValueError(text)
    return qty_units(value)


class FrameDecoder:
    """Frames of one connection → events.

    Parameters
    ----------
    instruments : sequence of Instrument
        Position here is the `instrument` index of the events.

    Attributes
    ----------
    rejected : Counter
        Frames refused, by reason: malformed, unknown_symbol, price, qty, update_ids.
    control : str
        What the last frame was when it held no data: "", answer, error, shutdown, other.
    """

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self._index = {instrument.code: i for i, instrument in enumerate(instruments)}
        self._block = EventBlock()
        self.rejected: Counter[str] = Counter()
        self.control = ""

    def decode(self, frame: bytes | str, received_ns: int) -> np.ndarray:
        """Return the frame's events in EVENT_DTYPE, empty for control answers and refused frames."""
        self.control = ""
        try:
            message = self._parse(frame)
            if message is None:
                return NO_EVENTS
            return self._translate(message, received_ns)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return self._reject("malformed")
        except KeyError:
            return self._reject("unknown_symbol")
        except (ValueError, OverflowError, struct.error):
            return self._reject("number")

    def _parse(self, frame: bytes | str) -> PublicMessage | None:
        head = frame[:10]
        try:
            if head.startswith(b'{"stream"' if isinstance(head, bytes) else '{"stream"'):
                return _combined.decode(frame).data
            return _raw.decode(frame)
        except msgspec.ValidationError:
            self._note_control(frame)
            return None

    def _note_control(self, frame: bytes | str) -> None:
        """Tell an answer, an error or a stream that nobody asked for from a bad frame, which raises on."""
        note = _control.decode(frame)
        if note.e in ("trade", "aggTrade", "depthUpdate"):
            raise msgspec.DecodeError("fields")
        if note.stream is not None:
            if note.stream.endswith(("@trade", "@aggTrade")) or "@depth" in note.stream:
                raise msgspec.DecodeError("fields")
            self.control = "shutdown" if note.stream == "!serverShutdown" else "other"
        elif note.code is not None:
            self.control = "error"
        elif note.id is not None:
            self.control = "answer"
        elif note.u is not None or note.e is not None:
            self.control = "other"
        else:
            raise msgspec.DecodeError("unknown message")

    def _reject(self, reason: str) -> np.ndarray:
        self.rejected[reason] += 1
        return NO_EVENTS

    def _translate(self, message: PublicMessage, received_ns: int) -> np.ndarray:
        if isinstance(message, Depth):
            return self._depth(message, received_ns)
        if isinstance(message, ServerShutdown):
            self.control = "shutdown"
            return NO_EVENTS
        flags, number = (0, message.t) if isinstance(message, Trade) else (AGGREGATE, message.a)
        index = self._index[message.s]
        if isinstance(message, Trade) and message.X != "MARKET":
            self.control = "other"  # an insurance fund or RPI print is no public trade (strategy-language 1.1-7)
            return NO_EVENTS
        price, qty = float(message.p), units(message.q)
        if not 0.0 < price < _PRICE_LIMIT:
            return self._reject("price")
        if qty <= 0:
            return self._reject("qty")
        side = -1 if message.m else 1
        return self._block.one(TRADE, index, message.T * _MS, received_ns, price, qty, side, flags=flags, first_id=number)

    def _depth(self, message: Depth, received_ns: int) -> np.ndarray:
        index = self._index[message.s]
        if message.u < message.U:
            return self._reject("update_ids")
        exchange_ns = message.E * _MS
        bids, asks = message.b, message.a
        if not bids and not asks:  # no level moved, yet it is a book event and a link of the id chain
            return self._block.one(
                LEVEL, index, exchange_ns, received_ns, 0.0, 0, 0, flags=FIRST | LAST, first_id=message.U, last_id=message.u
            )
        reason, prices, qtys, sides = levels(bids, asks)
        if reason:
            return self._reject(reason)
        return self._block.book(LEVEL, index, exchange_ns, received_ns, prices, qtys, sides, first_id=message.U, last_id=message.u)


def levels(bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> tuple[str, list[float], list[int], list[int]]:
    """Return (reason, prices, quantities, sides) of both sides, bids first; reason "" when all are true."""
    both = bids + asks
    prices = [float(level[0]) for level in both]
    qtys = [units(level[1]) for level in both]
    # A sum with NaN compares false, so one comparison finds NaN, infinity and absurd prices.
    if min(prices) <= 0.0 or not sum(prices) < _PRICE_LIMIT:
        return "price", prices, qtys, []
    if min(qtys) < 0:
        return "qty", prices, qtys, []
    return "", prices, qtys, [1] * len(bids) + [-1] * len(asks)


def parse_snapshot(body: bytes) -> DepthSnapshot:
    """Return the REST snapshot; msgspec.DecodeError when it is none."""
    return _snapshot.decode(body)


def snapshot_events(snapshot: DepthSnapshot, index: int, exchange_ns: int, received_ns: int) -> np.ndarray:
    """Return a REST snapshot as SNAPSHOT levels with NO_ROW on the last.

    Parameters
    ----------
    exchange_ns : int
        Venue clock of the last event before it; the answer itself carries no time.

    Raises
    ------
    ValueError
        No level, or a number that cannot be true.
    """
    if not snapshot.bids or not snapshot.asks:
        raise ValueError("empty snapshot")
    reason, prices, qtys, sides = levels(snapshot.bids, snapshot.asks)
    if reason:
        raise ValueError(reason)
    return EventBlock().book(
        SNAPSHOT,
        index,
        exchange_ns,
        received_ns,
        prices,
        qtys,
        sides,
        first_id=snapshot.lastUpdateId,
        last_id=snapshot.lastUpdateId,
        last_flags=NO_ROW,
    )
