"""Tapes (trades without books) and files of whole book snapshots, as tables."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from coin.binance.frames import units
from domain.instruments import NS, Instrument, Market
from domain.records import AGGREGATE, EVENT_DTYPE, FIRST, LAST, NO_BOOK, NO_ROW, SNAPSHOT, TRADE
from trading.importers.files import open_text
from trading.importers.report import FileTally
from trading.importers.tables import decimals_in, numbers, times_ns

_CHUNK = 16_384
_SYMBOL_COMMENT = re.compile(rb"#\s*DEPTH_SNAPSHOT\s+(SPOT|USD_M_FUTURES)\s+([A-Z0-9]+)\b")


class Tape:
    """A table of trades: time, price, quantity, perhaps symbol, id and side (BID or ASK, or whether the buyer was the maker).

    Parameters
    ----------
    columns : dict
        Our name (time, symbol, price, qty, side, maker, id, aggregate) → the table's column.
    symbol : str
        Of the whole table when it has no symbol column.

    Attributes
    ----------
    is_aggregate : bool
        Its trades are sums of single ones.
    decimals : dict of symbol to (int, int)
        Finest decimal place of prices and sizes.
    """

    def __init__(self, path: Path, market: Market, table: pa.Table, columns: dict[str, str], symbol: str, tally: FileTally) -> None:
        self.path = path
        self.market = market
        self.tally = tally
        self.is_aggregate = "aggregate" in columns
        if "symbol" in columns:
            self._symbols = np.array([str(one) for one in table.column(columns["symbol"]).to_pylist()], object)
        else:
            self._symbols = np.full(table.num_rows, symbol, object)
        self._times, self._bad_time = times_ns(table.column(columns["time"]), market)
        self._prices, self._bad_price = numbers(table.column(columns["price"]))
        self._sizes, self._bad_size = numbers(table.column(columns["qty"]))
        self._sides = np.zeros(len(self._times), np.int8)
        if "side" in columns:
            words = np.array([str(word).upper() for word in table.column(columns["side"]).to_pylist()])
            self._sides[np.isin(words, ("BID", "BUY", "B", "1"))] = 1
            self._sides[np.isin(words, ("ASK", "SELL", "S", "-1"))] = -1
        elif "maker" in columns:
            words = np.array([str(word).lower() for word in table.column(columns["maker"]).to_pylist()])
            self._sides[words == "false"] = 1
            self._sides[words == "true"] = -1
        tally.symbols = sorted(set(self._symbols.tolist()))
        ident = columns.get("id") or columns.get("aggregate")
        # A trade without an id cannot be known twice; a number beyond 2^53 would not be exact and is none here.
        found = numbers(table.column(ident))[0] if ident else np.zeros(len(self._times))
        self._ids = np.where(np.isfinite(found) & (found < 2.0**53), found, 0).astype(np.int64)
        self.decimals = {}
        for one in tally.symbols:
            good = (self._symbols == one) & ~self._bad_price & ~self._bad_size
            self.decimals[one] = (decimals_in(self._prices[good]), decimals_in(self._sizes[good]))

    @property
    def first_ns(self) -> int:
        return int(self._times[0]) if len(self._times) else 0

    def chunks(self, instruments: list[Instrument], refused: dict[str, str], singles: set[str], booked: set[str]) -> Iterator[np.ndarray]:
        """Yield the trades in the file's order; the receive time is the latest trade time so far."""
        index = {instrument.code: k for k, instrument in enumerate(instruments)}
        scaled = np.rint(self._sizes * 1e8)
        received = np.maximum.accumulate(np.where(self._bad_time, 0, self._times)) if len(self._times) else self._times
        for lo in range(0, len(self._times), _CHUNK):
            hi = min(lo + _CHUNK, len(self._times))
            out = np.zeros(hi - lo, EVENT_DTYPE)
            keep = np.ones(hi - lo, bool)
            for k in range(lo, hi):
                self.tally.rows_in += 1
                reason = self._refusal(k, scaled[k], index, refused, singles)
                if reason:
                    self.tally.refuse(reason, k)
                    keep[k - lo] = False
                else:
                    out["instrument"][k - lo] = index[self._symbols[k]]
            out["kind"], out["price"], out["side"] = TRADE, self._prices[lo:hi], self._sides[lo:hi]
            out["qty"][keep] = scaled[lo:hi][keep].astype(np.int64)
            out["exchange_ns"], out["received_ns"], out["first_id"] = self._times[lo:hi], received[lo:hi], self._ids[lo:hi]
            out = out[keep]
            tape = ~np.isin(out["instrument"], [index[code] for code in booked if code in index])
            out["flags"][tape] = NO_BOOK
            if self.is_aggregate:
                out["flags"] |= AGGREGATE
            if len(out):
                yield out

    def _refusal(self, k: int, units_of_size: float, index: dict[str, int], refused: dict[str, str], singles: set[str]) -> str:
        symbol = self._symbols[k]
        if self.is_aggregate and symbol in singles:
            return "aggregate"
        if symbol in refused:
            return refused[symbol]
        if symbol not in index:
            return "unknown_symbol"
        if self._bad_time[k]:
            return "time"
        if self._bad_price[k] or self._prices[k] <= 0:
            return "price"
        if self._bad_size[k] or not 0 < units_of_size < 9e18:
            return "qty"
        return ""


