"""Series behind the V3 functions: the day's extremes so far, runs, rows near an average, sums for a deviation.

Written like strategy/oscillators.py: ``fill_x(columns…, rows, base, params, lo, i0, i1)`` continues its
rows of `extremes`, in plain Python that Numba compiles where compiled code calls it.
"""

# mypy: disable-error-code="no-any-return,unused-ignore"
from __future__ import annotations

import math
from typing import Any

from numba.extending import register_jitable

from strategy.series_sizes import SPREAD_ROWS

SPLIT = 134_217_729.0
"""2^27 + 1: cuts a float64 into two halves whose products are exact."""


@register_jitable
def fill_zero(rows: Any, base: int, outputs: int, i0: int, i1: int) -> None:
    """Write the outputs of a series that is off."""
    for row in range(base, base + outputs):
        for i in range(i0, i1):
            rows[row, i] = 0.0


@register_jitable
def fill_extremes(price: Any, rows: Any, base: int, params: Any, lo: int, i0: int, i1: int) -> None:
    """Continue the day's highest price, the rows since it, the lowest and the rows since it; only a better price moves them."""
    high, high_age, low, low_age = rows[base], rows[base + 1], rows[base + 2], rows[base + 3]
    for i in range(i0, i1):
        if i == lo or price[i] > high[i - 1]:
            high[i], high_age[i] = price[i], 0.0
        else:
            high[i], high_age[i] = high[i - 1], high_age[i - 1] + 1.0
        if i == lo or price[i] < low[i - 1]:
            low[i], low_age[i] = price[i], 0.0
        else:
            low[i], low_age[i] = low[i - 1], low_age[i - 1] + 1.0


@register_jitable
def fill_runs(price: Any, rows: Any, base: int, params: Any, lo: int, i0: int, i1: int) -> None:
    """Continue how many rows in a row did not fall, and did not rise, against the row before."""
    rising, falling = rows[base], rows[base + 1]
    for i in range(i0, i1):
        rising[i] = rising[i - 1] + 1.0 if i > lo and price[i] >= price[i - 1] else 0.0
        falling[i] = falling[i - 1] + 1.0 if i > lo and price[i] <= price[i - 1] else 0.0


@register_jitable
def fill_near_average(price: Any, rows: Any, base: int, params: Any, lo: int, i0: int, i1: int) -> None:
    """Continue the count of today's rows whose price is within `per` % of the average of the `n` rows up to them."""
    n, per = int(params[0]), params[1]
    counts, sums = rows[base], rows[base + 1]
    for i in range(i0, i1):
        # What the price is away from the day's first: small numbers, so little is lost.
        total = price[i] - price[lo] + (sums[i - 1] if i > lo else 0.0)
        if i - lo >= n:
            total -= price[i - n] - price[lo]
        sums[i] = total
        counts[i] = counts[i - 1] if i > lo else 0.0
        average = price[lo] + total / n
        if i - lo >= n - 1 and abs(price[i] - average) <= average * per / 100.0:
            counts[i] += 1.0


@register_jitable
def fill_near_open(price: Any, day_open: Any, rows: Any, base: int, params: Any, lo: int, i0: int, i1: int) -> None:
    """Continue the count of today's rows whose price is within `per` % of the day's open."""
    per = params[0]
    counts = rows[base]
    for i in range(i0, i1):
        counts[i] = counts[i - 1] if i > lo else 0.0
        if day_open[i] > 0.0 and abs(price[i] - day_open[i]) <= day_open[i] * per / 100.0:
            counts[i] += 1.0


# --- deviation ---------------------------------------------------------------------------------------
# A sum is kept as two float64 (a number and what it lost), about 106 bits: the difference of two sums of a
# long day is still good to the last bit, so a window of any length is two reads.


@register_jitable
def add_two(a: float, b: float) -> tuple[float, float]:
    """Return a + b and what rounding it lost."""
    total = a + b
    back = total - a
    return total, (a - (total - back)) + (b - back)


@register_jitable
def add_pairs(a: float, a_lost: float, b: float, b_lost: float) -> tuple[float, float]:
    """Return the sum of two pairs."""
    total, lost = add_two(a, b)
    lost += a_lost + b_lost
    return add_two(total, lost)


@register_jitable
def multiply_two(a: float, b: float) -> tuple[float, float]:
    """Return a · b and what rounding it lost."""
    product = a * b
    cut = SPLIT * a
    a_high = cut - (cut - a)
    a_low = a - a_high
    cut = SPLIT * b
    b_high = cut - (cut - b)
    b_low = b - b_high
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


@register_jitable
def fill_spread(price: Any, rows: Any, base: int, params: Any, lo: int, i0: int, i1: int) -> None:
    """Continue the sums of what the price is away from the day's first, and of its square, and the run of equal prices."""
    sums, sums_lost, squares, squares_lost, same = rows[base], rows[base + 1], rows[base + 2], rows[base + 3], rows[base + 4]
    for i in range(i0, i1):
        away = price[i] - price[lo]
        square, square_lost = multiply_two(away, away)
        if i == lo:
            sums[i], sums_lost[i], squares[i], squares_lost[i], same[i] = away, 0.0, square, square_lost, 1.0
            continue
        sums[i], sums_lost[i] = add_pairs(sums[i - 1], sums_lost[i - 1], away, 0.0)
        squares[i], squares_lost[i] = add_pairs(squares[i - 1], squares_lost[i - 1], square, square_lost)
        same[i] = same[i - 1] + 1.0 if price[i] == price[i - 1] else 1.0


@register_jitable
def fill_bar_spread(high: Any, low: Any, rows: Any, base: int, params: Any, lo: int, i0: int, i1: int) -> None:
    """Continue `fill_spread` of the bars' ranges, which are its sixth row."""
    width = rows[base + SPREAD_ROWS]
    for i in range(i0, i1):
        width[i] = high[i] - low[i]
    fill_spread(width, rows, base, params, lo, i0, i1)


@register_jitable
def deviation_of(total: float, spread: float, first: float, n: int) -> float:
    """Return a standard deviation in per cent of its mean: Σd, n·Σd² − (Σd)² and the value that d is counted from."""
    mean = first + total / n
    return math.sqrt(max(spread, 0.0)) / n / mean * 100.0 if mean != 0.0 else 0.0


@register_jitable
def window_volatility(x: Any, rows: Any, base: int, row: int, lo: int, n: int) -> float:
    """Return 변동성 of the `n` rows ending at `row`, from the rows of `fill_spread`; 0 without that much history."""
    if n < 1 or row - lo < n - 1 or rows[base + 4][row] >= n:
        return 0.0
    total, lost = rows[base][row], rows[base + 1][row]
    square, square_lost = rows[base + 2][row], rows[base + 3][row]
    if row - n >= lo:
        total, lost = add_pairs(total, lost, -rows[base][row - n], -rows[base + 1][row - n])
        square, square_lost = add_pairs(square, square_lost, -rows[base + 2][row - n], -rows[base + 3][row - n])
    wide, wide_lost = multiply_two(square, float(n))
    wide_lost += square_lost * n
    own, own_lost = multiply_two(total, total)
    own_lost += 2.0 * total * lost
    spread, _ = add_pairs(wide, wide_lost, -own, -own_lost)
    return deviation_of(total, spread, x[lo], n)
