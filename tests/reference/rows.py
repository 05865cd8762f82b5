"""Rows of one symbol and day, and what a text may ask of them: look-backs counted anew for each row, no running sums."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.reference.indicators import GROUP_OF, series
from tests.reference.names import columns, windows
from tests.reference.numbers import krx_down, krx_step, round_to

ANGLES = {
    "krx": {"change_pct": 5.0, "day_value": 0.01, "volume_ratio_prev_day": 1.0},
    "upbit": {"change_pct": 10.0, "day_value": 1e-8},
    "binance": {"change_pct": 10.0, "day_value": 1e-8},
    "binance-futures": {"change_pct": 100.0, "day_value": 5e-8},
}
ALIASES = {
    "hhmmss": "시분초",
    "row_time": "체결시간",
    "row_count": "데이터길이",
    "tick_size": "호가단위",
    "code": "종목코드",
    "vi_release_time": "VI해제시간",
    "vi_minus_5_ticks": "VI아래5호가",
}
# Decimal places that recorded values have at most (strategy-language §5.1), so that their sums can be exact.
PLACES = 8


@dataclass
class Day:
    """One symbol on one day. `steps` are the venue's (price step, decimals of the quantity)."""

    market: str
    interval_s: int
    code: str
    times: list[int]
    columns: dict[str, list[float]]
    price_step: float
    qty_decimals: int
    _whole: dict[str, list[int]] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def date(self) -> int:
        return self.times[0] // (10**6 if self.interval_s == 1 else 10**4)

    def clock(self, i: int) -> int:
        """Return the time of day hhmmss of row `i`."""
        return self.times[i] % 10**6 if self.interval_s == 1 else self.times[i] % 10**4 * 100

    def moment(self, i: int) -> dt.datetime:
        return moment(self.times[i] if self.interval_s == 1 else self.times[i] * 100)

    def seconds(self, first: int, last: int) -> int:
        return round((self.moment(last) - self.moment(first)).total_seconds())

    def exact(self, column: str) -> list[int]:
        """Return a column in units of 10^-8 as whole numbers: the decimals themselves, not their binary neighbours."""
        if column not in self._whole:
            self._whole[column] = [int(Decimal(repr(value)).scaleb(PLACES)) for value in self.columns[column]]
        return self._whole[column]

    def until(self, clock: int) -> Day:
        """Return the day as a run that ends at this time of day sees it."""
        keep = [i for i in range(len(self.times)) if self.clock(i) <= clock]
        cut = {name: [values[i] for i in keep] for name, values in self.columns.items()}
        return Day(self.market, self.interval_s, self.code, [self.times[i] for i in keep], cut, self.price_step, self.qty_decimals)


def moment(stamp: float) -> dt.datetime:
    return dt.datetime.strptime(str(int(stamp)), "%Y%m%d%H%M%S")


class View:
    """What one row of a day shows: values by name and look-back functions."""

    def __init__(self, day: Day, indicators: frozenset[str] = frozenset()) -> None:
        self.day = day
        self._on = indicators
        krx = day.market == "krx"
        self._columns = columns(krx, day.interval_s)
        self._windows = windows(krx, day.interval_s)
        self._digits = 3 if krx else 8

    def value(self, name: str, i: int, entry: int | None) -> Any:
        """Return what `name` means on row `i`, a number or a function; `entry` is 매수틱번호 while a position is held.

        KeyError when it is no name of a row.
        """
        day = self.day
        if name in self._columns:
            return day.columns[self._columns[name]][i]
        if name in self._windows:
            kind, column = self._windows[name]
            return lambda n, pre=0: self.window(kind, column, int(n), int(pre), i, entry)
        lagged = self.lagged(name)
        if lagged is not None:
            return lambda pre: self.lag(lagged, int(pre), i, entry)
        if name in GROUP_OF:
            return series(day, name, GROUP_OF[name] in self._on)[i]
        return self.clock_value(ALIASES.get(name, name), i)

    def lagged(self, name: str) -> list[float] | None:
        """Return the values that a lag function looks back on, None when `name` is no lag function."""
        if name.removesuffix("_N") in GROUP_OF and name.endswith("_N"):
            name = name.removesuffix("_N")
            return series(self.day, name, GROUP_OF[name] in self._on)
        column = self._columns.get(name.removesuffix("_ago" if name.endswith("_ago") else "N"))
        return None if column is None else self.day.columns[column]

    def clock_value(self, name: str, i: int) -> Any:
        """Return a value that is no recorded column."""
        day = self.day
        return {
            "시분초": lambda: float(day.clock(i)),
            "체결시간": lambda: float(day.times[i]),
            "데이터길이": lambda: float(i + 1),
            "호가단위": lambda: krx_step(day.columns["last_price"][i]) if day.market == "krx" else day.price_step,
            "종목코드": lambda: day.code,
            "VI해제시간": lambda: moment(day.columns["vi_release_time"][i]),
            "VI아래5호가": lambda: krx_down(day.columns["vi_price"][i], 5),
            "now": lambda: lambda: day.moment(i),
            "now_utc": lambda: lambda: day.moment(i),
            "ready": lambda: lambda n: i + 1 >= int(n),
        }[name]()

    def last_row(self, pre: int, i: int, entry: int | None) -> int:
        """Return the row a look-back ends at, -1 when there is none."""
        if pre == -1:
            return -1 if entry is None else entry
        return i - pre if 0 <= pre <= i else -1

    def lag(self, values: list[float], pre: int, i: int, entry: int | None) -> float:
        end = self.last_row(pre, i, entry)
        return values[end] if end >= 0 else 0.0

    def window(self, kind: str, column: str, n: int, pre: int, i: int, entry: int | None) -> float:
        end = self.last_row(pre, i, entry)
        first = end - n + 1
        if end < 0 or n < 1 or first < 0:
            return 0.0
        day = self.day
        if kind in ("max", "min"):
            return (max if kind == "max" else min)(day.columns[column][first : end + 1])
        if kind == "angle":
            values = day.columns[column]
            rise = (values[end] - values[first]) * ANGLES[day.market][column]
            return round_to(math.atan2(rise, n) * (180 / math.pi), 2)
        total = sum(day.exact(column)[first : end + 1])
        if kind == "whole":
            return float(-(-total // (n * 10**PLACES)) if total < 0 else total // (n * 10**PLACES))
        # A quotient of two Python ints is the nearest float64 of the exact quotient.
        if kind == "sum":
            return total / 10**PLACES
        return round_to(total / (n * 10**PLACES), 3 if column == "trade_strength" else self._digits)


def days_of(frame: Any, market: str, interval_s: int, steps: dict[str, tuple[float, int]]) -> list[Day]:
    """Cut a frame of exported rows (`code`, `row_time`, columns) into days, in the order of code and time."""
    found = []
    names = [name for name in frame.columns if name not in ("code", "row_time")]
    dates = frame["row_time"] // (10**6 if interval_s == 1 else 10**4)
    for (code, _date), part in frame.groupby(["code", dates], sort=True):
        part = part.sort_values("row_time")
        data = {name: [float(value) for value in part[name]] for name in names}
        found.append(Day(market, interval_s, str(code), [int(t) for t in part["row_time"]], data, *steps[str(code)]))
    return found


def read(path: Path, market: str, interval_s: int, steps: dict[str, tuple[float, int]]) -> list[Day]:
    """Read the rows that `data export` wrote to one Parquet file."""
    import pandas as pd

    return days_of(pd.read_parquet(path), market, interval_s, steps)
