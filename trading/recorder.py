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

from domain.instruments import Instrument, Market
from domain.messages import GapMark
from domain.process_config import ProcessConfig
from domain.records import DAY, EVENT_DTYPE, PREV_CLOSE, TRADE, row_schema
from storage.segments import GAP_DTYPE
from storage.ticks import ROW_KINDS, TickStore, day_of
from utility.build import build
from utility.clock import SystemClock

log = logging.getLogger(__name__)

FLUSH_S = 0.2
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
        self._trade = store.writer(market, source, "trade", EVENT_DTYPE, instruments, origin)
        self._depth = store.writer(market, source, "depth", EVENT_DTYPE, instruments, origin)
        self._row = store.writer(market, source, ROW_KINDS[interval_s], row_schema(market.kind, interval_s), instruments, origin)
        self._gap = store.writer(market, source, "gap", GAP_DTYPE, instruments, origin)
        self._events_in: list[np.ndarray] = []
        self._rows_in: list[np.ndarray] = []
        self._gaps_in: list[GapMark] = []
        self._gap_seq = 0
        self._flush_s = self._synced_s = 0.0

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
        self._write(*taken)
        if now_s - self._synced_s >= self._sync_s:
            self._synced_s = now_s
            for writer in self._writers():
                writer.sync()
        else:
            for writer in self._writers():
                writer.flush()

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
        if gaps:
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

    def _writers(self) -> tuple[Any, ...]:
        return self._trade, self._depth, self._row, self._gap

    def counters(self) -> dict[str, int]:
        """Return what is stored (buffers of the writers included) and what still waits here."""
        return {
            "events": self._trade.stored + self._depth.stored,
            "rows": self._row.stored,
            "waiting_events": sum(len(part) for part in self._events_in),
            "waiting_rows": sum(len(part) for part in self._rows_in),
        }

    def close(self) -> None:
        """Write everything; a short recording is sealed at once, a long one left for `recover`."""
        self._write(*self._swap())
        counters = self.counters()
        is_short = counters["events"] + counters["rows"] <= SEAL_MAX
        for writer in self._writers():
            if is_short:
                writer.seal()
            else:
                writer.close()
        self._store.unlock()


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
