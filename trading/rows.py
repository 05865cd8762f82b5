"""RowBuilder: events in, rows out; the one place where rows are made, live, on import and in replay.

The rules are strategy-language 1.1; they are compiled in `trading/row_machine.py`. Here are the arrays it
works on, their growth, and what else a caller may ask.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from domain.instruments import NS, Instrument, Market
from domain.records import EVENT_DTYPE, FIRST, LAST, SNAPSHOT, TRADE, row_schema
from trading import row_state as rs
from trading.book import best, is_crossed
from trading.ladder import ladder_table
from trading.row_columns import HEAD, rehash
from trading.row_machine import run

FACTS_DTYPE = np.dtype([("listed_shares", "<f8"), ("prev_day_volume", "<f8"), ("prev_day_value", "<f8")])
"""What a stock venue states of an instrument before the session; 0 = not known. Shares, shares, KRW."""

_START_LEVELS = 64


class RowBuilder:
    """The rows of one market, source and interval.

    Parameters
    ----------
    market : Market
    interval_s : {1, 60}
    instruments : sequence of Instrument
        Position here is the `instrument` index of events and rows; `add_instruments` appends.
    facts : ndarray of FACTS_DTYPE, optional
        One record per instrument; stocks only.

    Attributes
    ----------
    dtype : numpy.dtype
        Of the rows (`RowSchema.dtype`).
    verdicts : ndarray of uint8
        One per event of the last `push`: 0 it counts (a bad level within a message is only left out), else
        the position in `row_state.COUNTERS` of why not. Valid until the next `push`.
    """

    def __init__(self, market: Market, interval_s: int, instruments: Sequence[Instrument], facts: np.ndarray | None = None) -> None:
        self.market = market
        self.interval_s = interval_s
        self.schema = row_schema(market.kind, interval_s)
        self.dtype = self.schema.dtype()
        self.instruments: list[Instrument] = []
        self._state = rs.empty_state(0)
        self._keys = np.zeros((0, 2, _START_LEVELS))
        self._qtys = np.zeros((0, 2, _START_LEVELS), np.int64)
        self._curves = np.zeros((0, 2, 1440), np.int64)
        self._pending = np.zeros(1024, EVENT_DTYPE)
        self._peaks = self._empty_peaks(1024)
        self._columns = rs.column_map(self.schema)
        self._ladder = ladder_table(market).copy()
        self._cfg = np.zeros(rs.C_SIZE, np.int64)
        self._cfg[rs.C_INTERVAL] = interval_s
        self._cfg[rs.C_OFFSET_S] = market.day_offset_s()
        self._cfg[rs.C_STOCK] = market.kind == "stock"
        self._cfg[rs.C_UNIVERSE] = market.universe_size
        self._cfg[rs.C_TOTAL_LEVELS] = market.total_levels
        self._cfg[rs.C_LIST_DAY] = -1
        self._flt = np.array([market.strength_cap, market.value_unit])
        self._rows_held(256)
        self._verdicts = np.zeros(1024, np.uint8)
        self.verdicts = self._verdicts[:0]
        self.add_instruments(instruments, facts)

    @staticmethod
    def _empty_peaks(size: int) -> np.ndarray:
        peaks = np.zeros(size, rs.PEAK_DTYPE)
        peaks["owner"] = -1
        return peaks

    def _rows_held(self, count: int) -> None:
        self._ints = np.zeros((count, HEAD + len(self._columns)), np.int64)
        self._floats = self._ints.view(np.float64)

    def add_instruments(self, instruments: Sequence[Instrument], facts: np.ndarray | None = None) -> None:
        """Append instruments; what is known of the earlier ones stays."""
        self.instruments += instruments
        count, added = len(self.instruments), len(instruments)
        state = rs.empty_state(added)
        state["price_step"] = [one.price_step for one in instruments]
        if facts is not None:
            for name in FACTS_DTYPE.names or ():
                state[name] = facts[name]
        self._state = np.concatenate((self._state, state))
        room = self._keys.shape[2]
        self._keys = np.concatenate((self._keys, np.zeros((added, 2, room))))
        self._qtys = np.concatenate((self._qtys, np.zeros((added, 2, room), np.int64)))
        if self.market.kind == "stock":
            self._curves = np.concatenate((self._curves, np.zeros((added, 2, 1440), np.int64)))
        by_code = sorted(range(count), key=lambda k: self.instruments[k].code)
        self._state["code_rank"][by_code] = np.arange(count)

    def push(self, events: np.ndarray, read_ns: int = 0) -> np.ndarray:
        """Take events in arrival order and return the rows they emitted.

        Parameters
        ----------
        events : ndarray of EVENT_DTYPE
            Any number; book messages may be split between calls. An event that counts and has no `seq` is
            given the next one, in place when the array is writeable.
        read_ns : int, optional
            Monotonic clock when the frame's last byte was read; copied into its rows.

        Returns
        -------
        ndarray of `dtype`
            In the order of their events, usually none. The caller's own copy.
        """
        if not events.flags.writeable or not events.flags.c_contiguous:
            events = events.copy()  # one type of array, one compiled machine
        parts: list[np.ndarray] = []
        start, total = 0, len(events)
        if total > len(self._verdicts):
            self._verdicts = np.zeros(2 * total, np.uint8)
        self._verdicts[:total] = 0
        self.verdicts = self._verdicts[:total]
        while True:
            start, written, why = run(
                events,
                start,
                read_ns,
                self._verdicts,
                self._state,
                self._keys,
                self._qtys,
                self._pending,
                self._peaks,
                self._columns,
                self._ladder,
                self._curves,
                self._cfg,
                self._flt,
                self._ints,
                self._floats,
            )
            if written:
                parts.append(self._ints[:written].copy().view(self.dtype).reshape(written))
            if why == rs.DONE:
                break
            self._grow(why, total - start)
        if not parts:
            return np.empty(0, self.dtype)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def await_days(self, is_on: bool) -> None:
        """Let a session that begins from now on have no row until the venue told its day (DAY events).

        One that is received from its start needs nobody's word.
        """
        self._cfg[rs.C_AWAIT_DAY] = is_on

    def days(self) -> np.ndarray:
        """Return the running day of each instrument, int64 days since 1970 on the market's clock; −1 before its first event."""
        return self._state["day"].copy()

    def lacks_day(self) -> bool:
        """Tell whether an instrument has no row because what the venue's day was before us is not known."""
        return bool(((self._state["day"] >= 0) & (self._state["day_known"] == 0)).any())

    def number_from(self, seq: int) -> None:
        """Let the next event without `seq` be number `seq` (what is stored already came before)."""
        self._cfg[rs.C_SEQ] = seq - 1

    @property
    def next_seq(self) -> int:
        """The number the next event without `seq` will get."""
        return int(self._cfg[rs.C_SEQ]) + 1

    def _grow(self, why: int, left: int) -> None:
        if why == rs.MORE_ROWS:
            if len(self._ints) < min(left, 16_384):
                self._rows_held(min(4 * len(self._ints), 16_384))
        elif why == rs.MORE_LEVELS:
            self._keys = np.concatenate((self._keys, np.zeros_like(self._keys)), axis=2)
            self._qtys = np.concatenate((self._qtys, np.zeros_like(self._qtys)), axis=2)
        elif why == rs.MORE_PENDING:
            self._pending = np.concatenate((self._pending, np.zeros(3 * len(self._pending), EVENT_DTYPE)))
        elif why == rs.MORE_PEAKS:
            size = len(self._peaks)
            fresh = self._empty_peaks(size)
            kept = rehash(self._peaks, fresh, self._state)
            if 4 * kept > size:  # not only old days' levels: a larger table is needed
                fresh = self._empty_peaks(4 * size)
                kept = rehash(self._peaks, fresh, self._state)
            self._peaks = fresh
            self._cfg[rs.C_PEAKS] = kept

    def close(self) -> np.ndarray:
        """Return the rows still owed at the end of the data: none, an unfinished minute is not one (1.1 item 3)."""
        return np.empty(0, self.dtype)

    def book(self, instrument: int, depth: int = 10) -> tuple[np.ndarray, np.ndarray]:
        """Return (asks, bids), each float64 (n, 2): price, quantity in units of 1e-8, best first.

        On the row's event the book is corrected as the row was (1.1 item 9); after a later book event it
        is that event's book, as it is.
        """
        state = self._state[instrument]
        sides = []
        for side, count in ((0, int(state["n_ask"])), (1, int(state["n_bid"]))):
            limit = np.inf
            if state["corrected"]:
                limit = float(state["last_price"]) if side else -float(state["last_price"])
            prices, sizes = np.zeros(depth), np.zeros(depth, np.int64)
            found = best(self._keys[instrument, side], self._qtys[instrument, side], count, limit, depth, prices, sizes)
            sides.append(np.column_stack((prices[:found], sizes[:found].astype(np.float64))))
        return sides[0], sides[1]

    def totals(self, instrument: int) -> tuple[float, float]:
        """Return the published totals (asks, bids) of the current book; 0 where the venue publishes none."""
        state = self._state[instrument]
        return float(state["ask_total"]), float(state["bid_total"])

    def book_is_valid(self, instrument: int) -> bool:
        """Tell whether the book may be trusted (a snapshot, and no gap since)."""
        return bool(self._state[instrument]["valid"])

    def is_crossed(self, instrument: int) -> bool:
        """Tell whether the uncorrected book's best bid is at or above its best ask."""
        state = self._state[instrument]
        return bool(is_crossed(self._keys[instrument], np.array([state["n_ask"], state["n_bid"]])))

    def had_book(self, instrument: int) -> bool:
        """Tell whether the instrument ever had a whole book."""
        return bool(self._state[instrument]["had_book"])

    def gaps_by_instrument(self) -> np.ndarray:
        """Return how often each instrument's book was lost, int64."""
        return self._state["gaps"].copy()

    def last_update_id(self, instrument: int) -> int:
        """Return the update id the book has reached; 0 where the venue numbers none."""
        return int(self._state[instrument]["last_u"])

    def last_trade(self, instrument: int) -> tuple[float, int]:
        """Return (price, venue clock in ns) of the last trade that counted today; (0.0, 0) before it."""
        state = self._state[instrument]
        return (float(state["last_price"]), int(state["last_trade_ns"])) if state["traded"] else (0.0, 0)

    def counters(self) -> dict[str, int]:
        """Return what was counted so far: events, trades, book events, rows, and refusals by reason."""
        return {name: int(self._cfg[rs.C_COUNTERS + k]) for k, name in enumerate(rs.COUNTERS)}


def warm() -> None:
    """Compile the machine with the types production uses."""
    from trading import book, ladder

    book.warm()
    ladder.warm()
    market = smallest_market()
    one = Instrument(instrument_id="x:X", code="X", name="X")
    builder = RowBuilder(market, 1, [one])
    events = np.zeros(2, EVENT_DTYPE)
    events["exchange_ns"] = 1_790_000_000 * NS
    events["kind"] = (TRADE, SNAPSHOT)
    events["flags"] = (0, FIRST | LAST)
    events["price"] = 1.0
    events["qty"] = 1
    events["side"] = 1
    builder.push(events)
    builder.book(0)
    builder.is_crossed(0)
    fresh = RowBuilder._empty_peaks(16)
    rehash(fresh, fresh.copy(), rs.empty_state(1))


def smallest_market() -> Market:
    """Return a Market for warming kernels; nobody trades on it."""
    return Market(
        code="x",
        kind="coin",
        venues=(),
        currency="X",
        zone="UTC",
        qty_decimals=8,
        price_decimals=8,
        amount_decimals=4,
        value_unit=1.0,
        default_betting=1.0,
        backtest_betting=1.0,
        paper_cash=1.0,
        universe_size=10,
        min_notional=0.0,
        collar_pct=1.0,
    )
