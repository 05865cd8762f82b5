"""Raw recordings: one received message a line, as hftbacktest and cryptofeed write them.

``<receive time, ns> <JSON>`` (one symbol a file, Binance) or ``<receive time, s>: <message>`` after some
lines of configuration, REST answers as ``<address> -> <time>: <JSON>`` and Upbit payloads as ``b'…'``. The
venue is told by the messages, never by the file's name.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np

from coin.binance import frames as binance
from coin.upbit import frames as upbit
from domain.instruments import Instrument, Market, instrument_id
from domain.orders import qty_units
from domain.records import CHAINED, FIRST, LAST, LEVEL, NO_BOOK, NO_ROW, PREV_CLOSE, SNAPSHOT, TRADE
from trading.importers.files import open_text
from trading.importers.report import FileTally
from utility.event_block import EventBlock

NANO_LINE = re.compile(rb"(\d{16,19}) (\{.*)")
FEED_LINE = re.compile(rb"(?:(https?://\S+) -> )?(\d{9,11}\.\d+): (.*)")
HEAD_LINE = re.compile(rb"configuration: |wss?://\S+ <")
_BINANCE_SYMBOL = re.compile(rb'"s":"([^"]+)"')
_UPBIT_SYMBOL = re.compile(rb'"(?:cd|code)":"([^"]+)"')
_URL_SYMBOL = re.compile(rb"[?&]symbol=([A-Za-z0-9]+)")
_TICKER = b'ookTicker"'
_CHUNK_LINES = 2048
_MS = 1_000_000


class FuturesDepth(msgspec.Struct):
    """A depth message that names its predecessor (`pu`)."""

    s: str
    E: int
    U: int
    u: int
    pu: int
    b: list[tuple[str, str]]
    a: list[tuple[str, str]]


class _Wrapped(msgspec.Struct):
    data: FuturesDepth


class Snapshot(msgspec.Struct):
    """A REST answer of depth; futures say when (`E`), spot does not."""

    lastUpdateId: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]
    E: int = 0


class _Market(msgspec.Struct):
    market: str
    korean_name: str = ""
    english_name: str = ""


_wrapped = msgspec.json.Decoder(_Wrapped)
_snapshot = msgspec.json.Decoder(Snapshot)
_markets = msgspec.json.Decoder(list[_Market])


def split_line(line: bytes) -> tuple[int, bytes, bytes] | None:
    """Return (receive time in ns, address of a REST answer or b"", message); None when it is no such line."""
    found = NANO_LINE.fullmatch(line)
    if found:
        return int(found[1]), b"", found[2]
    found = FEED_LINE.fullmatch(line)
    if not found:
        return None
    seconds, _, fraction = found[2].partition(b".")
    nanos = int(seconds) * 1_000_000_000 + int((fraction + b"000000000")[:9])
    message = found[3].strip()
    if message[:2] in (b"b'", b'b"'):
        message = message[2:-1] if b"\\" not in message else ast.literal_eval(message.decode("ascii", "replace"))
    return nanos, found[1] or b"", message


def decimals_of(texts: list[str]) -> int:
    """Return the finest decimal place used in number texts (trailing zeros are not used)."""
    finest = 0
    for text in texts:
        fraction = text.partition(".")[2].rstrip("0")
        finest = max(finest, len(fraction))
    return finest


@dataclass
class Scan:
    """What a first pass over a recording finds."""

    venue: str = ""  # binance, binance-futures, upbit
    first_ns: int = 0
    symbols: Counter[str] = field(default_factory=Counter)
    traded: set[str] = field(default_factory=set)
    singles: set[str] = field(default_factory=set)
    booked: set[str] = field(default_factory=set)
    steps: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Decimals of prices and sizes in the first snapshot."""
    seen_steps: dict[str, tuple[int, int]] = field(default_factory=dict)
    """The same of trades and changes, for a recording without a snapshot."""
    names: dict[str, tuple[str, str]] = field(default_factory=dict)


