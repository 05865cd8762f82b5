"""Recorded files of any kind into the store; what a file is, is told by its content."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domain.errors import InputError
from domain.instruments import Instrument, Market
from storage.imports import unfinished
from storage.ticks import TickStore
from trading.importers.archives import columns_by_shape
from trading.importers.bar_files import STEP_NAMES, BarFile, code_of, columns_of, interval_of, market_of_symbol, symbol_from_name
from trading.importers.events import SOURCE, EventFile, import_events
from trading.importers.exported import ExportedRows, market_for, read_exported, schema_of
from trading.importers.files import check_text, open_text, sha256_of
from trading.importers.places import count_rows, first_at
from trading.importers.quotes import BANDS, DEPTH, BestQuotes, DepthChanges, is_best
from trading.importers.recordings import Recording, derived_instrument, foreign_quote, scan_recording
from trading.importers.remembered import Outcome, is_wanted_again, outcome_of, recall, remember, settle_taken, tell_again
from trading.importers.report import NOT_CHOSEN, FileTally, ImportReport
from trading.importers.rows_in import import_bars, import_exported
from trading.importers.stom_db import is_database
from trading.importers.stom_rows import DatabaseImport
from trading.importers.tables import heading_of, is_parquet, read_table
from trading.importers.tapes import SnapshotFile, Tape
from trading.importers.whole import Stored, judge, marked, record_end
from trading.venues import markets

MARKETS: dict[str, Market] = markets()

TAPE_NAMES = {
    "time": ("timestamp", "time", "transact_time", "trade_time", "T"),
    "symbol": ("market", "symbol", "code"),
    "price": ("price", "trade_price"),
    "qty": ("volume", "qty", "quantity", "trade_volume", "size"),
    "side": ("side", "ask_bid"),
    "maker": ("is_buyer_maker", "isBuyerMaker"),
    "id": ("id", "trade_id", "sequential_id"),
    "aggregate": ("agg_trade_id",),
}
TOGETHER = "import.together"
"""Note on a file of a damaged stream that came without the other files of the stream."""
_OPTIONS = re.compile(rb"\d{10}\.\d{6} \d{8} KR[0-9A-Z]{10} ")


@dataclass
class _Job:
    """Files of one import, sorted by what is done with them."""

    events: dict[str, list[EventFile]] = field(default_factory=dict)
    bars: dict[str, list[BarFile]] = field(default_factory=dict)
    rows: list[tuple[Market, ExportedRows]] = field(default_factory=list)
    names: dict[str, tuple[str, str]] = field(default_factory=dict)
    databases: list[tuple[Path, FileTally]] = field(default_factory=list)


def files_under(sources: Sequence[Path]) -> list[Path]:
    """Return the files named, folders opened; InputError ``import.no_file`` for a path that is not there or an empty folder."""
    found: list[Path] = []
    for source in sources:
        if source.is_dir():
            before = len(found)
            found += sorted(path for path in source.rglob("*") if path.is_file() and not path.name.startswith("."))
            if len(found) == before:
                raise InputError("import.no_file", path=str(source))
        elif source.is_file():
            found.append(source)
        else:
            raise InputError("import.no_file", path=str(source))
    return found


def import_files(
    store: TickStore,
    sources: Sequence[Path],
    market: str | None = None,
    symbols: Sequence[str] | None = None,
    mapping: dict[str, str] | None = None,
    dry_run: bool = False,
    on_progress: Callable[[int], None] | None = None,
    on_stopped: Callable[[int, int], None] | None = None,
) -> ImportReport:
    """Import files or folders as one stream; return what became of every row.

    Parameters
    ----------
    market : str, optional
        Market code, where the content does not tell or another is meant (USDT candles are taken for spot).
    symbols : sequence of str, optional
        Only these; a table of candles without a symbol column is taken for the one named.
    mapping : dict, optional
        Our column name → the file's, for tables that no rule knows.
    dry_run : bool
        Count and judge, store nothing.
    on_stopped : callable, optional
        Told at Ctrl+C how many (rows, trades and book records) are stored; the same import again goes on from there.

    Raises
    ------
    InputError
        A file cannot be read, or nothing at all could be recognised (single file).
    RefusedError
        ``store.locked``: another process is recording into the same place.
    """
    if market is not None and market not in MARKETS:
        raise InputError("import.unknown_market", market=market)
    paths = files_under(sources)
    if not paths:
        raise InputError("import.no_file", path=", ".join(str(source) for source in sources))
    report = ImportReport(dry_run=dry_run)
    job = _Job()
    if not dry_run and unfinished(store.root):
        store.recover(MARKETS)  # what a dead import wrote whole counts, and its open files stand in nobody's way
    stored = judge(store)
    hashes, again, earlier = _sort_all(store, paths, stored, report, job, market, symbols, mapping or {})
    with marked(store, {} if dry_run else {hashes[path]: Path(path).name for path in hashes}, symbols, on_stopped) as running:
        name = running.told.name if running else ""
        for path, tally in job.databases:
            task = DatabaseImport(store, MARKETS, path, hashes[str(path)], tally, report, market, symbols, on_progress, name)
            _take_database(task, tally, len(paths) == 1)
        _run(store, job, symbols, report, hashes, on_progress, stored, name)
        for tally in report.files:
            tally.first_at = first_at(Path(tally.path), tally)
        for place, before in earlier.items():
            settle_taken(report.files[place], before)
        _tell_again(store, report, hashes, again)
        if running:
            done = {hashes[one.path]: one for one in report.files if one.path in hashes and one.note != TOGETHER}
            record_end(store, running.told, done, stored, report.relied)
            running.end()
    return report


def _sort_all(
    store: TickStore,
    paths: list[Path],
    stored: Stored,
    report: ImportReport,
    job: _Job,
    market: str | None,
    symbols: Sequence[str] | None,
    mapping: dict[str, str],
) -> tuple[dict[str, str], dict[int, str], dict[int, Outcome | None]]:
    """Put every file where it is handled; return (path → hash of those, number → hash of known files, number → what was said before)."""
    hashes: dict[str, str] = {}
    again: dict[int, str] = {}
    earlier: dict[int, Outcome | None] = {}
    for path in paths:
        tally = FileTally(str(path))
        report.files.append(tally)
        digest = sha256_of(path)
        taken = stored.codes.get(digest, frozenset())
        tally.is_torn = digest in stored.torn
        before = recall(store, digest) if digest in stored.codes and (taken or not tally.is_torn) else None
        is_there = digest in stored.codes and not tally.is_torn
        if digest in hashes.values() or (is_there and not is_wanted_again(before, symbols, taken)):
            tally.family, again[len(report.files) - 1] = "again", digest
            continue
        tally.taken, earlier[len(report.files) - 1] = taken, before
        hashes[str(path)] = digest
        if is_database(path):
            job.databases.append((path, tally))
            continue
        try:
            _sort_in(path, tally, job, market, symbols, mapping)
        except InputError as error:
            if len(paths) == 1:
                raise
            # One file of a folder that cannot be used is told, and the others are imported.
            _refuse(tally, error, 0 if error.code == "import.empty" else count_rows(path))
    events = {str(one.path) for files in job.events.values() for one in files}
    for place, tally in enumerate(report.files):
        if tally.is_torn and tally.path not in events and place in earlier:
            # Its rows are compared one by one with what is stored; symbols that are there in part must not be left out.
            tally.taken, earlier[place] = frozenset(), None
    return hashes, again, earlier


def _take_database(task: DatabaseImport, tally: FileTally, is_alone: bool) -> None:
    """Import a database; one among other files that cannot be used is told, and the others are imported."""
    try:
        task.run()
    except InputError as error:
        if is_alone:
            raise
        _refuse(tally, error, tally.rows_in)


def _tell_again(store: TickStore, report: ImportReport, hashes: dict[str, str], again: dict[int, str]) -> None:
    """Keep what became of each file, and say of those that were imported before (number of the file → hash) what was said then."""
    gaps = list(report.gaps)
    fresh = {hashes[one.path]: outcome_of(one, gaps) for one in report.files if one.family != "again" and one.path in hashes}
    for digest, outcome in fresh.items() if not report.dry_run else ():
        remember(store, digest, outcome)
    for place, digest in again.items():
        tally, kept = report.files[place], fresh.get(digest) or recall(store, digest)
        if kept is None:
            tally.rows_in = count_rows(Path(tally.path))
        tell_again(tally, kept, report)


def _refuse(tally: FileTally, error: InputError, rows: int) -> None:
    tally.reasons.clear()
    tally.places.clear()
    tally.rows_in, tally.rows_stored, tally.note = rows, 0, error.code
    tally.reasons[error.code.rpartition(".")[2]] = rows


def _run(
    store: TickStore,
    job: _Job,
    symbols: Sequence[str] | None,
    report: ImportReport,
    hashes: dict[str, str],
    on_progress: Callable[[int], None] | None,
    stored: Stored,
    name: str,
) -> None:
    def origin(paths: list[Path]) -> dict[str, Any]:
        return {"what": "import", "import": name, "files": [{"name": path.name, "sha256": hashes[str(path)]} for path in paths]}

    for code, events in job.events.items():
        events = _repeatable(store, code, events, hashes, stored)
        if not events:
            continue
        if not report.dry_run and any(one.tally.is_torn for one in events):
            stored.take_back(store, code, {hashes[str(one.path)] for one in events if one.tally.is_torn})
        found = _plan_events(store, MARKETS[code], events, symbols, job.names)
        import_events(store, MARKETS[code], events, *found, report, origin([one.path for one in events]), on_progress)
    for code, bars in job.bars.items():
        refused = _refused(MARKETS[code], {symbol for one in bars for symbol in one.tally.symbols}, symbols)
        import_bars(store, MARKETS[code], bars, refused, report, origin([one.path for one in bars]))
    for rule_book, exported in job.rows:
        import_exported(store, rule_book, exported, _refused(rule_book, set(exported.codes), symbols), report, origin([exported.path]))


def _repeatable(store: TickStore, market: str, events: list[EventFile], hashes: dict[str, str], stored: Stored) -> list[EventFile]:
    """Return the files of events that can be taken; a damaged stream is repeated from all of its files at once."""
    fit = stored.fit_to_repeat(store, market, {hashes[str(one.path)] for one in events})
    kept = []
    for one in events:
        if one.tally.is_torn and hashes[str(one.path)] not in fit:
            _refuse(one.tally, InputError(TOGETHER), count_rows(one.path))
        else:
            kept.append(one)
    return kept


def _refused(market: Market, found: set[str], symbols: Sequence[str] | None) -> dict[str, str]:
    """Return symbol → why it is not imported."""
    refused = {symbol: "other_quote" for symbol in found if foreign_quote(market, symbol)}
    if symbols:
        refused |= {symbol: NOT_CHOSEN for symbol in found if symbol not in symbols and symbol not in refused}
    return refused


def _plan_events(
    store: TickStore, market: Market, files: list[EventFile], symbols: Sequence[str] | None, names: dict[str, tuple[str, str]]
) -> tuple[list[Instrument], dict[str, str], set[str], set[str]]:
    """Return (instruments, refused symbols, symbols with single trades, symbols with a book) of one import."""
    found: set[str] = set()
    singles: set[str] = set()
    booked: set[str] = set()
    steps: dict[str, tuple[int, int]] = {}
    seen: dict[str, tuple[int, int]] = {}
    for file in sorted(files, key=lambda one: one.first_ns):
        if isinstance(file, Recording):
            found |= set(file.scan.symbols) | file.scan.booked
            singles |= file.scan.singles
            booked |= file.scan.booked
            for symbol, pair in file.scan.steps.items():
                steps.setdefault(symbol, pair)
            for symbol, pair in file.scan.seen_steps.items():
                before = seen.get(symbol, (0, 0))
                seen[symbol] = (max(before[0], pair[0]), max(before[1], pair[1]))
        elif isinstance(file, Tape):
            found |= set(file.tally.symbols)
            singles |= set() if file.is_aggregate else set(file.tally.symbols)
            for symbol, pair in file.decimals.items():
                before = seen.get(symbol, (0, 0))
                seen[symbol] = (max(before[0], pair[0]), max(before[1], pair[1]))
        elif isinstance(file, SnapshotFile | DepthChanges | BestQuotes):
            found.add(file.symbol)
            booked.add(file.symbol)
            before = seen.get(file.symbol, (0, 0))
            seen[file.symbol] = (max(before[0], file.decimals[0]), max(before[1], file.decimals[1]))
    _settle_quotes(files)
    refused = _refused(market, found, symbols)
    stored = {one.code: one for one in store.instruments(market.code, SOURCE)}
    instruments = []
    for symbol in sorted(found - set(refused)):
        if symbol not in steps and symbol in stored:
            instruments.append(stored[symbol])
        else:
            instruments.append(derived_instrument(market, symbol, steps.get(symbol) or seen.get(symbol), names.get(symbol)))
    return instruments, refused, singles, booked


def _settle_quotes(files: list[EventFile]) -> None:
    """Leave out the best quotes of symbols whose depth is imported, too."""
    deep = {one.symbol for one in files if isinstance(one, DepthChanges)}
    for file in files:
        deep |= file.scan.booked if isinstance(file, Recording) else set()
    for file in files:
        if isinstance(file, BestQuotes):
            file.is_moot = file.symbol in deep


# --- what a file is ---------------------------------------------------------------------------------


def _sort_in(path: Path, tally: FileTally, job: _Job, market: str | None, symbols: Sequence[str] | None, mapping: dict[str, str]) -> None:
    """Recognise a file by its content and put it where it is handled; else refuse it with a reason."""
    names = heading_of(path)
    if not is_parquet(path):
        check_text(path, bool(names))
    unnamed = [] if is_parquet(path) else columns_by_shape(path)
    names = unnamed or names
    tally.headings = 1 if names and not unnamed else 0
    schema = schema_of(names)
    if schema is not None:
        tally.family = "rows"
        exported = read_exported(path, read_table(path, tally), schema, tally)
        job.rows.append((MARKETS[market] if market else market_for(exported, MARKETS), exported))
        return
    if is_best(names) or set(DEPTH) <= set(names):
        _sort_quotes(path, tally, job, market, symbols, names)
        return
    tape = _match(names, TAPE_NAMES, mapping)
    bars = columns_of(names, {ours: theirs for ours, theirs in mapping.items() if theirs in names})
    if bars is not None:
        _sort_bars(path, tally, job, market, symbols, bars, unnamed or None)
    elif all(ours in tape for ours in ("time", "price", "qty")):
        _sort_tape(path, tally, job, market, symbols, tape, unnamed or None)
    elif not is_parquet(path) and _sort_lines(path, tally, job, market, symbols):
        return
    else:
        _refuse_file(path, tally, names)


def _match(names: list[str], wanted: dict[str, tuple[str, ...]], mapping: dict[str, str]) -> dict[str, str]:
    found = {ours: theirs for ours, theirs in mapping.items() if theirs in names}
    for ours, theirs in wanted.items():
        match = next((name for name in theirs if name in names), None)
        if ours not in found and match is not None:
            found[ours] = match
    return found


def _symbol_of_table(path: Path, symbols: Sequence[str] | None) -> str:
    """Return the symbol of a table without a symbol column: the one its name tells, else the one chosen.

    A name that tells another symbol of the chosen one's market is believed: its prices are never stored under the chosen one's name.
    """
    named, chosen = symbol_from_name(path), symbols[0] if symbols and len(symbols) == 1 else ""
    return named if named and (not chosen or market_of_symbol(named) == market_of_symbol(chosen)) else chosen


def _sort_tape(
    path: Path,
    tally: FileTally,
    job: _Job,
    market: str | None,
    symbols: Sequence[str] | None,
    columns: dict[str, str],
    names: list[str] | None,
) -> None:
    tally.family = "tape"
    table = read_table(path, tally, names)
    symbol = "" if "symbol" in columns else _symbol_of_table(path, symbols)
    if "symbol" not in columns and not symbol:
        raise InputError("import.symbol_needed", file=str(path))
    told = market or market_of_symbol(symbol or (str(table.column(columns["symbol"])[0].as_py()) if table.num_rows else ""))
    if not told:
        raise InputError("import.market_needed", file=str(path))
    job.events.setdefault(told, []).append(Tape(path, MARKETS[told], table, columns, symbol, tally))


def _sort_quotes(path: Path, tally: FileTally, job: _Job, market: str | None, symbols: Sequence[str] | None, names: list[str]) -> None:
    """Put a table of best quotes or depth changes where it is handled; only the futures' archives have such tables."""
    table = read_table(path, tally)
    named = str(table.column("symbol")[0].as_py()) if "symbol" in names and table.num_rows else ""
    symbol = named or _symbol_of_table(path, symbols)
    if not symbol:
        raise InputError("import.symbol_needed", file=str(path))
    told = market or "binance-futures"
    tally.family = "best quotes" if is_best(names) else "depth"
    kind = BestQuotes if is_best(names) else DepthChanges
    job.events.setdefault(told, []).append(kind(path, MARKETS[told], table, symbol, tally))


