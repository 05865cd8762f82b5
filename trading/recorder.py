"""What a receiver writes down: events and rows into segments, gap marks into the gap ledger.

The feed's threads only put arrays into lists; the loop hands them to the store, four times a second to
the operating system, every few seconds to the disk (reliability §6). What was stored, and what still
waits here, can be counted at any moment: that is the right side of the conservation equation.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from domain.errors import DataError
from domain.instruments import Instrument, Market
from domain.messages import GapMark
from domain.process_config import ProcessConfig
from domain.records import DAY, EVENT_DTYPE, PREV_CLOSE, TRADE, RowSchema, row_schema
from storage.segment_writer import SegmentWriter
from storage.segments import GAP_DTYPE
from storage.ticks import ROW_KINDS, TickStore, day_of
from utility import alarm_words
from utility.build import build
from utility.clock import SystemClock
from utility.room import has_room

log = logging.getLogger(__name__)

FLUSH_S = 0.2
RETRY_S = 2.0
"""Between two looks whether a full disk has room again."""
MARKS_MAX = 10_000
SEAL_MAX = 400_000
"""Records that are still turned into Parquet within a two-second stop; more are left whole for `recover`."""


class TickRecorder:
    """Writes one market's stream into one source.

    Parameters
    ----------
    store : TickStore
    market : Market
    source : str
    interval_s : int
    instruments : sequence of Instrument
    origin : dict
        Into each manifest: what made it, run, build.
    sync_s : float
        Between syncs to disk.
    """

    def __init__(
        self,
        store: TickStore,
        market: Market,
        source: str,
        interval_s: int,
        instruments: Sequence[Instrument],
        origin: dict[str, Any],
        sync_s: float,
    ) -> None:
        self._store = store
        self._market = market
        self._source = source
        self._sync_s = sync_s
        self._interval_s, self._instruments, self._origin = interval_s, list(instruments), origin
        self._taken = {"events": 0, "rows": 0}
        self._kept = {"events": 0, "rows": 0}  # by writers that a full disk ended
        self._told = {"events": 0, "rows": 0}  # lost ones that a person knows of
        self._marks: list[GapMark] = []  # that could not be written
        self._hole = (0, 0)  # first and last event number that was not written
        self._retry_s = 0.0  # nothing is written before; 0 = all is well
        self._open()
        self._events_in: list[np.ndarray] = []
        self._rows_in: list[np.ndarray] = []
        self._gaps_in: list[GapMark] = []
        self._gap_seq = 0
        self._flush_s = self._synced_s = 0.0

    def _open(self) -> None:
        def writer(kind: str, schema: RowSchema | np.dtype[np.void]) -> SegmentWriter:
            return self._store.writer(self._market, self._source, kind, schema, self._instruments, self._origin)

        self._trade, self._depth = writer("trade", EVENT_DTYPE), writer("depth", EVENT_DTYPE)
        self._row = writer(ROW_KINDS[self._interval_s], row_schema(self._market.kind, self._interval_s))
        self._gap = writer("gap", GAP_DTYPE)

    # --- from the feed's threads, under the caller's lock -----------------------------------------------

    def events(self, events: np.ndarray) -> None:
        """Take events; they are not written to again by anybody."""
        self._events_in.append(events)

    def rows(self, rows: np.ndarray) -> None:
        """Take rows."""
        self._rows_in.append(rows)

    def gap(self, mark: GapMark) -> None:
        """Take a mark."""
        self._gaps_in.append(mark)

    # --- from the loop --------------------------------------------------------------------------------------

    def tick(self, now_s: float, lock: threading.Lock) -> None:
        """Hand over what has come, when it is time."""
        if now_s < self._flush_s:
            return
        self._flush_s = now_s + FLUSH_S
        with lock:
            taken = self._swap()
        is_open = not self._retry_s or self._resume(now_s)
        self._count(taken)
        if not is_open:
            self._drop(*taken)
            return
        try:
            self._write(*taken)
            if now_s - self._synced_s >= self._sync_s:
                self._synced_s = now_s
                for writer in self._writers():
                    writer.sync()
            else:
                for writer in self._writers():
                    writer.flush()
        except (OSError, DataError) as error:
            self._drop(*taken)
            self._give_up(error, now_s)

    # --- a full disk: the market goes on without a recording, what is missing is counted and marked (fault 34) -----------

    def _give_up(self, error: OSError | DataError, now_s: float) -> None:
        for writer in self._writers():
            writer.abandon()
        self._kept, self._retry_s = self._stored(), now_s + RETRY_S
        reason = error.fields.get("reason", error.code) if isinstance(error, DataError) else error.strerror or str(error)
        log.error("%s", alarm_words.write("recorder.full", {"path": self._store.folder, "reason": reason}))

    def _count(self, taken: tuple[list[np.ndarray], list[np.ndarray], list[GapMark]]) -> None:
        self._taken["events"] += sum(len(part) for part in taken[0])
        self._taken["rows"] += sum(len(part) for part in taken[1])

    def _drop(self, events: list[np.ndarray], rows: list[np.ndarray], gaps: list[GapMark]) -> None:
        self._marks = [*self._marks, *gaps][-MARKS_MAX:]
        if events:
            self._hole = (self._hole[0] or int(events[0]["seq"][0]), int(events[-1]["seq"][-1]))

    def _resume(self, now_s: float) -> bool:
        """Go on in new segments when the volume takes a write, with a mark of the hole."""
        if now_s < self._retry_s:
            return False
        self._retry_s = now_s + RETRY_S
        if not has_room(self._store.folder):
            return False
        lost = self._lost()
        self._retry_s = 0.0
        self._open()
        first, last = self._hole
        self._marks.append(
            GapMark(market=self._market.code, stream="store", instrument=-1, from_seq=first, to_seq=last, cause="disk_full", state="marked")
        )
        new = {name: lost[name] - self._told[name] for name in lost}
        self._told, self._hole = lost, (0, 0)
        log.warning("%s", alarm_words.write("recorder.resumed", {"path": self._store.folder, **new}))
        return True

    def _lost(self) -> dict[str, int]:
        stored = self._stored()
        return {name: self._taken[name] - stored[name] for name in stored}

    def _stored(self) -> dict[str, int]:
        """Return what lies in this source by this recorder, what is still buffered included."""
        if self._retry_s:
            return dict(self._kept)
        return {"events": self._kept["events"] + self._trade.stored + self._depth.stored, "rows": self._kept["rows"] + self._row.stored}

    def _swap(self) -> tuple[list[np.ndarray], list[np.ndarray], list[GapMark]]:
        taken = self._events_in, self._rows_in, self._gaps_in
        self._events_in, self._rows_in, self._gaps_in = [], [], []
        return taken

    def _write(self, events: list[np.ndarray], rows: list[np.ndarray], gaps: list[GapMark]) -> None:
        if events:
            joined = np.concatenate(events)
            is_trade = np.isin(joined["kind"], (TRADE, PREV_CLOSE, DAY))
            self._trade.append(joined[is_trade])
            self._depth.append(joined[~is_trade])
        if rows:
            joined_rows = np.concatenate(rows)
            joined_rows["read_ns"] = 0  # a monotonic clock means nothing to a later reader
            self._row.append(joined_rows)
        if gaps or self._marks:
            gaps, self._marks = [*self._marks, *gaps], []
            self._gap.append(self._gap_rows(gaps))

    def _gap_rows(self, gaps: list[GapMark]) -> np.ndarray:
        out = np.zeros(len(gaps), GAP_DTYPE)
        now = SystemClock().utc_ns()
        for k, mark in enumerate(gaps):
            self._gap_seq += 1
            row = out[k]
            row["seq"], row["exchange_ns"], row["instrument"] = self._gap_seq, now, mark.instrument
            row["from_seq"], row["to_seq"] = mark.from_seq, mark.to_seq
            row["stream"], row["cause"], row["state"] = mark.stream.encode()[:16], mark.cause.encode()[:24], mark.state.encode()[:12]
        return out

    def _writers(self) -> tuple[SegmentWriter, ...]:
        return self._trade, self._depth, self._row, self._gap

    def counters(self) -> dict[str, int]:
        """Return what is stored (buffers of the writers included), what still waits here, and what a full disk cost."""
        lost = self._lost()
        return {
            **self._stored(),
            "waiting_events": sum(len(part) for part in self._events_in),
            "waiting_rows": sum(len(part) for part in self._rows_in),
            "lost_events": lost["events"],
            "lost_rows": lost["rows"],
        }

    def close(self) -> None:
        """Write everything; a short recording is sealed at once, a long one left for `recover`."""
        taken = self._swap()
        try:
            is_open = not self._retry_s or self._resume(self._retry_s)
            self._count(taken)
            if is_open:
                self._write(*taken)
                is_short = sum(self._stored().values()) <= SEAL_MAX
                for writer in self._writers():
                    if is_short:
                        writer.seal()
                    else:
                        writer.close()
        except (OSError, DataError) as error:
            self._give_up(error, self._flush_s)
        finally:
            self._store.unlock()
        lost = self._lost()
        if lost != self._told:
            log.error("%s", alarm_words.write("recorder.lost", {"path": self._store.folder, **lost}))


def open_recorder(
    config: ProcessConfig, market: Market, instruments: Sequence[Instrument]
) -> tuple[TickRecorder, Iterator[np.ndarray] | None, int]:
    """Return the recorder of a receiver, the events of today that are stored already, and the next arrival number.

    What a killed receiver left is sealed first, and its hole marked. Instruments are matched by code:
    when the stored table is not the present one nothing is read back.
    """
    store = TickStore(config.data_dir)
    store.lock(market.code, config.source)
    store.recover({market.code: market})
    today: Iterator[np.ndarray] | None = None
    first_seq = 1
    if any(True for _ in store.manifests(market.code, config.source)):
        first_seq = store.next_seq(market.code, config.source)
        stored = [one.code for one in store.instruments(market.code, config.source)]
        if stored == [one.code for one in instruments]:
            day = day_of(SystemClock().utc_ns(), market.day_offset_s())
            today = store.read_events(market.code, config.source, day, None)
    origin = {"what": "receiver", "run": config.run, "venue": config.venue, "build": build(), "paper": config.is_paper}
    recorder = TickRecorder(store, market, config.source, config.interval_s, instruments, origin, config.settings.data.sync_s)
    return recorder, today, first_seq
