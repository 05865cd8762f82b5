"""Where the exchange's public flow comes from: a made market, or recorded events played again.

All sources speak EVENT_DTYPE. `tidy` makes a recording playable as frames of its venue, and the same
for every reader of it: times in whole milliseconds (the wire has no finer ones), one kind of trade per
symbol, every trade with a side and a number, and each book snapshot where a client would fetch it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np

from domain.instruments import NS, Instrument, Market
from domain.records import AGGREGATE, DAY, EVENT_DTYPE, FIRST, INVALID, LAST, LEVEL, NO_BOOK, NO_ROW, PREV_CLOSE, SNAPSHOT, TOTAL, TRADE
from paper.book import FlowBook
from utility.event_block import EventBlock

_MS = 1_000_000
_BLOCK = 4_000
RESYNC_NS = 60 * NS
"""A snapshot that comes later than this after a gap was not fetched because of it."""
_ALONE = np.array([TRADE, PREV_CLOSE, INVALID], np.uint8)


def split_messages(events: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the messages of a block of events: single records, and book messages FIRST to LAST.

    Raises
    ------
    ValueError
        The block ends within a book message.
    """
    if not len(events):
        return
    is_end = np.isin(events["kind"], _ALONE) | ((events["flags"] & LAST) != 0)
    ends = (np.flatnonzero(is_end) + 1).tolist()
    start = 0
    for end in ends:
        yield events[start:end]
        start = end
    if start != len(events):
        raise ValueError("a book message is cut in two")


