"""`stom.py data download`: history from a venue, resumed where it stopped."""

from __future__ import annotations

import argparse
import datetime as dt
import re
import sys
import time
from typing import Any

from cli.interrupt import stopping
from cli.output import emit, language
from cli.parser import add_common
from cli.progress import Reporter, add_progress
from cli.values import day
from domain.errors import InputError, StomError
from domain.instruments import DAY_S, NS
from storage.ticks import TickStore
from trading.importers import MARKETS
from trading.importers.download import Download, Downloaded
from trading.venues import HISTORIES, history
from utility.paths import DataDir
from utility.text import sentence

KINDS = ("1s", "1m", "trades", "aggtrades")
STOPPED = 130
_SHOWN_GAPS = 20


def add_download(actions: Any) -> None:
    """Add `data download`."""
    parser = actions.add_parser("download")
    parser.add_argument("--market", choices=sorted(HISTORIES), required=True)
    parser.add_argument("--symbols", "--symbol", action="append", required=True, metavar="CODE,…")
    parser.add_argument("--interval", choices=KINDS, default="1m")
    parser.add_argument("--from", dest="from_day", type=day, required=True, metavar="DATE")
    parser.add_argument("--to", dest="to_day", type=day, default=None, metavar="DATE")
    parser.add_argument("--rest", default=None, metavar="URL")
    add_progress(parser)
    add_common(parser)
    parser.set_defaults(run=run_download, show=show_download)


def run_download(args: argparse.Namespace) -> dict[str, Any] | int:
    """Download and say what came; status 130 when a person stopped it."""
    market = MARKETS[args.market]
    now_ns = time.time_ns()
    today = dt.date(1970, 1, 1) + dt.timedelta(days=(now_ns // NS + market.day_offset_s()) // DAY_S)
    last = min(args.to_day or today, today)
    if args.to_day is not None and args.from_day > args.to_day:
        raise InputError("backtest.range", since=args.from_day, until=args.to_day)
    if args.from_day > today:
        raise InputError("download.future", day=args.from_day)
    codes = [code.strip().upper() for words in args.symbols for code in words.split(",") if code.strip()]
    if not codes:
        raise InputError("download.no_symbols")
    if args.rest is not None and not re.match(r"https?://[^/\s]+", args.rest):
        raise InputError("download.rest", value=args.rest)
    reporter = Reporter(args)
    past = history(args.market, args.rest)
    tongue = language(args)

    def note(code: str, **fields: Any) -> None:
        if "reason" in fields:
            fields["reason"] = sentence(fields["reason"], tongue, **{"path": "", "cause": "–"} | fields.pop("fields"))
        reporter.note(sentence(code, tongue, **fields))

    with stopping() as wish:
        task = Download(
            TickStore(DataDir(args.data_dir).root),
            market,
            past,
            codes,
            args.interval,
            (args.from_day - dt.date(1970, 1, 1)).days,
            (last - dt.date(1970, 1, 1)).days,
            now_ns,
            lambda done, total, rate, left: reporter.tell(done, total, rate, left, None),
            note,
            wish,
        )
        try:
            task.run()
        except StomError as error:
            error.fields |= {"kept_rows": task.result.rows, "kept_days": task.result.days_stored, "requests": task.result.requests}
            sys.stderr.write(_kept(task.result, tongue) + "\n")
            raise
        finally:
            reporter.close()
            past.close()
    if task.result.stopped:
        emit(args, task.result.as_dict())
        sys.stderr.write(_kept(task.result, tongue) + "\n")
        return STOPPED
    return task.result.as_dict()


def _kept(result: Downloaded, tongue: str) -> str:
    return sentence("download.kept", tongue, rows=result.rows, days=result.days_stored, requests=result.requests)


def show_download(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Print the sums, the gaps and what was left alone."""
    tongue = language(args)
    for one in result["gap_list"][:_SHOWN_GAPS]:
        first, last = (time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(one[name] // NS)) for name in ("from_ns", "to_ns"))
        cause = sentence("import.gap." + one["cause"], tongue)
        print(sentence("download.gap", tongue, symbol=one["symbol"], cause=cause, first=first, last=last))
    if len(result["gap_list"]) > _SHOWN_GAPS:
        print(sentence("download.more_gaps", tongue, count=len(result["gap_list"]) - _SHOWN_GAPS))
    for one in result["kept_out"]:
        print(sentence("download.kept_out", tongue, what=one))
    for name, count in result["reasons"].items():
        print(f"{sentence('import.reason.' + name, tongue)}: {count:,}")
    names = ("interval", "rows", "events", "requests", "gaps", "days_stored", "days_empty", "days_there")
    print(sentence("download.sum", tongue, **{name: result[name] for name in names}))
    if result["rows"]:
        print(sentence("download.no_book", tongue))
