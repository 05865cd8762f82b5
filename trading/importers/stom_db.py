"""STOM's SQLite databases of one-second and one-minute rows: which tables they have, of which layout (strategy-language §11).

A table is one symbol, its index column the row time; ``moneytop`` holds the universe by time, ``codename`` names. A
layout is told by the names of the columns, so their order does not matter: V1 and V3, tick and minute, Korean stocks
and coins. Only reading is done, and by days, because a master database holds years.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from domain.errors import InputError
from domain.records import RowSchema, row_schema

MAGIC = b"SQLite format 3\x00"
UNIVERSE, NAMES, RANKED = "moneytop", "codename", "거래대금순위"
INDEX_NAMES = ("index", "체결시간")
BUSY_S = 1.0
FETCH = 8_192

DROPPED_IN_V3 = ("거래대금증감", "전일비", "회전율", "전일동시간비", "라운드피겨위5호가이내")
ADDED_IN_V3 = (
    *("저가대비고가등락율", "{}매수금액", "{}매도금액", "당일매수금액", "최고매수금액", "최고매수가격"),
    *("당일매도금액", "최고매도금액", "최고매도가격"),
)
NEVER_STORED = ("순매수금액",)
_PER = {1: "초당", 60: "분당"}


@dataclass(frozen=True)
class Layout:
    """What a table of rows is.

    Parameters
    ----------
    schema : RowSchema
        Of ours.
    generation : {"v1", "v3"}
    missing : tuple of str
        Columns that a table of this layout must have and this one has not.
    """

    schema: RowSchema
    generation: str
    missing: tuple[str, ...]


def layout_of(names: list[str]) -> Layout | None:
    """Return the layout of a table's columns, None when it is no table of rows at all."""
    have = set(names)
    interval_s = next((seconds for seconds, per in _PER.items() if f"{per}매수수량" in have), 0)
    if not interval_s or "현재가" not in have:
        return None
    kind = "stock" if {"시가총액", "VI가격"} & have else "coin"
    schema = row_schema(kind, interval_s)
    added = tuple(word.format(_PER[interval_s]) for word in ADDED_IN_V3)
    generation = "v3" if set(added) & have else "v1"
    absent = (*NEVER_STORED, *(added if generation == "v1" else DROPPED_IN_V3))
    wanted = [column.ko for column in schema.columns if column.ko not in absent]
    return Layout(schema, generation, tuple(name for name in wanted if name not in have and name != "관심종목"))


@dataclass
class SymbolTable:
    """One table of rows.

    Attributes
    ----------
    days : list of int
        YYYYMMDD of its rows; what is no such number is in `bad`.
    bad : int
        Rows whose time is no time.
    """

    code: str
    layout: Layout
    index: str
    columns: list[str]
    rows: int
    days: list[int] = field(default_factory=list)
    bad: int = 0


