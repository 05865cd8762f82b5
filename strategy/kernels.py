"""What generated steps call: exact means, extremes, checked arithmetic, clocks.

All of it is compiled without fast-math and inlined into the step. Nothing here knows a factor.
"""

# The annotations are Numba's: int64 stands as int, float64 as float.
# mypy: disable-error-code="no-any-return,return-value,call-arg,assignment,unused-ignore,unreachable"

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numba.core import types
from numba.extending import intrinsic
from numpy import uint64 as u

_SMALL: Any = {"nogil": True, "error_model": "numpy", "forceinline": True, "cache": True}
_READ: Any = {**_SMALL, "boundscheck": True}
EXACT = 2**53
"""Integers up to here are exact as float64."""
WIDE = 2**29
"""Sums of high words from here on mean that the sum may not fit an int64."""
REACH = 2.0**61
"""A day's absolute sum up to here fits an int64 with room for what adding floats lost."""
WORD = 2.0**32
DEGREES = 180.0 / math.pi


@intrinsic  # type: ignore[misc]
def fma(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """Return a·b + c rounded once."""
    signature = types.float64(types.float64, types.float64, types.float64)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fma(*args)

    return signature, codegen


@njit(**_SMALL)
def ratio(total: int, divisor: int) -> float:
    """Return the float64 nearest to total / divisor, for |total| < 2^63 and 0 < divisor < 2^53.

    Below 2^53 one division is it. Above, the division of the rounded total is corrected by its exact
    remainder (fused multiply-add) plus what rounding the total lost; the quotient of two integers of
    this size lies either on a rounding tie, which the correction meets exactly, or farther from it
    than the correction's own error.
    """
    if -EXACT <= total <= EXACT:
        return float(total) / float(divisor)
    high = float(total)
    low = float(total - np.int64(high))
    quotient = high / float(divisor)
    return quotient + (fma(-quotient, float(divisor), high) + low) / float(divisor)


@njit(nogil=True, error_model="numpy", cache=True)
def wide_divide(high: int, low: int, divisor: int) -> tuple[int, int, int]:
    """Return (sign, quotient, remainder) of (high·2^32 + low) / divisor by long division, sixteen bits at a time.

    For 0 ≤ low < 2^63 and 0 < divisor < 2^46; the quotient must be below 2^63.
    """
    sign = 1
    if high < 0:
        sign = -1
        borrow = (low + 0xFFFFFFFF) >> 32
        high, low = -high - borrow, (borrow << 32) - low
    high += low >> 32
    low &= 0xFFFFFFFF
    quotient, rest = high // divisor, high % divisor
    rest = (rest << 16) | (low >> 16)
    quotient, rest = (quotient << 16) + rest // divisor, rest % divisor
    rest = (rest << 16) | (low & 0xFFFF)
    return sign, (quotient << 16) + rest // divisor, rest % divisor


@njit(nogil=True, error_model="numpy", cache=True)
def wide_ratio(high: int, low: int, divisor: int) -> float:
    """Return the float64 nearest to (high·2^32 + low) / divisor: whole part, fraction and what rounding them lost."""
    sign, quotient, rest = wide_divide(high, low, divisor)
    whole = float(quotient)
    lost = float(quotient - np.int64(whole))
    fraction = float(rest) / float(divisor)
    lost += fma(-fraction, float(divisor), float(rest)) / float(divisor)
    total = whole + fraction
    back = total - whole
    lost += (whole - (total - back)) + (fraction - back)
    return sign * (total + lost)


@njit(**_SMALL)
def span(sums, f, row, n):  # type: ignore[no-untyped-def]
    """Return (total, high, low, is_wide) of the `n` rows ending at `row`.

    `total` is their sum as long as it fits an int64; `high`·2^32 + `low` is it always. Prices count in
    units of 1e-8, so 600 rows of a bitcoin in won are past 2^63.
    """
    total = sums[u(f), u(row + 1)] - sums[u(f), u(row + 1 - n)]
    parts = sums.shape[0] // 3
    if sums[u(f + 2 * parts), 0] == 0:
        return total, 0, total, False
    h = u(f + parts)
    high = sums[h, u(row + 1)] - sums[h, u(row + 1 - n)]
    return total, high, total - (high << 32), high >= WIDE or high <= -WIDE


@njit(**_SMALL)
def mean(total: int, divisor: int, scale: float) -> float:
    """Return total / divisor rounded: rint(x·scale)/scale."""
    return np.rint(ratio(total, divisor) * scale) / scale


@njit(**_SMALL)
def whole_mean(total: int, divisor: int) -> float:
    """Return total / divisor truncated towards zero, exactly."""
    if total >= 0:
        return float(total // divisor)
    return -float((-total) // divisor)


@njit(**_SMALL)
def count(x: float) -> int:
    """Return a finite number truncated to an integer, clipped to ±10^9."""
    return np.int64(min(max(x, -1e9), 1e9))


# --- rows ------------------------------------------------------------------------------------------
# Rows are unsigned where they index, so that no test for Python's negative indices is made; the bounds check stays.


@njit(**_SMALL)
def row_back(back: int, held: float, entry_row: float, i: int, lo: int) -> int:
    """Return the row `back` rows ago, −1 standing for the entry row; −1 when there is no such row today."""
    if back >= 0:
        return i - back if back <= i - lo else -1
    if back != -1 or held == 0.0:
        return -1
    at = lo + np.int64(entry_row)
    return at if lo <= at <= i else -1


@njit(**_READ)
def lag(column, row, lo):  # type: ignore[no-untyped-def]
    """Return a column at a row of today, 0 before the day's first row."""
    return column[u(row)] if row >= lo else 0.0


@njit(**_READ)
def window_sum(sums, f, row, lo, n, unit):  # type: ignore[no-untyped-def]
    """Return the sum of the `n` rows ending at `row`; 0 without that much history."""
    if n < 1 or row - lo < n - 1:
        return 0.0
    total, high, low, is_wide = span(sums, f, row, n)
    if is_wide:
        return wide_ratio(high, low, unit)
    return ratio(total, unit)


@njit(**_READ)
def window_mean(sums, f, row, lo, n, unit, scale):  # type: ignore[no-untyped-def]
    """Return the rounded mean of the `n` rows ending at `row`; 0 without that much history."""
    if n < 1 or row - lo < n - 1:
        return 0.0
    total, high, low, is_wide = span(sums, f, row, n)
    if is_wide:
        return np.rint(wide_ratio(high, low, n * unit) * scale) / scale
    return mean(total, n * unit, scale)


@njit(**_READ)
def window_whole_mean(sums, f, row, lo, n, unit):  # type: ignore[no-untyped-def]
    """Return the truncated mean of the `n` rows ending at `row`; 0 without that much history."""
    if n < 1 or row - lo < n - 1:
        return 0.0
    total, high, low, is_wide = span(sums, f, row, n)
    if is_wide:
        sign, quotient, _ = wide_divide(high, low, n * unit)
        return float(sign * quotient)
    return whole_mean(total, n * unit)


@njit(**_READ)
def window_extreme(extremes, f, row, lo, n):  # type: ignore[no-untyped-def]
    """Return the prepared extreme of the `n` rows ending at `row`; 0 without that much history."""
    if n < 1 or row - lo < n - 1:
        return 0.0
    return extremes[u(f), u(row)]


@njit(nogil=True, error_model="numpy", boundscheck=True, cache=True)
def window_levels(column, extremes, base, largest, row, lo, n):  # type: ignore[no-untyped-def]
    """Return the extreme of the `n` rows ending at `row` from two overlapping spans of 2^k rows; 0 without history."""
    if n < 1 or row - lo < n - 1:
        return 0.0
    k = 0
    while (2 << k) <= n:
        k += 1
    if k == 0:
        return column[u(row)]
    a, b = extremes[u(base + k - 1), u(row)], extremes[u(base + k - 1), u(row - n + (1 << k))]
    return (a if a > b else b) if largest else (a if a < b else b)


@njit(**_SMALL)
def window_rows(row: int, lo: int, n: int) -> float:
    """Return 1 when `n` rows of today end at `row`, else 0."""
    return 1.0 if n >= 1 and row - lo >= n - 1 else 0.0


@njit(**_READ)
def series_value(extremes, f, row, lo):  # type: ignore[no-untyped-def]
    """Return an output of a series at a row of today, 0 before the day's first row."""
    return extremes[u(f), u(row)] if row >= lo else 0.0


@njit(**_READ)
def series_or_zero(extremes, f, row, lo):  # type: ignore[no-untyped-def]
    """Return `series_value`, 0 also where the series has not begun."""
    x = extremes[u(f), u(row)] if row >= lo else 0.0
    return x if x == x else 0.0


@njit(nogil=True, error_model="numpy", boundscheck=True, cache=True)
def window_angle(column, row, lo, n, coefficient):  # type: ignore[no-untyped-def]
    """Return the angle of the change inside the `n` rows ending at `row`, in degrees; 0 without that much history."""
    if n < 1 or row - lo < n - 1:
        return 0.0
    delta = (column[u(row)] - column[u(row - n + 1)]) * coefficient
    return np.rint(math.atan2(delta, float(n)) * DEGREES * 100.0) / 100.0


@njit(**_READ)
def since(state, slot, i, lo, never):  # type: ignore[no-untyped-def]
    """Return the rows since a condition was true, from the 1-based row that `state` remembers."""
    last = state[u(slot)]
    return float(i - lo + 1) - last if last > 0.0 else never


# --- checked arithmetic ------------------------------------------------------------------------------
# An error is noted in the last slot of `state` and the expression goes on with a harmless number; the
# step looks at the slot before it writes anything that outlives the row, and at its end.


@njit(**_READ)
def divide(x, y, state, slot):  # type: ignore[no-untyped-def]
    """Return x / y; a zero divisor is an error."""
    if y == 0.0:
        state[u(slot)] = 1.0
    return x / y


@njit(nogil=True, error_model="numpy", boundscheck=True, cache=True)
def floor_divide(x, y, state, slot):  # type: ignore[no-untyped-def]
    """Return x // y as Python does on floats."""
    if y == 0.0:
        state[u(slot)] = 1.0
        return 0.0
    rest = np.fmod(x, y)
    quotient = (x - rest) / y
    if rest != 0.0 and (y < 0.0) != (rest < 0.0):
        quotient -= 1.0
    if quotient != 0.0:
        floored = np.floor(quotient)
        return floored + 1.0 if quotient - floored > 0.5 else floored
    return math.copysign(0.0, x / y)


@njit(nogil=True, error_model="numpy", boundscheck=True, cache=True)
def modulo(x, y, state, slot):  # type: ignore[no-untyped-def]
    """Return x % y as Python does on floats."""
    if y == 0.0:
        state[u(slot)] = 1.0
        return 0.0
    rest = np.fmod(x, y)
    if rest != 0.0:
        return rest + y if (y < 0.0) != (rest < 0.0) else rest
    return math.copysign(0.0, y)


@njit(nogil=True, error_model="numpy", boundscheck=True, cache=True)
def whole_power(base, exponent, state, slot):  # type: ignore[no-untyped-def]
    """Return base to a whole power by repeated squaring; infinity out of a finite base is an error."""
    result, square, left = 1.0, base, abs(exponent)
    while left:
        if left & 1:
            result *= square
        square *= square
        left >>= 1
    if exponent < 0:
        result = math.inf if result == 0.0 else 1.0 / result
    if math.isinf(result) and math.isfinite(base):
        state[u(slot)] = 1.0
    return result


@njit(nogil=True, error_model="numpy", boundscheck=True, cache=True)
def part_power(base, exponent, state, slot):  # type: ignore[no-untyped-def]
    """Return base to a power that is not whole; a negative base is an error."""
    if base < 0.0 or (base == 0.0 and exponent < 0.0):
        state[u(slot)] = 1.0
        return 0.0
    result = math.sqrt(base) if exponent == 0.5 else math.pow(base, exponent)
    if math.isinf(result) and math.isfinite(base):
        state[u(slot)] = 1.0
    return result


@njit(nogil=True, error_model="numpy", boundscheck=True, cache=True)
def checked(result, x, y, state, slot):  # type: ignore[no-untyped-def]
    """Return the result of a function of x and y, noting a domain or range error."""
    if (math.isnan(result) and not math.isnan(x) and not math.isnan(y)) or (math.isinf(result) and math.isfinite(x) and math.isfinite(y)):
        state[u(slot)] = 1.0
    return result


@njit(nogil=True, error_model="numpy", boundscheck=True, cache=True)
def finite(x, state, slot):  # type: ignore[no-untyped-def]
    """Return x, noting an error when it is not finite."""
    if not math.isfinite(x):
        state[u(slot)] = 1.0
        return 0.0
    return x


@njit(**_READ)
def known(x, assigned, state, slot):  # type: ignore[no-untyped-def]
    """Return a local, noting an error when nothing has assigned it on this row."""
    if not assigned:
        state[u(slot)] = 1.0
    return x


@njit(nogil=True, error_model="numpy", boundscheck=True, cache=True)
def deciding(first, stops_at_zero, error_before, second, state, slot):  # type: ignore[no-untyped-def]
    """Return the operand that decides ``first and second`` / ``first or second``.

    Both were computed; when the first decides, the error that the second may have noted is taken back.
    """
    if (first == 0.0) == stops_at_zero:
        state[u(slot)] = error_before
        return first
    return second


@njit(**_SMALL)
def number(truth: bool) -> float:
    """Return 1.0 for True, 0.0 for False."""
    return 1.0 if truth else 0.0


@njit(**_SMALL)
def larger(x: float, y: float) -> float:
    """Return max(x, y) as Python chooses: the first of equals."""
    return y if y > x else x


@njit(**_SMALL)
def smaller(x: float, y: float) -> float:
    """Return min(x, y) as Python chooses: the first of equals."""
    return y if y < x else x


@njit(**_SMALL)
def sign(x: float) -> float:
    """Return 1.0 above zero, −1.0 below, else 0.0."""
    return 1.0 if x > 0.0 else -1.0 if x < 0.0 else 0.0


@njit(**_SMALL)
def over(x: float, y: float) -> float:
    """Return x / y, 0 where y is 0: a ratio to nothing is none."""
    return x / y if y != 0.0 else 0.0


@njit(**_SMALL)
def percent(x: float, y: float) -> float:
    """Return how many per cent x lies above y, 0 where y is 0."""
    return (x / y - 1.0) * 100.0 if y != 0.0 else 0.0


@njit(**_SMALL)
def rounded(x: float, scale: float) -> float:
    """Return rint(x·scale)/scale."""
    return np.rint(x * scale) / scale


@njit(nogil=True, error_model="numpy", cache=True)
def clock_seconds(value: float, digits: int) -> float:
    """Return YYYYMMDDhhmmss (14 digits) or YYYYMMDDhhmm (12) as seconds since 1970; 0 when it is no time."""
    number = np.int64(value)
    second = 0
    if digits == 14:
        second = number % 100
        number //= 100
    minute, hour = number % 100, number // 100 % 100
    day, month, year = number // 10_000 % 100, number // 1_000_000 % 100, number // 100_000_000
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    last = 28 + int(leap) if month == 2 else 30 if month in (4, 6, 9, 11) else 31
    if not (1 <= year <= 9999 and 1 <= month <= 12 and 1 <= day <= last and hour < 24 and minute < 60 and second < 60):
        return 0.0
    if month <= 2:
        year -= 1
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    days = era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
    return float(days * 86_400 + hour * 3_600 + minute * 60 + second)
