"""Rows of a STOM database as rows of ours, day by day, symbol by symbol; what a generation did not store is worked out.

V1 stored no amounts by side: they are price × quantity, and the peaks are the largest sums at one price of the day. V3
dropped five columns of stocks: the round figure follows from the ladder, the others are not known (NaN), and a
text that reads them is refused on such rows (storage/columns.py).
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.errors import InputError
from domain.instruments import NS, Instrument, Market
from domain.records import ROW_NO_BOOK, RowSchema
from storage.segments import GAP_DTYPE, Part, write_synced
from storage.ticks import ROW_KINDS, SegmentWriter, TickStore
from trading.importers.bar_files import market_of_symbol
from trading.importers.covered import DayStock
from trading.importers.events import SOURCE
from trading.importers.gaps import new_gaps
from trading.importers.recordings import derived_instrument
from trading.importers.report import NOT_CHOSEN, TAKEN, FileTally, ImportReport
from trading.importers.rows_in import clock_ns
from trading.importers.stom_db import StomDatabase, SymbolTable, open_database
from trading.importers.tables import decimals_in

ROUND = "near_round_figure"
_SILENT_S = 600


def market_for_table(code: str, kind: str) -> str:
    """Return the market of a table, "" when its name tells none; STOM's Binance is the futures market."""
    told = market_of_symbol(code)
    if (told == "krx") != (kind == "stock"):
        return ""
    return "binance-futures" if told == "binance" else told


