"""Recordings and tapes into the store: one stream in time order, judged, numbered, stored, made into rows."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from domain.instruments import Instrument, Market
from domain.records import EVENT_DTYPE, PREV_CLOSE, TRADE
from storage.merging import merge
from storage.segments import GAP_DTYPE
from storage.ticks import SegmentWriter, TickStore
from trading import row_state as rs
from trading.importers.gaps import new_gaps
from trading.importers.recordings import units_in
from trading.importers.report import TAKEN, FileTally, ImportReport
from trading.rows import RowBuilder

SOURCE = "recorded"
REASONS = tuple(name.removeprefix("rejected_") for name in rs.COUNTERS)
"""Reason of a refused event by verdict, in words of the report."""

_REASON_WORDS = {"duplicates": "duplicate", "old_updates": "old_update", "aggregate_ignored": "aggregate"}
_LEVEL_COUNTERS = ("rejected_price", "rejected_qty", "rejected_off_step")


class EventFile(Protocol):
    """A file that gives events."""

    path: Path
    tally: FileTally

    @property
    def first_ns(self) -> int: ...

    def chunks(
        self, instruments: list[Instrument], refused: dict[str, str], singles: set[str], booked: set[str]
    ) -> Iterator[np.ndarray]: ...


def reason_of(verdict: int) -> str:
    """Return the report's word for a verdict of the row builder."""
    word = REASONS[verdict]
    return _REASON_WORDS.get(word, word)


def import_events(
    store: TickStore,
    market: Market,
    files: Sequence[EventFile],
    instruments: list[Instrument],
    refused: dict[str, str],
    singles: set[str],
    booked: set[str],
    report: ImportReport,
    origin: dict[str, Any],
    on_progress: Callable[[int], None] | None = None,
    fresh: Callable[[str, np.ndarray], np.ndarray] | None = None,
) -> None:
    """Import files of one market as one stream; counts land in their tallies and in `report`.

    `fresh` returns of rows of a kind (row1s, row1m) and of trades those that shall be stored.
    """
    builders = {1: RowBuilder(market, 1, instruments), 60: RowBuilder(market, 60, instruments)}
    builders[1].number_from(store.next_seq(market.code, SOURCE))
    writers: dict[str, SegmentWriter] = {}
    if not report.dry_run:
        origin = origin | {"session": secrets.token_hex(8)}
        for kind in ("trade", "depth"):
            writers[kind] = store.writer(market, SOURCE, kind, EVENT_DTYPE, instruments, origin)
        for interval_s, kind in ((1, "row1s"), (60, "row1m")):
            writers[kind] = store.writer(market, SOURCE, kind, builders[interval_s].schema, instruments, origin)
    ordered = sorted(files, key=lambda one: (one.first_ns, str(one.path)))
    streams = [_marked(one, k, instruments, refused, singles, booked) for k, one in enumerate(ordered)]
    gaps = _GapWatch(instruments)
    try:
        for chunk in merge(streams, "received_ns"):
            owners = chunk["pad"].copy() + 256 * (chunk["seq"] - 1)
            chunk["pad"] = 0
            chunk["seq"] = 0
            rows = builders[1].push(chunk)
            verdicts = builders[1].verdicts
            _count(chunk, verdicts, owners, ordered)
            kept = chunk[verdicts == 0]
            minutes = builders[60].push(kept)
            gaps.watch(builders[1], kept)
            report.events += len(kept)
            report.rows_made["1s"] += len(rows)
            report.rows_made["1m"] += len(minutes)
            if writers:
                is_trade = (kept["kind"] == TRADE) | (kept["kind"] == PREV_CLOSE)
                writers["trade"].append(kept[is_trade] if fresh is None else fresh("trade", kept[is_trade]))
                writers["depth"].append(kept[~is_trade])
                writers["row1s"].append(rows if fresh is None else fresh("row1s", rows))
                writers["row1m"].append(minutes if fresh is None else fresh("row1m", minutes))
            if on_progress is not None:
                on_progress(len(chunk))
        found = gaps.entries(builders[1], booked)
        report.gaps += [_gap_dict(market, instruments, row) for row in found]
        _count_left_out(builders[1], ordered, report)
        for kind in reversed(writers):  # trades last: where they are, their rows are
            writers[kind].seal()
    finally:
        for writer in writers.values():
            writer.let_go()
    if writers and len(found) and any(one.tally.is_torn for one in files):
        found = new_gaps(store, market.code, SOURCE, found, instruments)  # the stream was taken back, its gaps stand
    if writers and len(found):
        store.append_gaps(market.code, SOURCE, found, market.day_offset_s(), instruments)
    for one in ordered:
        one.tally.check()