class SnapshotFile:
    """Whole books as a table, one level a line: receive time, request time, update id, side, price, quantity."""

    HEADING = b"TimestampOfReceive,TimestampOfRequest,LastUpdateId,IsAsk,Price,Quantity"

    def __init__(self, path: Path, market: Market, symbol: str, tally: FileTally) -> None:
        self.path = path
        self.market = market
        self.symbol = symbol
        self.tally = tally
        tally.symbols = [symbol]
        self.first_ns = 0
        self.decimals = (0, 0)

    @staticmethod
    def recognise(path: Path) -> tuple[bool, str, str]:
        """Return (is it one, market code or "", symbol or "") from the comments and the heading."""
        symbol, venue = "", ""
        for number, line in enumerate(open_text(path)):
            found = _SYMBOL_COMMENT.match(line)
            if found:
                venue = "binance" if found[1] == b"SPOT" else "binance-futures"
                symbol = found[2].decode()
            if line == SnapshotFile.HEADING:
                return True, venue, symbol
            if not line.startswith(b"#") or number > 200:
                break
        return False, "", ""

    def chunks(self, instruments: list[Instrument], refused: dict[str, str], singles: set[str], booked: set[str]) -> Iterator[np.ndarray]:
        """Yield one snapshot after the other; each line is a row of the file, comments and heading are not."""
        index = {instrument.code: k for k, instrument in enumerate(instruments)}
        held: list[tuple[float, int, int]] = []
        head: tuple[int, int] | None = None
        for line in open_text(self.path):
            if line.startswith((b"#", b"Timestamp")):
                continue
            self.tally.rows_in += 1
            if self.symbol in refused:
                self.tally.reasons[refused[self.symbol]] += 1
                continue
            try:
                fields = next(csv.reader(io.StringIO(line.decode())))
                received, ident, is_ask = int(fields[0]), int(fields[2]), int(fields[3])
                price, qty = float(fields[4]), units(fields[5])
                if not 0.0 < price < 1e15 or qty < 0 or is_ask not in (0, 1):
                    raise ValueError(line)
            except (ValueError, IndexError, OverflowError, UnicodeDecodeError):
                self.tally.reasons["number"] += 1
                continue
            if head is not None and head != (received, ident):
                yield self._book(head, held, index[self.symbol])
                held = []
            head = (received, ident)
            held.append((price, qty, -1 if is_ask else 1))
        if head is not None and held:
            yield self._book(head, held, index[self.symbol])

    def _book(self, head: tuple[int, int], held: list[tuple[float, int, int]], instrument: int) -> np.ndarray:
        out = np.zeros(len(held), EVENT_DTYPE)
        out["price"], out["qty"], out["side"] = zip(*held, strict=True)
        out["kind"], out["instrument"] = SNAPSHOT, instrument
        out["exchange_ns"] = out["received_ns"] = head[0] * (NS // 1000)
        out["first_id"] = out["last_id"] = head[1]
        out["flags"][0] |= FIRST
        out["flags"][-1] |= LAST | NO_ROW
        # Lines are the file's rows and a message is counted once: the other lines are counted here.
        self.tally.rows_stored += len(held) - 1
        return out
