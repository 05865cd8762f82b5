"""The only place that waits and tries again.

`Backoff` paces reconnects (reliability P18): the first one at once, then 1 to 60 s with jitter, and
never more than six in a minute. `retry` repeats a read that failed with Unreachable or RateLimited;
everything else, above all an order, is never repeated here.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from domain.errors import RateLimited, Unreachable

T = TypeVar("T")

FIRST_S, LONGEST_S = 1.0, 60.0
PER_MINUTE = 6
STABLE_S = 1.0


class Backoff:
    """Pace of reconnects of one link; used by one thread.

    Parameters
    ----------
    mono : callable
        Monotonic seconds.
    rng : random.Random, optional
        Source of the jitter.
    """

    def __init__(self, mono: Callable[[], float] = time.monotonic, rng: random.Random | None = None) -> None:
        self._mono = mono
        self._rng = rng or random.Random()
        self._starts: deque[float] = deque(maxlen=PER_MINUTE)
        self._failures = 0

    def next_delay(self) -> float:
        """Return the seconds to wait before the next attempt, which is counted as made then."""
        now = self._mono()
        delay = 0.0
        if self._failures:
            longest = min(FIRST_S * 2 ** (self._failures - 1), LONGEST_S)
            delay = self._rng.uniform(longest / 2, longest) if self._failures > 1 else longest
        if len(self._starts) == PER_MINUTE:
            delay = max(delay, self._starts[0] + 60.0 - now)
        self._failures += 1
        self._starts.append(now + delay)
        return delay

    def connected(self, lasted_s: float) -> None:
        """Tell how long a connection lasted; a stable one makes the next first retry immediate."""
        if lasted_s >= STABLE_S:
            self._failures = 0


def retry(
    call: Callable[[], T],
    *,
    attempts: int = 3,
    longest_s: float = 10.0,
    sleep: Callable[[float], None] = time.sleep,
    rng: random.Random | None = None,
) -> T:
    """Return `call()`, repeated after Unreachable (0.2 s doubling, jitter) and RateLimited (as asked).

    Raises
    ------
    Unreachable, RateLimited
        Of the last attempt, or when the wait that is asked for is longer than `longest_s`.
    """
    random_source = rng or random.Random()
    for attempt in range(1, attempts + 1):
        try:
            return call()
        except RateLimited as error:
            if attempt == attempts or error.retry_after_s > longest_s:
                raise
            sleep(error.retry_after_s)
        except Unreachable:
            if attempt == attempts:
                raise
            sleep(random_source.uniform(0.5, 1.0) * min(0.2 * 2 ** (attempt - 1), longest_s))
    raise AssertionError("attempts is at least 1")
