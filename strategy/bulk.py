"""Look-backs of many rows at once, for hosts that have the rows: the same numbers as the look-backs of one row.

`strategy/kernels.py` answers for one row and has to ask on each whether the sum is wide and the window is
full. Over a run of rows those questions are asked once, and what is left is a loop that the processor
does several rows at a time.
"""

# mypy: disable-error-code="no-any-return,unused-ignore"
from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy import uint64 as u

from strategy.kernels import EXACT, window_angle, window_mean, window_sum, window_whole_mean
from strategy.quotient import quotient

_BULK: Any = {"nogil": True, "error_model": "numpy", "cache": True}


@njit(nogil=True, error_model="numpy", forceinline=True, cache=True)
def _is_plain(sums, f):  # type: ignore[no-untyped-def]
    """Tell whether no window of this day's sum can pass 2^53, so that one division is exact."""
    flag = u(f + sums.shape[0] // 3 * 2)
    return sums[flag, 0] == 0 and sums[flag, 1] < EXACT // 2


@njit(**_BULK)
def bulk_mean(sums, f, out, e, lag, i0, i1, n, unit, scale):  # type: ignore[no-untyped-def]
    """Write `window_mean` of the rows `lag` before rows i0 … i1−1, of a day that begins at 0, into row `e` of `out`."""
    if n < 1 or not _is_plain(sums, f):
        for i in range(i0, i1):
            out[e, i] = window_mean(sums, f, i - lag, 0, n, unit, scale)
        return
    full = min(max(i0, n - 1 + lag), i1)
    for i in range(i0, full):
        out[e, i] = 0.0
    ends, begins, target = sums[f, full + 1 - lag : i1 + 1 - lag], sums[f, full + 1 - lag - n : i1 + 1 - lag - n], out[e, full:i1]
    divisor = float(n * unit)
    part, fraction = 1.0 / divisor, 1.0 / scale
    for i in range(len(target)):
        target[i] = quotient(np.rint(quotient(float(ends[i] - begins[i]), divisor, part) * scale), scale, fraction)


@njit(**_BULK)
def bulk_whole_mean(sums, f, out, e, lag, i0, i1, n, unit):  # type: ignore[no-untyped-def]
    """Write `window_whole_mean` of the rows.

    Of integers below 2^53 a quotient that rounds to a whole number is one, so truncating it is exact.
    """
    if n < 1 or not _is_plain(sums, f):
        for i in range(i0, i1):
            out[e, i] = window_whole_mean(sums, f, i - lag, 0, n, unit)
        return
    full = min(max(i0, n - 1 + lag), i1)
    for i in range(i0, full):
        out[e, i] = 0.0
    ends, begins, target = sums[f, full + 1 - lag : i1 + 1 - lag], sums[f, full + 1 - lag - n : i1 + 1 - lag - n], out[e, full:i1]
    divisor = float(n * unit)
    part = 1.0 / divisor
    for i in range(len(target)):
        target[i] = np.trunc(quotient(float(ends[i] - begins[i]), divisor, part))


@njit(**_BULK)
def bulk_sum(sums, f, out, e, lag, i0, i1, n, unit):  # type: ignore[no-untyped-def]
    """Write `window_sum` of the rows."""
    if n < 1 or not _is_plain(sums, f):
        for i in range(i0, i1):
            out[e, i] = window_sum(sums, f, i - lag, 0, n, unit)
        return
    full = min(max(i0, n - 1 + lag), i1)
    for i in range(i0, full):
        out[e, i] = 0.0
    ends, begins, target = sums[f, full + 1 - lag : i1 + 1 - lag], sums[f, full + 1 - lag - n : i1 + 1 - lag - n], out[e, full:i1]
    divisor = float(unit)
    part = 1.0 / divisor
    for i in range(len(target)):
        target[i] = quotient(float(ends[i] - begins[i]), divisor, part)


@njit(**_BULK)
def bulk_angle(column, out, e, lag, i0, i1, n, coefficient):  # type: ignore[no-untyped-def]
    """Write `window_angle` of the rows."""
    for i in range(i0, i1):
        out[e, i] = window_angle(column, i - lag, 0, n, coefficient)


@njit(**_BULK)
def bulk_lag(out, source, e, lag, i0, i1):  # type: ignore[no-untyped-def]
    """Write into row `e` what row `source` holds of the rows `lag` before; rows i0 … i0+lag−1 are left as they are."""
    target, values = out[e, min(i0 + lag, i1) : i1], out[source, i0 : max(i1 - lag, i0)]
    for i in range(len(target)):
        target[i] = values[i]


def warm() -> None:
    """Compile everything here with the types production uses."""
    sums, out = np.zeros((3, 3), dtype=np.int64), np.zeros((1, 2))
    bulk_mean(sums, 0, out, 0, 0, 0, 2, 1, 1, 1.0)
    bulk_whole_mean(sums, 0, out, 0, 0, 0, 2, 1, 1)
    bulk_sum(sums, 0, out, 0, 0, 0, 2, 1, 1)
    bulk_lag(out, 0, 0, 0, 0, 2)
    bulk_angle(out[0].copy(), out, 0, 0, 0, 2, 1, 1.0)
