"""Binance spot: public trades and depth, joined to the REST book (protocols/binance.md 10).

The previous close comes from the finished daily candle, at connect before the book is joined; when a new
UTC day begins while connected it is the last trade price, which is what that candle will say.

Deltas are handed over as they come and the snapshot when it arrives: the row builder holds deltas
until a snapshot, drops the old ones and applies the rest (strategy-language 1.1-8). What is decided
here is whether a snapshot fits the chain of update ids, and when a new one is needed.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from coin.binance import rest as reads
from coin.binance.frames import FrameDecoder, snapshot_events
from domain.errors import DataError, VenueError
from domain.instruments import DAY_S, NS, Instrument
from domain.ports import Clock, DayBar, Endpoint, EventBatch, FeedNotice
from domain.records import LEVEL, PREV_CLOSE, TRADE
from utility.event_block import EventBlock
from utility.feed_desk import FeedDesk, invalid_events
from utility.hosts import HostGuard
from utility.public_rest import PublicRest

log = logging.getLogger(__name__)

URL_STREAMS_MAX = 100
SUBSCRIBE_STREAMS = 200
SUBSCRIBE_PACE_S = 0.25
SNAPSHOT_PAUSE_S = 0.5
_DAY_NS = DAY_S * NS


@dataclass
class _Chain:
    """Update ids of one symbol on this connection."""

    first: int = 0  # U of the first delta since the last break; 0 = none came yet
    last: int = 0  # u of the last delta
    snapshot: int = 0  # lastUpdateId of the snapshot that was joined; 0 = none
    is_asked: bool = False
    has_close: bool = False  # the previous close was asked for on this connection


@dataclass
class _Day:
    """The UTC day of one symbol, across connections."""

    number: int = 0  # days since 1970; 0 = nothing came yet
    last_id: int = 0
    last_price: float = 0.0


class BinanceFeed:
    """Feed of Binance spot (domain/ports.py)."""

    def __init__(self, endpoint: Endpoint, clock: Clock, *, live: Endpoint) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._guard = HostGuard.of(endpoint, live)
        self._rest = PublicRest(endpoint.rest, self._guard, reads.PUBLIC_LIMITS)
        self._chains: list[_Chain] = []
        self._days: list[_Day] = []
        self._block = EventBlock()
        self._generation = 0
        self._wanted: queue.SimpleQueue[tuple[int, int] | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._joiner: threading.Thread | None = None
        self.decoder = FrameDecoder(())
        self._desk = FeedDesk(
            "binance",
            self._guard,
            clock,
            self._url,
            on_open=self._opened,
            on_events=self._seen,
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
        self._joiner = threading.Thread(target=self._join_books, name="binance-books", daemon=True)
        self._joiner.start()

    def subscribe(self, instruments: Sequence[Instrument]) -> None:
        self.decoder = FrameDecoder(instruments)
        with self._desk.lock:
            self._generation += 1
            self._chains = [_Chain() for _ in instruments]
            self._days = [_Day() for _ in instruments]
        self._desk.subscribe(instruments, self.decoder)

    def history(self, instrument: Instrument, interval_s: int, start_ns: int, end_ns: int) -> np.ndarray:
        return reads.history(self._rest, instrument.code, interval_s, start_ns, end_ns)

    def close(self) -> None:
        self._closing.set()
        self._wanted.put(None)
        self._desk.close()
        if self._joiner is not None:
            self._joiner.join(2.0)
        self._rest.close()

    # --- subscription -------------------------------------------------------------------------------

    def _streams(self) -> list[str]:
        names = [instrument.code.lower() for instrument in self._desk.instruments]
        return [f"{name}{kind}" for name in names for kind in ("@trade", "@depth@100ms")]

    def _url(self) -> str:
        return f"{self._endpoint.ws_public}/stream?streams=" + "/".join(self._streams()[:URL_STREAMS_MAX])

    def _opened(self, send: Callable[[str], bool], is_again: bool) -> None:
        streams = self._streams()
        for number, start in enumerate(range(URL_STREAMS_MAX, len(streams), SUBSCRIBE_STREAMS), 1):
            names = ",".join(f'"{name}"' for name in streams[start : start + SUBSCRIBE_STREAMS])
            send(f'{{"method":"SUBSCRIBE","params":[{names}],"id":{number}}}')
            time.sleep(SUBSCRIBE_PACE_S)  # five messages a second are allowed, pings included
        with self._desk.lock:
            self._generation += 1
            self._chains = [_Chain() for _ in self._desk.instruments]
            for index in range(len(self._chains)):
                self._ask(index)
        if is_again:
            self._desk.fill_hole(self._missed)
        self._desk.notice("subscribed", instruments=len(self._chains))

    def _missed(self, code: str, index: int, after_id: int, received_ns: int) -> tuple[np.ndarray, bool]:
        return reads.missed_trades(self._rest, code, index, after_id, received_ns)

    # --- frames, in the connection's thread, under the desk's lock --------------------------------------

    def _seen(self, events: np.ndarray) -> np.ndarray:
        last = events[-1]
        kind, index = last["kind"], int(last["instrument"])
        new_day = self._enter_day(last, index)
        events = self._checked(events, kind, index)
        return events if new_day is None else np.concatenate((new_day, events))

    def _enter_day(self, last: np.void, index: int) -> np.ndarray | None:
        """Follow the symbol's day and last trade; return the previous close when a new day begins."""
        day, number = self._days[index], int(last["exchange_ns"]) // _DAY_NS
        close = None
        if number > day.number:
            if day.number and day.last_price:
                close = self._close_event(index, number * _DAY_NS, day.last_price, int(last["received_ns"]))
            day.number = number
        if last["kind"] == TRADE and int(last["first_id"]) > day.last_id:
            day.last_id, day.last_price = int(last["first_id"]), float(last["price"])
        return close

    def _close_event(self, index: int, day_ns: int, price: float, received_ns: int) -> np.ndarray:
        return self._block.one(PREV_CLOSE, index, day_ns, received_ns, price, 0, 0)

    def _checked(self, events: np.ndarray, kind: int, index: int) -> np.ndarray:
        """Follow the chain of update ids; an invalidation goes before the delta that does not fit."""
        if kind != LEVEL:
            return events
        last = events[-1]
        first_id, last_id = int(last["first_id"]), int(last["last_id"])
        chain = self._chains[index]
        expected = max(chain.last, chain.snapshot)
        if expected and first_id > expected + 1:
            invalid = invalid_events((index,), {index: self._desk.last_ns(index)}, int(last["received_ns"]))
            events = np.concatenate((invalid, events))
            self._desk.notice(
                "gap", instrument=index, stream="depth", cause="update_ids", state="marked", from_id=expected + 1, to_id=first_id - 1
            )
            chain.snapshot, chain.first, chain.last = 0, first_id, last_id
            self._ask(index)
            return events
        if not chain.first:
            chain.first = first_id
        chain.last = max(chain.last, last_id)
        return events

    def _control(self, word: str) -> None:
        if word == "shutdown":
            self._desk.reconnect()
        elif word == "error":
            log.error("event=subscription_refused venue=binance")
            self._desk.notice("refused")

    # --- books, in the joiner's thread ---------------------------------------------------------------------

    def _ask(self, index: int) -> None:
        chain = self._chains[index]
        if not chain.is_asked:
            chain.is_asked = True
            self._wanted.put((self._generation, index))

    def _join_books(self) -> None:
        while (item := self._wanted.get()) is not None:
            generation, index = item
            with self._desk.lock:
                if generation != self._generation:
                    continue
                chain, code = self._chains[index], self._desk.instruments[index].code
            # The book does not wait for a close that cannot be read.
            has_close = chain.has_close or self._attempt(self._hand_close, generation, index, code)
            is_joined = not chain.is_asked or self._attempt(self._fetch_book, generation, index, code)
            if not (has_close and is_joined):
                if self._closing.wait(SNAPSHOT_PAUSE_S):
                    return
                self._wanted.put(item)

    def _attempt(self, read: Callable[[int, int, str], bool], generation: int, index: int, code: str) -> bool:
        """Read something of a symbol and hand it over; False = to be tried again."""
        try:
            return read(generation, index, code)
        except (VenueError, DataError, ValueError) as error:
            log.warning("event=snapshot_failed code=%s cause=%s", code, error)
            return False

    def _hand_close(self, generation: int, index: int, code: str) -> bool:
        """Hand over the previous close, once a connection, where the venue has one."""
        day_ns, close = reads.previous_close(self._rest, code)
        with self._desk.lock:
            if generation != self._generation:
                return True
            self._chains[index].has_close = True
            if not close:
                return True
            self._days[index].number = max(self._days[index].number, day_ns // _DAY_NS)
            self._desk.hand_over(self._close_event(index, day_ns, close, self._clock.utc_ns()))
        return True

    def _fetch_book(self, generation: int, index: int, code: str) -> bool:
        """Hand a snapshot over if it reaches the deltas that are waiting; False = take another."""
        snapshot = reads.depth(self._rest, code)
        with self._desk.lock:
            if generation != self._generation:
                return True
            chain = self._chains[index]
            if chain.first and snapshot.lastUpdateId + 1 < chain.first:
                return False
            events = snapshot_events(snapshot, index, self._desk.last_ns(index), self._clock.utc_ns())
            chain.snapshot, chain.is_asked = snapshot.lastUpdateId, False
            self._desk.hand_over(events)
            if all(other.snapshot for other in self._chains):
                self._desk.notice("ready", instruments=len(self._chains))
        return True
