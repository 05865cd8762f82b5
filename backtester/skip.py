"""Going from one row that can matter to the next.

A plan (`strategy/plan.py`) gives, for each parameter set, conditions that every entry and every exit
needs. They are kept as one byte a row, in pieces of SPAN rows that are made when a run first looks at
them; sets that share the variables of a condition share its bytes. The rest of an exit, 수익률 and 보유시간,
is a band of prices and a row time. Whatever is found here, the step itself is called on it: a band that is
too narrow or a byte too many costs time and changes nothing.
"""

# mypy: disable-error-code="no-any-return,unused-ignore"
from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy import uint64 as u

from backtester.pointer import fetch
from trading.numbers import round_to
from trading.position_vars import ENTRY_COST, ENTRY_PRICE, POSITION_QTY, POSITION_SIDE, POSITION_SIZE
from trading.positions import AMOUNT_DECIMALS, INTEGER_MONEY, PARAMS_SIZE, profit

SPAN = 1024
WORDS = SPAN // 8
NEVER = 2**62
FETCHED = 32  # more than a processor has on its way at a time
LINE_PRICE, LINE_RETURN, LINE_SLOPE, LINE_STEP, LINE_ERROR = range(5)
LINE = 5
"""수익률 of a position as a line of the price: entry price, 수익률 there, percent of one price unit, price of one percent (0: there is
no line), and how far the line may be off."""
_OPTIONS: Any = {"nogil": True, "error_model": "numpy", "cache": True}


@njit(**_OPTIONS)
def merge(target, source, begin):  # type: ignore[no-untyped-def]
    """And the piece of `source` that begins at word `begin` into `target`; tell whether anything is left."""
    left = target[0] & 0
    part = source[begin : begin + WORDS]
    for k in range(WORDS):
        target[k] &= part[k]
        left |= target[k]
    return left != 0


@njit(**_OPTIONS)
def fetch_marked(words, first, second, row):  # type: ignore[no-untyped-def]
    """Ask for the numbers of two columns on the first rows that are marked; `row` is that of the piece's first mark."""
    asked = 0
    for k in range(WORDS):
        if words[k] != 0:
            for address in (first, second):
                fetch(address, row + 8 * k)
                fetch(address, row + 8 * k + 7)
            asked += 1
            if asked == FETCHED:
                break


@njit(**_OPTIONS)
def next_set(flags, words, i):  # type: ignore[no-untyped-def]
    """Return the first place from `i` whose byte is not 0; SPAN when there is none."""
    while i < SPAN and i % 8 != 0:
        if flags[i] != 0:
            return i
        i += 1
    k = i // 8
    while k < WORDS and words[k] == 0:
        k += 1
    i = k * 8
    while i < SPAN and flags[i] == 0:
        i += 1
    return i


@njit(**_OPTIONS)
def next_exit(last, times, i, end, low, high, until):  # type: ignore[no-untyped-def]
    """Return the first row from `i` that can end a position; `end` when none before it can."""
    if until != NEVER and i < end and not times[end - 1] < until:  # times rise: else none of them is late
        while i < end and low < last[i] and last[i] < high and times[i] < until:
            i += 1
        return i
    while i < end and low < last[u(i)] and last[u(i)] < high:
        i += 1
    return i


@njit(**_OPTIONS)
def next_flagged_exit(flags, last, times, i, end, low, high, until):  # type: ignore[no-untyped-def]
    """As `next_exit`; a row whose flag is set can end it too."""
    if until != NEVER and i < end and not times[end - 1] < until:
        while i < end and low < last[i] and last[i] < high and times[i] < until and flags[i] == 0:
            i += 1
        return i
    while i < end and low < last[u(i)] and last[u(i)] < high and flags[u(i)] == 0:
        i += 1
    return i


@njit(nogil=True, error_model="numpy", cache=True, fastmath={"nnan", "nsz"})
def widened(last, start, end, top, bottom):  # type: ignore[no-untyped-def]
    """Return the highest and the lowest of two prices and those of rows start … end−1, which `next_exit` has passed: none is NaN."""
    for price in last[start:end]:
        top = price if price > top else top
        bottom = price if price < bottom else bottom
    return top, bottom