def _sort_bars(
    path: Path,
    tally: FileTally,
    job: _Job,
    market: str | None,
    symbols: Sequence[str] | None,
    columns: dict[str, str],
    names: list[str] | None,
) -> None:
    tally.family = "bars"
    table = read_table(path, tally, names)
    if not table.num_rows:
        return
    symbol = ""
    if "symbol" not in columns:
        symbol = _symbol_of_table(path, symbols)
        if not symbol and interval_of(table, columns) == 60:
            raise InputError("import.symbol_needed", file=str(path))
        symbol = symbol or "?"
    first = symbol or code_of(str(table.column(columns["symbol"])[0].as_py()))
    told = market or market_of_symbol(first)
    interval_s = interval_of(table, columns)
    if not told and interval_s == 60:
        tally.rows_in += int(table.num_rows)
        tally.reasons["other_market"] += int(table.num_rows)
        return
    told = told or "krx"  # refused below for its interval, whatever it is
    file = BarFile(path, MARKETS[told], table, columns, symbol, tally)
    if interval_s != 60:
        # The store keeps one-second and one-minute rows; longer bars are built from 1m, tick bars have no clock.
        name = STEP_NAMES.get(interval_s, "tick_bars")
        tally.family = f"bars {name}"
        file.refuse_all(f"interval_{name}")
        return
    tally.family = "bars 1m"
    job.bars.setdefault(told, []).append(file)


