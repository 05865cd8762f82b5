"""Moving averages of TA-Lib's kinds, a row at a time, as the indicators use them.

Each function continues one series over rows i0 … i1−1 from what it left on the row before, so live (one row)
and research (whole days) run the same lines; TA-Lib itself is the yardstick of the tests and is not called.
They are plain Python that Numba compiles where compiled code calls it (`register_jitable`): the interpreter
runs them as they stand. `rows` is `extremes`, a row an array (a list in the interpreter); operations stand
in TA-Lib's order, because sums that are rounded differently would not compare equal.
"""

# mypy: disable-error-code="no-any-return,unused-ignore"
from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from strategy.series_sizes import DEMA, EMA, KAMA, SMA, T3, TEMA, TRIMA, WMA

TINY = 1e-14
"""TA-Lib's zero."""


@register_jitable
def blank(y: Any, i0: int, i1: int) -> None:
    """Write not-a-number: the series has not begun."""
    for i in range(i0, i1):
        y[i] = np.nan


@register_jitable
def fill_sma(x: Any, rows: Any, out: int, spare: int, n: int, begin: int, i0: int, i1: int) -> None:
    """Continue a plain mean; `spare` keeps the running total."""
    y, totals = rows[out], rows[spare]
    blank(y, i0, min(begin, i1))
    for i in range(max(i0, begin), i1):
        total = (totals[i - 1] if i > begin else 0.0) + x[i]
        y[i] = np.nan
        if i >= begin + n - 1:
            y[i] = total / n
            total -= x[i - n + 1]
        totals[i] = total


@register_jitable
def fill_ema(x: Any, y: Any, n: int, begin: int, i0: int, i1: int) -> None:
    """Continue an exponential mean that is seeded with the plain mean of its first `n` values."""
    first = begin + n - 1
    k = 2.0 / (n + 1)
    for i in range(i0, i1):
        if i < first:
            y[i] = np.nan
        elif i == first:
            total = 0.0
            for j in range(begin, first + 1):
                total += x[j]
            y[i] = total / n
        else:
            y[i] = (x[i] - y[i - 1]) * k + y[i - 1]


@register_jitable
def fill_weighted_ema(x: Any, y: Any, n: int, begin: int, i0: int, i1: int) -> None:
    """Continue an exponential mean written as the weighted sum of new and old (T3)."""
    first = begin + n - 1
    k = 2.0 / (n + 1.0)
    for i in range(i0, i1):
        if i < first:
            y[i] = np.nan
        elif i == first:
            total = x[begin]
            for j in range(begin + 1, first + 1):
                total += x[j]
            y[i] = total / n
        else:
            y[i] = k * x[i] + (1.0 - k) * y[i - 1]


@register_jitable
def fill_wma(x: Any, rows: Any, out: int, spare: int, n: int, begin: int, i0: int, i1: int) -> None:
    """Continue a mean whose weights fall linearly with age; `spare` keeps the weighted and the plain sum."""
    y, weighted, plain = rows[out], rows[spare], rows[spare + 1]
    divider = n * (n + 1) // 2
    first = begin + n - 1
    blank(y, i0, min(begin, i1))
    for i in range(max(i0, begin), i1):
        total = weighted[i - 1] if i > begin else 0.0
        part = (plain[i - 1] if i > begin else 0.0) + x[i]
        y[i] = np.nan
        if i < first:
            total += x[i] * (i - begin + 1)
        else:
            if i > first:
                part -= x[i - n]
            total += x[i] * n
            y[i] = total / divider
            total -= part
        weighted[i], plain[i] = total, part


@register_jitable
def fill_trima(x: Any, rows: Any, out: int, spare: int, n: int, begin: int, i0: int, i1: int) -> None:
    """Continue a mean with triangular weights; `spare` keeps the weighted sum and the sums of both halves."""
    y, totals, falling, rising = rows[out], rows[spare], rows[spare + 1], rows[spare + 2]
    half, odd = n // 2, n % 2
    factor = 1.0 / ((half + 1) * (half + 1)) if odd else 1.0 / (half * (half + 1))
    first = begin + n - 1
    middle = begin + half - 1 + odd
    blank(y, i0, min(first, i1))
    for i in range(max(i0, first), i1):
        if i == first:
            total = down = up = 0.0
            for j in range(middle, begin - 1, -1):
                down += x[j]
                total += down
            for j in range(middle + 1, first + 1):
                up += x[j]
                total += up
        else:
            total, down, up = totals[i - 1], falling[i - 1], rising[i - 1]
            centre = x[i - n + half + odd]
            total -= down
            down -= x[i - n]
            down += centre
            if odd:
                total += up
                up -= centre
            else:
                up -= centre
                total += up
            up += x[i]
            total += x[i]
        y[i] = total * factor
        totals[i], falling[i], rising[i] = total, down, up