@njit(**_OPTIONS)
def price_line(position, params, line):  # type: ignore[no-untyped-def]
    """Write 수익률 of a position as a line of the price (LINE).

    The line is taken from two prices. Its error is all that rounding can do: half a hundredth of a percent of the figure itself,
    and what money loses to its own smallest unit (KRX fees are cut to 10 won on either side).
    """
    price, cost, qty, sign = position[ENTRY_PRICE], position[ENTRY_COST], position[POSITION_QTY], int(position[POSITION_SIDE])
    decimals = int(params[AMOUNT_DECIMALS])
    line[LINE_STEP] = 0.0
    if not (price > 0.0 and cost > 0.0):
        return
    _, at_entry = profit(params, cost, round_to(price * qty, decimals), sign)
    _, at_double = profit(params, cost, round_to(2.0 * price * qty, decimals), sign)
    if not abs(at_double - at_entry) > 1.0:
        return
    money = 25.0 if params[INTEGER_MONEY] != 0.0 else 2e-4 + 10.0**-decimals
    slope = (at_double - at_entry) / price
    line[LINE_PRICE], line[LINE_RETURN], line[LINE_SLOPE], line[LINE_STEP] = price, at_entry, slope, 1.0 / slope
    line[LINE_ERROR] = 0.006 + 100.0 * money / cost


@njit(**_OPTIONS)
def price_band(line, up, down):  # type: ignore[no-untyped-def]
    """Return (low, high): between them 수익률 is surely below `up` and above `down`.

    수익률 is a straight line in the price but for rounding (`price_line`); the band is narrowed by that.
    """
    step, at_entry, error = line[LINE_STEP], line[LINE_RETURN], line[LINE_ERROR]
    low, high = -np.inf, np.inf
    if step == 0.0 or up == -np.inf or down == np.inf:
        return np.inf, -np.inf
    if up < np.inf:
        edge = line[LINE_PRICE] + (up - 4.0 * error - abs(up - at_entry) * 0.03 * error - at_entry) * step
        if step > 0.0:
            high = edge - abs(edge) * 1e-9
        else:
            low = edge + abs(edge) * 1e-9
    if down > -np.inf:
        edge = line[LINE_PRICE] + (down + 4.0 * error + abs(down - at_entry) * 0.03 * error - at_entry) * step
        if step > 0.0:
            low = edge + abs(edge) * 1e-9
        else:
            high = edge - abs(edge) * 1e-9
    return low, high


@njit(**_OPTIONS)
def return_at(position, params, price):  # type: ignore[no-untyped-def]
    """Return 수익률 of a position at a price, as `update_returns` has it."""
    mark = round_to(price * position[POSITION_QTY], int(params[AMOUNT_DECIMALS]))
    return profit(params, position[ENTRY_COST], mark, int(position[POSITION_SIDE]))[1]


@njit(**_OPTIONS)
def time_bound(entry_time, entry_seconds, seconds, interval_s):  # type: ignore[no-untyped-def]
    """Return the row time before which a position entered at `entry_time` is surely younger than `seconds`."""
    if interval_s >= 86_400:
        return 0  # its rows are few: every one is looked at
    due = entry_seconds + np.floor(seconds)
    if not due < 86_400.0:
        return NEVER if due >= 86_400.0 else 0
    due = int(max(due, 0.0))
    if interval_s == 1:
        return entry_time // 1_000_000 * 1_000_000 + due // 3600 * 10_000 + due // 60 % 60 * 100 + due % 60
    return entry_time // 10_000 * 10_000 + due // 3600 * 100 + due // 60 % 60


def warm() -> None:
    """Compile everything here with the types production uses."""
    flags = np.zeros(SPAN, dtype=np.uint8)
    words = flags.view(np.int64)
    merge(words, words, 0)
    next_set(flags, words, 0)
    fetch_marked(words, 0, 0, 0)
    column, times = np.zeros(1), np.zeros(1, dtype=np.int64)
    next_exit(column, times, 0, 1, -1.0, 1.0, NEVER)
    next_flagged_exit(flags, column, times, 0, 1, -1.0, 1.0, NEVER)
    line = np.zeros(LINE)
    price_line(np.zeros(POSITION_SIZE), np.zeros(PARAMS_SIZE), line)
    price_band(line, 1.0, -1.0)
    widened(column, 0, 1, 0.0, 0.0)
    return_at(np.zeros(POSITION_SIZE), np.zeros(PARAMS_SIZE), 1.0)
    time_bound(20260105000000, 0, 1.0, 1)
