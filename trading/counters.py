"""Sliding windows and counts behind the rate, repeat and reject limits.

Times are given in: market time in lock-step, monotonic time otherwise (architecture 3.4), so a
replay counts the same at every speed.
"""

from __future__ import annotations

from collections import Counter, deque

from domain.instruments import NS

MINUTE_NS = 60 * NS


class Window:
    """Moments of the last minute."""

    __slots__ = ("_times",)

    def __init__(self) -> None:
        self._times: deque[int] = deque()

    def add(self, at_ns: int) -> None:
        """Note one."""
        self._times.append(at_ns)

    def count(self, now_ns: int, span_ns: int = MINUTE_NS) -> int:
        """Return how many lie within the last `span_ns` (at most a minute)."""
        times = self._times
        while times and times[0] <= now_ns - MINUTE_NS:
            times.popleft()
        if span_ns >= MINUTE_NS:
            return len(times)
        found = 0
        for at_ns in reversed(times):
            if at_ns <= now_ns - span_ns:
                break
            found += 1
        return found


class Counters:
    """What the gateway counts over time."""

    def __init__(self) -> None:
        self.orders = Window()
        self.rejects = Window()
        self.refused = Window()
        self.intents: dict[str, Window] = {}
        self.same: dict[tuple[str, str, int, float, int], Window] = {}
        self.refusals: Counter[str] = Counter()
        self.reductions: Counter[str] = Counter()
        self.day = 0
        self.entries_day = 0
        self.seen: Counter[str] = Counter()

    def strategy(self, name: str) -> Window:
        """Return the window of a strategy's intents."""
        return self.intents.setdefault(name, Window())

    def repeats(self, key: tuple[str, str, int, float, int]) -> Window:
        """Return the window of admitted orders that look exactly alike."""
        return self.same.setdefault(key, Window())

    def enter_day(self, day: int, entries: int = 0) -> bool:
        """Start counting a new trading day; True when it is one."""
        if day <= self.day:
            return False
        self.day, self.entries_day = day, entries
        return True

    def prune(self, now_ns: int) -> None:
        """Forget windows that hold nothing any more."""
        self.same = {key: window for key, window in self.same.items() if window.count(now_ns)}
