"""The clocks of a running process; tests and replays hand in others (`domain.ports.Clock`)."""

from __future__ import annotations

import time


class SystemClock:
    """Wall clock and monotonic clock of this machine."""

    def utc_ns(self) -> int:
        """Return wall-clock nanoseconds UTC."""
        return time.time_ns()

    def mono_ns(self) -> int:
        """Return monotonic nanoseconds; one origin for all processes of this machine."""
        return time.monotonic_ns()


class MarketClock:
    """Market time: the greatest venue time handled so far (architecture 3.4). It never goes back.

    Rows, sessions, holding times, rate caps of strategies and day counters go by this clock, so
    that a replay at any speed decides the same.
    """

    def __init__(self) -> None:
        self.now_ns = 0

    def advance(self, exchange_ns: int) -> int:
        """Take a venue time and return the market time after it."""
        if exchange_ns > self.now_ns:
            self.now_ns = exchange_ns
        return self.now_ns