@register_jitable
def fill_kama(x: Any, rows: Any, out: int, spare: int, n: int, begin: int, i0: int, i1: int) -> None:
    """Continue Kaufman's adaptive mean; `spare` keeps the sum of absolute changes."""
    y, changes = rows[out], rows[spare]
    slowest = 2.0 / 31.0
    range_of = 2.0 / 3.0 - slowest
    first = begin + n
    blank(y, i0, min(first, i1))
    for i in range(max(i0, first), i1):
        if i == first:
            total = 0.0
            for j in range(begin, first):
                total += abs(x[j] - x[j + 1])
            before = x[i - 1]
        else:
            total = changes[i - 1] - abs(x[i - n - 1] - x[i - n])
            total += abs(x[i] - x[i - 1])
            before = y[i - 1]
        moved = x[i] - x[i - n]
        speed = 1.0 if total <= moved or abs(total) < TINY else abs(moved / total)
        speed = speed * range_of + slowest
        speed *= speed
        y[i] = (x[i] - before) * speed + before
        changes[i] = total


@register_jitable
def fill_multiple_ema(x: Any, rows: Any, out: int, spare: int, triple: bool, n: int, begin: int, i0: int, i1: int) -> None:
    """Continue a mean of exponential means of means, double or triple, that takes their lag out."""
    y, one, two, three = rows[out], rows[spare], rows[spare + 1], rows[spare + 2]
    fill_ema(x, one, n, begin, i0, i1)
    fill_ema(one, two, n, begin + n - 1, i0, i1)
    if triple:
        fill_ema(two, three, n, begin + 2 * (n - 1), i0, i1)
    for i in range(i0, i1):
        y[i] = three[i] + (3.0 * one[i] - 3.0 * two[i]) if triple else 2.0 * one[i] - two[i]


@register_jitable
def fill_t3(x: Any, rows: Any, out: int, spare: int, n: int, begin: int, i0: int, i1: int) -> None:
    """Continue Tillson's T3 with his factor of 0.7: six exponential means, one of the other."""
    for k in range(6):
        fill_weighted_ema(x if k == 0 else rows[spare + k - 1], rows[spare + k], n, begin + k * (n - 1), i0, i1)
    v = 0.7
    c1 = -(v * v * v)
    c2 = 3.0 * (v * v - c1)
    c3 = -6.0 * (v * v) - 3.0 * (v - c1)
    c4 = 1.0 + 3.0 * v - c1 + 3.0 * (v * v)
    y, e3, e4, e5, e6 = rows[out], rows[spare + 2], rows[spare + 3], rows[spare + 4], rows[spare + 5]
    for i in range(i0, i1):
        y[i] = c1 * e6[i] + c2 * e5[i] + c3 * e4[i] + c4 * e3[i]


@register_jitable
def average_lookback(kind: int, n: int) -> int:
    """Return how many rows of its input an average needs before its first value's row."""
    if n <= 1:
        return 0
    if kind == DEMA:
        return 2 * (n - 1)
    if kind == TEMA:
        return 3 * (n - 1)
    if kind == KAMA:
        return n
    if kind == T3:
        return 6 * (n - 1)
    return n - 1


@register_jitable
def fill_average(x: Any, rows: Any, out: int, spare: int, kind: int, n: int, begin: int, i0: int, i1: int) -> int:
    """Continue an average of any kind over a series that begins at row `begin`; returns the row of its first value.

    `out` and `spare` are rows of `rows`: the average itself, and up to SPARE more of its own.
    """
    if n <= 1:
        y = rows[out]
        blank(y, i0, min(begin, i1))
        for i in range(max(i0, begin), i1):
            y[i] = x[i]
        return begin
    if kind == SMA:
        fill_sma(x, rows, out, spare, n, begin, i0, i1)
    elif kind == EMA:
        fill_ema(x, rows[out], n, begin, i0, i1)
    elif kind == WMA:
        fill_wma(x, rows, out, spare, n, begin, i0, i1)
    elif kind == TRIMA:
        fill_trima(x, rows, out, spare, n, begin, i0, i1)
    elif kind == KAMA:
        fill_kama(x, rows, out, spare, n, begin, i0, i1)
    elif kind == T3:
        fill_t3(x, rows, out, spare, n, begin, i0, i1)
    else:
        fill_multiple_ema(x, rows, out, spare, kind == TEMA, n, begin, i0, i1)
    return begin + average_lookback(kind, n)
