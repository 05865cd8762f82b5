"""Writing one kind of one (market, source), split into days and segments."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from domain.instruments import NS, Instrument
from storage.segments import Manifest, Part, PartWriter, SegmentInfo, seal_part

SEGMENT_ROWS = 4_000_000
OPEN_DAYS = 2


def day_of(ns: int, offset_s: int) -> int:
    """Return the trading day YYYYMMDD of a venue clock."""
    moment = dt.datetime.fromtimestamp(ns // NS + offset_s, dt.UTC)
    return moment.year * 10_000 + moment.month * 100 + moment.day


class SegmentWriter:
    """Rows of one kind of one (market, source), split into days.

    Parameters
    ----------
    schema : str
        As in `SegmentInfo`.
    offset_s : int
        Offset of the market's clock to UTC.

    Notes
    -----
    Events stay in arrival order: an event of an earlier day that arrives late lies in the day that has
    begun. Rows lie in the day of their label.
    """

    def __init__(self, folder: Path, info: SegmentInfo, instruments: Sequence[Instrument], offset_s: int) -> None:
        self._folder = folder
        self._info = info
        self._offset_s = offset_s
        self._parts: dict[int, PartWriter] = {}
        self._day = 0
        self._closed = False
        self.instruments = list(instruments)
        self.stored = 0
        self.manifests: list[Manifest] = []

    @property
    def buffered(self) -> int:
        """Rows not yet handed to the operating system."""
        return sum(part.buffered for part in self._parts.values())

    def add_instruments(self, instruments: Sequence[Instrument]) -> None:
        """Append to the table behind the `instrument` index."""
        self.instruments += instruments
        for part in self._parts.values():
            part.set_instruments(self.instruments)

    def append(self, rows: np.ndarray) -> None:
        """Add rows in arrival order; their `seq` must be given."""
        if not len(rows):
            return
        days = self._days(rows)
        if days[0] == days[-1] and (days == days[0]).all():
            self._put(int(days[0]), rows)
        else:
            for day in np.unique(days).tolist():
                self._put(day, rows[days == day])
        self.stored += len(rows)

    def _days(self, rows: np.ndarray) -> np.ndarray:
        if "/" in self._info.schema:
            return rows["row_time"] // (1_000_000 if self._info.schema.endswith("/1") else 10_000)
        serial = (rows["exchange_ns"] // NS + self._offset_s) // 86_400
        first, last = int(serial.min()), int(serial.max())
        labels = np.array([day_of((day * 86_400 - self._offset_s) * NS, self._offset_s) for day in range(first, last + 1)], np.int64)
        days = np.maximum(np.maximum.accumulate(labels[serial - first]), self._day)
        self._day = int(days[-1])
        return days

    def _put(self, day: int, rows: np.ndarray) -> None:
        part = self._parts.get(day)
        if part is not None and part.rows >= SEGMENT_ROWS:
            self._seal(day)
            part = None
        if part is None:
            if len(self._parts) >= OPEN_DAYS:
                self._seal(min(self._parts))
            date = f"{day // 10_000:04d}-{day // 100 % 100:02d}-{day % 100:02d}"
            info = SegmentInfo(
                market=self._info.market,
                source=self._info.source,
                kind=self._info.kind,
                day=day,
                schema=self._info.schema,
                origin=self._info.origin,
            )
            part = PartWriter(self._folder / date / f"{int(rows['seq'][0])}.part", info, self.instruments)
            self._parts[day] = part
        part.append(rows)

    def _seal(self, day: int) -> None:
        part = self._parts.pop(day)
        try:
            part.finish()
        except OSError:
            part.release()
            raise
        manifest = seal_part(part.path)
        if manifest is not None:
            self.manifests.append(manifest)

    def abandon(self) -> None:
        """Let every open file go as it is, without a further byte; `stored` is then what lies whole on the disk for `TickStore.recover`."""
        for part in self._parts.values():
            part.release()
        whole = sum(len(block) for part in self._parts.values() for block in Part(part.path).blocks())
        self.stored = sum(manifest.rows for manifest in self.manifests) + whole
        self._parts.clear()

    def let_go(self) -> None:
        """Close every open file as it is, at once and without a count."""
        for part in self._parts.values():
            part.release()
        self._parts.clear()

    def flush(self) -> None:
        """Hand everything buffered to the operating system (a kill of this process loses nothing of it)."""
        for part in self._parts.values():
            part.flush()

    def sync(self) -> None:
        """Make everything survive a loss of power."""
        for part in self._parts.values():
            part.flush()
            part.sync()

    def seal(self) -> list[Manifest]:
        """Turn everything into Parquet; return the manifests of this writer so far."""
        for day in sorted(self._parts):
            self._seal(day)
        return self.manifests

    def close(self) -> None:
        """End quickly: whole, synced `.part` files that `TickStore.recover` seals without a gap."""
        for part in self._parts.values():
            part.finish()
        self._parts.clear()

    def discard(self) -> None:
        """Delete what is not sealed yet, also when the disk takes no further byte."""
        for part in self._parts.values():
            part.discard()
        self._parts.clear()
