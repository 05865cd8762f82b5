"""`stom.py status`: what runs, on which accounts, and whether any of it is real money. Read from files alone."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from cli.ledger import account_of
from cli.output import language
from cli.parser import add_common
from domain.errors import DataError
from storage import ledger_read
from trading import run_file
from trading.arming import UNTIL
from utility.lock import is_locked
from utility.paths import DataDir
from utility.text import sentence


def add_parsers(subparsers: Any) -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser("status")
    add_common(parser)
    parser.set_defaults(run=run, show=show)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Return the running main process with its markets, and every account with what it may do."""
    data = DataDir(args.data_dir)
    try:
        running = run_file.newest(data)
    except DataError:
        running = None
    alive = running is not None and run_file.is_alive(running.pid)
    markets = [
        {
            "market": entry.options.market,
            "account": entry.account,
            "paper": entry.options.is_paper,
            "strategy": "" if entry.options.strategy is None else entry.options.strategy.name,
            "processes": [{"name": child.name, "pid": child.pid, "alive": run_file.is_alive(child.pid)} for child in entry.children],
        }
        for entry in (running.markets if running is not None else ())
    ]
    accounts = [_account(folder) for folder in ledger_read.accounts(data.root / "accounts")]
    return {
        "run": running.run if alive and running is not None else None,
        "pid": running.pid if alive and running is not None else None,
        "build": running.build if alive and running is not None else None,
        "markets": markets,
        "accounts": accounts,
        "armed": [one["account"] for one in accounts if one["armed"]],
    }


def _account(folder: Any) -> dict[str, Any]:
    """Return an account's state; one whose ledger cannot be read is named with the reason."""
    trades = is_locked(folder / "lock")
    try:
        found = account_of(folder)
        until = int(ledger_read.cursor(folder, UNTIL) or 0)
    except DataError as error:
        return {"account": folder.name, "running": trades, "armed": False, "armed_until": None, "problem": error.code, **error.fields}
    armed = trades and until > time.time_ns()
    return found | {"running": trades, "armed": armed, "armed_until": until if armed else None}


def show(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Print a line a market and a line an account."""
    code = language(args)
    key = "status.main" if result["pid"] else "status.nothing"
    sys.stdout.write(sentence(key, code, run=result["run"], pid=result["pid"]) + "\n")
    for one in result["markets"]:
        kind = sentence("live.paper" if one["paper"] else "live.real", code)
        fields = {**one, "kind": kind, "strategy": one["strategy"] or "–", "processes": sum(child["alive"] for child in one["processes"])}
        sys.stdout.write("  " + sentence("status.market", code, **fields) + "\n")
    for one in result["accounts"]:
        if "problem" in one:
            sys.stdout.write("  " + sentence("status.damaged", code, account=one["account"]) + "\n")
            continue
        armed = sentence("status.armed" if one["armed"] else "status.not_armed", code, until=_time(one["armed_until"]))
        running = sentence("status.running" if one["running"] else "status.stopped", code)
        fields = {"account": one["account"], "armed": armed, "running": running, "latch": sentence(f"kill.name.{one['latch']}", code)}
        sys.stdout.write("  " + sentence("status.account", code, **fields, open_orders=one["open_orders"], in_doubt=one["in_doubt"]) + "\n")


def _time(utc_ns: int | None) -> str:
    return "–" if not utc_ns else time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(utc_ns // 1_000_000_000))
