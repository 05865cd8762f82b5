"""`stom.py find`: the back-finder; rows where a buy text said yes, and what followed."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from typing import Any

import msgspec

from backtester.engine import Options
from backtester.finder import AHEAD_MAX, MOVES, Question, find, program_of, write_hits
from backtester.job import Job, vector
from cli.job_args import add_job, executor_of, job_of
from cli.output import console, language
from cli.parser import Parser
from cli.progress import Reporter
from cli.values import number, whole
from domain.errors import InputError
from utility.build import RESEARCH, build, lock_digest
from utility.paths import DataDir
from utility.settings_file import load as load_settings
from utility.text import sentence

SHARED = (
    *("market", "interval", "since", "until", "start", "end", "buy", "strategy", "symbols", "sets", "rows_since", "source", "workers"),
    *("strict", "never_zero", "warm_up_zero"),
    *("progress", "data_dir", "lang", "log_level", "json", "quiet"),
)
"""Options of a back-test that mean the same here; of the others nothing would be used."""
SHOWN = 20


def add_parsers(subparsers: Any) -> None:
    """Add the `find` command."""
    parser = subparsers.add_parser("find")
    for action in _backtest()._actions:
        if action.dest in SHARED:
            parser._add_action(action)
    parser.add_argument("--ahead", type=whole(1, AHEAD_MAX), default=None, metavar="ROWS")
    parser.add_argument("--rise", type=number(-100.0, 1_000_000.0), default=None, metavar="PCT")
    parser.add_argument("--columns", action="append", default=[], metavar="NAME[,NAME]")
    parser.set_defaults(run=run_find, show=show_find)


def _backtest() -> Parser:
    parser = Parser(prog="stom.py find", add_help=False)
    add_job(parser)
    return parser


def find_job(args: argparse.Namespace, data: DataDir) -> Job:
    """Return the job of the words: a buy text is enough, and nothing is filled."""
    words = vars(_backtest().parse_args([])) | vars(args)
    if args.strategy is None:
        if args.buy is None:
            raise InputError("find.text_missing")
        words["sell"] = args.buy  # is not read below
    job = job_of(argparse.Namespace(**words), data, sides=("buy",))
    options = Options(betting=job.options.betting, fill="last", start=job.options.start, end=job.options.end)
    return replace(job, options=options, sell_text="")


def run_find(args: argparse.Namespace) -> dict[str, Any]:
    """Find rows, write the table, and return what command-line.md asks for with what followed in figures."""
    started = time.perf_counter()
    data, reporter = DataDir(args.data_dir), Reporter(args)
    settings = load_settings(data.settings)
    columns = tuple(dict.fromkeys(name for part in args.columns for name in part.split(",") if name))
    question = Question(find_job(args, data), args.ahead, args.rise, columns)
    executor = executor_of(args, settings)
    try:
        reporter.note("load")
        program = program_of(question.job)
        found = find(question, data, executor, vector(program, question.job.variables), program)
    finally:
        executor.close()
    run = data.new_run()
    path = data.run_dir(run) / "hits.parquet"
    write_hits(path, found.table)
    job = question.job
    passport = {
        "kind": "find", "market": job.market.code, "interval_s": job.interval_s, "source": found.source, "strategy": job.strategy,
        "buy": job.buy_text, "rows_since": job.rows_since, "formulas": job.formulas, "reading": job.reading,
        "vars": {str(k): v for k, v in sorted(job.variables.items())},
        "from": job.from_time, "to": job.to_time, "symbols": job.symbols, "start": job.options.start, "end": job.options.end,
        "ahead": found.ahead, "rise": found.rise_pct, "columns": columns, "program": program.digest,
        "build": build(RESEARCH), "lock": lock_digest(),
    }  # fmt: skip
    (data.run_dir(run) / "passport.json").write_bytes(msgspec.json.format(msgspec.json.encode(passport), indent=1))
    return {
        "run": run,
        "rows": found.rows,
        "hits": found.table.num_rows,
        "path": str(path),
        "source": found.source,
        "ahead": found.ahead,
        "rise": found.rise_pct,
        "seen": found.seen,
        "held": found.held,
        "reached": found.reached,
        **found.summary(job.interval_s),
        "errors": found.errors,
        "engine_seconds": found.engine_seconds,
        "wall_seconds": time.perf_counter() - started,
        "first": found.table.slice(0, SHOWN).to_pylist(),
    }


def show_find(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Print the first hits, then what followed."""
    from rich.table import Table

    code, out = language(args), console()
    sys.stdout.write(sentence("find.done", code, **result) + "\n")
    if result["errors"]:
        sys.stdout.write(sentence("research.errors", code, count=result["errors"]) + "\n")
    if not result["hits"]:
        sys.stdout.write(sentence("find.none" if result["held"] else "find.never", code, ahead=result["ahead"]) + "\n")
        return
    if result["rise"] is not None:
        fields = {"share": result["share"] * 100.0, "base": result["base_share"] * 100.0, "rise": result["rise"], "ahead": result["ahead"]}
        sys.stdout.write(sentence("find.against_chance", code, **fields) + "\n")
    spread = Table(box=None, pad_edge=False)
    places = list(result["moves"]["end_pct"])
    for name in ("", *places):
        spread.add_column(name, justify="right" if name else "left")
    for name in MOVES:
        spread.add_row(sentence(f"find.{name}", code, ahead=result["ahead"]), *(f"{result['moves'][name][place]:+.3f}" for place in places))
    spread.add_row(sentence("find.rows_to_best", code), *(f"{result['rows_to_best'][place]:,.0f}" for place in places))
    out.print(spread)
    first = Table(box=None, pad_edge=False)
    for name in result["first"][0]:
        first.add_column(name, justify="left" if name in ("code", "side") else "right")
    for one in result["first"]:
        first.add_row(
            *(f"{value:,.4g}" if isinstance(value, float) and name != "last_price" else str(value) for name, value in one.items())
        )
    out.print(first)
    sys.stdout.write(sentence("find.saved", code, path=result["path"], hits=result["hits"]) + "\n")


def _cell(name: str, value: Any) -> str:
    return f"{value:,.4g}" if isinstance(value, float) and name != "last_price" else str(value)
