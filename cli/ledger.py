"""`stom.py orders|fills|positions|account|kill|verify`: money without a window.

Ledgers are opened read-only beside the trader that writes them. The kill switch is the latch file of
each account, which a trader reads before every send and ten times a second: it needs no socket, and
what the trader did is read from the ledger.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.util
import os
import sys
import time
from pathlib import Path
from typing import Any

from rich.table import Table

from cli.output import console, emit, language
from cli.parser import add_common
from cli.values import number, whole
from domain.errors import DataError, InputError, RefusedError
from domain.market_codes import MARKET_CODES
from storage import ledger_read
from trading import run_file
from trading.kill_switch import CANCEL, ENTRIES, FLATTEN, LEVELS, NONE, Latch, join, read_latch, write_latch
from trading.kill_switch import latch_path as latch_file
from trading.venues import market as find_market
from utility.amounts import money_text, quantity_text
from utility.lock import is_locked
from utility.paths import DataDir
from utility.text import has, sentence

COLUMNS = {
    "orders": ("account", "client_order_id", "instrument_id", "side", "kind", "price", "qty", "cum_qty", "state", "in_doubt", "reason"),
    "fills": ("account", "instrument_id", "side", "qty", "price", "fee", "fee_asset", "row_time", "client_order_id", "owner"),
    "positions": ("account", "instrument_id", "qty", "entry_price", "entry_cost", "entry_time", "realised", "owner"),
    "accounts": ("account", "market", "currency", "totals", "realised", "round_trips", "open_orders", "in_doubt", "latch"),
}
MONEY = ("realised", "entry_cost")
NUMBERS = ("price", "qty", "cum_qty", "entry_price")
WAIT_S = {"entries": 2.0, "cancel": 5.0, "flatten": 30.0, "freeze": 2.0}


def add_parsers(subparsers: Any) -> None:
    """Add the family's parsers."""
    for name, run in (("orders", run_list), ("fills", run_list), ("positions", run_positions), ("account", run_account)):
        parser = subparsers.add_parser(name)
        _add_choice(parser)
        if run is run_list:
            parser.add_argument("--from", dest="since", default=None)
            parser.add_argument("--limit", type=whole(1, 10**9), default=1_000)
        add_common(parser)
        parser.set_defaults(run=run, show=show, what=name)
    kill = subparsers.add_parser("kill")
    which = kill.add_mutually_exclusive_group()
    which.add_argument("--level", choices=LEVELS[1:], default=ENTRIES)
    which.add_argument("--rearm", action="store_true")
    kill.add_argument("--reason", default="")
    kill.add_argument("--wait", type=number(0.0, 3_600.0), default=None)
    _add_choice(kill)
    add_common(kill)
    kill.set_defaults(run=run_kill, show=show_kill)
    verify = subparsers.add_parser("verify")
    _add_choice(verify)
    add_common(verify)
    verify.set_defaults(run=run_verify, show=show_verify)


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--market", choices=MARKET_CODES, default=None)
    parser.add_argument("--account", default=None)


def _folders(args: argparse.Namespace) -> list[Path]:
    return ledger_read.accounts(DataDir(args.data_dir).root / "accounts", args.account, args.market)


def parse_time(text: str | None) -> int:
    """Return ISO 8601 text with a zone, or a date, as UTC nanoseconds; 0 for None."""
    if text is None:
        return 0
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError("ledger.time", value=text) from error
    if moment.tzinfo is None:
        if len(text) != 10:
            raise InputError("ledger.time", value=text)
        moment = moment.replace(tzinfo=dt.UTC)
    return int(moment.timestamp()) * 1_000_000_000


def run_list(args: argparse.Namespace) -> dict[str, Any]:
    """Return orders or fills."""
    since = parse_time(args.since)
    rows = [row for folder in _folders(args) for row in ledger_read.listing(folder, args.what, since, args.limit)]
    time_of = "created_ns" if args.what == "orders" else "exchange_ns"
    return {args.what: sorted(rows, key=lambda row: row[time_of])[-args.limit :]}


def run_positions(args: argparse.Namespace) -> dict[str, Any]:
    """Return what is held."""
    return {"positions": [row for folder in _folders(args) for row in ledger_read.positions(folder)]}


def run_account(args: argparse.Namespace) -> dict[str, Any]:
    """Return each account's cash, holdings, counts and latch."""
    return {"accounts": [account_of(folder) for folder in _folders(args)]}


def account_of(folder: Path) -> dict[str, Any]:
    """Return an account's ledger with the kill switch as it stands: what was pulled while no trader ran is only in its file."""
    found = ledger_read.account(folder)
    journalled = Latch(level=found["latch"], utc_ns=found.pop("latched_ns"))
    return found | {"latch": join(read_latch(latch_file(folder)), journalled).level}