class DatabaseImport:
    """Takes one database into the store, or judges it only.

    Parameters
    ----------
    market : str, optional
        Where the tables' names do not tell it, or spot is meant.
    digest : str
        SHA-256 of the file; kept as where the rows came from.
    name : str
        Of the import that this is a part of (storage/imports.py).
    """

    def __init__(
        self,
        store: TickStore,
        markets: dict[str, Market],
        path: Path,
        digest: str,
        tally: FileTally,
        report: ImportReport,
        market: str | None = None,
        symbols: Sequence[str] | None = None,
        on_progress: Callable[[int], None] | None = None,
        name: str = "",
    ) -> None:
        self._store, self._markets, self._path, self._digest = store, markets, path, digest
        self._tally, self._report, self._market, self._symbols = tally, report, market, symbols
        self._progress = on_progress or (lambda _: None)
        self._notes: list[str] = []
        self._writer: SegmentWriter | None = None
        self._session = secrets.token_hex(8)
        self._name = name

    def run(self) -> None:
        """Import; a failure takes back what this run stored.

        Raises
        ------
        InputError
            The database is damaged, in use, or holds no table of rows (``import.database_no_rows``).
        """
        take_back(self._store, self._digest)
        mark = mark_of(self._store, self._digest)
        if not self._report.dry_run:
            mark.parent.mkdir(parents=True, exist_ok=True)
            write_synced(mark, self._session.encode())
        try:
            with open_database(self._path) as database:
                if not database.tables:
                    raise InputError("import.database_no_rows", file=str(self._path), tables=", ".join(database.others[:12]) or "–")
                self._tally.family = self._family(database)
                for table in database.tables:
                    self._tally.rows_in += table.rows
                for market, interval_s, tables in self._groups(database):
                    self._group(database, market, interval_s, tables)
        except BaseException:
            self._close_writer()
            take_back(self._store, self._digest)
            raise
        mark.unlink(missing_ok=True)
        self._tally.note = "; ".join(self._notes[:12])
        self._tally.check()

    def _family(self, database: StomDatabase) -> str:
        kinds = {(one.layout.generation, one.layout.schema.kind, one.layout.schema.interval_s) for one in database.tables}
        generation, kind, interval_s = sorted(kinds)[0]
        return f"stom {generation} {kind} {'tick' if interval_s == 1 else 'min'}"

    def _groups(self, database: StomDatabase) -> list[tuple[Market, int, list[SymbolTable]]]:
        """Return (market, interval, tables) of what can be taken; the rest is counted as refused."""
        groups: dict[tuple[str, int], list[SymbolTable]] = {}
        for table in database.tables:
            schema = table.layout.schema
            told = market_for_table(table.code, schema.kind) if self._market is None else self._market
            if table.code in self._tally.taken:
                self._tally.reasons[TAKEN] += table.rows
            elif self._symbols and table.code not in self._symbols:
                self._tally.reasons[NOT_CHOSEN] += table.rows
            elif table.layout.missing:
                self._tally.reasons["missing_columns"] += table.rows
                self._notes.append(f"{table.code}: {', '.join(table.layout.missing)}")
            elif not told or self._markets[told].kind != schema.kind:
                self._tally.reasons["other_market"] += table.rows
                self._notes.append(table.code)
            else:
                groups.setdefault((told, schema.interval_s), []).append(table)
        self._tally.symbols = sorted({table.code for tables in groups.values() for table in tables} | self._tally.taken)
        return [(self._markets[code], interval_s, groups[code, interval_s]) for code, interval_s in sorted(groups)]

    # --- one market and interval ------------------------------------------------------------------

    def _group(self, database: StomDatabase, market: Market, interval_s: int, tables: list[SymbolTable]) -> None:
        for table in tables:
            database.find_days(table)
            if table.bad:
                self._tally.reasons["row_time"] += table.bad
        days = sorted({day for table in tables for day in table.days})
        origin = {
            "what": "import",
            "import": self._name,
            "session": self._session,
            "files": [{"name": self._path.name, "sha256": self._digest}],
        }
        for day in days:
            self._day(database, market, interval_s, [table for table in tables if day in table.days], day, origin)

    def _day(
        self, database: StomDatabase, market: Market, interval_s: int, tables: list[SymbolTable], day: int, origin: dict[str, Any]
    ) -> None:
        store, kind = self._store, ROW_KINDS[interval_s]
        stock = DayStock(store, market.code, SOURCE, day)
        known = {one.code: one for one in store.instruments(market.code, SOURCE)}
        universe = database.universe(day, interval_s)
        seq = store.next_seq(market.code, SOURCE)
        writer = None if self._report.dry_run else store.writer(market, SOURCE, kind, tables[0].layout.schema, [], origin)
        self._writer = writer
        holes: list[tuple[int, int, int]] = []
        place = 0
        for table in tables:
            rows = self._rows(database, market, table, day, universe)
            stored, has_book = stock.row_times(kind, table.code)
            # Rows with a book stay; rows of candles make room, except for the very same: of two rows the one stored last is read.
            fresh = ~(np.isin(rows["row_time"], stored) if has_book else stock.same(kind, table.code, table.layout.schema.keys, rows))
            if not fresh.all():
                self._tally.rows_known += int((~fresh).sum())
                self._report.relied |= stock.segments(kind, table.code)
            rows = rows[fresh]
            self._tally.rows_stored += len(rows)
            self._report.rows_made["1s" if interval_s == 1 else "1m"] += len(rows)
            self._progress(len(rows))
            if not len(rows):
                continue
            rows["instrument"], rows["seq"] = place, seq + np.arange(len(rows))
            rows["exchange_ns"] = rows["received_ns"] = clock_ns(rows["row_time"], interval_s, market.day_offset_s())
            seq += len(rows)
            if market.kind == "coin":
                holes += [(place, *hole) for hole in _holes(rows["exchange_ns"])]
            if writer is not None:
                writer.add_instruments([known.get(table.code) or self._instrument(database, market, table.code, rows, table.layout.schema)])
                writer.append(rows)
            place += 1
        self._tell_holes(market, holes, [] if writer is None else writer.instruments, [one.code for one in tables])
        if writer is not None:
            writer.seal()

    def _tell_holes(self, market: Market, holes: list[tuple[int, int, int]], instruments: list[Instrument], codes: list[str]) -> None:
        if not holes:
            return
        for who, first, last in holes:
            code = instruments[who].code if instruments else codes[who]
            gap = {"market": market.code, "symbol": code, "cause": "missing_bars", "from_ns": first, "to_ns": last, "state": "marked"}
            self._report.gaps.append(gap)
        if instruments:
            entries = np.zeros(len(holes), GAP_DTYPE)
            entries["instrument"], entries["from_ns"], entries["to_ns"] = zip(*sorted(holes, key=lambda one: one[1]), strict=True)
            entries["exchange_ns"] = entries["from_ns"]
            entries["stream"], entries["cause"], entries["state"] = b"rows", b"missing_bars", b"marked"
            entries = new_gaps(self._store, market.code, SOURCE, entries, instruments)
            if len(entries):
                self._store.append_gaps(market.code, SOURCE, entries, market.day_offset_s(), instruments)

    def _instrument(self, database: StomDatabase, market: Market, code: str, rows: np.ndarray, schema: RowSchema) -> Instrument:
        values = rows["values"]
        decimals = decimals_in(values[:, schema.index("last_price")]), decimals_in(values[:, schema.index("bid_size1")])
        name = database.names.get(code)
        return derived_instrument(market, code, decimals, (name, "") if name else None)

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.abandon()

    # --- rows -------------------------------------------------------------------------------------

    def _rows(
        self,
        database: StomDatabase,
        market: Market,
        table: SymbolTable,
        day: int,
        universe: tuple[NDArray[np.int64], list[frozenset[str]]],
    ) -> np.ndarray:
        """Return the good rows of one symbol's day, oldest first."""
        schema = table.layout.schema
        times, raw, names = database.rows(table, day)
        given = {name: raw[:, k] for k, name in enumerate(names)}
        if "관심종목" not in given:
            given["관심종목"] = np.zeros(len(times))
        bad = np.full(len(times), "", object)
        bad[~_is_time(times, schema.interval_s)] = "row_time"
        numbers = np.column_stack(list(given.values())) if given else raw
        bad[(bad == "") & ~np.isfinite(numbers).all(axis=1)] = "number"
        with np.errstate(invalid="ignore"):
            bad[(bad == "") & ~((given["현재가"] > 0) & (given["현재가"] < 1e15))] = "price"
            shape = (given["고가"] < given["현재가"]) | (given["저가"] > given["현재가"]) | ~(given["저가"] > 0)
            bad[(bad == "") & shape] = "high_low"
        good = np.flatnonzero(bad == "")
        order = good[np.argsort(times[good], kind="stable")]
        if (np.diff(times[good]) < 0).any():
            self._notes.append(f"{table.code} {day}: out of order")
        twice = np.zeros(len(order), bool)
        twice[1:] = np.diff(times[order]) == 0
        bad[order[twice]] = "duplicate"
        order = order[~twice]
        self._tally.reasons += Counter(bad[bad != ""].tolist())
        rows = np.zeros(len(order), schema.dtype())
        rows["row_time"] = times[order]
        for k, column in enumerate(schema.columns):
            rows["values"][:, k] = given[column.ko][order] if column.ko in given else np.nan
        if len(rows):
            fill_in(market, rows["values"], schema, day, table.layout.generation)
            listed = _listed(universe, rows["row_time"], table.code)
            if listed is not None:
                rows["values"][:, schema.index("in_universe")] = listed
            sizes = [schema.index(f"{side}_size{n}") for side in ("ask", "bid") for n in range(1, 6)]
            rows["flags"] = np.where((rows["values"][:, sizes] == 0).all(axis=1), ROW_NO_BOOK, 0)
        return rows


