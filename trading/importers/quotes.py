"""Books as tables of Binance's public archives: best quotes (bookTicker) and depth changes (T_DEPTH)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from domain.instruments import Instrument, Market
from domain.records import CHAINED, EVENT_DTYPE, FIRST, LAST, LEVEL, NO_ROW, SNAPSHOT
from trading.importers.report import FileTally
from trading.importers.tables import decimals_in, numbers, times_ns

BEST = ("best_bid_price", "best_bid_qty", "best_ask_price", "best_ask_qty")
DEPTH = ("timestamp", "first_update_id", "last_update_id", "side", "update_type", "price", "qty")
BANDS = ("timestamp", "percentage", "depth", "notional")
"""Sums within so many percent of the middle: no prices, so no book."""
_CHUNK = 32_768
_SIDES = {"b": 1, "buy": 1, "bid": 1, "a": -1, "sell": -1, "ask": -1}


def is_best(names: list[str]) -> bool:
    """Tell whether a heading is that of best quotes."""
    return set(BEST) <= set(names) and bool({"transaction_time", "event_time"} & set(names))


class _Table:
    """What both have: a symbol, times, prices and sizes."""

    def __init__(self, path: Path, market: Market, symbol: str, tally: FileTally) -> None:
        self.path, self.market, self.symbol, self.tally = path, market, symbol, tally
        tally.symbols = [symbol]
        self.decimals = (0, 0)
        self._times = np.zeros(0, np.int64)

    @property
    def first_ns(self) -> int:
        return int(self._times[0]) if len(self._times) else 0

    def _steps(self, prices: np.ndarray, sizes: np.ndarray) -> None:
        good = np.isfinite(prices) & np.isfinite(sizes)
        self.decimals = (decimals_in(prices[good]), decimals_in(sizes[good]))

    def _refuse_all(self, reason: str) -> None:
        self.tally.rows_in = self.tally.unread + len(self._times)
        self.tally.reasons[reason] += len(self._times)


class BestQuotes(_Table):
    """Best bid and ask by time: a book of one level, so that an order larger than it finds no more.

    Attributes
    ----------
    is_moot : bool
        The same import has the symbol's depth, which says more.
    """

    def __init__(self, path: Path, market: Market, table: pa.Table, symbol: str, tally: FileTally) -> None:
        super().__init__(path, market, symbol, tally)
        self.is_moot = False
        names = table.column_names
        told = "transaction_time" if "transaction_time" in names else "event_time"
        self._times, self._bad_time = times_ns(table.column(told), market)
        received = times_ns(table.column("event_time"), market)[0] if "event_time" in names else self._times
        self._received = np.maximum.accumulate(np.maximum(received, 0)) if len(received) else received
        self._values, wrong = zip(*(numbers(table.column(name)) for name in BEST), strict=True)
        self._bad = np.logical_or.reduce(wrong)
        self._ids = numbers(table.column("update_id"))[0] if "update_id" in names else np.zeros(len(self._times))
        self._steps(self._values[0], self._values[1])

    def chunks(self, instruments: list[Instrument], refused: dict[str, str], singles: set[str], booked: set[str]) -> Iterator[np.ndarray]:
        """Yield two records a row, the bid and the ask."""
        if self.symbol in refused or self.is_moot:
            self._refuse_all(refused.get(self.symbol, "book_ticker"))
            return
        index = next(k for k, one in enumerate(instruments) if one.code == self.symbol)
        bid, bid_size, ask, ask_size = self._values
        with np.errstate(invalid="ignore"):
            price = ~((bid > 0) & (ask > 0) & (bid < 1e15) & (ask < 1e15))
            size = ~((bid_size > 0) & (ask_size > 0) & (bid_size < 9e10) & (ask_size < 9e10))
        left = np.ones(len(self._times), bool)
        for reason, mask in (("number", self._bad), ("time", self._bad_time), ("price", price), ("qty", size)):
            if (mask & left).any():
                self.tally.reasons[reason] += int((mask & left).sum())
            left &= ~mask
        self.tally.rows_in = self.tally.unread + len(left)
        good = np.flatnonzero(left)
        for lo in range(0, len(good), _CHUNK):
            mine = good[lo : lo + _CHUNK]
            out = np.zeros((len(mine), 2), EVENT_DTYPE)
            out["kind"], out["instrument"] = SNAPSHOT, index
            out["exchange_ns"], out["received_ns"] = self._times[mine][:, None], self._received[mine][:, None]
            out["first_id"] = out["last_id"] = np.nan_to_num(self._ids[mine]).astype(np.int64)[:, None]
            for k, (level, amount, side) in enumerate(((bid, bid_size, 1), (ask, ask_size, -1))):
                out["price"][:, k], out["side"][:, k] = level[mine], side
                out["qty"][:, k] = np.rint(amount[mine] * 1e8).astype(np.int64)
            out["flags"][:, 0], out["flags"][:, 1] = FIRST, LAST
            yield out.reshape(-1)


class DepthChanges(_Table):
    """Levels by line: lines of one update id are one message; ``snap`` lines are the whole book."""

    def __init__(self, path: Path, market: Market, table: pa.Table, symbol: str, tally: FileTally) -> None:
        super().__init__(path, market, symbol, tally)
        self._times, bad_time = times_ns(table.column("timestamp"), market)
        self._prices, bad_price = numbers(table.column("price"))
        self._sizes, bad_size = numbers(table.column("qty"))
        ids = [numbers(table.column(name)) for name in ("first_update_id", "last_update_id")]
        self._first, self._last = (np.nan_to_num(values).astype(np.int64) for values, _ in ids)
        self._before = np.nan_to_num(numbers(table.column("pu"))[0]).astype(np.int64) if "pu" in table.column_names else None
        self._side = np.array([_SIDES.get(str(word).lower(), 0) for word in table.column("side").to_pylist()], np.int8)
        self._is_whole = np.array([str(word).lower().startswith("snap") for word in table.column("update_type").to_pylist()], bool)
        self._bad = bad_time | bad_price | bad_size | ids[0][1] | ids[1][1] | (self._side == 0)
        with np.errstate(invalid="ignore"):
            self._bad |= ~((self._prices > 0) & (self._prices < 1e15)) | ~((self._sizes >= 0) & (self._sizes < 9e10))
        self._steps(self._prices, self._sizes)

    def chunks(self, instruments: list[Instrument], refused: dict[str, str], singles: set[str], booked: set[str]) -> Iterator[np.ndarray]:
        """Yield whole messages; a message counts by its last line, its other lines are counted here."""
        if self.symbol in refused:
            self._refuse_all(refused[self.symbol])
            return
        index = next(k for k, one in enumerate(instruments) if one.code == self.symbol)
        self.tally.rows_in = self.tally.unread + len(self._times)
        if self._bad.any():
            self.tally.reasons["number"] += int(self._bad.sum())
        good = np.flatnonzero(~self._bad)
        if not len(good):
            return
        out = np.zeros(len(good), EVENT_DTYPE)
        whole = self._is_whole[good]
        out["kind"], out["instrument"], out["side"] = np.where(whole, SNAPSHOT, LEVEL), index, self._side[good]
        out["price"], out["qty"] = self._prices[good], np.rint(self._sizes[good] * 1e8).astype(np.int64)
        out["exchange_ns"] = self._times[good]
        out["received_ns"] = np.maximum.accumulate(self._times[good])
        out["first_id"], out["last_id"] = self._first[good], self._last[good]
        begins = np.concatenate(([True], (np.diff(out["last_id"]) != 0) | (np.diff(whole.astype(np.int8)) != 0)))
        ends = np.append(begins[1:], True)
        out["flags"][begins] |= FIRST
        out["flags"][ends] |= LAST
        out["flags"][ends & whole] |= NO_ROW
        self.tally.rows_stored += int(len(good) - ends.sum())
        out = self._chained(out, good, begins & ~whole)
        starts = np.flatnonzero((out["flags"] & FIRST) > 0)
        for lo in range(0, len(starts), _CHUNK // 16):
            stop = starts[lo + _CHUNK // 16] if lo + _CHUNK // 16 < len(starts) else len(out)
            yield out[starts[lo] : stop]

    def _chained(self, out: np.ndarray, good: np.ndarray, begins: np.ndarray) -> np.ndarray:
        """Put the record that names its predecessor before each change, where the table tells it."""
        if self._before is None:
            return out
        at = np.flatnonzero(begins)
        heads = out[at].copy()
        heads["price"], heads["side"], heads["qty"] = 0.0, 0, self._before[good[at]]
        heads["flags"] = FIRST | CHAINED
        out["flags"][at] &= ~np.uint8(FIRST)
        return np.insert(out, at, heads)