class Recording:
    """One file of raw messages.

    Parameters
    ----------
    path : Path
    market : Market
        The Market it is imported into.
    scan : Scan
        Of this file (`scan_recording`).
    """

    def __init__(self, path: Path, market: Market, scan: Scan, tally: FileTally) -> None:
        self.path = path
        self.market = market
        self.scan = scan
        self.tally = tally
        self._last_ns: dict[str, int] = {}
        self._block = EventBlock()
        tally.symbols = sorted(set(scan.symbols) | scan.booked)

    @property
    def first_ns(self) -> int:
        return self.scan.first_ns

    def chunks(self, instruments: list[Instrument], refused: dict[str, str], singles: set[str], booked: set[str]) -> Iterator[np.ndarray]:
        """Yield the events in the order of the lines; lines without an event are counted here.

        Parameters
        ----------
        refused : dict of symbol to reason
            Symbols that are not imported.
        singles, booked : set of symbol
            Those with single trades, and with a book, anywhere in the import (1.1 items 7 and 11).
        """
        decode = upbit.FrameDecoder(instruments) if self.scan.venue == "upbit" else binance.FrameDecoder(instruments)
        index = {instrument.code: k for k, instrument in enumerate(instruments)}
        held: list[np.ndarray] = []
        latest = 0
        for number, line in enumerate(open_text(self.path)):
            self.tally.rows_in += 1
            events, reason = self._line(line, decode, index, refused, singles)
            if reason:
                self.tally.refuse(reason, number)
            elif len(events):
                latest = max(latest, int(events["received_ns"][0]))
                events["received_ns"] = latest
                trades = events["kind"] == TRADE
                if trades.any() and instruments[int(events["instrument"][-1])].code not in booked:
                    events["flags"][trades] |= NO_BOOK
                held.append(events)
            if number % _CHUNK_LINES == _CHUNK_LINES - 1 and held:
                yield np.concatenate(held)
                held = []
        if held:
            yield np.concatenate(held)

    def _line(
        self,
        line: bytes,
        decoder: binance.FrameDecoder | upbit.FrameDecoder,
        index: dict[str, int],
        refused: dict[str, str],
        singles: set[str],
    ) -> tuple[np.ndarray, str]:
        """Return (events, "") or (anything, reason)."""
        nothing = np.empty(0)
        parts = split_line(line)
        if parts is None:
            return nothing, "header" if HEAD_LINE.match(line) else "malformed"
        received_ns, url, message = parts
        if _TICKER in message[:120]:
            return nothing, "book_ticker"
        if message.startswith(b'[{"market"'):
            return nothing, "instrument_list"
        symbol = symbol_of(self.scan.venue, url, message) or self._only_symbol()
        if symbol in refused:
            return nothing, refused[symbol]
        if symbol not in index:
            return nothing, "unknown_symbol" if symbol else "malformed"
        if b'"lastUpdateId"' in message[:60]:
            return self._snapshot(message, index[symbol], symbol, received_ns)
        if b'"pu":' in message and b"depthUpdate" in message[:80]:
            return self._futures_depth(message, index[symbol], received_ns)
        if symbol in singles and b'"e":"aggTrade"' in message[:120]:
            return nothing, "aggregate"
        before = decoder.rejected.copy()
        events = decoder.decode(message, received_ns)
        if not len(events):
            reason = next((name for name, count in decoder.rejected.items() if count > before[name]), decoder.control or "empty")
            return events, reason
        self._last_ns[symbol] = int(events["exchange_ns"][-1])
        return events, ""

    def _only_symbol(self) -> str:
        return next(iter(self.scan.symbols)) if len(self.scan.symbols) == 1 else ""

    def _snapshot(self, message: bytes, index: int, symbol: str, received_ns: int) -> tuple[np.ndarray, str]:
        try:
            snapshot = _snapshot.decode(message)
            reason, prices, qtys, sides = binance.levels(snapshot.bids, snapshot.asks)
        except (msgspec.DecodeError, ValueError, OverflowError):
            return np.empty(0), "malformed"
        if reason:
            return np.empty(0), reason
        exchange_ns = snapshot.E * _MS or self._last_ns.get(symbol, received_ns)
        ident = snapshot.lastUpdateId
        return self._block.book(
            SNAPSHOT, index, exchange_ns, received_ns, prices, qtys, sides, first_id=ident, last_id=ident, last_flags=NO_ROW
        ), ""

    def _futures_depth(self, message: bytes, index: int, received_ns: int) -> tuple[np.ndarray, str]:
        try:
            depth = _wrapped.decode(message).data if message.startswith(b'{"stream"') else msgspec.json.decode(message, type=FuturesDepth)
            if depth.u < depth.U or depth.pu < 0:
                return np.empty(0), "update_ids"
            reason, prices, qtys, sides = binance.levels(depth.b, depth.a) if depth.a or depth.b else ("", [], [], [])
        except (msgspec.DecodeError, ValueError, OverflowError):
            return np.empty(0), "malformed"
        if reason:
            return np.empty(0), reason
        events = self._block.book(
            LEVEL,
            index,
            depth.E * _MS,
            received_ns,
            [0.0, *prices],
            [depth.pu, *qtys],
            [0, *sides],
            first_id=depth.U,
            last_id=depth.u,
        )
        events["flags"][0] |= FIRST | CHAINED
        self._last_ns[depth.s] = depth.E * _MS
        return events, ""


def symbol_of(venue: str, url: bytes, message: bytes) -> str:
    """Return the symbol a message is about, "" when it does not say."""
    pattern = _UPBIT_SYMBOL if venue == "upbit" else _BINANCE_SYMBOL
    found = _URL_SYMBOL.search(url) if url else pattern.search(message[:400])
    return found[1].decode().upper() if found else ""


