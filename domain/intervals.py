"""The intervals that rows may have: two are recorded, the others are built from one-minute rows (decision 44)."""

from __future__ import annotations

DAY_S = 86_400
INTERVALS = {"1s": 1, "1m": 60, "3m": 180, "5m": 300, "10m": 600, "15m": 900, "30m": 1800, "60m": 3600, "1d": DAY_S}
"""Name → seconds."""
RECORDED = (1, 60)
"""Those that the store holds."""
DAYS_MOST = 10_000
"""Rows that a symbol of daily bars may have: the whole period is one session."""


def interval_name(interval_s: int) -> str:
    """Return ``1s`` … ``1d``."""
    return next(name for name, seconds in INTERVALS.items() if seconds == interval_s)


def recorded_interval(interval_s: int) -> int:
    """Return the interval of the stored rows behind rows of `interval_s`."""
    return interval_s if interval_s in RECORDED else 60


def is_daily(interval_s: int) -> bool:
    """Tell whether a row is a whole day, so that a session is the whole period."""
    return interval_s >= DAY_S


def rows_most(interval_s: int) -> int:
    """Return how many rows a session has at the most."""
    return DAYS_MOST if is_daily(interval_s) else DAY_S // interval_s


def day_unit(interval_s: int) -> int:
    """Return what a row time is divided by to give its day YYYYMMDD."""
    return 1_000_000 if interval_s == 1 else 10_000


def time_unit_s(interval_s: int) -> int:
    """Return the seconds in the unit of 보유시간: a second at one second, else a minute (strategy-language 3.6)."""
    return 1 if interval_s == 1 else 60
