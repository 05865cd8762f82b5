"""Rows of one symbol and time that lie in several segments: of them the one stored last is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.segments import Manifest


def doubled_rows(files: Sequence[tuple[Path, Manifest]]) -> Counter[str]:
    """Return code → how many rows of one (market, source, kind, day) have a later row of the same time.

    Only segments whose spans of a code meet are read; one that cannot be read takes nothing off.
    """
    found: Counter[str] = Counter()
    spans: dict[str, list[tuple[int, int, Path]]] = {}
    for path, manifest in files if len(files) > 1 else ():
        for code, span in manifest.codes.items():
            spans.setdefault(code, []).append((span.first, span.last, path))
    tables: dict[Path, pa.Table | None] = {}
    for code, met in spans.items():
        met.sort(key=lambda one: one[:2])
        if all(before[1] < after[0] for before, after in zip(met, met[1:], strict=False)):
            continue
        times = []
        for _, _, path in met:
            if path not in tables:
                tables[path] = _read(path)
            table = tables[path]
            if table is not None:
                times.append(table.filter(pc.equal(table.column("code"), code)).column("row_time").to_numpy())
        if times:
            whole = np.concatenate(times)
            found[code] = len(whole) - len(np.unique(whole))
    return +found


def _read(path: Path) -> pa.Table | None:
    try:
        with pq.ParquetFile(path) as file:
            table = file.read(columns=["code", "row_time"])
            return table.set_column(0, "code", pc.cast(table.column("code"), pa.string()))
    except (OSError, pa.ArrowException):
        return None
