"""Rows cut to a run's time of day, their clock as arrays, and the numbers of profit that hold on their days."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from backtester import kernel
from domain.errors import InputError
from domain.instruments import Market
from domain.intervals import RECORDED, day_unit, is_daily
from trading.fee_table import FeeTable
from trading.positions import market_params

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


def day_seconds(row_time: NDArray[np.int64], interval_s: int) -> NDArray[np.int64]:
    """Return the time of day in seconds, of daily bars the seconds since 1970: only their positions cross a day."""
    if interval_s != 1:
        row_time = row_time * 100
    seconds: NDArray[np.int64] = row_time // 10_000 % 100 * 3_600 + row_time // 100 % 100 * 60 + row_time % 100
    if is_daily(interval_s):
        date = row_time // 1_000_000
        months = ((date // 10_000 - 1970) * 12 + date // 100 % 100 - 1).astype("datetime64[M]")
        seconds = seconds + (months.astype("datetime64[D]").astype(np.int64) + date % 100 - 1) * 86_400
    return seconds


def profit_params(
    market: Market, fees: tuple[float, float] | FeeTable | None, days: NDArray[np.int64], codes: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the rows of numbers of profit, and which of them holds for each block: by day, and by symbol where a table names some."""
    rates = [fees.rates(day, code) if isinstance(fees, FeeTable) else fees for day, code in zip(days.tolist(), codes, strict=True)]
    keys = list(dict.fromkeys(sorted(zip(days.tolist(), rates, strict=True), key=str)))
    place = {key: k for k, key in enumerate(keys)}
    params = np.stack([market_params(market, day, pair) for day, pair in keys])
    return params, np.array([place[key] for key in zip(days.tolist(), rates, strict=True)], dtype=np.int64)


def any_book(rows: Rows, blocks: NDArray[np.int64]) -> bool:
    """Tell whether any row has a book: where some do, an order on one that has none finds no depth."""
    sides = [rows.columns[key] for key in ("ask_size1", "bid_size1") if key in rows.columns]
    return any(bool(np.any(side[lo:hi])) for lo, hi, *_ in blocks.tolist() for side in sides)