def _sort_lines(path: Path, tally: FileTally, job: _Job, market: str | None, symbols: Sequence[str] | None) -> bool:
    is_book, told, symbol = SnapshotFile.recognise(path)
    if is_book:
        tally.family = "book snapshots"
        told, symbol = market or told, symbol or (symbols[0] if symbols else "")
        if not told or not symbol:
            raise InputError("import.symbol_needed", file=str(path))
        job.events.setdefault(told, []).append(SnapshotFile(path, MARKETS[told], symbol, tally))
        return True
    scan = scan_recording(path)
    if scan is None:
        return False
    job.names |= scan.names
    told = scan.venue or ("upbit" if scan.names else "")
    if market is not None and market != told:
        raise InputError("import.other_market", file=str(path), market=market, found=told)
    tally.family = "recording" if scan.symbols or scan.booked else "instrument list"
    job.events.setdefault(told, []).append(Recording(path, MARKETS[told], scan, tally))
    return True


def _refuse_file(path: Path, tally: FileTally, names: list[str]) -> None:
    """Count every row of a file that nothing here can read, under a reason that says what it seems to be."""
    tally.rows_in = count_rows(path)
    first = b""
    for line in open_text(path) if not is_parquet(path) else iter(()):
        first = line
        break
    if _OPTIONS.match(first):
        tally.family, reason = "option quotes", "no_trades_or_instrument"
    elif set(BANDS) <= set(names):
        tally.family, reason = "depth", "depth_bands"
    elif names:
        tally.family, reason = "table", "unknown_columns"
        tally.note = ",".join(names[:24])
    else:
        tally.family, reason = "unknown", "unknown_format"
    tally.reasons[reason] = tally.rows_in