class StomDatabase:
    """An open database, read in one transaction so that nobody changes it meanwhile.

    Attributes
    ----------
    tables : list of SymbolTable
        Sorted by code.
    others : list of str
        Tables that hold no rows.
    names : dict of code to str
    """

    def __init__(self, path: Path, link: sqlite3.Connection) -> None:
        self.path = path
        self._link = link
        self.tables: list[SymbolTable] = []
        self.others: list[str] = []
        self.names: dict[str, str] = {}
        self._universe = ""
        for (name,) in link.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"):
            self._sort_in(str(name))

    def _sort_in(self, name: str) -> None:
        columns = [str(row[1]) for row in self._link.execute(f"PRAGMA table_info({_quoted(name)})")]
        if name == UNIVERSE:
            if RANKED in columns and (index := _index_of(columns)):
                self._universe = index
            return
        if name == NAMES:
            self._read_names(columns)
            return
        layout, index = layout_of(columns), _index_of(columns)
        if layout is None or not index:
            self.others.append(name)
            return
        rows = int(self._link.execute(f"SELECT count(*) FROM {_quoted(name)}").fetchone()[0])
        self.tables.append(SymbolTable(name, layout, index, columns, rows))

    def _read_names(self, columns: list[str]) -> None:
        code = next((word for word in ("종목코드", "code", *INDEX_NAMES) if word in columns), "")
        if code and "종목명" in columns:
            for who, name in self._link.execute(f"SELECT {_quoted(code)}, {_quoted('종목명')} FROM {_quoted(NAMES)}"):
                self.names[str(who)] = str(name)

    @property
    def has_universe(self) -> bool:
        return bool(self._universe)

    def find_days(self, table: SymbolTable) -> None:
        """Fill in the days of a table, by steps from one day to the next: an index makes that quick, whatever its size."""
        name, index = _quoted(table.code), _quoted(table.index)
        per_day = 1_000_000 if table.layout.schema.interval_s == 1 else 10_000
        low, high = 19000101 * per_day, 99991231 * per_day
        # What is no whole number of that length, NULL and text among them, is in no day's range.
        inside = f"SELECT count(*) FROM {name} WHERE typeof({index}) IN ('integer', 'real') AND {index} BETWEEN ? AND ?"
        table.bad = table.rows - int(self._link.execute(inside, (low, high)).fetchone()[0])
        after = low
        while True:
            found = self._link.execute(f"SELECT min({index}) FROM {name} WHERE {index} >= ? AND {index} <= ?", (after, high)).fetchone()[0]
            if found is None:
                return
            day = int(found) // per_day
            table.days.append(day)
            after = (day + 1) * per_day

    def rows(self, table: SymbolTable, day: int) -> tuple[NDArray[np.int64], NDArray[np.float64], list[str]]:
        """Return (row times, values, names of the columns) of one day as they lie there; what is no number is NaN.

        The times are −1 where they are no whole number.
        """
        per_day = 1_000_000 if table.layout.schema.interval_s == 1 else 10_000
        wanted = [name for name in (column.ko for column in table.layout.schema.columns) if name in table.columns]
        index = _quoted(table.index)
        what = ", ".join([index, *(_quoted(name) for name in wanted)])
        cursor = self._link.execute(
            f"SELECT {what} FROM {_quoted(table.code)} WHERE {index} >= ? AND {index} < ? AND typeof({index}) IN ('integer', 'real')",
            (day * per_day, (day + 1) * per_day),
        )
        parts = [np.zeros((0, len(wanted) + 1))]
        while chunk := cursor.fetchmany(FETCH):
            parts.append(_numbers(chunk))
        whole = np.concatenate(parts)
        times = whole[:, 0]
        return np.where(times == np.rint(times), times, -1).astype(np.int64), whole[:, 1:], wanted

    def universe(self, day: int, interval_s: int) -> tuple[NDArray[np.int64], list[frozenset[str]]]:
        """Return (times, codes in the universe from then on) of a day, oldest first; empty without a ``moneytop``."""
        if not self._universe:
            return np.zeros(0, np.int64), []
        per_day, index = 1_000_000 if interval_s == 1 else 10_000, _quoted(self._universe)
        rows = self._link.execute(
            f"SELECT {index}, {_quoted(RANKED)} FROM {_quoted(UNIVERSE)} WHERE {index} >= ? AND {index} < ? ORDER BY {index}",
            (day * per_day, (day + 1) * per_day),
        )
        times, lists = [], []
        for when, text in rows:
            times.append(int(when))
            lists.append(frozenset(str(text or "").split(";")))
        return np.array(times, np.int64), lists


@contextmanager
def open_database(path: Path) -> Iterator[StomDatabase]:
    """Open a database for reading.

    Raises
    ------
    InputError
        ``import.database_busy``: another program writes it, or left it unfinished; ``import.database_damaged`` with
        SQLite's words.
    """
    unfinished = [path.with_name(path.name + end) for end in ("-journal", "-wal")]
    if any(one.exists() and one.stat().st_size for one in unfinished):
        raise InputError("import.database_busy", file=str(path))
    link = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_S, isolation_level=None)
    try:
        link.execute("BEGIN")
        verdict = str(link.execute("PRAGMA quick_check(1)").fetchone()[0])
        if verdict != "ok":
            raise InputError("import.database_damaged", file=str(path), reason=" ".join(verdict.split()))
        yield StomDatabase(path, link)
    except sqlite3.OperationalError as error:
        code = "import.database_busy" if "locked" in str(error) or "busy" in str(error) else "import.database_damaged"
        raise InputError(code, file=str(path), reason=str(error)) from error
    except sqlite3.DatabaseError as error:
        raise InputError("import.database_damaged", file=str(path), reason=str(error)) from error
    finally:
        link.close()


def is_database(path: Path) -> bool:
    """Tell whether a file begins as SQLite's do."""
    with open(path, "rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _index_of(columns: list[str]) -> str:
    return next((name for name in INDEX_NAMES if name in columns), "")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _numbers(chunk: list[tuple[object, ...]]) -> NDArray[np.float64]:
    try:
        return np.array(chunk, np.float64)
    except (ValueError, TypeError):  # a cell may hold anything in SQLite
        return np.array([[_number(cell) for cell in row] for row in chunk], np.float64)


def _number(cell: object) -> float:
    try:
        return float(cell)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        return float("nan")
