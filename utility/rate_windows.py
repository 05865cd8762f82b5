"""Counting windows as venues keep them: so much per period, periods aligned to the clock."""

from __future__ import annotations


class CountedWindow:
    """At most `limit` per aligned period.

    Parameters
    ----------
    limit : float
    period_ns : int
    """

    def __init__(self, limit: float, period_ns: int) -> None:
        self.limit = limit
        self.period_ns = period_ns
        self._start = 0
        self._used = 0.0

    def used(self, now_ns: int) -> float:
        """Return what was used in the running period."""
        start = now_ns // self.period_ns
        if start != self._start:
            self._start, self._used = start, 0.0
        return self._used

    def use(self, cost: float, now_ns: int) -> bool:
        """Use `cost`; False when that went past the limit (it counts all the same, as venues count)."""
        used = self.used(now_ns) + cost
        self._used = used
        return used <= self.limit

    def give_back(self, cost: float, now_ns: int) -> None:
        """Return what turned out to be free."""
        self._used = max(self.used(now_ns) - cost, 0.0)

    def left_ns(self, now_ns: int) -> int:
        """Return the time until the running period ends."""
        return self.period_ns - now_ns % self.period_ns
