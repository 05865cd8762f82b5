"""`stom.py data import | download | list | verify | export | make`: the tick store from the command line."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import time
from pathlib import Path
from typing import Any

from cli.data_download import add_download
from cli.data_export import export_rows
from cli.data_make import MOST_DAYS, MOST_SYMBOLS, make_data
from cli.output import emit, language
from cli.parser import add_common
from cli.progress import Reporter, add_progress
from cli.values import SEED_MAX, day, number, whole
from domain.errors import InputError
from domain.intervals import INTERVALS as ALL_INTERVALS
from storage.column_sums import check_columns
from storage.columns import RowSet, open_rows
from storage.imports import names_of
from storage.imports import problems as import_problems
from storage.ticks import TickStore
from trading.importers import MARKETS, TOGETHER, import_files
from trading.importers.remembered import UNTOLD
from utility.paths import DataDir
from utility.text import named, sentence

INTERVALS = {"1s": 1, "1m": 60}
_SHOWN_REASONS = 6


def add_parsers(subparsers: Any) -> None:
    """Add the `data` family."""
    family = subparsers.add_parser("data")
    actions = family.add_subparsers(dest="action", metavar="ACTION", required=True)
    _add_import(actions)
    add_download(actions)
    _add_make(actions)
    _add_list(actions)
    _add_verify(actions)
    _add_export(actions)


def _finish(parser: argparse.ArgumentParser, run: Any, show: Any) -> None:
    add_common(parser)
    parser.set_defaults(run=run, show=show)


def _add_market(parser: argparse.ArgumentParser, required: bool) -> None:
    parser.add_argument("--market", choices=sorted(MARKETS), required=required, default=None)


def _add_import(actions: Any) -> None:
    parser = actions.add_parser("import")
    parser.add_argument("sources", metavar="SRC", nargs="+")
    _add_market(parser, False)
    parser.add_argument("--symbol", action="append", default=None)
    parser.add_argument("--map", action="append", default=None, metavar="OURS=THEIRS")
    parser.add_argument("--dry-run", action="store_true")
    add_progress(parser)
    _finish(parser, run_import, show_import)


def _add_make(actions: Any) -> None:
    parser = actions.add_parser("make")
    _add_market(parser, True)
    parser.add_argument("--symbols", type=whole(1, MOST_SYMBOLS), default=10)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--days", type=number(0.0, MOST_DAYS, low_open=True), default=1.0)
    length.add_argument("--hours", type=number(0.0, MOST_DAYS * 24.0, low_open=True), default=None)
    parser.add_argument("--seed", type=whole(0, SEED_MAX), default=1)
    parser.add_argument("--start", type=day, default=dt.date(2026, 1, 5))
    parser.add_argument("--events", action="store_true")
    add_progress(parser)
    _finish(parser, run_make, None)


def _add_list(actions: Any) -> None:
    parser = actions.add_parser("list")
    _add_market(parser, False)
    _finish(parser, run_list, show_list)


def _add_verify(actions: Any) -> None:
    parser = actions.add_parser("verify")
    parser.add_argument("--keep", action="store_true")
    _finish(parser, run_verify, show_verify)


def _add_export(actions: Any) -> None:
    parser = actions.add_parser("export")
    _add_market(parser, True)
    parser.add_argument("--interval", choices=tuple(ALL_INTERVALS), required=True)
    parser.add_argument("--symbol", action="append", default=None)
    parser.add_argument("--source", default=None)
    parser.add_argument("--from", dest="from_time", type=day, default=None, metavar="DATE")
    parser.add_argument("--to", dest="to_time", type=day, default=None, metavar="DATE")
    parser.add_argument("--out", required=True)
    parser.add_argument("--names", choices=("en", "ko"), default="en")
    _finish(parser, run_export, None)


# --- import ---------------------------------------------------------------------------------------


def _mapping(pairs: list[str] | None) -> dict[str, str]:
    found = {}
    for pair in pairs or []:
        for one in pair.split(","):
            ours, sign, theirs = one.partition("=")
            if not sign or not ours.strip() or not theirs.strip():
                raise InputError("import.bad_map", text=one)
            found[ours.strip()] = theirs.strip()
    return found


def run_import(args: argparse.Namespace) -> dict[str, Any] | int:
    """Import and say what became of every row; status 2 when nothing could be taken."""
    reporter = Reporter(args)
    started = time.monotonic()
    done = 0

    def progress(count: int) -> None:
        nonlocal done
        done += count
        reporter.tell(done, 0, done / max(time.monotonic() - started, 1e-6), 0.0, None)

    store = TickStore(DataDir(args.data_dir).root)
    sources = [Path(source) for source in args.sources]

    told = False

    def stopped(rows: int, events: int) -> None:
        nonlocal told
        told = True
        reporter.close()
        sys.stderr.write("\n" + sentence("data.import.stopped", language(args), rows=rows, events=events) + "\n")
        sys.stderr.flush()

    try:
        report = import_files(store, sources, args.market, args.symbol, _mapping(args.map), args.dry_run, progress, stopped)
    except KeyboardInterrupt:
        if not told:  # while the files were looked at: nothing is stored yet
            stopped(0, 0)
        raise
    reporter.close()
    result = report.as_dict()
    if not result["rows_stored"] and not result["rows_known"]:
        emit(args, result)
        names = ", ".join(Path(one["file"]).name for one in result["files"])
        sys.stderr.write(
            sentence("import.nothing", language(args), files=names, reasons=_reasons(result["reasons"], language(args))) + "\n"
        )
        return 2
    return result


def _reasons(reasons: dict[str, int], tongue: str, first_at: dict[str, list[int]] | None = None) -> str:
    """Return the commonest reasons with their counts and, of a file, where the first such rows stand."""
    largest = sorted(reasons.items(), key=lambda item: -item[1])[:_SHOWN_REASONS]
    told = []
    for name, count in largest or [("no_rows", 0)]:
        word = sentence("import.reason." + name, tongue)
        at = (first_at or {}).get(name, [])
        more = " …" if count > len(at) else ""
        where = sentence("data.import.at", tongue, lines=", ".join(map(str, at)) + more) if at else ""
        told.append(f"{word} {count:,}{where}" if count else word)
    return ", ".join(told)


def show_import(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Print a line a file and the sums."""
    tongue = language(args)
    for one in result["files"]:
        fields = one | {"file": Path(one["file"]).name, "family": sentence("import.family." + (one["family"] or "unknown"), tongue)}
        reasons = f" ({_reasons(one['reasons'], tongue, one['first_at'])})" if one["reasons"] or not one["rows_in"] else ""
        print(sentence("data.import.file_known" if one["rows_known"] else "data.import.file", tongue, **fields) + reasons)
        if one["family"].startswith("stom ") and "note" in one:
            print(sentence("data.import.note", tongue, note=one["note"]))
        elif one.get("note") in (UNTOLD, TOGETHER):
            print(sentence(one["note"], tongue))
    for one in result["gap_list"][:20]:
        print(sentence("data.import.gap", tongue, symbol=one["symbol"], cause=sentence("import.gap." + one["cause"], tongue)))
    fields = {name: result[name] for name in ("rows_in", "rows_stored", "rows_known", "rows_rejected", "gaps", "events")}
    made = ", ".join(f"{named('interval', interval, tongue)} {count:,}" for interval, count in result["rows_made"].items()) or "0"
    print(sentence("data.import.sum", tongue, **fields, made=made))
    if result["dry_run"]:
        print(sentence("data.import.dry", tongue))


