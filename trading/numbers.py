"""The one rounding of STOM (strategy-language 1.1 item 10): round(x, d) = rint(x·10^d) / 10^d.

Ties go to even, in float64. It is not decimal rounding: what rows, functions, accounts and the
user's own ``round`` give is the same number on every road.
"""

from __future__ import annotations

import numpy as np
from numba import njit

POW10 = np.array([1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12])
"""Powers of ten as exact float64, so that no `pow` of a maths library decides a digit."""

UNIT_F = 1e8
"""Units of quantity in one, as float (`domain.instruments.QTY_UNIT`)."""


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def round_to(x: float, decimals: int) -> float:
    """Return `x` rounded to `decimals` places, 0 … 12.

    Parameters
    ----------
    x : float
        Any finite number.
    decimals : int
        Places after the point.

    Returns
    -------
    float
        ``rint(x * 10**decimals) / 10**decimals``; ties to even.
    """
    scale = POW10[decimals]
    return np.rint(x * scale) / scale  # type: ignore[no-any-return]


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def to_units(qty: float) -> int:
    """Return a quantity as int64 units of 1e-8: rint(qty·10^8) (workstation 8.4, sweep)."""
    return np.int64(np.rint(qty * UNIT_F))  # type: ignore[return-value]


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def row_seconds(row_time: int, interval_s: int) -> int:
    """Return a row time (YYYYMMDDhhmmss, or YYYYMMDDhhmm at 60 s) as seconds since 1970 on its own clock.

    Only differences mean anything: the market's clock has no daylight saving.
    """
    if interval_s == 1:
        second = row_time % 100
        rest = row_time // 100
    else:
        second = 0
        rest = row_time
    minute = rest % 100
    rest //= 100
    hour = rest % 100
    rest //= 100
    day = rest % 100
    rest //= 100
    month = rest % 100
    year = rest // 100
    # Days from civil: years begin in March, so that the leap day is the last one.
    if month <= 2:
        year -= 1
    era = year // 400
    yoe = year - era * 400
    shifted = month - 3 if month > 2 else month + 9
    doy = (153 * shifted + 2) // 5 + day - 1
    doe = yoe * 365 + yoe // 4 - yoe // 100 + doy
    days = era * 146_097 + doe - 719_468
    return days * 86_400 + hour * 3_600 + minute * 60 + second


@njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def day_seconds(row_time: int, interval_s: int) -> int:
    """Return the time of day of a row time in seconds; cheap, for rows of one day. Of a daily bar the seconds since 1970."""
    if interval_s >= 86_400:
        return row_seconds(row_time, interval_s)
    if interval_s == 1:
        clock = np.uint32(row_time % 1_000_000)
        return np.int64(
            clock // np.uint32(10_000) * np.uint32(3_600)
            + clock // np.uint32(100) % np.uint32(100) * np.uint32(60)
            + clock % np.uint32(100)
        )  # type: ignore[return-value]
    clock = np.uint32(row_time % 10_000)
    return np.int64(clock // np.uint32(100) * np.uint32(3_600) + clock % np.uint32(100) * np.uint32(60))  # type: ignore[return-value]


def warm() -> None:
    """Compile everything here with the types production uses."""
    round_to(1.5, 2)
    to_units(1.5)
    row_seconds(20260105000000, 1)
    day_seconds(20260105000000, 1)
