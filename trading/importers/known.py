"""Which rows of an import the store has already with the same values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from storage.segments import Manifest, file_sha256, from_table
from storage.ticks import ROW_KINDS, TickStore
from trading.importers.events import SOURCE

_PLACE = 10**14
"""More than any row time: instrument × this + time names a row."""


def known_rows(
    store: TickStore,
    market: str,
    interval_s: int,
    rows: np.ndarray,
    codes: Sequence[str],
    relied: set[Path],
    moot: tuple[int, NDArray[np.bool_]] | None = None,
) -> NDArray[np.bool_]:
    """Return which rows are stored already; of two stored rows of one time the one stored last counts, as for every reader.

    Parameters
    ----------
    rows : ndarray of a row dtype
        `instrument` is the position in `codes`.
    relied : set of Path
        The segments that hold known rows are added.
    moot : (column, bool (rows,)), optional
        A column that need not be the same, and in which rows.
    """
    per_day = 1_000_000 if interval_s == 1 else 10_000
    days = rows["row_time"] // per_day
    found: dict[int, list[tuple[Path, Manifest]]] = {}
    for path, manifest in store.manifests(market, SOURCE, ROW_KINDS[interval_s]):
        if manifest.codes.keys() & set(codes):
            found.setdefault(manifest.info.day, []).append((path, manifest))
    known = np.zeros(len(rows), bool)
    place = {code: k for k, code in enumerate(codes)}
    for day in np.unique(days).tolist():
        parts = [(path, part) for path, manifest in found.get(day, ()) if (part := _read(path, manifest, place)) is not None]
        if not parts:
            continue
        stored = np.concatenate([part for _, part in parts])
        owner = np.repeat(np.arange(len(parts)), [len(part) for _, part in parts])
        keys = stored["instrument"].astype(np.int64) * _PLACE + stored["row_time"]
        order = np.lexsort((stored["seq"], keys))
        last = order[np.append(np.diff(keys[order]) != 0, True)]
        mine = np.flatnonzero(days == day)
        wanted = rows["instrument"][mine].astype(np.int64) * _PLACE + rows["row_time"][mine]
        at = np.minimum(np.searchsorted(keys[last], wanted), len(last) - 1)
        there = keys[last[at]] == wanted
        ours, theirs = rows["values"][mine], stored["values"][last[at]]
        same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
        if moot is not None:
            same[moot[1][mine], moot[0]] = True
        known[mine] = there & same.all(axis=1)
        relied.update(parts[k][0] for k in np.unique(owner[last[at[known[mine]]]]).tolist())
    return known


def _read(path: Path, manifest: Manifest, place: dict[str, int]) -> np.ndarray | None:
    """Return a segment's rows of the codes wanted; None where it is damaged or has none: a damaged one holds nothing that is known."""
    index = {one.code: place.get(one.code, -1) for one in manifest.instruments}
    try:
        if file_sha256(path) != manifest.sha256:
            return None
        with pq.ParquetFile(path) as file:
            rows = from_table(file.read(), manifest.info, index)
    except (OSError, pa.ArrowException, KeyError):
        return None
    rows = rows[rows["instrument"] >= 0]
    return rows if len(rows) else None