def show(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Print a list as a table."""
    (name, rows), code = next(iter(result.items())), language(args)
    if not rows:
        sys.stdout.write(sentence("ledger.nothing", code) + "\n")
        return
    table = Table()
    for column in COLUMNS[name]:
        table.add_column(sentence(f"ledger.column.{column}", code))
    for row in rows:
        table.add_row(*(_cell(column, row, code) for column in COLUMNS[name]))
    console().print(table)


def _cell(column: str, row: dict[str, Any], code: str) -> str:
    """Return a value as a person reads it: a code by its word, an amount in its unit, what is held a line each."""
    value = row.get(column)
    if isinstance(value, dict):
        return "\n".join(f"{asset} {_held(amount, asset, row['currency'])}" for asset, amount in value.items())
    if column in MONEY and value is not None:
        return money_text(float(value), row.get("currency") or find_market(row["instrument_id"].partition(":")[0]).currency)
    if column == "fee" and value is not None:
        return _held(value, row["fee_asset"], find_market(row["instrument_id"].partition(":")[0]).currency)
    if column in NUMBERS and value not in (None, ""):
        return quantity_text(float(value))
    word = f"kill.name.{value}" if column == "latch" else f"ledger.{column}.{value}"
    return sentence(word, code) if has(word, code) else "" if value is None else str(value)


def _held(amount: str, asset: str, currency: str) -> str:
    return money_text(float(amount), asset) if asset == currency else quantity_text(float(amount))


# --- kill switch -----------------------------------------------------------------------------------------


def run_kill(args: argparse.Namespace) -> dict[str, Any] | int:
    """Pull or re-arm the switch of the chosen accounts and say what happened; status 4 when one could not be reached.

    The latches are written before anything else can fail: a ledger that cannot be read stops nobody from stopping.
    """
    folders = _to_latch(args)
    if args.rearm:
        _confirm(language(args))
    level = NONE if args.rearm else args.level
    before = {folder: _newest_event(folder) for folder in folders}
    person = os.environ.get("USER") or os.environ.get("USERNAME") or "person"
    latch = Latch(level=level, actor=f"cli:{person}", reason=args.reason, utc_ns=time.time_ns())
    problems, harder = _write_latches(folders, latch)
    running = [folder for folder in folders if is_locked(folder / "lock")]
    readable = [folder for folder in folders if before[folder] is not None]
    _await([folder for folder in running if folder in readable], before, level, WAIT_S.get(level, 2.0) if args.wait is None else args.wait)
    cancelled, flattened, remaining, noticed = 0, [], [], 0
    for folder in readable:
        count, sold, held, seen = ledger_read.kill_progress(folder, before[folder] or 0)
        cancelled += count
        flattened += [f"{folder.name} {name}" for name in sold]
        remaining += [f"{folder.name} {name}" for name in held]
        noticed += seen
    result = {
        "level": level,
        "accounts": [folder.name for folder in folders],
        "running": [folder.name for folder in running],
        "noticed": noticed,
        "cancelled": cancelled,
        "flattened": flattened,
        "remaining": remaining,
        "harder": harder,
        "problems": problems,
    }
    unwritten = {problem["path"] for problem in problems}
    result["written"] = [folder.name for folder in folders if str(latch_file(folder)) not in unwritten]
    # Where a harder level holds, or nothing could be written, the switch does not stand at what was asked.
    silent = {folder for folder in folders if folder in running or folder not in readable or folder.name in harder}
    unheard = [] if args.rearm else [one for one in folders if one not in silent and one.name in result["written"]]
    problems += [found for folder in unheard if (found := _undone(folder, level)) is not None]
    if not problems:
        return result
    emit(args, result)
    return DataError.exit_status if unwritten else RefusedError.exit_status


def _undone(folder: Path, level: str) -> dict[str, Any] | None:
    """Return what a level that cancels or sells leaves undone on an account without a trader; None when there is nothing to do."""
    found = ledger_read.account(folder)
    about = {"account": folder.name, "market": found["market"], "path": str(latch_file(folder))}
    held = [row["instrument_id"] for row in ledger_read.positions(folder)] if level == FLATTEN else []
    if held:
        return {"code": "kill.nobody_sells", **about, "remaining": ", ".join(held)}
    if level in (CANCEL, FLATTEN) and found["open_orders"]:
        return {"code": "kill.nobody_cancels", **about, "count": found["open_orders"]}
    return None


def _newest_event(folder: Path) -> int | None:
    """Return where an account's journal stands; None when there is none that can be read."""
    try:
        return ledger_read.last_event(folder)
    except DataError:
        return None


def _write_latches(folders: list[Path], latch: Latch) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Write every latch that can be written; return those that could not, and the harder levels that stay."""
    problems: list[dict[str, Any]] = []
    harder: dict[str, str] = {}
    for folder in folders:
        try:
            holds = write_latch(folder, latch)
            if holds.level != latch.level:
                harder[folder.name] = holds.level
        except OSError as error:
            problems.append({"code": "kill.unwritable", "path": str(latch_file(folder)), "reason": error.strerror or str(error)})
    return problems, harder


def _to_latch(args: argparse.Namespace) -> list[Path]:
    """Return the chosen accounts: those with a ledger, and those that a running main is only just opening."""
    data = DataDir(args.data_dir)
    try:
        running = run_file.newest(data)
    except DataError:
        running = None  # what it would have told is told by the ledgers
    starting = [] if running is None else [entry for entry in running.markets if args.market in (None, entry.options.market)]
    named = {entry.account for entry in starting if args.account in (None, entry.account)}
    found = set() if args.account in named else set(ledger_read.accounts(data.root / "accounts", args.account))
    of_market = {folder for folder in found if args.market is None or _is_of_market(folder, args.market)}
    return sorted(of_market | {data.account(name) for name in named})


def _is_of_market(folder: Path, market: str) -> bool:
    try:
        return ledger_read.cursor(folder, "market") == market
    except DataError:
        return True  # not known: a switch too many is the smaller harm


def _confirm(code: str) -> None:
    """Ask on the terminal; a script cannot re-arm."""
    if not sys.stdin.isatty():
        raise RefusedError("kill.rearm_needs_terminal")
    sys.stderr.write(sentence("kill.rearm_question", code) + " ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != "rearm":
        raise RefusedError("kill.rearm_refused")


def _await(folders: list[Path], before: dict[Path, int | None], level: str, wait_s: float) -> None:
    """Wait until every running trader has noticed and, where it sells, is flat."""
    deadline = time.monotonic() + wait_s
    while folders and time.monotonic() < deadline:
        progress = [ledger_read.kill_progress(folder, before[folder] or 0) for folder in folders]
        if all(seen and (level != "flatten" or not held) for _, _, held, seen in progress):
            return
        time.sleep(0.1)


def show_kill(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Say what the switch did."""
    code = language(args)
    for problem in result["problems"]:
        fields = {name: value for name, value in problem.items() if name != "code"}
        sys.stderr.write(sentence(problem["code"], code, **fields) + "\n")
    if not result["accounts"]:
        sys.stdout.write(sentence("kill.no_account", code) + "\n")
        return
    key = "kill.rearmed" if result["level"] == NONE else "kill.pulled"
    fields = {name: ", ".join(result[name]) or "–" for name in ("accounts", "running", "flattened", "remaining")}
    fields["cancelled"] = f"{result['cancelled']}"
    fields["level"] = sentence(f"kill.name.{result['level']}", code)
    if result["written"]:
        fields["accounts"] = ", ".join(result["written"])
        sys.stdout.write(sentence(key, code, **fields) + "\n")
    for account, level in result["harder"].items():
        sys.stdout.write(sentence("kill.harder", code, account=account, level=sentence(f"kill.name.{level}", code)) + "\n")
    if result["remaining"]:
        sys.stdout.write(sentence("kill.still_held", code, remaining=fields["remaining"]) + "\n")


# --- verify ------------------------------------------------------------------------------------------------


def run_verify(args: argparse.Namespace) -> dict[str, Any] | int:
    """Check every ledger and the tick store; exit status 4 when something is wrong."""
    from paper.truth_check import compare, lives
    from trading.ledger_check import verify_account

    data_dir = DataDir(args.data_dir)
    problems: list[dict[str, Any]] = []
    folders = _folders(args)
    try:
        truths = lives(data_dir.exchange)
    except InputError as error:
        truths = {}
        problems.append({"code": error.code, **error.fields})
    compared = 0
    for folder in folders:
        try:
            problems += verify_account(folder, find_market(ledger_read.cursor(folder, "market")))
            if not is_locked(folder / "lock"):  # while both sides write, what one has and the other does not yet is no difference
                differences, count = compare(folder, truths)
                problems, compared = problems + differences, compared + count
        except DataError as error:
            problems.append({"code": error.code, **error.fields})
        latch = read_latch(latch_file(folder))
        if latch is not None and latch.actor == "latch":
            problems.append({"code": "verify.latch", "path": str(latch_file(folder)), "detail": latch.reason})
    checked = [folder.name for folder in folders]
    if args.account is None and data_dir.ticks.is_dir() and importlib.util.find_spec("storage.ticks") is not None:
        from storage.ticks import TickStore

        problems += [_as_dict(problem) for problem in TickStore(data_dir.root).verify()]
        checked.append("ticks")
    result = {"ok": not problems, "checked": checked, "truth": compared, "problems": problems}
    if not problems:
        return result
    emit(args, result)
    return 4


def _as_dict(problem: Any) -> dict[str, Any]:
    return problem if isinstance(problem, dict) else {"code": "verify.store", "detail": str(problem)}


def show_verify(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Print each problem as a sentence."""
    code = language(args)
    for problem in result["problems"]:
        fields = {name: value for name, value in problem.items() if name != "code"}
        sys.stdout.write(sentence(problem.get("code", "verify.store"), code, **fields) + "\n")
    key = "verify.ok" if result["ok"] else "verify.bad"
    sys.stdout.write(sentence(key, code, checked=", ".join(result["checked"]), count=len(result["problems"])) + "\n")
