"""What every public feed over one WebSocket does alike: one thread, batches out in arrival order.

The venue's feed adds the address, the subscription and the decoder. A reconnect is marked here: each
instrument gets an INVALID event, so that no book of before is trusted, and a notice names the hole.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from domain.errors import DataError, InvariantError, VenueError
from domain.instruments import Instrument
from domain.ports import Clock, EventBatch, FeedNotice
from domain.records import FIRST, INVALID, LAST, TRADE
from utility.event_block import EventBlock
from utility.hosts import HostGuard
from utility.websocket import WebSocketLink

log = logging.getLogger(__name__)

Sink = Callable[[EventBatch | FeedNotice], None]
REJECTED_EVERY_S = 1.0
BACKFILL_S = 3.0
"""Time for missed trades after a reconnect."""


class Decoder(Protocol):
    """What a venue's FrameDecoder offers."""

    rejected: Counter[str]
    control: str

    def decode(self, frame: bytes | str, received_ns: int) -> np.ndarray: ...


class FeedDesk:
    """The venue-neutral half of a feed.

    Parameters
    ----------
    url : callable
        Address for the present subscription.
    on_open : callable (send, is_again)
        Subscribes, in the connection's thread, before its first frame is read.
    on_events : callable (events) -> events, optional
        Looks at (and may add to) the events of a frame before they are handed over.
    on_control : callable (word)
        A frame without data: answer, error, shutdown, other.
    """

    def __init__(
        self,
        name: str,
        guard: HostGuard,
        clock: Clock,
        url: Callable[[], str],
        *,
        on_open: Callable[[Callable[[str], bool], bool], None],
        on_control: Callable[[str], None],
        on_events: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        self._name = name
        self._guard = guard
        self._clock = clock
        self._url = url
        self._on_open = on_open
        self._on_events = on_events
        self._on_control = on_control
        self.lock = threading.RLock()
        self._sink: Sink | None = None
        self._decoder: Decoder | None = None
        self._link: WebSocketLink | None = None
        self._opened = 0
        self._connection = ""
        self._frames = 0
        self._last_ns: list[int] = []
        self._last_trade: list[int] = []
        self._notice_due = 0.0
        self.instruments: tuple[Instrument, ...] = ()

    def start(self, sink: Sink) -> None:
        self._sink = sink

    def subscribe(self, instruments: Sequence[Instrument], decoder: Decoder) -> None:
        """Receive exactly these; connects, or connects again when there was another set."""
        if self._sink is None:
            raise InvariantError("feed.not_started")
        old, self._link = self._link, None
        if old is not None:
            old.close()
        with self.lock:
            self.instruments = tuple(instruments)
            self._last_ns = [0] * len(self.instruments)
            self._last_trade = [0] * len(self.instruments)
            self._decoder = decoder
            self._opened = 0
        if not self.instruments:
            return
        self._link = WebSocketLink(
            self._url, self._guard, on_open=self._connected, on_frame=self._frame, on_lost=self._lost, name=f"{self._name}-feed"
        )
        self._link.start()

    def reconnect(self) -> None:
        """Make a new connection (the server said that it leaves)."""
        if self._link is not None:
            self._link.reconnect()

    def close(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()

    # --- out ------------------------------------------------------------------------------------

    def hand_over(self, events: np.ndarray, read_ns: int = 0) -> None:
        """Hand over events that came by another way than a frame (REST), in order with the frames."""
        with self.lock:
            self._note_times(events)
            self._emit(EventBatch(events=events, connection=self._connection, frames=self._frames, read_ns=read_ns))

    def notice(self, code: str, **fields: object) -> None:
        with self.lock:
            self._emit(FeedNotice(code=code, connection=self._connection, fields=fields))

    def last_ns(self, index: int) -> int:
        """Return the venue clock of the instrument's last event, 0 before the first."""
        return self._last_ns[index]

    def fill_hole(self, fetch: Callable[[str, int, int, int], tuple[np.ndarray, bool]]) -> None:
        """Hand over the trades missed since the connection was lost, and say of each instrument what became of the hole.

        Called in `on_open` after a reconnect: new frames wait in the socket for at most `BACKFILL_S`.

        Parameters
        ----------
        fetch : callable (code, index, after_id, received_ns) -> (events, is_whole)
            Trades with a greater id, oldest first, and whether none is missing before them; raises VenueError, DataError.
        """
        deadline = time.monotonic() + BACKFILL_S
        for index, instrument in enumerate(self.instruments):
            after = self._last_trade[index]
            state, count = "marked", 0
            if after and time.monotonic() < deadline:
                try:
                    events, is_whole = fetch(instrument.code, index, after, self._clock.utc_ns())
                except (VenueError, DataError) as error:
                    log.warning("event=backfill_failed code=%s cause=%s", instrument.code, error.code)
                else:
                    state, count = "backfilled" if is_whole else "marked", len(events)
                    if count:
                        self.hand_over(events)
            self.notice("gap", instrument=index, stream="trade", cause="reconnect", state=state, trades=count)

    def _emit(self, item: EventBatch | FeedNotice) -> None:
        if self._sink is not None:
            self._sink(item)

    def _note_times(self, events: np.ndarray) -> None:
        if len(events):
            last = events[-1]
            index = int(last["instrument"])
            self._last_ns[index] = max(self._last_ns[index], int(last["exchange_ns"]))
            if last["kind"] == TRADE:
                self._last_trade[index] = max(self._last_trade[index], int(last["first_id"]))

    # --- in -------------------------------------------------------------------------------------

    def _connected(self, connection: str) -> None:
        assert self._link is not None
        is_again = self._opened > 0
        self._opened += 1
        with self.lock:
            self._connection, self._frames = connection, 0
            self.notice("connected", again=is_again)
            if is_again:
                self.hand_over(invalid_events(range(len(self.instruments)), self._last_ns, self._clock.utc_ns()))
        self._on_open(self._link.send, is_again)

    def _frame(self, frame: bytes, connection: str, frames: int, read_ns: int) -> None:
        decoder = self._decoder
        assert decoder is not None
        events = decoder.decode(frame, self._clock.utc_ns())
        with self.lock:
            self._frames = frames
            if len(events):
                if self._on_events is not None:
                    events = self._on_events(events)
                self._note_times(events)
            self._emit(EventBatch(events=events, connection=connection, frames=frames, read_ns=read_ns))
        if not len(events):
            self._on_empty(decoder)

    def _on_empty(self, decoder: Decoder) -> None:
        if decoder.control:
            self._on_control(decoder.control)
        elif decoder.rejected:
            now = time.monotonic()
            if now >= self._notice_due:  # the counters are complete; the notice is thinned
                self._notice_due = now + REJECTED_EVERY_S
                self.notice("rejected", **decoder.rejected)

    def _lost(self, cause: str) -> None:
        self.notice("reconnecting", cause=cause, frames=self._frames)


def invalid_events(indices: Sequence[int], last_ns: Sequence[int] | Mapping[int, int], received_ns: int) -> np.ndarray:
    """Return one INVALID event an instrument, at the venue clock of its last event."""
    block = EventBlock()
    parts = [block.one(INVALID, i, last_ns[i], received_ns, 0.0, 0, 0, flags=FIRST | LAST) for i in indices]
    return np.concatenate(parts)
