"""Rate windows, so that the venue never has to refuse us for haste (reliability P7, P27, P37).

A group of endpoints may use `count` tokens in *any* stretch of its period. A bucket that refills
evenly would let nearly twice that through between two ticks of the venue's own clock; a window never
does, wherever the venue's seconds begin. Limits are data: the venue's table at the start, then what
its answers say. Three tenths of each window are kept for cancels, exits and queries. A group, or
everything, can be told to keep silent until a moment: that is how ``Retry-After`` and bans are obeyed.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

RESERVED_SHARE = 0.3


@dataclass(frozen=True)
class Limit:
    """At most `count` tokens in any `period_s`, shared by one group of endpoints."""

    count: float
    period_s: float


class _Window:
    """What one group used within its period, oldest first."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.used = 0.0
        self.silent_until = 0.0
        self._uses: deque[tuple[float, float]] = deque()

    def forget(self, now: float) -> None:
        edge = now - self.limit.period_s
        while self._uses and self._uses[0][0] <= edge:
            self.used -= self._uses.popleft()[1]
        if not self._uses:
            self.used = 0.0

    def add(self, now: float, cost: float) -> None:
        self._uses.append((now, cost))
        self.used += cost

    def drop(self, cost: float) -> None:
        """Take the newest `cost` tokens back."""
        while cost > 0.0 and self._uses:
            moment, use = self._uses.pop()
            taken = min(use, cost)
            cost -= taken
            self.used -= taken
            if use > taken:
                self._uses.append((moment, use - taken))

    def wait(self, cost: float, kept: float, now: float) -> float:
        """Return the seconds until `cost` may be used while `kept` tokens stay free; 0 = now."""
        if self.silent_until > now:
            return self.silent_until - now
        # A window smaller than its own reserve (1 in 2 s) has nothing to keep back.
        room = self.limit.count - min(kept, max(self.limit.count - cost, 0.0))
        excess = self.used + min(cost, self.limit.count) - room
        if excess <= 1e-9:
            return 0.0
        for moment, use in self._uses:
            excess -= use
            if excess <= 1e-9:
                return max(moment + self.limit.period_s - now, 1e-4)
        return self.limit.period_s


class RateLimiter:
    """Windows by group name, shared by all threads that use one key.

    Parameters
    ----------
    limits : mapping of str to Limit
        The venue's groups; a group without a limit is never held back (but a ban holds everything).
    mono : callable
        Monotonic seconds.
    """

    def __init__(self, limits: Mapping[str, Limit], mono: Callable[[], float] = time.monotonic) -> None:
        self._mono = mono
        self._lock = threading.Lock()
        self._windows = {name: _Window(limit) for name, limit in limits.items()}
        self._silent_until = 0.0

    def take(self, group: str, cost: float = 1.0, *, is_urgent: bool = False) -> float:
        """Take `cost` tokens and return 0.0, or take nothing and return the seconds to wait.

        Cancels, exits and queries are urgent: they may use the reserved share.
        """
        with self._lock:
            now = self._mono()
            if self._silent_until > now:
                return self._silent_until - now
            window = self._windows.get(group)
            if window is None:
                return 0.0
            window.forget(now)
            wait = window.wait(cost, 0.0 if is_urgent else RESERVED_SHARE * window.limit.count, now)
            if wait == 0.0:
                window.add(now, cost)
            return wait

    def give_back(self, group: str, cost: float = 1.0) -> None:
        """Return tokens of a request that was not sent after all, or that the venue does not count."""
        with self._lock:
            window = self._windows.get(group)
            if window is not None:
                window.drop(cost)

    def left(self, group: str, tokens: float) -> None:
        """Tell what the venue says is left of the group now.

        Fewer than we think: others use the key, so the window fills up. More than the whole of it: the
        venue's limit is wider than our table, so the limit follows.
        """
        with self._lock:
            window = self._windows.get(group)
            if window is None:
                return
            now = self._mono()
            window.forget(now)
            if tokens + 1.0 > window.limit.count:
                window.limit = Limit(tokens + 1.0, window.limit.period_s)
            unknown = window.limit.count - tokens - window.used
            if unknown > 0.0:
                window.add(now, unknown)

    def set_limit(self, group: str, limit: Limit) -> None:
        """Replace the limit of a group, keeping what was used of it."""
        with self._lock:
            window = self._windows.get(group)
            if window is None:
                self._windows[group] = _Window(limit)
            else:
                window.limit = limit

    def limit(self, group: str) -> Limit | None:
        """Return the present limit of a group."""
        with self._lock:
            window = self._windows.get(group)
            return window.limit if window is not None else None

    def silence(self, seconds: float, group: str | None = None) -> None:
        """Let nothing of `group` (None: of the whole key) out for `seconds`."""
        with self._lock:
            until = self._mono() + seconds
            if group is None:
                self._silent_until = max(self._silent_until, until)
                return
            window = self._windows.setdefault(group, _Window(Limit(float("inf"), 1.0)))
            window.silent_until = max(window.silent_until, until)

    def silent_s(self) -> float:
        """Return the seconds for which the whole key keeps silent still."""
        with self._lock:
            return max(self._silent_until - self._mono(), 0.0)
