"""Bars from before the rows, asked of the venue for the instrument that a chart shows.

A venue answers in tenths of seconds and a loop must not wait, so a thread asks. Only the newest wish
counts: whoever walks through a list of symbols asks for the one where he stopped.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import numpy as np

from domain.errors import StomError
from domain.instruments import NS, Instrument
from domain.messages import Bars
from domain.ports import Feed

log = logging.getLogger(__name__)

SECONDS_S = 900
"""Of one-second bars that much at least; they begin at a multiple of it, so that longer bars made of them are whole."""
MINUTES_S = 300 * 60
"""Of one-minute bars."""


class BarHistory:
    """Asks a feed for bars in a thread of its own.

    Parameters
    ----------
    market : str
    interval_s : int
        Of the rows; minutes are asked for in any case.
    tell : callable (Bars)
        Called in the thread.
    """

    def __init__(self, market: str, interval_s: int, tell: Callable[[Bars], None]) -> None:
        self._market = market
        self._interval_s = interval_s
        self._tell = tell
        self._wish: tuple[Feed, int, Instrument, int] | None = None
        self._asked = threading.Condition()
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def ask(self, feed: Feed, index: int, instrument: Instrument, now_ns: int) -> None:
        """Ask for the bars of an instrument up to `now_ns`; returns at once."""
        with self._asked:
            self._wish = feed, index, instrument, now_ns
            self._asked.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="bar-history", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the thread."""
        with self._asked:
            self._is_closed = True
            self._asked.notify()

    def _run(self) -> None:
        while True:
            with self._asked:
                self._asked.wait_for(lambda: self._is_closed or self._wish is not None)
                if self._is_closed or self._wish is None:
                    return
                wish, self._wish = self._wish, None
            self._answer(*wish)

    def _answer(self, feed: Feed, index: int, instrument: Instrument, now_ns: int) -> None:
        spans = [(60, MINUTES_S, 60)]
        if self._interval_s == 1:
            spans.insert(0, (1, SECONDS_S, SECONDS_S))
        for interval_s, length_s, edge_s in spans:
            start_ns = (now_ns // NS - length_s) // edge_s * edge_s * NS
            began = time.monotonic()
            try:
                bars = feed.history(instrument, interval_s, start_ns, now_ns)
            except StomError as error:
                log.warning("event=no_bar_history code=%s instrument=%s interval_s=%d", error.code, instrument.code, interval_s)
                return
            except RuntimeError as error:  # the feed was closed meanwhile: another one comes, and is asked
                log.info("event=no_bar_history cause=%s instrument=%s", error, instrument.code)
                return
            took = time.monotonic() - began
            log.info("event=bar_history instrument=%s interval_s=%d bars=%d s=%.2f", instrument.code, interval_s, len(bars), took)
            if self._wish is not None:
                return  # somebody looks at another instrument by now
            data = np.ascontiguousarray(bars, np.float64).tobytes()
            self._tell(Bars(market=self._market, instrument=index, interval_s=interval_s, data=data))
