"""Bars only: candles without trades or books become rows of their length, a second or a minute (strategy-language 1.1 item 11).

현재가 is the close; the buy quantity is the taker volume if known, else half of the volume; the value is the
quote volume if known, else close × volume; book fields are 0 and every row says so. The session's rules and
the arithmetic are those of the row machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from domain.instruments import NS, Market
from domain.records import row_schema
from trading import row_state as rs
from trading.ladder import ladder_table
from trading.row_columns import DAY_S, HEAD, emit, minute_label, peak_add, second_label
from trading.row_machine import start_session

_njit = njit(cache=True, nogil=True)


@dataclass(frozen=True)
class Bars:
    """One-second or one-minute bars of one instrument, oldest first, none twice.

    Parameters
    ----------
    open_ns : int64 (n,)
        UTC start of the bar.
    open, high, low, close : float64 (n,)
        In quote currency, > 0.
    volume : int64 (n,)
        Units of 1e-8.
    value : float64 (n,) or None
        Traded value in quote currency.
    taker_volume : int64 (n,) or None
        What aggressive buyers took, units of 1e-8.
    taker_value : float64 (n,) or None
    previous_close : float
        Of the day before the first bar's; 0 = not known.
    interval_s : {1, 60}
    """

    open_ns: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.int64]
    value: NDArray[np.float64] | None = None
    taker_volume: NDArray[np.int64] | None = None
    taker_value: NDArray[np.float64] | None = None
    previous_close: float = 0.0
    interval_s: int = 60


@_njit
def _run(state, peaks, open_ns, prices, volume, buy, value, buy_value, clocks_seq, work):  # type: ignore[no-untyped-def]
    cfg = work[3]
    s = state[0]
    length_ns = cfg[rs.C_INTERVAL] * NS
    keys = np.zeros((2, 1))
    qtys = np.zeros((2, 1), np.int64)
    n = 0
    for k in range(open_ns.shape[0]):
        ns = open_ns[k]
        day = (ns // NS + cfg[rs.C_OFFSET_S]) // DAY_S
        clocks = (ns + length_ns - 1, clocks_seq + k, 0)
        if day > s.day:
            start_session(s, 0, day, ns, clocks, False, keys, qtys, work, n)
        close = prices[k, 3]
        s.last_price = close
        if volume[k] > 0 or not s.traded:
            if not s.traded:
                s.traded = 1
                s.day_open = prices[k, 0]
                s.day_high = prices[k, 1]
                s.day_low = prices[k, 2]
                if s.reference == 0.0:
                    s.reference = prices[k, 0]
            s.day_high = max(s.day_high, prices[k, 1])
            s.day_low = min(s.day_low, prices[k, 2])
        s.bar_traded = 1
        s.bar_open = prices[k, 0]
        s.bar_high = prices[k, 1]
        s.bar_low = prices[k, 2]
        s.amount += value[k]
        sell = volume[k] - buy[k]
        s.buy_qty += buy[k]
        s.sell_qty += sell
        s.bar_buy_qty = buy[k]
        s.bar_sell_qty = sell
        s.bar_buy_amount = buy_value[k]
        s.bar_sell_amount = value[k] - buy_value[k]
        s.buy_amount += s.bar_buy_amount
        s.sell_amount += s.bar_sell_amount
        if s.bar_buy_amount > 0.0:
            level = peak_add(peaks, cfg, 1, s.day, close, s.bar_buy_amount)
            if level > s.peak_buy:
                s.peak_buy = level
                s.peak_buy_price = close
        if s.bar_sell_amount > 0.0:
            level = peak_add(peaks, cfg, 0, s.day, close, s.bar_sell_amount)
            if level > s.peak_sell:
                s.peak_sell = level
                s.peak_sell_price = close
        second = ns // NS + cfg[rs.C_OFFSET_S]
        s.minute = second // 60
        s.row_second = second
        if cfg[rs.C_STOCK]:
            work[2][0, 0, s.minute % 1440] = s.buy_qty + s.sell_qty
        label = minute_label(s.minute) if length_ns > NS else second_label(second)
        n = emit(s, 0, label, ns + length_ns - 1, clocks, False, keys, qtys, work, n)
        s.minute = -1
    return n


def bar_rows(market: Market, bars: Bars, instrument: int, first_seq: int) -> np.ndarray:
    """Return rows of one instrument's bars.

    Parameters
    ----------
    instrument : int
        Index written into the rows.
    first_seq : int
        Arrival number of the first row.

    Returns
    -------
    ndarray of the market's row dtype
        관심종목 is 1 everywhere; `mark_universe` sets it where there are more symbols than the list holds.
    """
    count = len(bars.open_ns)
    schema = row_schema(market.kind, bars.interval_s)
    columns = rs.column_map(schema)
    state = rs.empty_state(1)
    state["before_price"] = bars.previous_close
    cfg = np.zeros(rs.C_SIZE, np.int64)
    cfg[rs.C_INTERVAL], cfg[rs.C_OFFSET_S], cfg[rs.C_STOCK] = bars.interval_s, market.day_offset_s(), market.kind == "stock"
    cfg[rs.C_TOTAL_LEVELS] = market.total_levels
    ints = np.zeros((count, HEAD + len(columns)), np.int64)
    curves = np.zeros((1, 2, 1440), np.int64)
    flt = np.array([market.strength_cap, market.value_unit])
    work = (columns, ladder_table(market).copy(), curves, cfg, flt, ints, ints.view(np.float64))
    peaks = np.zeros(1 << max(int(4 * count).bit_length(), 4), rs.PEAK_DTYPE)
    peaks["owner"] = -1
    whole = 100_000_000 if market.kind == "stock" else 1
    buy = bars.taker_volume if bars.taker_volume is not None else bars.volume // (2 * whole) * whole
    value = bars.value if bars.value is not None else bars.close * (bars.volume / 1e8)
    buy_value = bars.taker_value if bars.taker_value is not None else bars.close * (buy / 1e8)
    if bars.taker_value is None and bars.value is not None:
        # close × quantity may lie beyond the stated value when the price moved within the bar.
        share = np.divide(buy, bars.volume, out=np.zeros(count), where=bars.volume > 0)
        buy_value = value * share
    prices = np.column_stack((bars.open, bars.high, bars.low, bars.close))
    _run(state, peaks, bars.open_ns, prices, bars.volume, buy, value, buy_value, first_seq, work)
    rows = ints.view(schema.dtype()).reshape(count)
    rows["instrument"] = instrument
    return rows


def mark_universe(market: Market, rows: np.ndarray, codes: list[str], interval_s: int = 60) -> None:
    """Set 관심종목 in rows of many symbols' bars: the day's traded value after each bar, ties by code (item 12).

    Parameters
    ----------
    rows : ndarray
        All symbols; changed in place.
    codes : list of str
        By `instrument` index.
    """
    if len(codes) <= market.universe_size:
        return
    schema = row_schema(market.kind, interval_s)
    value, flag = schema.index("day_value"), schema.index("in_universe")
    rank = np.argsort(np.argsort(codes))
    order = np.argsort(rows["row_time"], kind="stable")
    times = rows["row_time"][order]
    starts = np.flatnonzero(np.concatenate(([True], np.diff(times) > 0)))
    ends = np.append(starts[1:], len(order))
    current = np.zeros(len(codes))
    per_day = 10_000 if interval_s == 60 else 1_000_000
    day = -1
    for lo, hi in zip(starts.tolist(), ends.tolist(), strict=True):
        if int(times[lo]) // per_day != day:
            day = int(times[lo]) // per_day
            current[:] = 0.0
        now = order[lo:hi]
        who = rows["instrument"][now]
        current[rank[who]] = rows["values"][now, value]
        listed = np.argsort(-current, kind="stable")[: market.universe_size]
        rows["values"][now, flag] = np.isin(rank[who], listed)


def warm() -> None:
    """Compile the loop with the types production uses."""
    from trading.rows import smallest_market

    one = np.ones(1)
    bar_rows(smallest_market(), Bars(np.array([1_790_000_000 * NS]), one, one, one, one, np.array([100])), 0, 1)
