"""The rows of one instrument as growing arrays; what was before them, and what the next one will say.

A chart asks for the bars of an interval (ui/models/bars.py) and never copies. The oldest half of a full
series is dropped at once, so that appending stays cheap. What was before the first row comes from the
venue's own bars (`precede`), and what the next row will say is shown as it forms (`form`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from domain.instruments import NS
from domain.records import RowSchema
from ui.models.bars import MINUTE_S, NO_BARS, BarSeries, Forming

ROWS_MAX = 14_400
"""Rows kept per instrument: four hours of one-second rows."""


class RowSeries:
    """Rows of one instrument, oldest first.

    Attributes
    ----------
    time_ns : int64, shape (rows,)
        Venue clock of each row.
    values : float64, shape (rows, columns)
        In the order of the schema; NaN where a venue's bar stands for a row and does not say.
    dropped : int
        Rows thrown away so far; row k of the day is at index k − dropped.
    minutes : float64, shape (bars, 7)
        Minute bars from before the first row (time_ns, open, high, low, close, volume, value).
    """

    def __init__(self, schema: RowSchema, limit: int = ROWS_MAX) -> None:
        self.schema = schema
        self.limit = max(limit, 64)
        self.dropped = 0
        self.minutes = NO_BARS
        self._n = 0
        self._lead = 0  # how many of the first rows are the venue's bars
        self._time = np.zeros(256, np.int64)
        self._values = np.zeros((256, len(schema.columns)))
        self._bars: dict[int, BarSeries] = {}

    def __len__(self) -> int:
        return self._n

    @property
    def time_ns(self) -> NDArray[np.int64]:
        return self._time[: self._n]

    @property
    def values(self) -> NDArray[np.float64]:
        return self._values[: self._n]

    @property
    def has_rows(self) -> bool:
        """Whether a row of our own has come."""
        return self._n > self._lead

    def column(self, key: str) -> NDArray[np.float64]:
        """Return one recorded column, shape (rows,); KeyError when it is not recorded here."""
        return self._values[: self._n, self.schema.index(key)]

    def last(self, key: str) -> float:
        """Return the newest value of a column, NaN before the first row."""
        return float(self._values[self._n - 1, self.schema.index(key)]) if self._n else float("nan")

    def append(self, rows: NDArray[np.void]) -> None:
        """Take rows of this instrument in the schema's dtype, oldest first; older ones than held are ignored."""
        if self.has_rows:
            rows = rows[rows["exchange_ns"] > self._time[self._n - 1]]
        count = len(rows)
        if not count:
            return
        if not self.has_rows:
            self._end_lead(int(rows["exchange_ns"][0]))
        if count > self.limit:
            rows, count = rows[-self.limit :], self.limit
        if self._n + count > self.limit:
            self._forget(max(self._n + count - self.limit, self.limit // 2))
        while self._n + count > len(self._time):
            more = max(len(self._time), 256)
            self._time = np.concatenate([self._time, np.zeros(more, np.int64)])
            self._values = np.concatenate([self._values, np.zeros((more, self._values.shape[1]))])
        first = self._n
        self._time[first : first + count] = rows["exchange_ns"]
        self._values[first : first + count] = rows["values"]
        self._n += count
        for bars in self._bars.values():
            bars.extend(self.time_ns, self.values, first)

    def fill(self, time_ns: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        """Take stored rows as arrays (rows,) and (rows, columns); replaces what is held."""
        self._n, self._lead = len(time_ns), 0
        self._time, self._values = time_ns.copy(), values.copy()
        self.limit = max(self.limit, self._n)
        self._remake()

    def precede(self, interval_s: int, bars: NDArray[np.float64]) -> None:
        """Take the venue's bars (time_ns, open, high, low, close, volume, value) for the time before the first row.

        Bars of the rows' own interval stand for rows; minutes make the longer bars of one-second rows.
        """
        if interval_s == self.schema.interval_s:
            own = slice(self._lead, self._n)
            time_ns, values = self._time[own].copy(), self._values[own].copy()
            if len(time_ns):
                bars = bars[bars[:, 0] < self._start(int(time_ns[0]))]
            bars = bars[max(len(bars) - max(self.limit - len(time_ns), 0), 0) :]
            self._lead = len(bars)
            self._n = self._lead + len(time_ns)
            self._time = np.concatenate([bars[:, 0].astype(np.int64), time_ns])
            self._values = np.concatenate([self._as_rows(bars), values])
        elif interval_s == MINUTE_S:
            self.minutes = bars
        self._remake()

    def form(self, forming: Forming) -> None:
        """Show what the next row will say; a row or a newer one replaces it."""
        if self._n and forming.start_ns <= self._time[self._n - 1]:
            return
        for bars in self._bars.values():
            bars.form(forming, self._n - 1)

    def bars(self, interval_s: int) -> BarSeries:
        """Return the bars of `interval_s` seconds, kept up to date from now on."""
        made = self._bars.get(interval_s)
        if made is None:
            made = self._bars[interval_s] = BarSeries(interval_s, self.schema)
            made.remake(self.time_ns, self.values, self.minutes)
        return made

    def _start(self, time_ns: int) -> int:
        step = self.schema.interval_s * NS
        return time_ns // step * step

    def _as_rows(self, bars: NDArray[np.float64]) -> NDArray[np.float64]:
        tag = "1s" if self.schema.interval_s == 1 else "1m"
        _, opening, high, low, close, volume, value = bars.T
        rising = close >= opening
        columns = {
            "last_price": close,
            f"value_{tag}": value,
            # A bar does not say who took: it is counted to the side it moved to.
            f"buy_volume_{tag}": np.where(rising, volume, 0.0),
            f"sell_volume_{tag}": np.where(rising, 0.0, volume),
        }
        if self.schema.interval_s == MINUTE_S:
            columns |= {"bar_open": opening, "bar_high": high, "bar_low": low}
        values = np.full((len(bars), len(self.schema.columns)), np.nan)
        for key, found in columns.items():
            values[:, self.schema.index(key)] = found
        return values

    def _end_lead(self, first_ns: int) -> None:
        # The venue's bar of the second in which our own rows begin would be counted twice.
        keep = int(np.searchsorted(self._time[: self._n], self._start(first_ns), "left"))
        if keep < self._n:
            self._n = self._lead = keep
            self._remake()

    def _forget(self, count: int) -> None:
        count = min(count, self._n)
        keep = self._n - count
        self._time[:keep] = self._time[count : self._n].copy()
        self._values[:keep] = self._values[count : self._n].copy()
        self._n = keep
        self._lead = max(self._lead - count, 0)
        self.dropped += count
        self._remake()

    def _remake(self) -> None:
        for bars in self._bars.values():
            bars.remake(self.time_ns, self.values, self.minutes)
