"""Rows cut to a run's time of day, and their clock as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from backtester import kernel
from domain.errors import InputError
from domain.intervals import RECORDED, day_unit, is_daily

if TYPE_CHECKING:
    from backtester.engine import Options, Rows


def cut(rows: Rows, options: Options) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return blocks cut to the time of day, with their symbols and days; empty ones are left out."""
    clock, unit = 1 if rows.interval_s == 1 else 100, day_unit(rows.interval_s)
    if is_daily(rows.interval_s) and options.start:
        raise InputError("backtest.start_daily")
    out, symbols, days = [], [], []
    for block in rows.blocks:
        symbol, day, lo, hi = (int(block[name]) for name in ("symbol", "day", "lo", "hi"))
        times = rows.row_time[lo:hi]
        # A minute row's label is hhmm; its time of day is hhmm00 (strategy-language 3.1). Longer bars were made of
        # the minutes up to the end, and those of days are all of a session.
        end, begin = hi, lo
        if rows.interval_s in RECORDED:
            end = lo + int(np.searchsorted(times, day * unit + options.end // clock, side="right"))
        if not is_daily(rows.interval_s):
            begin = lo + int(np.searchsorted(times, day * unit + -(-options.start // clock), side="left"))
        if end <= lo:
            continue
        out.append((lo, end, begin - lo, 0, int(rows.qty_decimals[symbol]), symbol))
        symbols.append(symbol)
        days.append(day)
    return np.array(out, dtype=np.int64).reshape(-1, kernel.BLOCK_FIELDS), np.array(symbols, dtype=np.int64), np.array(days, dtype=np.int64)


def clock_seconds(row_time: NDArray[np.int64], interval_s: int) -> NDArray[np.int64]:
    """Return the time of day in seconds, of daily bars the seconds since 1970: only their positions cross a day."""
    if interval_s != 1:
        row_time = row_time * 100
    seconds: NDArray[np.int64] = row_time // 10_000 % 100 * 3_600 + row_time // 100 % 100 * 60 + row_time % 100
    if is_daily(interval_s):
        date = row_time // 1_000_000
        months = ((date // 10_000 - 1970) * 12 + date // 100 % 100 - 1).astype("datetime64[M]")
        seconds = seconds + (months.astype("datetime64[D]").astype(np.int64) + date % 100 - 1) * 86_400
    return seconds
