"""Ready rows (bars, exported rows) into the store."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np

from domain.instruments import NS, Instrument, Market
from domain.records import row_schema
from storage.segments import GAP_DTYPE
from storage.ticks import ROW_KINDS, TickStore
from trading.bars import bar_rows, mark_universe
from trading.importers.bar_files import BarFile, SymbolBars
from trading.importers.events import SOURCE
from trading.importers.exported import ExportedRows
from trading.importers.gaps import new_gaps
from trading.importers.known import known_rows
from trading.importers.recordings import derived_instrument
from trading.importers.report import TAKEN, ImportReport


def known_instruments(store: TickStore, market: Market, decimals: dict[str, tuple[int, int] | None]) -> list[Instrument]:
    """Return an Instrument for each code: the store's, else one derived from the file."""
    stored = {one.code: one for one in store.instruments(market.code, SOURCE)}
    return [stored.get(code) or derived_instrument(market, code, decimals[code], None) for code in sorted(decimals)]


def import_bars(
    store: TickStore, market: Market, files: Sequence[BarFile], refused: dict[str, str], report: ImportReport, origin: dict[str, Any]
) -> None:
    """Make one-minute rows of candles, all symbols of the import at once (관심종목 joins them)."""
    found: list[SymbolBars] = [one for file in files for one in file.split(refused)]
    if not found:
        return
    decimals: dict[str, tuple[int, int] | None] = {}
    for one in found:
        before = decimals.get(one.symbol) or (0, 0)
        decimals[one.symbol] = (max(before[0], one.decimals[0]), max(before[1], one.decimals[1]))
    instruments = known_instruments(store, market, decimals)
    place = {instrument.code: k for k, instrument in enumerate(instruments)}
    seq = store.next_seq(market.code, SOURCE)
    parts = []
    for one in found:
        parts.append(bar_rows(market, one.bars, place[one.symbol], seq))
        seq += len(parts[-1])
    rows = np.concatenate(parts)
    mark_universe(market, rows, [instrument.code for instrument in instruments])
    owner = np.repeat(np.arange(len(found)), [len(part) for part in parts])
    # 관심종목 is a matter of which files came together: a file that is repeated alone does not say it anew.
    moot = row_schema(market.kind, 60).index("in_universe"), np.array([one.tally.is_torn for one in found])[owner]
    fresh = ~known_rows(store, market.code, 60, rows, [one.code for one in instruments], report.relied, moot)
    for k, known in enumerate(np.bincount(owner[~fresh], minlength=len(found)).tolist()):
        found[k].tally.rows_known += known
        found[k].tally.rows_stored -= known
    rows = rows if fresh.all() else rows[fresh]
    report.rows_made["1m"] += len(rows)
    gaps = [(place[one.symbol], *hole) for one in found for hole in one.missing]
    report.gaps += [
        {
            "market": market.code,
            "symbol": instruments[who].code,
            "cause": "missing_bars",
            "from_ns": first,
            "to_ns": last,
            "state": "marked",
        }
        for who, first, last in gaps
    ]
    if report.dry_run:
        return
    if len(rows):
        _store(store, market, 60, rows, instruments, origin)
    if gaps:
        entries = np.zeros(len(gaps), GAP_DTYPE)
        entries["instrument"], entries["from_ns"], entries["to_ns"] = zip(*gaps, strict=True)
        entries["exchange_ns"] = entries["from_ns"]
        entries["stream"], entries["cause"], entries["state"] = b"row1m", b"missing_bars", b"marked"
        entries = new_gaps(store, market.code, SOURCE, entries, instruments)
        if len(entries):
            store.append_gaps(market.code, SOURCE, entries, market.day_offset_s(), instruments)


def import_exported(
    store: TickStore, market: Market, file: ExportedRows, refused: dict[str, str], report: ImportReport, origin: dict[str, Any]
) -> None:
    """Take exported rows back as they are; rows of refused symbols (symbol → reason) and of symbols taken before are left out."""
    file.leave_out(refused | dict.fromkeys(file.tally.taken, TAKEN))
    rows = file.rows
    schema = file.schema
    decimals = {
        code: (
            _places(rows, k, schema.index("last_price")),
            _places(rows, k, schema.index("bid_size1")),
        )
        for k, code in enumerate(file.codes)
        if (rows["instrument"] == k).any()
    }
    instruments = known_instruments(store, market, dict(decimals))
    place = {instrument.code: k for k, instrument in enumerate(instruments)}
    fresh = ~known_rows(store, market.code, schema.interval_s, rows, file.codes, report.relied)
    rows, file.tally.rows_known = rows[fresh], int((~fresh).sum())
    file.tally.rows_stored -= file.tally.rows_known
    rows["instrument"] = np.array([place.get(code, -1) for code in file.codes], np.int32)[rows["instrument"]]
    rows = rows[np.argsort(rows["row_time"], kind="stable")]
    rows["seq"] = store.next_seq(market.code, SOURCE) + np.arange(len(rows))
    rows["exchange_ns"] = rows["received_ns"] = clock_ns(rows["row_time"], schema.interval_s, market.day_offset_s())
    report.rows_made["1s" if schema.interval_s == 1 else "1m"] += len(rows)
    if not report.dry_run and len(rows):
        _store(store, market, schema.interval_s, rows, instruments, origin)


def _store(
    store: TickStore, market: Market, interval_s: int, rows: np.ndarray, instruments: list[Instrument], origin: dict[str, Any]
) -> None:
    writer = store.writer(market, SOURCE, ROW_KINDS[interval_s], row_schema(market.kind, interval_s), instruments, origin)
    order = np.argsort(rows["row_time"] // (1_000_000 if interval_s == 1 else 10_000), kind="stable")
    by_day = rows[order]
    # Segments go by day; the numbers follow the order in which they are written.
    by_day["seq"] = int(rows["seq"].min()) + np.arange(len(rows))
    try:
        for lo in range(0, len(by_day), 65_536):
            writer.append(by_day[lo : lo + 65_536])
        writer.seal()
    finally:
        writer.let_go()


def _places(rows: np.ndarray, instrument: int, column: int) -> int:
    values = rows["values"][rows["instrument"] == instrument, column]
    for places in range(8):
        if (values * 10.0**places == np.rint(values * 10.0**places)).all():
            return places
    return 8


def clock_ns(row_time: np.ndarray, interval_s: int, offset_s: int) -> np.ndarray:
    """Return the UTC end of each row's second or minute in ns."""
    out = np.zeros(len(row_time), np.int64)
    whole = row_time if interval_s == 1 else row_time * 100
    days, first = np.unique(whole // 1_000_000, return_inverse=True)
    starts = [int(dt.datetime(day // 10_000, day // 100 % 100, day % 100, tzinfo=dt.UTC).timestamp()) for day in days.tolist()]
    clock = whole % 1_000_000
    out[:] = np.array(starts, np.int64)[first] + clock // 10_000 * 3600 + clock // 100 % 100 * 60 + clock % 100
    return (out - offset_s + interval_s) * NS - 1
