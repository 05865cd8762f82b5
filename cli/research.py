"""`stom.py backtest`: research without a window."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtester.account_limits import might_refuse
from backtester.executors import LocalExecutor
from backtester.figures import TRIMMED_PCT
from backtester.job import (
    Job,
    Loaded,
    job_rows,
    load,
    parse_sets,
    run_one,
    vector,
)
from backtester.job import Run as Finished
from backtester.metrics import METRIC_KEYS
from backtester.portfolio import DEPTHS, Portfolio
from backtester.record import keep
from backtester.sheet.load import load_sheet
from backtester.sheet.page import metric_name, write
from cli.advice import warn
from cli.job_args import add_job, executor_of, job_of, usual_betting
from cli.money_facts import asks_more, money_facts, show_money
from cli.no_trades import show_no_trades, why_no_trades
from cli.order_limit import OrderRoom, all_too_large, over_limit
from cli.output import language, refusals_said
from cli.portfolio import portfolio_facts, refused_by, show_portfolio
from cli.progress import Reporter
from cli.values import amount, number, whole
from domain.errors import InputError
from domain.intervals import recorded_interval
from domain.order_settings import titles
from domain.settings import Settings
from storage.ticks import ROW_KINDS, TickStore
from trading.venues import market as find_market
from utility.amounts import money_text
from utility.order_settings_file import changed
from utility.paths import DataDir
from utility.settings_file import load as load_settings
from utility.text import LANGUAGES, sentence


def add_parsers(subparsers: Any) -> None:
    """Add the family's parsers."""
    backtest = subparsers.add_parser("backtest")
    add_job(backtest)
    backtest.add_argument("--report", default=None, metavar="DIR")
    backtest.add_argument("--portfolio", action="store_true")
    backtest.add_argument("--beside", default=None, metavar="NAME[,NAME]")
    backtest.add_argument("--share", default=None, metavar="SHARE[,SHARE]")
    backtest.add_argument("--cash", type=amount, default=None)
    backtest.add_argument("--max-positions", type=whole(1, 100_000), default=None)
    backtest.add_argument("--stop-loss-pct", type=number(0.0, 100.0), default=None)
    backtest.add_argument("--stop-gain-pct", type=number(0.0, 1000.0), default=None)
    backtest.set_defaults(run=run_backtest, show=show_backtest)


# --- backtest -----------------------------------------------------------------------------------------


def run_backtest(args: argparse.Namespace) -> dict[str, Any]:
    """Run one backtest and return what command-line.md asks for."""
    started = time.perf_counter()
    if args.report is not None and Path(args.report).exists() and not Path(args.report).is_dir():
        raise InputError("report.no_folder", path=args.report)
    data, reporter = DataDir(args.data_dir), Reporter(args)
    settings = load_settings(data.settings)
    executor = executor_of(args, settings)
    try:
        reporter.note("load")
        job = job_of(args, data)
        if told := over_limit(job, language(args)):
            sys.stderr.write(told + "\n")
        loaded = load_job(job, data, executor)
        reporter.note("run", rows=loaded.prepared.rows)
        warn(args, loaded.program, parse_sets(args.sets), values=loaded.job.variables)
        values = vector(loaded.program, loaded.job.variables)
        done = run_one(loaded, values)
        too_large = None if done.shared is not None else all_too_large(loaded, done, settings)
        if too_large is not None:
            refused = {too_large.rule: len(done.trades)}
        else:
            refused = _refusals(data, settings, loaded, done, values, executor) if done.shared is None else refused_by(done.shared)
        none = why_no_trades(loaded, done, data, executor, values)
    finally:
        executor.close()
    number, path = keep(data, loaded, done, "backtest")
    orders = loaded.job.options.orders if args.order_settings is not None else None
    result = {
        "run": number,
        "rows": loaded.prepared.rows,
        "symbols": len({int(symbol) for symbol in loaded.prepared.symbols}),
        "days": loaded.prepared.days,
        "source": loaded.rows.source,
        "engine_seconds": done.engine_seconds,
        "compile_seconds": loaded.compile_seconds,
        "load_seconds": loaded.load_seconds,
        "from_cache": loaded.from_cache,
        "metrics": done.metrics,
        "metrics_leave_out_pct": {"mh": TRIMMED_PCT, "seed": TRIMMED_PCT},
        "trades": len(done.trades),
        "no_trades": none,
        "trades_path": str(path),
        "trades_sha256": done.sha256,
        "errors": done.errors,
        "past_levels": done.past_levels,
        "quarantined": _quarantined(data, loaded.job, loaded.rows.source),
        "refusals": refused,
        "refusals_of": "intents" if too_large is None else "entries",
        "largest_order": None if too_large is None else too_large.limit,
        "order_settings": None if orders is None else changed(orders, loaded.job.market),
        "latency": loaded.job.options.latency,
        "delay_ms": loaded.job.options.delay_ms,
        "slippage": loaded.job.options.slippage,
        "fill": loaded.job.options.fill,
        "level_share": loaded.job.options.level_share,
        **money_facts(loaded.job, done),
        "betting": loaded.job.options.betting,
        "start": loaded.job.options.start,
        "end": loaded.job.options.end,
    }
    if done.shared is not None:
        usual = usual_betting(loaded.job.market, data) if args.betting is None else loaded.job.options.betting
        result["portfolio"] = portfolio_facts(loaded, done, path.parent) | {"betting_usual": usual}
    if args.report is not None:
        result["report"] = _report(data, number, Path(args.report))
    result["wall_seconds"] = time.perf_counter() - started
    return result


