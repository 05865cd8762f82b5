"""Bars of one interval, made of rows as they come, of a venue's minutes before them, and of what is forming."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.instruments import NS
from domain.records import RowSchema

MINUTE_S = 60
NO_BARS = np.zeros((0, 7))


@dataclass(frozen=True)
class Forming:
    """The bar that the next row will tell; `start_ns` at the row interval."""

    start_ns: int
    open: float
    high: float
    low: float
    close: float
    buy: float
    sell: float


class BarSeries:
    """Bars of one interval, aggregated from rows.

    `open high low close` in price, `buy sell` volume in units of quantity, `time_ns` the bar's start,
    `row` the index of the last row inside each bar, from which any factor of the bar is read, −1 when there is none.
    `revision` changes when earlier bars are no longer the same (rows were dropped or came before).
    """

    FIELDS = ("open", "high", "low", "close", "buy", "sell")

    def __init__(self, interval_s: int, schema: RowSchema) -> None:
        self.interval_s = interval_s
        self.revision = 0
        self._n = 0
        self._time = np.zeros(256, np.int64)
        self._row = np.zeros(256, np.int64)
        self._data = np.zeros((len(self.FIELDS), 256))
        self._closed: tuple[int, NDArray[np.float64]] | None = None  # what stood before the forming bar was shown
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

    def factor(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a column of the rows by bar, NaN where a bar has no row."""
        if not len(values):
            return np.full(self._n, np.nan)
        return np.where(self.row >= 0, values[np.maximum(self.row, 0)], np.nan)

    # --- rows ---------------------------------------------------------------------------------------

    def remake(self, times: NDArray[np.int64], values: NDArray[np.float64], minutes: NDArray[np.float64]) -> None:
        """Make all bars again of the rows that are held and the `minutes` before them, in one go."""
        self._n, self._closed = 0, None
        self.revision += 1
        if self._ohl is None and self.interval_s % MINUTE_S == 0:
            step = self.interval_s * NS
            self._take_minutes(minutes[minutes[:, 0] < times[0] // step * step] if len(times) else minutes)
        if len(times):
            self._take_rows(times, values)

    def extend(self, times: NDArray[np.int64], values: NDArray[np.float64], first: int) -> None:
        """Take the rows from index `first` on; the open bar is changed in place."""
        self._unform()
        step = self.interval_s * NS
        for i in range(first, len(times)):
            start = int(times[i]) // step * step
            price = values[i, self._price]
            opening, high, low = (price, price, price) if self._ohl is None else (values[i, k] for k in self._ohl)
            k = self._open_bar(start, opening, i)
            self._widen(k, high, low, price, values[i, self._buy], values[i, self._sell])
            self._row[k] = i

    def form(self, forming: Forming, row: int) -> None:
        """Show the forming bar inside the newest bar, or as a new one; the next row takes it back."""
        self._unform()
        step = self.interval_s * NS
        start = forming.start_ns // step * step
        if self._n and self._time[self._n - 1] > start:
            return
        self._closed = self._n, self._data[:, max(self._n - 1, 0)].copy()
        k = self._open_bar(start, forming.open, row)
        self._widen(k, forming.high, forming.low, forming.close, forming.buy, forming.sell)

    def _unform(self) -> None:
        if self._closed is not None:
            self._n, before = self._closed
            if self._n:
                self._data[:, self._n - 1] = before
            self._closed = None

    def _open_bar(self, start: int, opening: float, row: int) -> int:
        """Return the place of the bar that starts at `start`, made when it is a new one."""
        k = self._n - 1
        if k >= 0 and self._time[k] == start:
            return k
        if k >= 0 and self._ohl is None and start - self._time[k] <= self.interval_s * NS:
            # A row tells the last price of its second, so a bar opens where the one before closed.
            opening = self._data[3, k]
        k = self._grow(1)
        self._time[k], self._row[k] = start, row
        self._data[:, k] = (opening, opening, opening, opening, 0.0, 0.0)
        return k

    def _widen(self, k: int, high: float, low: float, close: float, buy: float, sell: float) -> None:
        bar = self._data[:, k]
        bar[1] = max(bar[1], high)
        bar[2] = min(bar[2], low)
        bar[3] = close
        bar[4] += buy
        bar[5] += sell

    # --- many at once -------------------------------------------------------------------------------

    def _take_minutes(self, minutes: NDArray[np.float64]) -> None:
        if not len(minutes):
            return
        step = self.interval_s * NS
        starts, firsts, lasts = _groups(minutes[:, 0].astype(np.int64) // step * step)
        rising = minutes[:, 4] >= minutes[:, 1]
        self._grow(len(starts))
        self._time[: self._n], self._row[: self._n] = starts, -1
        self._data[:, : self._n] = (
            minutes[firsts, 1],
            np.maximum.reduceat(minutes[:, 2], firsts),
            np.minimum.reduceat(minutes[:, 3], firsts),
            minutes[lasts, 4],
            _sums(np.where(rising, minutes[:, 5], 0.0), firsts),
            _sums(np.where(rising, 0.0, minutes[:, 5]), firsts),
        )

    def _take_rows(self, times: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        step = self.interval_s * NS
        price = values[:, self._price]
        starts, firsts, lasts = _groups(times // step * step)
        close = price[lasts]
        if self._ohl is None:
            k = self._n
            before = np.concatenate([[self._data[3, k - 1] if k else price[0]], close[:-1]])
            before_start = np.concatenate([[self._time[k - 1] if k else starts[0]], starts[:-1]])
            opening = np.where(starts - before_start <= step, before, price[firsts])
            high, low = np.maximum.reduceat(price, firsts), np.minimum.reduceat(price, firsts)
        else:
            opening = values[firsts, self._ohl[0]]
            high = np.maximum.reduceat(values[:, self._ohl[1]], firsts)
            low = np.minimum.reduceat(values[:, self._ohl[2]], firsts)
        first = self._n
        self._grow(len(starts))
        own = slice(first, self._n)
        self._time[own], self._row[own] = starts, lasts
        self._data[:, own] = (
            opening,
            np.maximum(high, opening),
            np.minimum(low, opening),
            close,
            _sums(values[:, self._buy], firsts),
            _sums(values[:, self._sell], firsts),
        )

    def _grow(self, count: int) -> int:
        while self._n + count > len(self._time):
            self._time = np.concatenate([self._time, np.zeros_like(self._time)])
            self._row = np.concatenate([self._row, np.zeros_like(self._row)])
            self._data = np.concatenate([self._data, np.zeros_like(self._data)], axis=1)
        self._n += count
        return self._n - 1


def _groups(starts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.intp], NDArray[np.intp]]:
    """Return each distinct start of a sorted array with its first and last place."""
    edges = np.flatnonzero(np.diff(starts)) + 1
    firsts = np.concatenate([[0], edges])
    lasts = np.concatenate([edges, [len(starts)]]) - 1
    return starts[firsts], firsts, lasts


def _sums(values: NDArray[np.float64], firsts: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the sum of each group, added one by one from the left: the same bits as bars that grow."""
    group = np.zeros(len(values), np.intp)
    group[firsts[1:]] = 1
    return np.bincount(np.cumsum(group), weights=values)
