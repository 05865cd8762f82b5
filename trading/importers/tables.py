"""Tables (CSV, Parquet) by column: numbers and times with a mark on what is none."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from domain.errors import InputError
from domain.instruments import Market
from trading.importers.files import PARQUET, magic, open_binary

_EPOCH_UNITS = ((10**17, 1), (10**14, 1_000), (10**11, 1_000_000), (0, 1_000_000_000))


def read_table(path: Path, names: list[str] | None = None) -> pa.Table:
    """Return a Parquet file, or a CSV file with every column as text (numbers are read later, exactly).

    `names` are the columns of a CSV file that does not name them itself.

    Raises
    ------
    InputError
        ``import.table``: not a table, with the parser's words (line and field).
    """
    try:
        if magic(path) == PARQUET:
            with pq.ParquetFile(path) as file:
                return file.read()
        reading = pa_csv.ReadOptions(column_names=names)
        with open_binary(path) as file:
            heading = pa_csv.open_csv(file, read_options=reading).schema.names
        with open_binary(path) as file:
            options = pa_csv.ConvertOptions(column_types={name: pa.string() for name in heading}, strings_can_be_null=True)
            return pa_csv.read_csv(file, read_options=reading, convert_options=options)
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError("import.table", file=str(path), reason=str(error)) from error


def is_parquet(path: Path) -> bool:
    """Tell whether a file begins as Parquet does."""
    return magic(path) == PARQUET


def parquet_rows(path: Path) -> int:
    """Return the rows of a Parquet file by its own statement; 0 when it cannot be read."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except (pa.ArrowException, OSError):
        return 0


def heading_of(path: Path) -> list[str]:
    """Return the column names of a Parquet or CSV file; [] when it is no table."""
    try:
        if magic(path) == PARQUET:
            with pq.ParquetFile(path) as file:
                return [str(name) for name in file.schema_arrow.names]
        with open_binary(path) as file:
            line = file.readline().decode("utf-8-sig").strip()
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError):
        return []
    if "," not in line or any(mark in line for mark in "{}[]"):
        return []
    return [name.strip().strip('"') for name in line.split(",")]


def numbers(column: pa.ChunkedArray) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return (float64 values, mask of those that are no finite number), each text read to the nearest float."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        try:
            values = pc.cast(column, pa.float64()).to_numpy()
        except pa.ArrowInvalid:
            values = np.array([_number(text) for text in column.to_pylist()])
    else:
        values = pc.cast(column, pa.float64(), safe=False).to_numpy()
    values = np.asarray(values, np.float64)
    return values, ~np.isfinite(values)


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")


def times_ns(column: pa.ChunkedArray, market: Market | None, zone: str | None = None) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return (UTC nanoseconds, mask of what is no time) of timestamps, epoch numbers or ISO texts.

    A time without a zone is on `zone`'s clock, else on the market's (KRX: KST, coins: UTC), else UTC.
    """
    clock = ZoneInfo(zone or (market.zone if market else "UTC"))
    kind = column.type
    if pa.types.is_timestamp(kind):
        if kind.tz is None:
            column = pc.assume_timezone(column, str(clock))
        whole = pc.cast(pc.cast(column, pa.timestamp("ns", "UTC")), pa.int64())
        missing = whole.is_null().to_numpy()
        return whole.fill_null(0).to_numpy().astype(np.int64), missing
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        values, bad = numbers(column)
        return _epochs(values, bad)
    texts = column.to_pylist()
    first = next((text for text in texts if text), "")
    if first.replace(".", "", 1).isdigit() and len(first.partition(".")[0]) >= 9:
        whole = np.array([int(text) if text and text.isdigit() else -1 for text in texts], np.int64)
        if (whole >= 0).all():
            return _whole_epochs(whole), np.zeros(len(whole), bool)
        values, bad = numbers(column)
        return _epochs(values, bad)
    out = np.zeros(len(texts), np.int64)
    wrong = np.zeros(len(texts), bool)
    for k, text in enumerate(texts):
        try:
            moment = dt.datetime.fromisoformat(text.strip())
        except (ValueError, AttributeError):
            wrong[k] = True
            continue
        moment = moment if moment.tzinfo else moment.replace(tzinfo=clock)
        out[k] = int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000
    return out, wrong


def decimals_in(values: NDArray[np.float64]) -> int:
    """Return the finest decimal place used in numbers, at most 8."""
    for places in range(8):
        scaled = values * 10.0**places
        if (np.abs(scaled - np.rint(scaled)) < 1e-6 * np.maximum(1.0, np.abs(values))).all():
            return places
    return 8


def _whole_epochs(values: NDArray[np.int64]) -> NDArray[np.int64]:
    largest = int(values.max()) if len(values) else 0
    scale = next(scale for limit, scale in _EPOCH_UNITS if largest >= limit)
    return values * scale


def _epochs(values: NDArray[np.float64], bad: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    bad = bad | (values <= 0)
    whole = np.where(bad, 0, values)
    largest = float(whole.max()) if len(whole) else 0.0
    scale = next(scale for limit, scale in _EPOCH_UNITS if largest >= limit)
    return np.rint(whole * scale).astype(np.int64) if scale > 1 and (whole % 1).any() else whole.astype(np.int64) * scale, bad
