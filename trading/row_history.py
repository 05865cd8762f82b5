"""Today's rows in the receiver's memory, for a strategy host that begins in the middle of the day.

Rows are kept with the bus sequence they were published under, so that a reader can take everything up
to a cut and go on behind it from the stream without losing or doubling one. Full chunks are packed:
a day of ten symbols is some 600 MB as it is and a quarter of that packed.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

CHUNK_ROWS = 2_048


@dataclass
class _Chunk:
    """Rows of one stretch; `packed` once nobody appends to it any more."""

    first_seq: int
    last_seq: int
    last_day: int
    rows: np.ndarray | None
    seqs: np.ndarray
    packed: bytes = b""


class RowHistory:
    """Rows of one market and interval, oldest first.

    Parameters
    ----------
    dtype : numpy.dtype
        Of the rows.
    interval_s : int
        1 or 60: how the day is read from `row_time`.
    """

    def __init__(self, dtype: np.dtype[np.void], interval_s: int) -> None:
        self._dtype = dtype
        self._per_day = 1_000_000 if interval_s == 1 else 10_000
        self._open: list[np.ndarray] = []
        self._open_seqs: list[np.ndarray] = []
        self._open_rows = 0
        self._chunks: list[_Chunk] = []
        self._day = 0

    def append(self, seq: int, rows: np.ndarray) -> None:
        """Keep the rows published under `seq`."""
        self._open.append(rows)
        self._open_seqs.append(np.full(len(rows), seq, np.int64))
        self._open_rows += len(rows)
        if self._open_rows >= CHUNK_ROWS:
            self._shut()

    def tidy(self) -> None:
        """Pack one full chunk, and forget chunks of days that are over; call it from time to time."""
        for chunk in self._chunks:
            if chunk.rows is not None:
                chunk.packed = zlib.compress(chunk.rows.tobytes(), 1)
                chunk.rows = None
                break
        while self._chunks and self._chunks[0].last_day < self._day:
            del self._chunks[0]

    def pages(self) -> int:
        """Return how many pages `page` knows now."""
        return len(self._chunks) + 1

    def page(self, number: int, cut_seq: int) -> np.ndarray:
        """Return page `number` (0-based) without the rows published after `cut_seq`."""
        if number >= len(self._chunks):
            rows, seqs = self._joined()
        else:
            chunk = self._chunks[number]
            kept = chunk.rows
            rows = np.frombuffer(zlib.decompress(chunk.packed), self._dtype) if kept is None else kept
            seqs = chunk.seqs
        day = rows["row_time"] // self._per_day
        return rows[(seqs <= cut_seq) & (day >= self._day)]

    def _joined(self) -> tuple[np.ndarray, np.ndarray]:
        if not self._open:
            return np.empty(0, self._dtype), np.empty(0, np.int64)
        return np.concatenate(self._open), np.concatenate(self._open_seqs)

    def _shut(self) -> None:
        rows, seqs = self._joined()
        day = int(rows["row_time"].max()) // self._per_day
        self._day = max(self._day, day)
        self._chunks.append(_Chunk(int(seqs[0]), int(seqs[-1]), day, rows, seqs))
        self._open, self._open_seqs, self._open_rows = [], [], 0