def fill_in(market: Market, values: NDArray[np.float64], schema: RowSchema, day: int, generation: str) -> None:
    """Work out, in place, what a generation did not store of one symbol's day.

    Parameters
    ----------
    values : float64 (rows, columns)
        In the order of `schema`, oldest first; NaN where nothing was stored.
    """
    per = "1s" if schema.interval_s == 1 else "1m"
    places = 6 if schema.kind == "stock" else 4
    where = schema.index
    price = values[:, where("last_price")]
    if generation == "v1":
        values[:, where("range_pct")] = np.rint((values[:, where("day_high")] / values[:, where("day_low")] - 1) * 1e4) / 1e2
        for side in ("buy", "sell"):
            amount = price * values[:, where(f"{side}_volume_{per}")] / market.value_unit
            values[:, where(f"{side}_value_{per}")] = np.round(amount, places)
            values[:, where(f"day_{side}_value")] = np.round(np.cumsum(amount), places)
            peak, at = peaks(price, amount)
            values[:, where(f"peak_{side}_value")], values[:, where(f"peak_{side}_price")] = np.round(peak, places), at
    elif schema.kind == "stock":
        values[:, where(ROUND)] = _round_figures(market, price, day)
    values[:, where("net_buy_value")] = np.round(values[:, where(f"buy_value_{per}")] - values[:, where(f"sell_value_{per}")], places)


