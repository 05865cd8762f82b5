"""Tables (CSV, Parquet) by column: numbers and times with a mark on what is none."""

from __future__ import annotations

import datetime as dt
import re
import zipfile
import zlib
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
from trading.importers.csv_lines import GoodLines, decoded, heading_fields, separator_of
from trading.importers.files import PARQUET, first_line, magic, open_binary
from trading.importers.report import FileTally

_EPOCH = re.compile(r"[0-9]{9,19}(?:\.[0-9]*)?")
_STAMP = re.compile(r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])[0-3][0-9](?:[0-9]{4}|[0-9]{6})")
_GROUPED = re.compile(r"^[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?$")
"""A number with marks between its thousands, as spreadsheets and trading programs write it."""
_SAMPLE = 1_000
_REACH = (0, 9_214_646_400)
"""Seconds since 1970 of the first and the last year (2262) that is a time."""
_EPOCH_UNITS = ((10**17, 1), (10**14, 1_000), (10**11, 1_000_000), (0, 1_000_000_000))


def read_table(path: Path, tally: FileTally, names: list[str] | None = None) -> pa.Table:
    """Return a Parquet file, or a CSV file with every column as text (numbers are read later, exactly).

    `names` are the columns of a CSV file that does not name them itself. Lines of a CSV file that are no rows are refused
    in `tally`, which is told where the rows of the table stand in the file.

    Raises
    ------
    InputError
        ``import.table``: not a table, with the parser's words; ``import.long_line``.
    """
    try:
        if magic(path) == PARQUET:
            with pq.ParquetFile(path) as file:
                return file.read()
        told = heading_of(path)
        separator = separator_of(decoded(first_line(path)) or "")
        columns = names or told
        with open_binary(path) as file:
            lines = GoodLines(file, separator, len(columns), 0 if names else 1)
            table = _parsed(lines, separator, columns)
    except InputError as error:
        error.fields.setdefault("file", str(path))
        raise
    except (pa.ArrowException, OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise InputError("import.table", file=str(path), reason=str(error)) from error
    tally.leave_out(lines.bad, lines.kept())
    return table


def _parsed(lines: GoodLines, separator: str, columns: list[str]) -> pa.Table:
    schema = pa.schema([(name, pa.string()) for name in columns])
    if lines.is_empty():  # the parser takes no table without rows
        return schema.empty_table()
    options = pa_csv.ConvertOptions(column_types=schema, strings_can_be_null=True)
    parsing = pa_csv.ParseOptions(delimiter=separator)
    reading = pa_csv.ReadOptions(column_names=columns)
    table = pa_csv.read_csv(lines, read_options=reading, parse_options=parsing, convert_options=options)
    if separator == ";":  # of countries that write a decimal comma: 1,234 may be 1.234
        return table
    for place, name in enumerate(columns):
        if pc.any(pc.match_substring_regex(table.column(place), _GROUPED.pattern)).as_py():
            texts = [text.replace(",", "") if text and _GROUPED.fullmatch(text) else text for text in table.column(place).to_pylist()]
            table = table.set_column(place, name, pa.array(texts, pa.string()))
    return table


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
        line = decoded(first_line(path))
    except (pa.ArrowException, InputError, OSError):
        return []
    separator = separator_of(line or "")
    if not line or not separator or any(mark in line for mark in "{}[]"):
        return []
    return heading_fields(line, separator)


def numbers(column: pa.ChunkedArray) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return (float64 values, mask of those that are no finite number), each text read to the nearest float."""
    column = _plain(column)
    if pa.types.is_string(column.type):
        try:
            values = pc.cast(column, pa.float64()).to_numpy()
        except pa.ArrowInvalid:
            values = np.array([_number(text) for text in column.to_pylist()])
    else:
        values = pc.cast(column, pa.float64(), safe=False).to_numpy()
    values = np.asarray(values, np.float64)
    return values, ~np.isfinite(values)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column as numbers, times or texts, whatever its file packs them in (a dictionary, dates, long texts, bytes)."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(pc.cast(column, kind.value_type))
    if pa.types.is_date(kind):
        return pc.cast(column, pa.timestamp("s"))
    is_known = pa.types.is_timestamp(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_string(kind)
    if is_known or pa.types.is_decimal(kind):
        return column
    try:
        return pc.cast(column, pa.string())
    except pa.ArrowException:  # lists, structures, bytes that are no text: not one of them is a number or a time
        return pa.chunked_array([pa.nulls(len(column), pa.string())])


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
    column = _plain(column)
    kind = column.type
    if pa.types.is_timestamp(kind):
        if kind.tz is None:
            column = pc.assume_timezone(column, str(clock), ambiguous="earliest", nonexistent="earliest")
        column = pc.cast(column, pa.timestamp(column.type.unit, "UTC"))  # the same instants: two zones are not compared
        if kind.unit != "ns":
            first, last = (pa.scalar(one, pa.timestamp("s", "UTC")) for one in _REACH)
            can = pc.and_(pc.greater_equal(column, first), pc.less(column, last))  # what nanoseconds of 64 bits hold
            column = pc.cast(pc.if_else(can, column, None), pa.timestamp("ns", "UTC"))
        whole = pc.cast(column, pa.int64())
        missing = whole.is_null().to_numpy()
        return whole.fill_null(0).to_numpy().astype(np.int64), missing
    if not pa.types.is_string(kind):
        values, bad = numbers(column)
        return _epochs(values, bad)
    texts = column.to_pylist()
    if _are_epochs(texts):
        # Whole numbers are read as such: a float does not hold nanoseconds exactly.
        whole = np.array([int(text) if text and text.isdecimal() and len(text) < 20 else -1 for text in texts], np.int64)
        values, bad = (whole.astype(np.float64), whole < 0) if (whole >= 0).all() else numbers(column)
        if (bad | (whole >= 0)).all():
            return _whole_epochs(np.maximum(whole, 0)), whole <= 0
        return _epochs(values, bad)
    out = np.zeros(len(texts), np.int64)
    wrong = np.zeros(len(texts), bool)
    for k, text in enumerate(texts):
        moment = _moment(text or "")
        if moment is None:
            wrong[k] = True
            continue
        moment = moment if moment.tzinfo else moment.replace(tzinfo=clock)
        out[k] = int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000
    return out, wrong


def _are_epochs(texts: list[str | None]) -> bool:
    """Tell whether half of the first times or more are counts since 1970; 12 and 14 figures from 19 or 20 on are a date and time."""
    told = [text for text in texts[:_SAMPLE] if text]
    counts = [text for text in told if _EPOCH.fullmatch(text) and not _STAMP.fullmatch(text)]
    return 0 < len(told) <= 2 * len(counts)


def _moment(text: str) -> dt.datetime | None:
    """Return a date and time of ISO's form, of figures alone (YYYYMMDDhhmm[ss]) or with slashes or dots in the date."""
    text = text.strip()
    if _STAMP.fullmatch(text):
        text = f"{text[:8]}T{text[8:]}"
    for told in (text, text[:10].replace("/", "-").replace(".", "-") + text[10:]):
        try:
            moment = dt.datetime.fromisoformat(told)
        except ValueError:
            continue
        return moment if 1970 <= moment.year < 2262 else None
    return None


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
