"""`stom.py realised`: what the closed trades of the accounts brought, by day, month or year, as a table and a figure."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from backtester.sheet.realised import UNITS, of_rows, write
from backtester.sheet.style import THEMES
from cli.output import console, language
from cli.parser import add_common
from domain.errors import InputError
from domain.market_codes import MARKET_CODES
from storage import ledger_read
from utility.paths import DataDir
from utility.text import sentence

ENDINGS = (".html", ".pdf", ".png")
ROWS_MAX = 10**9


def add_parsers(subparsers: Any) -> None:
    """Add the `realised` command."""
    parser = subparsers.add_parser("realised")
    parser.add_argument("--market", choices=MARKET_CODES, default=None)
    parser.add_argument("--account", default=None)
    parser.add_argument("--by", choices=tuple(UNITS), default="day")
    parser.add_argument("--out", action="append", default=[], metavar="FILE")
    parser.add_argument("--theme", choices=tuple(THEMES), default="print")
    add_common(parser)
    parser.set_defaults(run=run_realised, show=show_realised)


def run_realised(args: argparse.Namespace) -> dict[str, Any]:
    """Return profit by period of each currency; write the figure into the files that are named."""
    paths = [Path(one) for one in args.out]
    for path in paths:
        if path.suffix.lower() not in ENDINGS:
            raise InputError("compare.ending", path=str(path))
    folders = ledger_read.accounts(DataDir(args.data_dir).root / "accounts", args.account, args.market)
    rows = [row for folder in folders for row in ledger_read.listing(folder, "round_trips", limit=ROWS_MAX)]
    found = of_rows(rows, {folder.name: ledger_read.cursor(folder, "market") for folder in folders})
    for path in paths:
        write(found, args.by, path, language(args), args.theme)
    return {"by": args.by, "realised": [one.as_dict(args.by) for one in found], "written": [str(path.resolve()) for path in paths]}


def show_realised(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Print a table a currency, and the files."""
    from rich.table import Table

    code = language(args)
    if not result["realised"]:
        sys.stdout.write(sentence("report.nothing", code) + "\n")
    for one in result["realised"]:
        sys.stdout.write(f"{one['currency']} · {', '.join(one['accounts'])}\n")
        table = Table(box=None, pad_edge=False)
        table.add_column("")
        for key in ("pnl", "trades", "wins"):
            table.add_column(sentence(f"report.realised_{key}", code), justify="right")
        for row in one["periods"]:
            table.add_row(row["period"], f"{row['pnl']:+,.2f}", f"{row['trades']:,}", f"{row['wins']:,}")
        table.add_row(sentence("report.year_total", code), f"{one['total']:+,.2f}", f"{one['trades']:,}", "")
        console().print(table)
    for path in result["written"]:
        sys.stdout.write(sentence("runs.written", code, path=path) + "\n")