def _count_left_out(builder: RowBuilder, files: Sequence[EventFile], report: ImportReport) -> None:
    """Count the single levels left out of messages that were stored."""
    counters = builder.counters()
    for name in _LEVEL_COUNTERS:
        # What the builder refused a trade for stands in its file's reasons; the rest are levels.
        reason = reason_of(rs.COUNTERS.index(name))
        left = counters[name] - sum(one.tally.reasons[reason] - one.tally.read_as_bad[reason] for one in files)
        if left > 0:
            report.left_out[name.removeprefix("rejected_")] += left


def _marked(
    file: EventFile, number: int, instruments: list[Instrument], refused: dict[str, str], singles: set[str], booked: set[str]
) -> Iterator[np.ndarray]:
    """Yield a file's chunks with the file's number in fields that are free until the events are numbered."""
    for chunk in file.chunks(instruments, refused | dict.fromkeys(file.tally.taken, TAKEN), singles, booked):
        chunk["pad"] = number % 256
        chunk["seq"] = 1 + number // 256
        yield chunk


def _count(chunk: np.ndarray, verdicts: np.ndarray, owners: np.ndarray, files: Sequence[EventFile]) -> None:
    unit = units_in(chunk)
    good = np.bincount(owners[unit & (verdicts == 0)], minlength=len(files))
    for k in np.flatnonzero(good).tolist():
        files[k].tally.rows_stored += int(good[k])
    for at in np.flatnonzero(unit & (verdicts != 0)).tolist():
        files[int(owners[at])].tally.reasons[reason_of(int(verdicts[at]))] += 1


class _GapWatch:
    """Notes when a book stops being trustworthy, chunk by chunk."""

    def __init__(self, instruments: list[Instrument]) -> None:
        self._lost = np.zeros(len(instruments), np.int64)
        self._rows: list[np.ndarray] = []
        self._last_ns = np.zeros(len(instruments), np.int64)
        self._last_seq = np.zeros(len(instruments), np.int64)

    def watch(self, builder: RowBuilder, kept: np.ndarray) -> None:
        """Compare the gaps counted per instrument with those before this chunk."""
        if not len(kept):
            return
        self._last_ns[kept["instrument"]] = kept["exchange_ns"]
        self._last_seq[kept["instrument"]] = kept["seq"]
        now = builder.gaps_by_instrument()
        for i in np.flatnonzero(now > self._lost).tolist():
            self._add(i, "update_ids", int(now[i] - self._lost[i]))
        self._lost = now

    def _add(self, instrument: int, cause: str, times: int = 1) -> None:
        row = np.zeros(1, GAP_DTYPE)
        row["instrument"] = instrument
        row["from_seq"], row["from_ns"] = self._last_seq[instrument], self._last_ns[instrument]
        row["exchange_ns"] = self._last_ns[instrument]
        row["stream"], row["cause"], row["state"] = b"depth", cause.encode(), b"marked"
        self._rows += [row] * times

    def entries(self, builder: RowBuilder, booked: set[str]) -> np.ndarray:
        """Return the gaps, and one for each book that never met a snapshot."""
        for i, instrument in enumerate(builder.instruments):
            if instrument.code in booked and self._last_seq[i] and not builder.had_book(i):
                self._add(i, "no_snapshot")
        return np.concatenate(self._rows) if self._rows else np.empty(0, GAP_DTYPE)


def _gap_dict(market: Market, instruments: list[Instrument], row: np.void) -> dict[str, Any]:
    return {
        "market": market.code,
        "symbol": instruments[int(row["instrument"])].code,
        "cause": row["cause"].decode(),
        "from_ns": int(row["from_ns"]),
        "state": row["state"].decode(),
    }
