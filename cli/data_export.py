"""Rows out as Parquet or CSV (command-line.md, "Rows")."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from domain.errors import InputError
from domain.records import row_schema
from storage.bars import open_bars
from storage.columns import RowSet
from storage.ticks import TickStore
from trading.importers import MARKETS

_ENDINGS = (".parquet", ".csv")


def export_rows(
    store: TickStore,
    market: str,
    interval_s: int,
    source: str | None,
    symbols: list[str] | None,
    from_day: int | None,
    to_day: int | None,
    out: Path,
    names: str,
) -> dict[str, Any]:
    """Write rows sorted by code, then time; one file, or one per symbol when `out` is a folder.

    Returns
    -------
    dict
        ``source``, ``rows``, ``files``.
    """
    rows = open_bars(store, MARKETS[market], interval_s, source, symbols, from_day, to_day)
    blocks = rows.blocks
    if not len(blocks):
        raise InputError("backtest.no_rows", market=market, source=rows.source)
    if out.suffix in _ENDINGS:
        out.parent.mkdir(parents=True, exist_ok=True)
        _write(rows, blocks, out, names)
        files = [out]
    elif out.suffix and not out.is_dir():
        raise InputError("data.bad_ending", path=str(out))
    else:
        out.mkdir(parents=True, exist_ok=True)
        files = []
        for symbol in np.unique(blocks["symbol"]).tolist():
            files.append(out / f"{rows.codes[symbol]}.parquet")
            _write(rows, blocks[blocks["symbol"] == symbol], files[-1], names)
    return {"source": rows.source, "rows": rows.rows, "files": [str(path) for path in files]}


def _write(rows: RowSet, blocks: np.ndarray, path: Path, names: str) -> None:
    """Write blocks to `path`, replaced only when the whole of it is there."""
    schema = row_schema(MARKETS[rows.market].kind, rows.interval_s)
    heading = {column.key: column.ko if names == "ko" else column.key for column in schema.columns}
    code_name, time_name = ("종목코드", "체결시간") if names == "ko" else ("code", "row_time")
    types = [(code_name, pa.string()), (time_name, pa.int64()), *((heading[key], pa.float64()) for key in schema.keys)]
    arrow = pa.schema(types)
    temporary = path.with_name(path.name + ".tmp")
    writer: Any = (
        pq.ParquetWriter(temporary, arrow, compression="zstd") if path.suffix == ".parquet" else pa_csv.CSVWriter(temporary, arrow)
    )
    try:
        with writer:
            for block in blocks.tolist():
                symbol, _, lo, hi = block
                arrays = [pa.array([rows.codes[symbol]] * (hi - lo)), pa.array(rows.row_time[lo:hi])]
                arrays += [pa.array(rows.columns[key][lo:hi]) for key in schema.keys]
                writer.write_table(pa.Table.from_arrays(arrays, schema=arrow))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
