"""The receiver core: rows first, barriers when every frame was handled, today's rows for whoever comes late."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from coin.markets import UPBIT
from domain.errors import InputError
from domain.instruments import NS, Instrument
from domain.messages import (
    Barrier,
    BookView,
    Events,
    FeedState,
    GapMark,
    InstrumentTable,
    LiveBar,
    MarketMessage,
    Message,
    ReplayRequest,
    Rows,
    StepEnd,
)
from domain.ports import EventBatch, FeedNotice
from domain.records import EVENT_DTYPE, FIRST, LAST, ROW_GAP, SNAPSHOT, TRADE
from trading.receiver import Receiver
from trading.row_history import CHUNK_ROWS, RowHistory
from utility.sequence import ROWS, VIEW

A = Instrument(instrument_id="upbit:KRW-A", code="KRW-A", name="A")
B = Instrument(instrument_id="upbit:KRW-B", code="KRW-B", name="B")
T0 = 1_767_571_200 * NS
_decoder = msgspec.msgpack.Decoder(MarketMessage)


class Store:
    """A recorder that counts."""

    def __init__(self) -> None:
        self.event_count = self.row_count = 0
        self.seqs: list[int] = []
        self.marks: list[GapMark] = []

    def events(self, events: np.ndarray) -> None:
        self.event_count += len(events)
        self.seqs += events["seq"].tolist()

    def rows(self, rows: np.ndarray) -> None:
        self.row_count += len(rows)

    def gap(self, mark: GapMark) -> None:
        self.marks.append(mark)


class Desk:
    """A receiver and what it published."""

    def __init__(self, *, lockstep: bool = False) -> None:
        self.out: list[tuple[bytes, Message]] = []
        self.store = Store()
        self.core = Receiver(UPBIT, 1, (A, B), self.publish, self.store, 1, lockstep=lockstep)
        self.core.begin()
        self.core.on_notice(FeedNotice("connected", "1"))
        self.frames = 0

    def publish(self, stream: bytes, message: Message) -> int:
        self.out.append((stream, message))
        return sum(1 for one, _ in self.out if one == stream)

    def frame(self, second: float, index: int = 0, *, book: bool = True) -> None:
        events = np.zeros(3 if book else 1, EVENT_DTYPE)
        events["exchange_ns"] = T0 + int(second * NS)
        events["instrument"] = index
        events["price"], events["qty"] = 100.0, 10**8
        events["kind"], events["side"] = TRADE, 1
        events["first_id"] = int(second * 1_000) + 1
        if book:
            events["kind"][1:] = SNAPSHOT
            events["flags"][1], events["flags"][2] = FIRST, LAST
            events["side"][1], events["side"][2] = -1, 1
            events["price"][1], events["price"][2] = 101.0, 99.0
        self.frames += 1
        self.core.on_batch(EventBatch(events=events, connection="1", frames=self.frames, read_ns=77))

    def of(self, kind: type[Message]) -> list[Any]:
        return [message for _, message in self.out if isinstance(message, kind)]


def test_rows_leave_with_the_frame_that_made_them() -> None:
    desk = Desk()
    desk.frame(1)
    desk.frame(2)
    rows = [np.frombuffer(message.data, desk.core.builder.dtype) for message in desk.of(Rows)]
    assert [int(one["row_time"][0]) for one in rows] == [20260105000001, 20260105000002]
    assert all(int(one["read_ns"][0]) == 77 for one in rows)
    assert isinstance(desk.out[0][1], InstrumentTable)


def test_everything_taken_in_is_recorded_with_rising_numbers() -> None:
    desk = Desk()
    for second in range(1, 6):
        desk.frame(second)
    assert desk.store.event_count == desk.core.events_in == 15
    assert desk.store.seqs == list(range(1, 16))
    assert desk.store.row_count == desk.core.rows_out == 5


def test_barrier_waits_for_the_counted_frames() -> None:
    desk = Desk(lockstep=True)
    desk.frame(1)
    desk.core.on_step_end(StepEnd(n=1, market_ns=T0, frames={"1": 2, "99": 5}, closing=("KRW-B",)))
    assert desk.of(Barrier) == []
    desk.frame(2)
    (barrier,) = desk.of(Barrier)
    assert (barrier.n, barrier.closing) == (1, (1,))
    assert [type(message) for stream, message in desk.out if stream == ROWS][-2:] == [Rows, Barrier]


def test_step_that_is_already_complete_passes_at_once() -> None:
    desk = Desk(lockstep=True)
    desk.frame(1)
    desk.core.on_step_end(StepEnd(n=1, market_ns=T0, frames={"1": 1}))
    assert len(desk.of(Barrier)) == 1


def test_reader_of_a_replay_begins_with_the_step_that_may_not_be_done() -> None:
    desk = Desk(lockstep=True)
    for n in (1, 2):
        desk.frame(n)
        desk.core.on_step_end(StepEnd(n=n, market_ns=T0, frames={"1": n}))
    page = desk.core.today(ReplayRequest(what="today"))
    rows = [message for message in map(_decoder.decode, page.frames) if isinstance(message, Rows)]
    assert sum(message.count for message in rows) == 1  # step 1; step 2 comes from the stream again
    assert page.next_seq == 0
    first_after_cut = [message for stream, message in desk.out if stream == ROWS][page.cut_seq]
    assert isinstance(first_after_cut, Rows)


def test_todays_rows_come_in_pages_up_to_one_cut() -> None:
    desk = Desk()
    for second in range(1, 11):
        desk.frame(second)
    page = desk.core.today(ReplayRequest(what="today"))
    desk.frame(11)
    again = desk.core.today(ReplayRequest(what="today", to_seq=page.cut_seq))
    for one in (page, again):
        counts = [message.count for message in map(_decoder.decode, one.frames) if isinstance(message, Rows)]
        assert sum(counts) == 10
    names = desk.core.today(ReplayRequest(what="today", from_seq=-1))
    assert [type(_decoder.decode(data)) for data in names.frames] == [InstrumentTable, FeedState]


def test_lost_connection_is_a_gap_that_marks_the_next_row_of_each_symbol() -> None:
    desk = Desk()
    desk.frame(1)
    desk.core.on_notice(FeedNotice("reconnecting", "1", {"cause": "reset"}))
    desk.core.on_notice(FeedNotice("gap", "2", {"instrument": 0, "stream": "trade", "cause": "reconnect", "state": "marked"}))
    assert [mark.state for mark in desk.of(GapMark)] == ["detected", "marked"]
    assert desk.of(FeedState)[-1].state == "reconnecting"
    desk.frame(2)
    desk.frame(3)
    flags = [int(np.frombuffer(message.data, desk.core.builder.dtype)["flags"][0]) & ROW_GAP for message in desk.of(Rows)]
    assert flags == [0, ROW_GAP, 0]
    assert len(desk.store.marks) == 2
    assert desk.core.feed_state().gaps == 1


def test_the_forming_bar_is_what_the_next_row_will_say() -> None:
    desk = Desk()
    desk.core.watch("KRW-B")
    for second, index in ((10.1, 1), (10.2, 0), (10.4, 1), (11.2, 1)):
        desk.frame(second, index)
        desk.core.screen()
        desk.core.screen()
    told = [message for _, message in desk.out if isinstance(message, LiveBar)]
    assert [(bar.instrument, (bar.start_ns - T0) / NS, bar.buy_volume) for bar in told] == [(1, 10, 1.0), (1, 10, 2.0), (1, 11, 1.0)]
    assert (told[1].open, told[1].high, told[1].low, told[1].close) == (100.0, 100.0, 100.0, 100.0)
    assert {stream for stream, message in desk.out if isinstance(message, LiveBar)} == {VIEW}


def test_screen_gets_few_pictures_and_only_of_the_watched_book() -> None:
    desk = Desk()
    for second in range(1, 50):
        desk.frame(second / 100 + 1, second % 2)
    assert desk.of(Events) == desk.of(BookView) == []
    desk.core.screen()
    desk.core.screen()
    assert len(desk.of(Events)) == len(desk.of(BookView)) == 1
    assert desk.of(Events)[0].count == 49
    view = desk.of(BookView)[0]
    assert (view.instrument, view.asks[0], view.bids[0]) == (0, (101.0, 10**8), (99.0, 10**8))
    desk.core.watch("KRW-B")
    desk.core.screen()
    assert desk.of(BookView)[-1].instrument == 1
    with pytest.raises(InputError):
        desk.core.watch("KRW-Z")
    assert all(stream == VIEW for stream, message in desk.out if isinstance(message, Events | BookView))


def test_rest_events_between_frames_count_as_no_frame() -> None:
    desk = Desk()
    desk.frame(1)
    desk.core.on_batch(EventBatch(events=np.zeros(0, EVENT_DTYPE), connection="1", frames=1))
    assert desk.core.frames_in == 1


def test_backfilled_events_make_rows_for_late_readers_and_publish_nothing() -> None:
    first = Desk()
    for second in range(1, 4):
        first.frame(second)
    events = np.zeros(0, EVENT_DTYPE)
    taken: list[np.ndarray] = []
    first.store.events = lambda one: taken.append(one.copy())  # type: ignore[method-assign]
    for second in range(4, 7):
        first.frame(second)
    events = np.concatenate(taken)
    second_life = Desk()
    before = len(second_life.out)
    second_life.core.backfill(events)
    assert len(second_life.out) == before
    page = second_life.core.today(ReplayRequest(what="today"))
    assert sum(message.count for message in map(_decoder.decode, page.frames) if isinstance(message, Rows)) == 3
    second_life.frame(7)
    assert min(second_life.store.seqs) == int(events["seq"].max()) + 1


def test_history_packs_full_chunks_and_forgets_old_days() -> None:
    dtype = np.dtype([("row_time", "<i8"), ("value", "<f8")])
    history = RowHistory(dtype, 1)
    seq = 0
    for day in (20260105, 20260106):
        for second in range(CHUNK_ROWS):
            seq += 1
            rows = np.zeros(1, dtype)
            rows["row_time"] = day * 1_000_000 + second
            history.append(seq, rows)
    history.tidy()
    history.tidy()
    rows = np.concatenate([history.page(number, seq) for number in range(history.pages())])
    assert set((rows["row_time"] // 1_000_000).tolist()) == {20260106}
    assert len(rows) == CHUNK_ROWS
    assert len(history.page(0, CHUNK_ROWS + 10)) == 10