def scan_recording(path: Path) -> Scan | None:
    """Read a recording once; None when it is none (no message of a known venue in its first 500 lines)."""
    scan = Scan()
    unsure: list[tuple[int, int]] = []
    for number, line in enumerate(open_text(path)):
        if number == 500 and not scan.venue:
            return None
        parts = split_line(line)
        if parts is None:
            continue
        received_ns, url, message = parts
        scan.first_ns = scan.first_ns or received_ns
        head = message[:200]
        if _TICKER in head[:120]:
            continue
        if message.startswith(b'[{"market"'):
            _read_names(message, scan)
            continue
        if scan.venue in ("", "binance"):  # a spot recording may turn out to be one of futures
            venue = _venue_of(url, message)
            scan.venue = venue if not scan.venue or venue == "binance-futures" else scan.venue
        symbol = symbol_of(scan.venue, url, message)
        if b'"lastUpdateId"' in head:
            if symbol:
                scan.booked.add(symbol)
                scan.steps.setdefault(symbol, snapshot_decimals(message))
            else:
                unsure.append(snapshot_decimals(message))
        elif symbol:
            _see_message(message, symbol, scan)
    if not scan.venue and not scan.names:
        return None
    if unsure and len(scan.symbols) == 1:
        scan.steps.setdefault(next(iter(scan.symbols)), unsure[0])
    return scan


def _see_message(message: bytes, symbol: str, scan: Scan) -> None:
    """Note what a trade or a book message tells of its symbol."""
    head = message[:200]
    scan.symbols[symbol] += 1
    if b"depthUpdate" in head or b'"orderbook"' in head:
        scan.booked.add(symbol)
    elif b'"e":"trade"' in head or b'"e":"aggTrade"' in head or b'"trade"' in head:
        scan.traded.add(symbol)
        if b"aggTrade" not in head:
            scan.singles.add(symbol)
        if scan.venue.startswith("binance"):
            _see_trade(message, symbol, scan)


def _venue_of(url: bytes, message: bytes) -> str:
    head = message[:400]
    if b"depthUpdate" in head[:80]:
        return "binance-futures" if b'"pu":' in head else "binance"
    if b"//fapi." in url or (b'"e":"trade"' in head and b'"X":' in head):
        return "binance-futures"
    if b'"cd":"' in head or b'"sequential_id"' in head or b'"orderbook_units"' in head:
        return "upbit"
    if b'"e":"trade"' in head or b'"e":"aggTrade"' in head or (url and b'"lastUpdateId"' in head):
        return "binance"
    return ""


def _read_names(message: bytes, scan: Scan) -> None:
    try:
        for one in _markets.decode(message):
            scan.names[one.market] = (one.korean_name, one.english_name)
    except msgspec.DecodeError:
        return


def _see_trade(message: bytes, symbol: str, scan: Scan) -> None:
    price = re.search(rb'"p":"([0-9.]+)"', message)
    size = re.search(rb'"q":"([0-9.]+)"', message)
    if price and size:
        before = scan.seen_steps.get(symbol, (0, 0))
        scan.seen_steps[symbol] = (
            max(before[0], decimals_of([price[1].decode()])),
            max(before[1], decimals_of([size[1].decode()])),
        )


def snapshot_decimals(message: bytes) -> tuple[int, int]:
    """Return the finest decimal place of a REST snapshot's prices and sizes; (0, 0) when it cannot be read."""
    try:
        snapshot = _snapshot.decode(message)
    except msgspec.DecodeError:
        return 0, 0
    both = snapshot.bids + snapshot.asks
    return decimals_of([level[0] for level in both]), decimals_of([level[1] for level in both])


def derived_instrument(market: Market, symbol: str, decimals: tuple[int, int] | None, names: tuple[str, str] | None) -> Instrument:
    """Return an Instrument of a recording (1.1 item 13): steps from its first snapshot, the ladder where the Market has one."""
    by_ladder = market.ladder_is_dated()
    if market.code == "upbit":
        quote, _, base = symbol.partition("-")
    else:
        base, quote = symbol.removesuffix(market.currency), market.currency
    qty_decimals = market.qty_decimals if market.qty_decimals is not None else (decimals or (8, 8))[1]
    step = qty_units(Decimal(1).scaleb(-qty_decimals))
    return Instrument(
        instrument_id=instrument_id(market.code, symbol),
        code=symbol,
        name=(names or ("", ""))[0] or symbol,
        english_name=(names or ("", ""))[1],
        base=base,
        quote=quote,
        price_step=0.0 if by_ladder else float(Decimal(1).scaleb(-(decimals or (8, 8))[0])),
        qty_step=step,
        qty_decimals=qty_decimals,
        min_qty=step,
        min_notional=market.min_notional,
    )


def foreign_quote(market: Market, symbol: str) -> bool:
    """Tell whether a symbol is not priced in the Market's currency: such money is not the account's."""
    if market.kind == "stock":
        return False
    if "-" in symbol:
        return not symbol.startswith(market.currency + "-")
    return not symbol.endswith(market.currency)


def units_in(events: np.ndarray) -> np.ndarray:
    """Return the mask of the one record per line that stands for it: a trade, or a book message's last record."""
    kind = events["kind"]
    is_book = (kind != TRADE) & (kind != PREV_CLOSE)
    mask: np.ndarray = (kind == TRADE) | (is_book & ((events["flags"] & LAST) > 0))
    return mask
