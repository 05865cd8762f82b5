"""The row on which an order is priced: so many rows after its signal, then the first one that begins late enough."""

# mypy: disable-error-code="no-any-return,unused-ignore"
from __future__ import annotations

import numpy as np
from numba import njit

from trading.numbers import day_seconds

MS = 1_000
DELAY_MS_MAX = 86_400_000


@njit(nogil=True, error_model="numpy", cache=True)
def due_row(times, i, n, rows, delay_ms, interval_s):  # type: ignore[no-untyped-def]
    """Return the row of an order that was signalled on row `i`; `n` or more: past the day's end.

    Parameters
    ----------
    times : ndarray of int64, shape (n,)
        Row times of the symbol's day (of daily bars, of all its days).
    i, n : int
        Row of the signal and number of rows.
    rows : int
        Rows that pass in any case.
    delay_ms : int
        Then the first row counts whose time is at least so many milliseconds past that row's; 0 = that row itself.
    interval_s : int
        Of the rows.
    """
    due = i + rows
    if delay_ms <= 0 or due >= n:
        return due
    start = day_seconds(times[due], interval_s)
    due += 1
    while due < n and (day_seconds(times[due], interval_s) - start) * MS < delay_ms:
        due += 1
    return due


def warm() -> None:
    """Compile everything here with the types production uses."""
    due_row(np.array([20260105000000], dtype=np.int64), 0, 1, 1, 0, 1)