def peaks(price: NDArray[np.float64], amount: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (largest sum of amounts at one price so far, that price) by row; 0 before the first amount.

    A peak moves only when another price's sum becomes strictly larger (strategy-language §14.1).
    """
    order = np.argsort(price, kind="stable")
    sums = np.cumsum(amount[order])
    starts = np.flatnonzero(np.concatenate(([True], np.diff(price[order]) != 0)))
    before = np.concatenate(([0.0], sums))[starts]
    level = np.empty(len(price))
    level[order] = sums - np.repeat(before, np.diff(np.append(starts, len(price))))
    level = np.where(amount > 0, level, 0.0)
    top = np.maximum.accumulate(level)
    moved = level > np.concatenate(([0.0], top[:-1]))
    last = np.maximum.accumulate(np.where(moved, np.arange(len(price)), -1))
    return top, np.where(last >= 0, price[last], 0.0)


def _round_figures(market: Market, price: NDArray[np.float64], day: int) -> NDArray[np.float64]:
    """Return 1 within five steps above a border of two price bands (§4.3)."""
    ladder = market.ladder(dt.date(day // 10_000, day // 100 % 100, day % 100))
    out = np.zeros(len(price))
    for band in ladder.steps:
        if band.lower > 0:
            out[(price >= band.lower) & (price <= band.lower + 5 * band.step)] = 1.0
    return out


def _listed(universe: tuple[NDArray[np.int64], list[frozenset[str]]], times: NDArray[np.int64], code: str) -> NDArray[np.float64] | None:
    """Return by row whether the newest list holds the code; None without lists."""
    when, lists = universe
    if not len(when):
        return None
    flags = np.array([code in one for one in lists], np.float64)
    at = np.searchsorted(when, times, side="right") - 1
    return np.where(at >= 0, flags[np.maximum(at, 0)], 0.0)


def _is_time(times: NDArray[np.int64], interval_s: int) -> NDArray[np.bool_]:
    whole = times if interval_s == 1 else times * 100
    day, clock = whole // 1_000_000, whole % 1_000_000
    month, date = day // 100 % 100, day % 100
    good = (month >= 1) & (month <= 12) & (date >= 1) & (date <= 31)
    return (times > 0) & good & (clock // 10_000 < 24) & (clock // 100 % 100 < 60) & (clock % 100 < 60)


def _holes(ends: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return (end of the row before, end of the row after) of every silence of ten minutes and more."""
    return [(int(ends[k]), int(ends[k + 1])) for k in np.flatnonzero(np.diff(ends) > _SILENT_S * NS).tolist()]


def mark_of(store: TickStore, digest: str) -> Path:
    """Return the file that stands while a database of this hash is being taken."""
    return store.root / "downloads" / f"{digest}.unfinished"


def unfinished(store: TickStore) -> set[str]:
    """Return the hashes of databases whose import was killed."""
    folder = store.root / "downloads"
    return {path.stem for path in folder.glob("*.unfinished")} if folder.is_dir() else set()


def take_back(store: TickStore, digest: str) -> None:
    """Delete everything that an unfinished import of this file stored; what another import of it stored stays."""
    mark = mark_of(store, digest)
    if not mark.exists():
        return
    session = mark.read_text("utf-8")
    for market in store.markets():
        for path in (store.folder / market / SOURCE).glob("*/*/*.part"):
            info = Part(path).info
            if info is not None and _is_of(info.origin, digest, session):
                path.unlink(missing_ok=True)
        for path, manifest in list(store.manifests(market, SOURCE)):
            if _is_of(manifest.info.origin, digest, session):
                path.with_suffix(".json").unlink(missing_ok=True)
                path.unlink(missing_ok=True)
    mark.unlink(missing_ok=True)


def _is_of(origin: dict[str, Any], digest: str, session: str) -> bool:
    if session and origin.get("session") != session:
        return False
    return any(one["sha256"] == digest for one in origin.get("files", []))
