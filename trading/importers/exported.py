"""Rows as `data export` writes them, taken back unchanged; English or Korean headings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from domain.errors import InputError
from domain.instruments import Market
from domain.records import ROW_NO_BOOK, RowSchema, row_schema
from trading.importers.bar_files import market_of_symbol
from trading.importers.report import FileTally
from trading.importers.tables import numbers

MAY_BE_UNKNOWN = frozenset(("value_change_prev_day", "volume_ratio_prev_day", "turnover_rate", "volume_ratio_same_time"))
"""Columns that rows of a STOM V3 database do not have: NaN, in an export as in the store."""

IDENTITY = {"code": ("code", "종목코드"), "row_time": ("row_time", "체결시간")}


@dataclass
class ExportedRows:
    """A file of rows.

    Attributes
    ----------
    schema : RowSchema
        Market kind and interval, told by the headings.
    codes : list of str
        Sorted; `rows["instrument"]` is a position here.
    """

    path: Path
    schema: RowSchema
    codes: list[str]
    rows: np.ndarray
    tally: FileTally

    def leave_out(self, refused: dict[str, str]) -> None:
        """Refuse the rows of symbols (symbol → reason)."""
        for place, code in enumerate(self.codes):
            mine = self.rows["instrument"] == place
            if code in refused and mine.any():
                self.tally.reasons[refused[code]] += int(mine.sum())
                self.rows = self.rows[~mine]
        self.tally.rows_stored = len(self.rows)
        self.tally.check()


def schema_of(names: list[str]) -> RowSchema | None:
    """Return the row schema whose columns a table has, None when it is no table of rows."""
    have = set(names)
    if not all(have & set(words) for words in IDENTITY.values()):
        return None
    for kind in ("stock", "coin"):  # a stock's columns are more than a coin's
        for interval_s in (60, 1):
            schema = row_schema(kind, interval_s)
            if all(column.key in have or column.ko in have for column in schema.columns):
                return schema
    return None


def read_exported(path: Path, table: pa.Table, schema: RowSchema, tally: FileTally) -> ExportedRows:
    """Return the rows of an exported file; a row with a value that is no number, or a price that cannot be, is refused."""
    names = table.column_names
    code_name, time_name = (next(word for word in words if word in names) for words in IDENTITY.values())
    codes_text = np.array([str(code) for code in table.column(code_name).to_pylist()], object)
    times, bad = numbers(table.column(time_name))
    reason = np.full(len(times), "", object)
    digits = 14 if schema.interval_s == 1 else 12
    reason[bad | (times < 10 ** (digits - 1)) | (times >= 10**digits)] = "row_time"
    rows = np.zeros(len(times), schema.dtype())
    for k, column in enumerate(schema.columns):
        values, wrong = numbers(table.column(column.key if column.key in names else column.ko))
        if column.key in MAY_BE_UNKNOWN:
            wrong &= ~np.isnan(values)
        reason[wrong & (reason == "")] = "number"
        if column.unit in ("price", "qty"):
            with np.errstate(invalid="ignore"):
                reason[(values < 0) & (reason == "")] = "price" if column.unit == "price" else "qty"
        rows["values"][:, k] = values
    last = rows["values"][:, schema.index("last_price")]
    with np.errstate(invalid="ignore"):
        reason[~((last > 0) & (last < 1e15)) & (reason == "")] = "price"
    rows["row_time"] = np.where(reason == "", times, 0).astype(np.int64)
    sizes = [schema.index(f"{side}{n}") for side in ("ask", "bid") for n in range(1, 6)]
    rows["flags"] = np.where((rows["values"][:, sizes] == 0).all(axis=1), ROW_NO_BOOK, 0)
    codes = sorted(set(codes_text.tolist()))
    place = {code: k for k, code in enumerate(codes)}
    rows["instrument"] = [place[code] for code in codes_text.tolist()]
    order = np.lexsort((rows["row_time"], rows["instrument"]))
    twice = np.zeros(len(rows), bool)
    same = (np.diff(rows["instrument"][order]) == 0) & (np.diff(rows["row_time"][order]) == 0)
    twice[order[1:][same]] = True
    reason[twice & (reason == "")] = "duplicate"
    tally.rows_in = tally.unread + len(rows)
    tally.refuse_each(reason)
    tally.rows_stored = int((reason == "").sum())
    tally.symbols = codes
    tally.check()
    return ExportedRows(path, schema, codes, rows[reason == ""], tally)


def market_for(exported: ExportedRows, markets: dict[str, Market]) -> Market:
    """Return the Market that the codes tell; InputError ``import.market_needed`` when they disagree or say nothing."""
    told = {market_of_symbol(code) for code in exported.codes} or {""}
    if exported.schema.kind == "stock":
        told = {"krx"}
    if len(told) != 1 or "" in told:
        raise InputError("import.market_needed", file=str(exported.path))
    return markets[told.pop()]
