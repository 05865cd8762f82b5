"""The rows of one instrument as growing arrays, and the bars made of them as they come.

A chart asks a `BarSeries` for arrays and never copies; a row touches one bar. The oldest half of a
full series is dropped at once, so that appending stays cheap.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from domain.instruments import NS
from domain.records import RowSchema

ROWS_MAX = 14_400
"""Rows kept per instrument: four hours of one-second rows."""


class RowSeries:
    """Rows of one instrument, oldest first.

    Attributes
    ----------
    time_ns : int64, shape (rows,)
        Venue clock of each row.
    values : float64, shape (rows, columns)
        In the order of the schema.
    dropped : int
        Rows thrown away so far; row k of the day is at index k − dropped.
    """

    def __init__(self, schema: RowSchema, limit: int = ROWS_MAX) -> None:
        self.schema = schema
        self.limit = max(limit, 64)
        self.dropped = 0
        self._n = 0
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

    def column(self, key: str) -> NDArray[np.float64]:
        """Return one recorded column, shape (rows,); KeyError when it is not recorded here."""
        return self._values[: self._n, self.schema.index(key)]

    def last(self, key: str) -> float:
        """Return the newest value of a column, NaN before the first row."""
        return float(self._values[self._n - 1, self.schema.index(key)]) if self._n else float("nan")

    def append(self, rows: NDArray[np.void]) -> None:
        """Take rows of this instrument in the schema's dtype, oldest first; older ones than held are ignored."""
        if self._n:
            rows = rows[rows["exchange_ns"] > self._time[self._n - 1]]
        count = len(rows)
        if not count:
            return
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
            bars.extend(self, first)

    def fill(self, time_ns: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        """Take stored rows as arrays (rows,) and (rows, columns); replaces what is held."""
        self._n = len(time_ns)
        self._time, self._values = time_ns.copy(), values.copy()
        self.limit = max(self.limit, self._n)
        for bars in self._bars.values():
            bars.restart()
            bars.extend(self, 0)

    def bars(self, interval_s: int) -> BarSeries:
        """Return the bars of `interval_s` seconds, kept up to date from now on."""
        made = self._bars.get(interval_s)
        if made is None:
            made = self._bars[interval_s] = BarSeries(interval_s, self.schema)
            made.extend(self, 0)
        return made

    def _forget(self, count: int) -> None:
        count = min(count, self._n)
        keep = self._n - count
        self._time[:keep] = self._time[count : self._n].copy()
        self._values[:keep] = self._values[count : self._n].copy()
        self._n = keep
        self.dropped += count
        for bars in self._bars.values():
            bars.restart()
            bars.extend(self, 0)


class BarSeries:
    """Bars of one interval, aggregated from rows.

    `open high low close` in price, `buy sell` volume in units of quantity, `time_ns` the bar's start,
    `row` the index of the last row inside each bar, from which any factor of the bar is read.
    `revision` changes when earlier bars are no longer the same (rows were dropped).
    """

    FIELDS = ("open", "high", "low", "close", "buy", "sell")

    def __init__(self, interval_s: int, schema: RowSchema) -> None:
        self.interval_s = interval_s
        self.revision = 0
        self._n = 0
        self._time = np.zeros(256, np.int64)
        self._row = np.zeros(256, np.int64)
        self._data = np.zeros((len(self.FIELDS), 256))
        tag = "1s" if schema.interval_s == 1 else "1m"
        self._price = schema.index("last_price")
        self._buy = schema.index(f"buy_volume_{tag}")
        self._sell = schema.index(f"sell_volume_{tag}")
        self._ohl = None if schema.interval_s == 1 else tuple(schema.index(f"bar_{name}") for name in ("open", "high", "low"))

    def __len__(self) -> int:
        return self._n

    def __getattr__(self, name: str) -> NDArray[np.float64]:
        if name in BarSeries.FIELDS:
            return self._data[BarSeries.FIELDS.index(name), : self._n]
        raise AttributeError(name)

    @property
    def time_ns(self) -> NDArray[np.int64]:
        return self._time[: self._n]

    @property
    def row(self) -> NDArray[np.int64]:
        return self._row[: self._n]

    @property
    def volume(self) -> NDArray[np.float64]:
        return self.buy + self.sell

    def index_at(self, time_ns: int) -> int:
        """Return the bar that holds `time_ns`, clipped to the bars there are; −1 when there is none."""
        if not self._n:
            return -1
        return int(np.clip(np.searchsorted(self.time_ns, time_ns, "right") - 1, 0, self._n - 1))

    def restart(self) -> None:
        """Forget all bars."""
        self._n = 0
        self.revision += 1

    def extend(self, rows: RowSeries, first: int) -> None:
        """Take the rows from index `first` on; one pass, the open bar is changed in place."""
        step = self.interval_s * NS
        times, values = rows.time_ns, rows.values
        for i in range(first, len(times)):
            start = int(times[i]) // step * step
            price = values[i, self._price]
            if self._ohl is None:
                low = high = opening = price
            else:
                opening, high, low = (values[i, k] for k in self._ohl)
            k = self._n - 1
            if k < 0 or self._time[k] != start:
                if k >= 0 and self._ohl is None:
                    # A row tells the last price of its second, so a bar opens where the one before closed.
                    opening = self._data[3, k] if start - self._time[k] <= step else price
                    high, low = max(opening, price), min(opening, price)
                k = self._grow()
                self._time[k] = start
                self._data[:, k] = (opening, high, low, price, 0.0, 0.0)
            bar = self._data[:, k]
            bar[1] = max(bar[1], high)
            bar[2] = min(bar[2], low)
            bar[3] = price
            bar[4] += values[i, self._buy]
            bar[5] += values[i, self._sell]
            self._row[k] = i

    def _grow(self) -> int:
        if self._n == len(self._time):
            self._time = np.concatenate([self._time, np.zeros_like(self._time)])
            self._row = np.concatenate([self._row, np.zeros_like(self._row)])
            self._data = np.concatenate([self._data, np.zeros_like(self._data)], axis=1)
        self._n += 1
        return self._n - 1