def _report(data: DataDir, number: int, folder: Path) -> list[str]:
    """Write the sheet of a run in both languages, as a page and as a PDF."""
    sheet = load_sheet(data, number)
    made = [folder / f"report_{code}.{ending}" for code in LANGUAGES for ending in ("html", "pdf")]
    for path in made:
        write(sheet, path, path.stem[-2:])
    return [str(path) for path in made]


def load_job(job: Job, data: DataDir, executor: LocalExecutor) -> Loaded:
    """Load a job; when all its rows are among what was put aside, say that."""
    try:
        return load(job, data, executor)
    except InputError as error:
        aside = _quarantined(data, job, str(error.fields.get("source", ""))) if error.code == "backtest.no_rows" else []
        if not aside:
            raise
        fields = {"market": job.market.code, "source": error.fields["source"], "kind": ROW_KINDS[recorded_interval(job.interval_s)]}
        raise InputError("store.no_data_quarantined", **fields, files=", ".join(aside)) from error


def _quarantined(data: DataDir, job: Job, source: str) -> list[str]:
    """Return the damaged segments of the rows' source that were put aside: their rows are missing in the run."""
    kind = ROW_KINDS[recorded_interval(job.interval_s)]
    first, last = ((text or 0) for text in (job.from_time, job.to_time))
    found = []
    for one in TickStore(data.root).quarantined(job.market.code, source):
        day = int(one["day"]) if one["day"].isdigit() else 0
        if one["kind"] == kind and (not first or day >= int(str(first)[:8])) and (not last or day <= int(str(last)[:8])):
            found.append(one["file"])
    return found


def _refusals(
    data: DataDir, settings: Settings, loaded: Loaded, done: Finished, values: NDArray[np.float64], executor: LocalExecutor
) -> dict[str, int] | None:
    """Return the intents that the limits of the paper account would have refused or made smaller, by limit; None when nobody can tell.

    They are those of a portfolio run of the same job. Where no limit may have acted on the trades there is no such run.
    """
    job, rows = loaded.job, loaded.rows
    if job.options.orders is not None:
        return None  # a trade is many intents then; `--portfolio` counts them
    depths = None
    if rows.has_book and len(done.trades):
        columns = job_rows(replace(job, source=rows.source), data, DEPTHS).columns
        depths = (columns[DEPTHS[0]], columns[DEPTHS[1]])
    own = settings.market(job.market.code).strategy
    stops = (own.stop_loss_pct, own.stop_gain_pct)
    risk, cash = settings.risk, job.market.paper_cash
    if not any(stops) and not might_refuse(loaded.prepared, done.raw, rows.instruments, depths, risk, own.max_positions, cash):
        return {}
    if job.interval_s not in ROW_KINDS or loaded.prepared.window_rows:
        return None  # bars that are built have no order of arrival; an account needs all rows at once, and there is no memory for them
    terms = Portfolio(cash, own.max_positions, risk=risk, stop_loss_pct=stops[0], stop_gain_pct=stops[1])
    shared = run_one(load(replace(job, source=rows.source, portfolio=terms), data, executor), values).shared
    return None if shared is None else refused_by(shared)


def show_metrics(args: argparse.Namespace, metrics: dict[str, float]) -> None:
    code = language(args)
    for key in METRIC_KEYS:
        value = metrics[key]
        text = f"{value:,.2f}" if isinstance(value, float) else f"{value:,}"
        sys.stdout.write(f"  {metric_name(key, code)}: {text}\n")


def show_backtest(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Print a backtest for a person."""
    code = language(args)
    sys.stdout.write(sentence("research.done", code, **result) + "\n")
    currency = find_market(args.market).currency
    sys.stdout.write(sentence("research.betting", code, betting=money_text(result["betting"], currency), currency=currency) + "\n")
    if result["trades"]:
        show_metrics(args, result["metrics"])
    else:
        show_no_trades(code, result["no_trades"], currency)
    if result["errors"]:
        sys.stdout.write(sentence("research.errors", code, count=result["errors"]) + "\n")
    if result["past_levels"]:
        sys.stdout.write(sentence("research.past_levels", code, count=result["past_levels"]) + "\n")
    if result["order_settings"] is not None:
        words = {True: sentence("orders.on", code), False: sentence("orders.off", code)}
        changes = result["order_settings"].items()
        said = ", ".join(f"{titles(code)[path]} {words[value] if isinstance(value, bool) else value}" for path, value in changes)
        sys.stdout.write(sentence("research.orders", code, settings=said or "-") + "\n")
    elif result["refusals"] is None and not asks_more(result):
        sys.stdout.write(sentence("research.refusals_unknown", code) + "\n")
    elif result["refusals_of"] == "entries":
        room = OrderRoom(result["betting"], 1.0, result["largest_order"])
        sys.stdout.write(sentence("research.too_large", code, **room.words(currency)) + "\n")
    elif result["refusals"]:
        told = "portfolio.refusals" if "portfolio" in result else "research.refusals"
        sys.stdout.write(sentence(told, code, refusals=refusals_said(result["refusals"], code)) + "\n")
    show_money(code, result)
    if result["quarantined"]:
        sys.stdout.write(sentence("research.quarantined", code, files=", ".join(result["quarantined"])) + "\n")
    sys.stdout.write(sentence("research.saved", code, path=result["trades_path"], sha256=result["trades_sha256"]) + "\n")
    if "portfolio" in result:
        show_portfolio(code, currency, result["portfolio"], result["betting"])
    for path in result.get("report", ()):
        sys.stdout.write(f"  {path}\n")