# --- make -----------------------------------------------------------------------------------------


def run_make(args: argparse.Namespace) -> dict[str, Any]:
    """Make data and print its rows and hash."""
    reporter = Reporter(args)
    market, days = MARKETS[args.market], args.days
    if args.hours is not None:
        days = args.hours * 3_600 / (market.session_end_s - market.session_start_s)
    try:
        return make_data(
            TickStore(DataDir(args.data_dir).root),
            market,
            args.symbols,
            days,
            args.seed,
            args.start.isoformat(),
            args.events,
            reporter.tell,
        )
    except KeyboardInterrupt:
        sys.stderr.write("\n" + sentence("data.make_interrupted", language(args), market=market.code) + "\n")
        raise
    finally:
        reporter.close()


# --- list, verify, export ---------------------------------------------------------------------------


def run_list(args: argparse.Namespace) -> dict[str, Any]:
    """Return what is stored: rows in `datasets`, raw trades and depth in `events`, what is damaged in `quarantined`."""
    store = TickStore(DataDir(args.data_dir).root)
    entries = [entry for entry in store.datasets() if args.market in (None, entry["market"])]
    _add_ladder_steps(store, entries)
    return {
        "datasets": [entry for entry in entries if entry["interval"] in INTERVALS],
        "events": [entry for entry in entries if entry["interval"] not in INTERVALS],
        "quarantined": store.quarantined(args.market),
        "unfinished": import_problems(store.root),
    }


def _add_ladder_steps(store: TickStore, entries: list[dict[str, Any]]) -> None:
    """Give instruments on a ladder the step at the last price that is stored."""
    opened: dict[tuple[str, str, str], RowSet] = {}
    for entry in entries:
        if entry["price_step"] or entry["interval"] not in INTERVALS:
            continue
        key = (entry["market"], entry["source"], entry["interval"])
        if key not in opened:
            opened[key] = open_rows(store, key[0], INTERVALS[key[2]], key[1], keys=("last_price",))
        rows = opened[key]
        block = rows.blocks[rows.blocks["symbol"] == rows.codes.index(entry["symbol"])][-1]
        day = dt.datetime.strptime(str(block["day"]), "%Y%m%d").date()
        entry["price_step"] = MARKETS[key[0]].step_at(float(rows.columns["last_price"][block["hi"] - 1]), day)