class EventSource(Protocol):
    """A recording that can be played from its start as often as asked."""

    market: Market
    instruments: Sequence[Instrument]
    has_book: bool
    is_delta: bool

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield events in arrival order, whole messages per block."""
        ...


class RecordedSource:
    """Recorded events, tidied.

    Parameters
    ----------
    read : callable
        Returns the raw blocks, each time from the start.
    codes : sequence of str or None
        Only these instruments, in their order in `instruments`.
    from_ns, to_ns : int
        Time range of the events (0 = open); before it only books and closes are taken over.
    """

    tape: tuple[str, ...] = ()
    """Codes of which trades were recorded and books were not: their rows come from trades, their fills at the last price."""

    def __init__(
        self,
        market: Market,
        instruments: Sequence[Instrument],
        read: Callable[[], Iterable[np.ndarray]],
        codes: Sequence[str] | None = None,
        from_ns: int = 0,
        to_ns: int = 0,
    ) -> None:
        self.market = market
        kept = [i for i, instrument in enumerate(instruments) if codes is None or instrument.code in set(codes)]
        self.instruments: tuple[Instrument, ...] = tuple(instruments[i] for i in kept)
        self._map = np.full(len(instruments), -1, np.int32)
        self._map[kept] = np.arange(len(kept), dtype=np.int32)
        self._read = read
        self._from_ns, self._to_ns = from_ns, to_ns
        self._head: np.ndarray | None = None
        self.is_delta = False
        self.has_book = False
        self._survey()

    def _survey(self) -> None:
        """Learn what the recording holds: books or none, deltas or pictures, single or aggregate trades."""
        count = len(self.instruments)
        self._has_single = np.zeros(count, bool)
        self._snapshots = np.zeros(count, np.int64)
        is_tape = np.zeros(count, bool)
        for block in self._kept():
            kinds = block["kind"]
            self.is_delta |= bool((kinds == LEVEL).any())
            self.has_book |= bool(np.isin(kinds, (LEVEL, SNAPSHOT)).any())
            single = (kinds == TRADE) & ((block["flags"] & AGGREGATE) == 0)
            self._has_single[np.unique(block["instrument"][single])] = True
            is_tape[np.unique(block["instrument"][(kinds == TRADE) & ((block["flags"] & NO_BOOK) != 0)])] = True
            heads = (kinds == SNAPSHOT) & ((block["flags"] & FIRST) != 0)
            self._snapshots += np.bincount(block["instrument"][heads], minlength=count)
        self.tape = tuple(instrument.code for instrument, alone in zip(self.instruments, is_tape.tolist(), strict=True) if alone)

    def _kept(self) -> Iterator[np.ndarray]:
        if self._from_ns and self._head is None:
            self._head = self._state_before()
        if self._head is not None and len(self._head):
            yield self._head.copy()
        for block in self._mapped():
            moments = block["exchange_ns"]
            if self._from_ns or self._to_ns:
                block = block[(moments >= self._from_ns) & ((moments < self._to_ns) if self._to_ns else True)]
            if len(block):
                yield block

    def _mapped(self) -> Iterator[np.ndarray]:
        """Yield the chosen instruments' events.

        Left out are INVALID (clients learn of a gap by update ids alone) and DAY (a replay has only what it plays).
        """
        for block in self._read():
            where = np.where(block["instrument"] >= 0, self._map[block["instrument"]], -1)
            mask = (where >= 0) & ~np.isin(block["kind"], (INVALID, DAY))
            out = block[mask]
            out["instrument"] = where[mask]
            if len(out):
                yield out

    def _state_before(self) -> np.ndarray:
        """Return what stood when the time range begins: previous closes, and the books where those come as deltas."""
        books = [FlowBook() for _ in self.instruments]
        closes: dict[int, np.ndarray] = {}
        for block in self._mapped():
            early = block[block["exchange_ns"] < self._from_ns]
            for message in split_messages(early):
                kind = int(message["kind"][0])
                if kind == PREV_CLOSE:
                    closes[int(message["instrument"][0])] = message
                elif kind != TRADE:
                    books[int(message["instrument"][0])].apply(message)
            if len(early) < len(block):
                break
        made = EventBlock()
        parts = list(closes.values())
        for index, book in enumerate(books):
            if book.is_valid and book.last_id and not book.ask_total:
                levels = [(-1, *level) for level in book.asks.levels(5_000)] + [(1, *level) for level in book.bids.levels(5_000)]
                signs, prices, sizes = zip(*levels, strict=True)
                ids = {"first_id": book.last_id, "last_id": book.last_id, "last_flags": NO_ROW}
                parts.append(made.book(SNAPSHOT, index, book.exchange_ns, book.exchange_ns, prices, sizes, signs, **ids).copy())
        return np.concatenate(parts) if parts else np.empty(0, EVENT_DTYPE)

    def blocks(self) -> Iterator[np.ndarray]:
        return tidy(self._kept(), self._has_single, self._snapshots, self.is_delta)


class ArraySource(RecordedSource):
    """Events already in memory (tests, a day of the store that fits)."""

    def __init__(self, market: Market, instruments: Sequence[Instrument], events: np.ndarray) -> None:
        super().__init__(market, instruments, lambda: [events])


def tidy(blocks: Iterable[np.ndarray], has_single: np.ndarray, snapshots: np.ndarray, is_delta: bool) -> Iterator[np.ndarray]:
    """Yield playable blocks; see the module.

    Parameters
    ----------
    has_single : ndarray of bool, shape (count,)
        Instruments with single trades; their aggregates are left out, others' become single ones.
    snapshots : ndarray of int, shape (count,)
        How many book snapshots each instrument has.
    is_delta : bool
        Whether books come as deltas. A client of such a venue fetches a snapshot when it connects, and
        again after a gap: so the recording's first snapshot comes first, one after a gap comes right
        behind the gap, and any other is left out.
    """
    count = len(has_single)
    last_price = np.zeros(count)
    last_side = np.ones(count, np.int8)
    last_number = np.zeros(count, np.int64)
    cleaned = (_clean(block, has_single, last_price, last_side, last_number) for block in blocks)
    yield from (_hoist(cleaned, snapshots) if is_delta else cleaned)


def _clean(block: np.ndarray, has_single: np.ndarray, last_price: np.ndarray, last_side: np.ndarray, last_number: np.ndarray) -> np.ndarray:
    trade = block["kind"] == TRADE
    aggregate = trade & ((block["flags"] & AGGREGATE) != 0)
    if aggregate.any():
        block = block[~(aggregate & has_single[block["instrument"]])]
        trade = block["kind"] == TRADE
    block["flags"][trade] &= NO_BOOK
    block["exchange_ns"] -= block["exchange_ns"] % _MS
    incomplete = trade & ((block["side"] == 0) | (block["first_id"] == 0))
    if not incomplete.any():
        return block
    for row in np.flatnonzero(trade).tolist():
        i = block["instrument"][row]
        price = block["price"][row]
        if block["side"][row] == 0:  # the tick rule (strategy-language 1.1-11)
            side = 1 if price > last_price[i] else -1 if price < last_price[i] else last_side[i]
            block["side"][row] = side
        if block["first_id"][row] == 0:
            block["first_id"][row] = last_number[i] + 1
        last_price[i], last_side[i], last_number[i] = price, block["side"][row], block["first_id"][row]
    return block


def _hoist(blocks: Iterable[np.ndarray], snapshots: np.ndarray) -> Iterator[np.ndarray]:
    """Move snapshots to where a client gets them; `snapshots` counts those of each instrument."""
    ahead = snapshots.tolist()
    waiting = {i for i, number in enumerate(ahead) if number}
    local = [0] * len(ahead)
    found: list[np.ndarray] = []
    held: list[np.ndarray] = []
    lost: dict[int, int] = {}  # instrument → when its book was lost, while a snapshot may still mend it
    for message in (message for block in blocks for message in split_messages(block)):
        i, kind = int(message["instrument"][0]), int(message["kind"][0])
        is_gap = False
        now = int(message["exchange_ns"][-1])
        for late in [one for one, since in lost.items() if now - since > RESYNC_NS]:
            # The next snapshot is of another time: put behind this gap it would make every change before it look old.
            waiting.discard(late)
            del lost[late]
        if kind == SNAPSHOT:
            ahead[i] -= 1
            if i not in waiting:
                continue
            waiting.discard(i)
            lost.pop(i, None)
            local[i] = int(message["last_id"][-1])
            found.append(_without_totals(message))
        else:
            held.append(message)
            if kind == LEVEL and i not in waiting:
                first, last = int(message["first_id"][0]), int(message["last_id"][-1])
                is_gap = last > local[i] and first > local[i] + 1
                local[i] = max(local[i], last)
        if is_gap or (not waiting and (found or len(held) >= _BLOCK)):
            yield _joined(found, held)
            found, held = [], []
        if is_gap and ahead[i] > 0:
            waiting.add(i)
            lost[i] = now
    if found or held:
        yield _joined(found, held)


def _joined(found: list[np.ndarray], held: list[np.ndarray]) -> np.ndarray:
    """Put snapshots before what waited for them, at a time no later: one of a later file would stop the market's clock until then."""
    events = np.concatenate([*found, *held])
    count = sum(len(message) for message in found)
    known = events["exchange_ns"][count:]
    known = known[known > 0]
    if len(known):
        moments = events["exchange_ns"][:count]
        np.minimum(moments, known[0], out=moments)
    return events


def _without_totals(message: np.ndarray) -> np.ndarray:
    """Return a snapshot as a venue of deltas can say it: it publishes no totals."""
    levels = message[message["kind"] != TOTAL]
    if len(levels) == len(message):
        return message
    levels["flags"][0] |= FIRST
    levels["flags"][-1] |= message["flags"][-1]
    return levels
