"""Upbit: public trades and order books (protocols/upbit.md 10).

Every order book is the whole picture, so a gap heals with the next one; trades that were missed while
the connection was down are fetched by `sequential_id` before the first new frame is read.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from coin.upbit import rest as reads
from coin.upbit.frames import FrameDecoder
from domain.instruments import Instrument
from domain.ports import Clock, DayBar, Endpoint, EventBatch, FeedNotice
from utility.feed_desk import FeedDesk
from utility.hosts import HostGuard
from utility.public_rest import PublicRest

log = logging.getLogger(__name__)

BOOK_LEVELS = 30


class UpbitFeed:
    """Feed of Upbit's KRW markets (domain/ports.py)."""

    def __init__(self, endpoint: Endpoint, clock: Clock, *, live: Endpoint) -> None:
        self._endpoint = endpoint
        self._guard = HostGuard.of(endpoint, live)
        self._rest = PublicRest(endpoint.rest, self._guard, reads.PUBLIC_LIMITS)
        self.decoder = FrameDecoder(())
        self._desk = FeedDesk(
            "upbit",
            self._guard,
            clock,
            lambda: endpoint.ws_public,
            on_open=self._opened,
            on_control=self._control,
        )

    def instruments(self) -> list[Instrument]:
        return reads.load_instruments(self._endpoint, self._guard)

    def day_values(self) -> dict[str, float]:
        return reads.day_values(self._rest)

    def day_bars(self, codes: Sequence[str]) -> list[DayBar]:
        return reads.day_bars(self._rest, codes)

    def start(self, sink: Callable[[EventBatch | FeedNotice], None]) -> None:
        self._desk.start(sink)

    def subscribe(self, instruments: Sequence[Instrument]) -> None:
        self.decoder = FrameDecoder(instruments)
        self._desk.subscribe(instruments, self.decoder)

    def history(self, instrument: Instrument, interval_s: int, start_ns: int, end_ns: int) -> np.ndarray:
        return reads.history(self._rest, instrument.code, interval_s, start_ns, end_ns)

    def close(self) -> None:
        self._desk.close()
        self._rest.close()

    # --- in the connection's thread -----------------------------------------------------------------

    def _opened(self, send: Callable[[str], bool], is_again: bool) -> None:
        codes = [instrument.code for instrument in self._desk.instruments]
        request = [
            {"ticket": "stom-public"},
            {"type": "trade", "codes": codes},
            {"type": "orderbook", "codes": [f"{code}.{BOOK_LEVELS}" for code in codes]},
            {"format": "DEFAULT"},
        ]
        send(msgspec.json.encode(request).decode())
        send('{"method":"LIST_SUBSCRIPTIONS"}')  # its answer is the acknowledgement that the request itself never gets
        if is_again:
            self._desk.fill_hole(self._missed)
        self._desk.notice("subscribed", instruments=len(codes))

    def _missed(self, code: str, index: int, after_id: int, received_ns: int) -> tuple[np.ndarray, bool]:
        return reads.missed_trades(self._rest, code, index, after_id, received_ns)

    def _control(self, word: str) -> None:
        if word == "answer":
            self._desk.notice("ready", instruments=len(self._desk.instruments))
        elif word == "error":
            log.error("event=subscription_refused venue=upbit")
            self._desk.notice("refused")
