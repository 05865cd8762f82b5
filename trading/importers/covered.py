"""What downloads have brought already, read from what is stored.

Each segment of a download says in its origin which spans it is the answer to and how many rows that was; a span counts
only while all of them are there. A damaged segment that was put aside is thus asked for again. A span that the venue had
nothing for is a gap of the cause ``nothing_there`` (``nothing_new`` where all of it was stored otherwise).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from domain.records import ROW_NO_BOOK
from storage.segments import Manifest
from storage.ticks import TickStore

WHAT = "download"
NOTHING = (b"nothing_there", b"nothing_new")
"""Causes of gaps that are answers: the venue had nothing, or nothing that is not stored by another way."""
STORED_AS = {"1s": "row1s", "1m": "row1m", "trades": "trade", "aggtrades": "trade"}
"""What is asked for → the kind of segment that proves it."""

Spans = dict[str, list[tuple[int, int]]]


def spans(store: TickStore, market: str, source: str, kind: str) -> Spans:
    """Return what is covered by code: (from, to) in UTC ns, to excluded."""
    claims: dict[tuple[str, str], tuple[int, int, int]] = {}
    rows: dict[tuple[str, str], int] = defaultdict(int)
    for _, manifest in store.manifests(market, source, STORED_AS[kind]):
        origin = manifest.info.origin
        if origin.get("what") != WHAT or origin.get("kind") != kind:
            continue
        for code, (first, end, count) in origin["spans"].items():
            claims[origin["session"], code] = first, end, count
            if code in manifest.codes:
                rows[origin["session"], code] += manifest.codes[code].rows
    out: Spans = defaultdict(list)
    for key, (first, end, count) in claims.items():
        if rows[key] >= count:
            out[key[1]].append((first, end))
    table = store.instruments(market, source)
    for row in store.read_gaps(market, source):
        if row["cause"] in NOTHING and row["stream"] == kind.encode():
            out[table[int(row["instrument"])].code].append((int(row["from_ns"]), int(row["to_ns"])))
    return out


def is_covered(found: Spans, code: str, first: int, end: int) -> bool:
    """Tell whether one span holds the whole of [first, end)."""
    return any(low <= first and end <= high for low, high in found.get(code, ()))


class DayStock:
    """What is stored of one day: row times by code, whether they have a book, ids of trades."""

    def __init__(self, store: TickStore, market: str, source: str, day: int) -> None:
        self._files: dict[str, list[tuple[Path, Manifest]]] = defaultdict(list)
        for path, manifest in store.manifests(market, source):
            if manifest.info.day == day:
                self._files[manifest.info.kind].append((path, manifest))

    def _columns(self, kind: str, code: str, names: list[str]) -> list[Any]:
        parts = []
        for path, manifest in self._files[kind]:
            if code in manifest.codes:
                with pq.ParquetFile(path) as file:
                    table = file.read(columns=["code", *names])
                mine = np.array([one == code for one in table.column("code").to_pylist()])
                parts.append([table.column(name).to_numpy()[mine] for name in names])
        return [np.concatenate([part[k] for part in parts]) if parts else np.empty(0, np.int64) for k in range(len(names))]

    def row_times(self, kind: str, code: str) -> tuple[np.ndarray, bool]:
        """Return (row times of `kind`, whether any row has a book)."""
        times, flags = self._columns(kind, code, ["row_time", "flags"])
        return times, bool(((flags.astype(np.int64) & ROW_NO_BOOK) == 0).any())

    def segments(self, kind: str, code: str) -> set[Path]:
        """Return the segments with rows of a code."""
        return {path for path, manifest in self._files[kind] if code in manifest.codes}

    def same(self, kind: str, code: str, keys: Sequence[str], rows: np.ndarray) -> np.ndarray:
        """Return which rows (of one code) are stored with the same values; of two stored ones the last counts."""
        times, *values = self._columns(kind, code, ["row_time", *keys])
        last = {time: at for at, time in enumerate(times.tolist())}
        at = np.array([last.get(time, -1) for time in rows["row_time"].tolist()], np.int64)
        same = np.zeros(len(rows), bool)
        if len(times):
            theirs = np.column_stack(values)[at]
            same = (at >= 0) & ((rows["values"] == theirs) | (np.isnan(rows["values"]) & np.isnan(theirs))).all(axis=1)
        return same

    def trade_ids(self, code: str) -> np.ndarray:
        """Return the ids of stored trades."""
        return np.asarray(self._columns("trade", code, ["first_id"])[0])
