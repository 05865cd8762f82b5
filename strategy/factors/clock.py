"""Factors of the row's time."""

from __future__ import annotations

from strategy.factor import factor


@factor(ko="체결시간", en="row_time", unit="count")
def row_time(row_time: float) -> float:
    """Return the row's index: YYYYMMDDhhmmss, or YYYYMMDDhhmm at one minute."""
    return row_time


@factor(ko="시분초", en="hhmmss", unit="count")
def hhmmss(row_time: float, interval_s: float) -> float:
    """Return the time of day as hhmmss; of a minute row hhmm00."""
    if interval_s == 1.0:
        return row_time % 1000000.0
    return row_time % 10000.0 * 100.0
