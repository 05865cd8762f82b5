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

from trading.numbers import round_to
from trading.position_vars import ENTRY_COST, ENTRY_PRICE, POSITION_QTY, POSITION_SIDE
from trading.positions import AMOUNT_DECIMALS, INTEGER_MONEY, profit

SPAN = 1024
WORDS = SPAN // 8
NEVER = 2**62
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
    while i < end and low < last[i] and last[i] < high and times[i] < until:
        i += 1
    return i


@njit(**_OPTIONS)
def next_flagged_exit(flags, last, times, i, end, low, high, until):  # type: ignore[no-untyped-def]
    """As `next_exit`; a row whose flag is set can end it too."""
    while i < end and low < last[i] and last[i] < high and times[i] < until and flags[i] == 0:
        i += 1
    return i


@njit(**_OPTIONS)
def price_band(position, params, up, down):  # type: ignore[no-untyped-def]
    """Return (low, high): between them 수익률 is surely below `up` and above `down`.

    수익률 is a straight line in the price but for rounding. The line is taken from two prices, and the
    band is narrowed by all that rounding can do: half a hundredth of a percent of the figure itself,
    and what money loses to its own smallest unit (KRX fees are cut to 10 won on either side).
    """
    price, cost, qty, sign = position[ENTRY_PRICE], position[ENTRY_COST], position[POSITION_QTY], int(position[POSITION_SIDE])
    decimals = int(params[AMOUNT_DECIMALS])
    if not (price > 0.0 and cost > 0.0):
        return np.inf, -np.inf
    _, at_entry = profit(params, cost, round_to(price * qty, decimals), sign)
    _, at_double = profit(params, cost, round_to(2.0 * price * qty, decimals), sign)
    slope = (at_double - at_entry) / price
    if not abs(slope) * price > 1.0:
        return np.inf, -np.inf
    money = 25.0 if params[INTEGER_MONEY] != 0.0 else 2e-4 + 10.0**-decimals
    error = 0.006 + 100.0 * money / cost
    low, high = -np.inf, np.inf
    for bound, is_up in ((up, True), (down, False)):
        if np.isinf(bound) and (bound > 0.0) == is_up:
            continue  # never reached
        if np.isinf(bound):
            return np.inf, -np.inf
        margin = 4.0 * error + abs(bound - at_entry) * 0.03 * error
        edge = price + ((bound - margin if is_up else bound + margin) - at_entry) / slope
        if (slope > 0.0) == is_up:
            high = min(high, edge - abs(edge) * 1e-9)
        else:
            low = max(low, edge + abs(edge) * 1e-9)
    return low, high


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
    column, times = np.zeros(1), np.zeros(1, dtype=np.int64)
    next_exit(column, times, 0, 1, -1.0, 1.0, NEVER)
    next_flagged_exit(flags, column, times, 0, 1, -1.0, 1.0, NEVER)
    price_band(np.zeros(32), np.zeros(8), 1.0, -1.0)
    time_bound(20260105000000, 0, 1.0, 1)
