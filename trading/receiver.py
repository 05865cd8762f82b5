"""The receiver core: frames of a feed in; rows, gap marks, barriers and pictures for the screen out.

It touches no socket and no thread. `publish(stream, message) -> seq` and the recorder are handed in.
Rows leave before anything else is done with a frame: they are what an order waits for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from domain.errors import InputError
from domain.instruments import DAY_S, NS, Instrument, Market
from domain.messages import (
    Barrier,
    BookView,
    FeedState,
    GapMark,
    InstrumentTable,
    Message,
    ReplayPage,
    ReplayRequest,
    Rows,
    StepEnd,
)
from domain.ports import DayBar, EventBatch, FeedNotice
from domain.records import NO_BOOK, ROW_GAP, TRADE
from trading.day_seeds import DaySeeds
from trading.row_history import RowHistory
from trading.rows import RowBuilder
from trading.screen_feed import ScreenFeed
from utility.clock import MarketClock
from utility.codec import encode
from utility.sequence import ROWS, VIEW

BOOK_DEPTH = 15
WHOLE_DAY_S = 60
"""A recording that begins so soon after midnight is taken for the whole day."""
Publish = Callable[[bytes, Message], int]


class Recorder(Protocol):
    """Where events and rows are stored."""

    def events(self, events: np.ndarray) -> None: ...

    def rows(self, rows: np.ndarray) -> None: ...

    def gap(self, mark: GapMark) -> None: ...


class Receiver:
    """One market's receiver.

    Parameters
    ----------
    market : Market
    interval_s : int
        1 or 60.
    instruments : sequence of Instrument
        Position i is index i of events and rows.
    publish : callable (stream, message) -> seq
    recorder : Recorder or None
        None stores nothing.
    epoch : int
        Of the publisher.
    lockstep : bool
        A replay: barriers are made, and a reader begins with the step that may not be done yet.
    first_seq : int
        Arrival number of the first event; behind what the store already has.
    tape : frozenset of str
        Codes of a replay that has their trades and never a book: no wire can say so, and without it the rows
        would wait for a book for ever.
    asks_days : bool
        The venue's day is asked for and given to `take_days`; until then an instrument that began in the middle of
        its day has no rows (decision 22). Not in a replay: a recording is all there is.
    """

    def __init__(
        self,
        market: Market,
        interval_s: int,
        instruments: Sequence[Instrument],
        publish: Publish,
        recorder: Recorder | None,
        epoch: int,
        *,
        lockstep: bool = False,
        first_seq: int = 1,
        tape: frozenset[str] = frozenset(),
        asks_days: bool = False,
    ) -> None:
        self.market = market
        self.interval_s = interval_s
        self.instruments = tuple(instruments)
        self.builder = RowBuilder(market, interval_s, list(instruments))
        self.history = RowHistory(self.builder.dtype, interval_s)
        self.clock = MarketClock()
        self.state = "starting"
        self.frames: dict[str, int] = {}
        self.screen_feed = ScreenFeed(market.code, interval_s, len(self.instruments), publish)
        self.is_lockstep = lockstep
        self.events_in = 0
        self.rows_out = 0
        self.frames_in = 0
        self.gaps = 0
        self.rejected: Counter[str] = Counter()
        self.duplicates = 0
        self.steps = 0
        self._days = DaySeeds(self.instruments, market.day_offset_s()) if asks_days else None
        self._publish = publish
        self._recorder = recorder
        self._epoch = epoch
        self._next_seq = first_seq
        self._last_published = 0
        self._cut_seq = 0
        self._barrier_seq = 0
        self._step: StepEnd | None = None
        self._held: list[np.ndarray] = []  # rows of the running step of a replay
        self._gapped: set[int] = set()
        self._place = {instrument.code: index for index, instrument in enumerate(self.instruments)}
        self._is_tape = np.array([instrument.code in tape for instrument in self.instruments]) if tape else None

    # --- in -----------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Say which instruments there are; before anything else is published."""
        self._send(InstrumentTable(market=self.market.code, instruments=self.instruments))
        self._cut_seq = self._last_published

    def backfill(self, events: np.ndarray) -> None:
        """Take stored events of today, so that rows go on as if there had been no pause; nothing is published."""
        if self._days is not None and not self.builder.counters()["events"] and len(events):
            # Stored from its start, the day needs nobody's word; else the stored word opens it, as it did then.
            began_s = int(events["received_ns"][0]) // NS + self.market.day_offset_s()
            self.builder.await_days(began_s % DAY_S >= WHOLE_DAY_S)
        rows = self.builder.push(events)
        if len(rows):
            self.history.append(0, rows)
        if len(events):
            self.clock.advance(int(events["exchange_ns"].max()))
            self._next_seq = max(self._next_seq, int(events["seq"].max()) + 1)

    def on_batch(self, batch: EventBatch) -> None:
        """Take one frame: publish its rows, then store and note the rest."""
        events = batch.events
        if len(events):
            self._take(events, batch.read_ns)
            self.screen_feed.take(events)
        known = self.frames.get(batch.connection, 0)
        if batch.frames > known:  # what came by REST stands between frames and counts as none
            self.frames_in += batch.frames - known
            self.frames[batch.connection] = batch.frames
        if self._step is not None:
            self._end_step()

    def _take(self, events: np.ndarray, read_ns: int = 0) -> None:
        events["seq"] = np.arange(self._next_seq, self._next_seq + len(events))
        self._next_seq += len(events)
        if self._is_tape is not None:
            events["flags"][(events["kind"] == TRADE) & self._is_tape[events["instrument"]]] |= NO_BOOK
        self._rows(self.builder.push(events, read_ns))
        self.events_in += len(events)
        self.clock.advance(int(events["exchange_ns"][-1]))
        if self._recorder is not None:
            self._recorder.events(events)
        if self._days is not None and self._days.is_collecting:
            self._days.take(events, self.builder.verdicts)

    # --- the venue's day, asked for beside the stream -------------------------------------------------

    def begin_days(self, received_ns: int) -> tuple[str, ...]:
        """Begin a request for the venue's day; return the codes."""
        assert self._days is not None
        return self._days.begin(self.builder.days(), received_ns)

    def take_days(self, bars: Sequence[DayBar], received_ns: int) -> bool:
        """Take the answer into the stream, and tell whether the day of every instrument is known now."""
        assert self._days is not None
        events = self._days.events(bars, received_ns)
        if len(events):
            self._take(events)
        return not self.builder.lacks_day()

    @property
    def lacks_days(self) -> bool:
        """Instruments wait for the venue's day."""
        return self._days is not None and self.builder.lacks_day()

    def on_notice(self, notice: FeedNotice) -> None:
        """Take a change of the feed's state."""
        if notice.code == "connected" and self._days is not None:
            self.builder.await_days(True)
            self._days.collect()
        if notice.code == "connected":
            self.frames[notice.connection] = 0
            self._set_state("connected")
        elif notice.code in ("reconnecting", "stale"):
            self._set_state(notice.code)
            if notice.code == "reconnecting":
                self._gap(-1, "feed", str(notice.fields.get("cause", "")), "detected")
        elif notice.code == "gap":
            fields = notice.fields
            index = int(fields.get("instrument", -1))
            self._gap(index, str(fields.get("stream", "")), str(fields.get("cause", "")), str(fields.get("state", "marked")))
        elif notice.code == "rejected":
            self.rejected = Counter({str(reason): int(count) for reason, count in notice.fields.items()})
        elif notice.code == "subscribed" and self.state == "connected" and self.gaps:
            self._gap(-1, "feed", "reconnected", "marked", is_new=False)

    def on_step_end(self, step: StepEnd) -> None:
        """Take the end of a step; its barrier leaves when that many frames were handled."""
        self._step = step
        self._end_step()

    def _end_step(self) -> None:
        step = self._step
        assert step is not None
        for connection, count in step.frames.items():
            if connection in self.frames and self.frames[connection] < count:
                return
        self._step = None
        closing = tuple(self._place[code] for code in step.closing if code in self._place)
        self.clock.advance(step.market_ns)
        held, self._held = self._held, []
        for rows in held:
            self._let_out(rows)
        self._send(Barrier(n=step.n, market_ns=step.market_ns, closing=closing))
        # The exchange began this step, so the one before is done: whoever begins now is given this one again.
        self._cut_seq, self._barrier_seq = self._barrier_seq or self._cut_seq, self._last_published
        self.steps += 1

    # --- out ----------------------------------------------------------------------------------------

    def _rows(self, rows: np.ndarray) -> None:
        if not len(rows):
            return
        if self._gapped:
            for row in rows:
                if int(row["instrument"]) in self._gapped:
                    self._gapped.discard(int(row["instrument"]))
                    row["flags"] |= ROW_GAP
        if self._recorder is not None:
            self._recorder.rows(rows)
        if self.is_lockstep:
            self._held.append(rows)  # nobody sees them before it is known what was filled on the way to them
        else:
            self._let_out(rows)

    def _let_out(self, rows: np.ndarray) -> None:
        self._send(Rows(market=self.market.code, interval_s=self.interval_s, count=len(rows), data=rows.tobytes()))
        self.rows_out += len(rows)
        self.history.append(self._last_published, rows)

    def _send(self, message: Message) -> None:
        self._last_published = self._publish(ROWS, message)

    def _set_state(self, state: str) -> None:
        if state != self.state:
            self.state = state
            self._send(self.feed_state())

    def _gap(self, index: int, stream: str, cause: str, state: str, is_new: bool = True) -> None:
        if state == "detected" and is_new:
            self.gaps += 1
        mark = GapMark(
            market=self.market.code,
            stream=stream,
            instrument=index,
            from_seq=self._next_seq,
            to_seq=self._next_seq,
            cause=cause,
            state=state,
        )
        if state != "backfilled":
            self._gapped |= set(range(len(self.instruments))) if index < 0 else {index}
        self._send(mark)
        if self._recorder is not None:
            self._recorder.gap(mark)

    def missing_before(self, cause: str) -> None:
        """Mark that what came before now was not received (this process was not there)."""
        self._gap(-1, "feed", cause, "detected")
        self._gap(-1, "feed", cause, "marked", is_new=False)

    def feed_state(self) -> FeedState:
        """Return the feed's state and counters."""
        counters = self.builder.counters()
        rejected = dict(self.rejected)
        for name, count in counters.items():
            if count and name not in ("events", "trades", "books", "book_events", "rows", "duplicates", "gaps"):
                rejected[name] = count
        return FeedState(
            market=self.market.code,
            state=self.state,
            frames=self.frames_in,
            events=self.events_in,
            rows=self.rows_out,
            rejected=rejected,
            duplicates=counters.get("duplicates", 0),
            gaps=self.gaps + counters.get("gaps", 0),
        )

    # --- for the screen -------------------------------------------------------------------------------

    def screen(self) -> None:
        """Publish what the screen shows; at most ten times a second."""
        self.screen_feed.show()
        if self.screen_feed.book_is_new:
            self.screen_feed.book_is_new = False
            self._publish(VIEW, self.book_view(self.screen_feed.watched))

    def book_view(self, index: int) -> BookView:
        """Return the present book of an instrument."""
        asks, bids = self.builder.book(index, BOOK_DEPTH)
        ask_total, bid_total = self.builder.totals(index)
        return BookView(
            market=self.market.code,
            instrument=index,
            exchange_ns=self.clock.now_ns,
            asks=_levels(asks),
            bids=_levels(bids),
            ask_total=ask_total,
            bid_total=bid_total,
        )

    def say_again(self) -> None:
        """Repeat for late viewers what does not change often."""
        self._publish(VIEW, InstrumentTable(market=self.market.code, instruments=self.instruments))
        self._publish(VIEW, self.feed_state())

    def watch(self, code: str) -> int:
        """Choose the instrument whose book and forming bar the screen shows; return its index."""
        if code not in self._place:
            raise InputError("receiver.unknown_code", name=code)
        index = self._place[code]
        self.screen_feed.watch(index)
        return index

    # --- for readers that begin or begin again ----------------------------------------------------------

    def today(self, request: ReplayRequest) -> ReplayPage:
        """Answer a request for today's rows (from_seq = page, −1 = the instruments alone)."""
        cut = request.to_seq or (self._cut_seq if self.is_lockstep else self._last_published)
        frames: list[bytes] = []
        page = request.from_seq
        if page <= 0:
            frames.append(encode(InstrumentTable(market=self.market.code, instruments=self.instruments)))
            frames.append(encode(self.feed_state()))
        following = 0
        if page >= 0:
            pages = self.history.pages()
            rows = self.history.page(page, cut)
            if len(rows):
                frames.append(encode(Rows(market=self.market.code, interval_s=self.interval_s, count=len(rows), data=rows.tobytes())))
            following = page + 1 if page + 1 < pages else 0
        return ReplayPage(first_seq=0, next_seq=following, frames=tuple(frames), what="today", epoch=self._epoch, cut_seq=cut)

    def stats(self) -> dict[str, Any]:
        """Return what this receiver counted, for the conservation equation (reliability 6.5)."""
        state = self.feed_state()
        return {
            "frames": self.frames_in,
            "events": self.events_in,
            "rows": self.rows_out,
            "gaps": state.gaps,
            "rejected": state.rejected,
            "duplicates": state.duplicates,
            "published": self._last_published,
            "steps": self.steps,
            "market_ns": self.clock.now_ns,
            "instruments": [instrument.code for instrument in self.instruments],
        }


def _levels(levels: np.ndarray) -> tuple[tuple[float, int], ...]:
    return tuple((price, int(size)) for price, size in levels.tolist())
