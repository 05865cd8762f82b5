"""Asks the venue for its day in a thread, again and again until it answers: a loop must not wait for it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from domain.errors import StomError
from domain.ports import DayBar, Feed

log = logging.getLogger(__name__)

FIRST_PAUSE_S, LAST_PAUSE_S = 1.0, 30.0
"""Between attempts; it doubles."""
ALARM_AFTER = 3
"""From that failure in a row on it is an error and no longer a warning."""
AGAIN_S = 10.0
"""Between an answer that did not tell everything and the next request."""


class DayAsking:
    """One receiver's requests for the venue's day.

    Parameters
    ----------
    market : str
    begin : callable () -> codes
        Called in the thread, before each request.
    answer : callable (bars) -> bool
        Called in the thread with what came; tells whether every instrument's day is known now.
    """

    def __init__(self, market: str, begin: Callable[[], Sequence[str]], answer: Callable[[list[DayBar]], bool]) -> None:
        self._market = market
        self._begin = begin
        self._answer = answer
        self._feed: Feed | None = None
        self._is_wanted = self._is_closed = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._not_before_s = 0.0

    def ask(self, feed: Feed) -> None:
        """Ask for the whole of it (a connection began); returns at once."""
        with self._changed:
            self._feed, self._is_wanted = feed, True
            self._changed.notify()
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(target=self._run, name="day-asking", daemon=True)
                self._thread.start()

    def ask_again(self, feed: Feed) -> None:
        """Ask because something is still not known; not more often than every `AGAIN_S`."""
        if not self._is_wanted and time.monotonic() >= self._not_before_s:
            self.ask(feed)

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def _run(self) -> None:
        failures = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_closed or self._is_wanted)
                if self._is_closed:
                    return
                feed, self._is_wanted = self._feed, False
                # Set before the request is made: `ask_again` must not come in between.
                self._not_before_s = time.monotonic() + AGAIN_S
            assert feed is not None
            cause = self._try(feed)
            if not cause:
                failures = 0
                continue
            failures += 1
            pause = min(FIRST_PAUSE_S * 2 ** min(failures - 1, 10), LAST_PAUSE_S)
            level = logging.ERROR if failures >= ALARM_AFTER else logging.WARNING
            log.log(level, "event=day_unknown market=%s cause=%s again_s=%d", self._market, cause, pause)
            with self._changed:
                self._not_before_s = time.monotonic() + pause + 1.0
                self._changed.wait_for(lambda: self._is_closed or self._is_wanted, pause)
                self._is_wanted = True

    def _try(self, feed: Feed) -> str:
        """Ask once and hand the answer over; return what went wrong, "" for nothing."""
        began = time.monotonic()
        try:
            bars = feed.day_bars(self._begin())
        except StomError as error:
            return error.code
        except RuntimeError as error:  # the feed was closed meanwhile: another one comes, and is asked
            return type(error).__name__
        is_whole = self._answer(bars)
        log.info("event=day_told market=%s instruments=%d whole=%s s=%.2f", self._market, len(bars), is_whole, time.monotonic() - began)
        return ""
