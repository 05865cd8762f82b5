"""The venue's figures of the day as events of the stream: what came before a receiver began, or while it was not connected.

An answer is older than the stream or has overtaken it. Both are settled trade by trade: trades that were
received and that the venue had not yet counted are added here; those that it counted and that arrive later
are left out of the amount by the row builder (trading/row_day.py). What cannot be known: where a venue tells
the clock and not the id of its last trade (Upbit), another trade of that same millisecond counts as told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from domain.instruments import DAY_S, NS, Instrument
from domain.ports import DayBar
from domain.records import DAY, EVENT_DTYPE, FIRST, LAST, TRADE
from utility.event_block import NO_EVENTS

STALE_NS = 10 * NS
"""An answer is at most that much older than its request; trades received earlier are in it."""
_PRICE_LIMIT, _VALUE_LIMIT = 1e15, 1e18


class DaySeeds:
    """Keeps the trades that an answer under way may miss, and makes DAY events of the answer.

    Parameters
    ----------
    instruments : sequence of Instrument
        Position i is index i of events.
    offset_s : int
        Of the market's clock.
    """

    def __init__(self, instruments: Sequence[Instrument], offset_s: int) -> None:
        self.codes = tuple(instrument.code for instrument in instruments)
        self.is_collecting = False
        self._place = {code: index for index, code in enumerate(self.codes)}
        self._offset_ns = offset_s * NS
        self._trades: deque[np.ndarray] = deque()
        self._days = np.full(len(self.codes), -1, np.int64)

    def collect(self) -> None:
        """Keep trades from now on (a connection begins)."""
        self.is_collecting = True

    def take(self, events: np.ndarray, verdicts: np.ndarray) -> None:
        """Keep the trades of a frame that count."""
        trades = events[(events["kind"] == TRADE) & (verdicts == 0)]
        if len(trades):
            self._trades.append(trades)

    def begin(self, days: np.ndarray, received_ns: int) -> tuple[str, ...]:
        """Begin a request; return the codes to ask for.

        Parameters
        ----------
        days : ndarray of int64
            The running day of each instrument as received so far (`RowBuilder.days`).
        received_ns : int
            Our UTC clock.
        """
        self.is_collecting = True
        self._days = days
        while self._trades and int(self._trades[0]["received_ns"][-1]) < received_ns - STALE_NS:
            self._trades.popleft()
        return self.codes

    def events(self, bars: Sequence[DayBar], received_ns: int) -> np.ndarray:
        """Return the DAY events of the answer to the request begun last, and keep no more trades.

        A bar of an earlier day than the one that had begun when it was asked for says that the venue has had no
        trade since. One that is no figure is left out, and so asked for again.
        """
        kept = np.concatenate(list(self._trades)) if self._trades else NO_EVENTS
        self._trades.clear()
        self.is_collecting = False
        parts = [self._of(bar, self._place[bar.code], kept, received_ns) for bar in bars if bar.code in self._place and _is_sound(bar)]
        return np.concatenate(parts) if parts else NO_EVENTS

    def _of(self, bar: DayBar, index: int, kept: np.ndarray, received_ns: int) -> np.ndarray:
        day = max(bar.day, int(self._days[index]))
        is_empty = bar.day < day or bar.open <= 0.0
        start_ns = day * DAY_S * NS - self._offset_ns
        out = np.zeros(4, EVENT_DTYPE)
        out["kind"], out["instrument"], out["received_ns"] = DAY, index, received_ns
        out["exchange_ns"] = start_ns if is_empty else max(bar.last_ns, start_ns)
        out["last_id"] = 0 if is_empty else bar.last_id
        out["flags"], out["side"] = (FIRST, 0, 0, LAST), (0, 1, -1, 0)
        if not is_empty:
            later = kept[(kept["instrument"] == index) & (kept["exchange_ns"] >= start_ns) & (kept["exchange_ns"] < start_ns + DAY_S * NS)]
            later = later[later["first_id"] > bar.last_id] if bar.last_id else later[later["exchange_ns"] > bar.last_ns]
            out["price"] = bar.open, bar.high, bar.low, bar.value + float((later["price"] * (later["qty"] / 1e8)).sum())
        return out


def _is_sound(bar: DayBar) -> bool:
    if bar.open == 0.0:
        return True
    return 0.0 < bar.low <= bar.open <= bar.high < _PRICE_LIMIT and 0.0 <= bar.value < _VALUE_LIMIT and bool(bar.last_id or bar.last_ns)