def show_list(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Print a table, and what was put aside."""
    tongue = language(args)
    _show_table(result, tongue)
    for one in result["quarantined"]:
        print(sentence("data.list.quarantined", tongue, **one))
    for one in result["unfinished"]:
        print(_import_told(one, tongue))


def _show_table(result: dict[str, Any], tongue: str) -> None:
    from rich.console import Console
    from rich.table import Table

    if not result["datasets"] and not result["events"]:
        print(sentence("data.list.empty", tongue), sentence("data.list.typed", tongue))
        return
    table = Table(box=None)
    numeric = ("rows", "price_step", "qty_step")
    for name in ("market", "source", "symbol", "interval", "from", "to", "rows", "price_step", "qty_step", "origins"):
        table.add_column(sentence(f"data.column.{name}", tongue), justify="right" if name in numeric else "left", no_wrap=True)
    for entry in result["datasets"] + result["events"]:
        first, last = (_moment(entry[name], entry["interval"]) for name in ("from", "to"))
        table.add_row(
            entry["market"],
            named("source", entry["source"], tongue),
            entry["symbol"],
            named("kind", entry["interval"], tongue),
            first,
            last,
            f"{entry['rows']:,}",
            f"{entry['price_step']:.8g}" if entry["price_step"] else "–",
            f"{entry['qty_step']:.8f}".rstrip("0").rstrip("."),
            ", ".join(sentence(f"data.origin.{what}", tongue) for what in entry["origins"]),
        )
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 160).print(table)


def _moment(value: int, interval: str) -> str:
    if value == 0:
        return "–"
    if interval not in INTERVALS:
        return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(value // 1_000_000_000))
    text = str(value).ljust(14, "0")
    return f"{text[:4]}-{text[4:6]}-{text[6:8]} {text[8:10]}:{text[10:12]}:{text[12:14]}"


def run_verify(args: argparse.Namespace) -> dict[str, Any] | int:
    """Check everything; status 4 when something is wrong."""
    store = TickStore(DataDir(args.data_dir).root)
    recovered = store.recover(MARKETS)
    problems = store.verify(quarantine=not args.keep) + import_problems(store.root)
    problems += check_columns(store.root, forget=not args.keep)
    gaps = []
    for market in store.markets():
        for source in store.sources(market):
            table = store.instruments(market, source)
            for row in store.read_gaps(market, source):
                who = int(row["instrument"])
                gaps.append(
                    {
                        "market": market,
                        "source": source,
                        "symbol": table[who].code if who >= 0 else "",
                        "stream": row["stream"].decode(),
                        "cause": row["cause"].decode(),
                        "state": row["state"].decode(),
                        "from_ns": int(row["from_ns"]),
                        "to_ns": int(row["to_ns"]),
                    }
                )
    result = {"problems": problems, "gaps": gaps, "recovered": [manifest.file for manifest in recovered], "ok": not problems}
    if problems:
        emit(args, result)
        return 4
    return result


def show_verify(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Print the problems, one a line."""
    tongue = language(args)
    for problem in result["problems"]:
        if "files" in problem:
            print(_import_told(problem, tongue))
            continue
        where = problem.get("file") or problem.get("session", "")
        place = f"{named('market', problem['market'], tongue)} · {named('source', problem['source'], tongue)} {where}"
        print(f"{place}: {sentence('data.problem.' + problem['problem'], tongue)}")
    print(
        sentence("data.verify.sum", tongue, problems=len(result["problems"]), gaps=len(result["gaps"]), recovered=len(result["recovered"]))
    )


def _import_told(one: dict[str, Any], tongue: str) -> str:
    """Return the sentence on an import that is not whole."""
    return sentence("data.problem." + one["problem"], tongue, files=names_of(one), file=one["file"])


def run_export(args: argparse.Namespace) -> dict[str, Any]:
    """Write rows out."""
    days = [None if one is None else int(one.strftime("%Y%m%d")) for one in (args.from_time, args.to_time)]
    if None not in days and days[0] > days[1]:
        raise InputError("backtest.range", since=args.from_time, until=args.to_time)
    return export_rows(
        TickStore(DataDir(args.data_dir).root),
        args.market,
        ALL_INTERVALS[args.interval],
        args.source,
        args.symbol,
        days[0],
        days[1],
        Path(args.out),
        args.names,
    )
