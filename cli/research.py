"""`stom.py backtest | optimise | find`: research without a window."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from backtester.engine import Options
from backtester.executors import LocalExecutor
from backtester.job import (
    DEFAULT_WINDOW,
    Job,
    Loaded,
    default_times,
    load,
    parse_clock,
    parse_fees,
    parse_moment,
    parse_rows_since,
    parse_sets,
    run_one,
    used_variables,
    vector,
)
from backtester.job import Run as Finished
from backtester.metrics import KOREAN, METRIC_KEYS, OBJECTIVES, Limits, named, objective
from backtester.optimisers import METHODS, Plan, Space, make
from backtester.ranges import parse_ranges, space_of
from backtester.report import Report, metric_name, write_report
from backtester.study import Outcome, Progress, Search
from cli.main import add_common
from cli.output import language
from cli.progress import Reporter, add_progress
from domain.errors import InputError, InvariantError, RefusedError
from domain.settings import Settings
from storage.studies import Run, Studies
from trading.trades import write_trades
from trading.venues import market, markets
from utility.paths import DataDir
from utility.settings_file import load as load_settings
from utility.text import sentence
from utility.text_file import read_text

INTERVALS = {"1s": 1, "1m": 60}
LATER_METHODS = ("sweep", "nsga2", "tpe", "cmaes", "random", "conditions")
GRID_ASK = 100_000
"""Sets past which a grid wants to be confirmed."""


def add_parsers(subparsers: Any) -> None:
    """Add the family's parsers."""
    backtest = subparsers.add_parser("backtest", help="one run of a strategy over stored rows")
    _add_job(backtest)
    backtest.add_argument("--report", default=None, metavar="DIR", help="write equity pictures and HTML pages there")
    backtest.set_defaults(run=run_backtest, show=show_backtest)

    optimise = subparsers.add_parser("optimise", help="search parameter sets")
    _add_job(optimise)
    optimise.add_argument("--method", default="ga", help="ga or grid")
    optimise.add_argument("--ranges", default=None, metavar="FILE", help="range text: self.vars[i] = [[...], best]")
    optimise.add_argument(
        "--ranges-form", choices=("grid", "list"), default=None, help="[[start, stop, step], best] or [[v1, v2, ...], best]; by the method"
    )
    optimise.add_argument("--objective", default="TG", help=", ".join(OBJECTIVES))
    optimise.add_argument("--limits", default="", help="mdd=0:20,atc=1:50 … (mdd mh wr ap atc cagr tpi)")
    optimise.add_argument("--population", type=int, default=None)
    optimise.add_argument("--generations", type=int, default=None)
    optimise.add_argument("--trials", type=int, default=0, help="at most so many evaluations (0 = as the method needs)")
    optimise.add_argument("--seed", type=int, default=None)
    optimise.add_argument("--resume", default=None, metavar="STUDY", help="go on with a stopped or killed study")
    optimise.add_argument("--yes", action="store_true", help=f"do not ask before a grid of more than {GRID_ASK:,} sets")
    for name in ("--split", "--test-weeks", "--walk-forward"):
        optimise.add_argument(name, default=None, help=argparse.SUPPRESS)
    optimise.set_defaults(run=run_optimise, show=show_optimise)

    find = subparsers.add_parser("find", help="back-finder (a later version)")
    add_common(find)
    find.set_defaults(run=run_find)


def _add_job(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--market", choices=tuple(markets()), default=None)
    parser.add_argument("--interval", choices=tuple(INTERVALS), default="1s")
    parser.add_argument("--from", dest="since", default=None, help="date, or ISO 8601 with a zone; included")
    parser.add_argument("--to", dest="until", default=None, help="date, or ISO 8601 with a zone; included")
    parser.add_argument("--start", default=None, help="time of day from which code runs (HHMMSS, market's clock)")
    parser.add_argument("--end", default=None, help="time of day after which rows do not exist (HHMMSS)")
    parser.add_argument("--buy", default=None, metavar="FILE")
    parser.add_argument("--sell", default=None, metavar="FILE")
    parser.add_argument("--strategy", default=None, metavar="NAME", help="a strategy of the library")
    parser.add_argument("--symbols", action="append", default=None, metavar="CODE[,CODE]")
    parser.add_argument("--set", dest="sets", action="append", default=[], metavar="I=VALUE", help="self.vars[I]")
    parser.add_argument("--betting", type=float, default=None, help="amount of currency per entry")
    parser.add_argument("--fees", default=None, metavar="RATE[:TAX]", help="fractions: per side, and on sales")
    parser.add_argument("--fill", choices=("sweep", "queue", "last"), default="sweep")
    parser.add_argument("--latency", type=int, default=0, metavar="ROWS", help="rows between signal and fill")
    parser.add_argument("--entry-levels", type=int, default=3, help="book levels an entry may use (1-5)")
    parser.add_argument("--exit-levels", type=int, default=5, help="book levels an exit may use (1-5)")
    parser.add_argument("--rows-since", default=None, metavar="FILE", help="lines: name = expression")
    parser.add_argument("--source", default=None, help="recorded, made or runN")
    parser.add_argument("--order-settings", default=None, metavar="FILE", help=argparse.SUPPRESS)
    parser.add_argument("--workers", default=None, help="threads: a number, or local (all cores)")
    add_progress(parser)
    add_common(parser)


# --- from arguments to a job ------------------------------------------------------------------------


def _job(args: argparse.Namespace, data: DataDir) -> Job:
    if args.market is None:
        raise InputError("backtest.market_missing")
    if args.order_settings is not None:
        raise RefusedError("backtest.later", option="--order-settings")
    if args.fill == "queue":
        raise RefusedError("backtest.later", option="--fill queue")
    rules, interval_s = market(args.market), INTERVALS[args.interval]
    name, buy, sell, variables = _texts(args, data)
    start, end = default_times(rules, interval_s)
    since = None if args.since is None else parse_moment(args.since, rules, interval_s, last=False)
    until = None if args.until is None else parse_moment(args.until, rules, interval_s, last=True)
    return Job(
        market=rules,
        interval_s=interval_s,
        buy_text=buy,
        sell_text=sell,
        options=Options(
            betting=rules.backtest_betting if args.betting is None else args.betting,
            entry_levels=args.entry_levels,
            exit_levels=args.exit_levels,
            latency=args.latency,
            fill=args.fill,
            fees=None if args.fees is None else parse_fees(args.fees),
            start=start if args.start is None else parse_clock(args.start),
            end=end if args.end is None else parse_clock(args.end),
        ),
        from_time=since,
        to_time=until,
        symbols=None if args.symbols is None else tuple(code for part in args.symbols for code in part.split(",") if code),
        variables={**variables, **parse_sets(args.sets)},
        rows_since=() if args.rows_since is None else parse_rows_since(read_text(args.rows_since)),
        source=args.source,
        strategy=name,
    )


def _texts(args: argparse.Namespace, data: DataDir) -> tuple[str, str, str, dict[int, float]]:
    """Return name, buy text, sell text and stored variables."""
    if args.strategy is not None:
        if args.buy is not None or args.sell is not None:
            raise InputError("backtest.two_strategies")
        from storage.strategies import Strategies

        return Strategies(data.library).texts(args.strategy, args.market)
    if args.buy is None or args.sell is None:
        raise InputError("backtest.texts_missing")
    return Path(args.buy).stem, read_text(args.buy), read_text(args.sell), {}


def _executor(args: argparse.Namespace, settings: Settings) -> LocalExecutor:
    text = args.workers
    if text is None or text == "local":
        return LocalExecutor(settings.research.workers)
    if not text.isdigit():
        raise RefusedError("backtest.later", option=f"--workers {text}")
    return LocalExecutor(int(text))


def _facts(loaded: Loaded) -> list[tuple[str, str]]:
    job, rows = loaded.job, loaded.rows
    times = loaded.prepared.row_time[loaded.prepared.blocks[:, 0]]
    return [
        ("research.fact_market", f"{job.market.code} {job.interval_s} s"),
        ("research.fact_strategy", job.strategy),
        ("research.fact_source", rows.source),
        ("research.fact_period", f"{times.min()} … {loaded.prepared.row_time[loaded.prepared.blocks[:, 1] - 1].max()}"),
        ("research.fact_symbols", ", ".join(rows.codes)),
        ("research.fact_betting", f"{job.options.betting:,.2f} {job.market.currency}"),
        ("research.fact_fill", f"{job.options.fill}, latency {job.options.latency}"),
        ("research.fact_variables", ", ".join(f"[{index}] {value:g}" for index, value in sorted(job.variables.items()))),
    ]


def _keep(data: DataDir, loaded: Loaded, done: Finished, kind: str) -> tuple[int, Path]:
    """Give the run a number, write its passport and trades, and put it on the list."""
    number = data.new_run()
    folder = data.run_dir(number)
    path = folder / "trades.parquet"
    write_trades(path, loaded.prepared.codes, done.trades, loaded.engine.steps.labels)
    passport = loaded.job.passport(loaded.rows, loaded.program)
    (folder / "passport.json").write_bytes(msgspec.json.format(msgspec.json.encode(passport), indent=1))
    Studies(data.library).add_run(
        Run(
            run=number,
            kind=kind,
            created_ns=time.time_ns(),
            passport=passport,
            metrics={key: done.metrics[key] for key in METRIC_KEYS},
            trades=len(done.trades),
            trades_sha256=done.sha256,
            trades_path=str(path),
        )
    )
    return number, path


# --- backtest -----------------------------------------------------------------------------------------


def run_backtest(args: argparse.Namespace) -> dict[str, Any]:
    """Run one backtest and return what command-line.md asks for."""
    started = time.perf_counter()
    data, reporter = DataDir(args.data_dir), Reporter(args)
    executor = _executor(args, load_settings(data.settings))
    try:
        reporter.note("load")
        loaded = load(_job(args, data), data, executor)
        reporter.note("run", rows=loaded.prepared.rows)
        done = run_one(loaded, vector(loaded.program, loaded.job.variables))
    finally:
        executor.close()
    number, path = _keep(data, loaded, done, "backtest")
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
        "trades": len(done.trades),
        "trades_path": str(path),
        "trades_sha256": done.sha256,
        "errors": done.errors,
        "past_levels": done.past_levels,
        # The account's limits join symbols; a back-test of this depth has no account, so nothing is refused by one.
        "refusals": {},
        "latency": loaded.job.options.latency,
        "fill": loaded.job.options.fill,
        "betting": loaded.job.options.betting,
        "start": loaded.job.options.start,
        "end": loaded.job.options.end,
    }
    if args.report is not None:
        title = f"{loaded.job.strategy} · {loaded.job.market.code} · run {number}"
        report = Report(
            title, _facts(loaded), done.metrics, loaded.prepared.codes, done.trades, loaded.engine.steps.labels, loaded.job.interval_s
        )
        result["report"] = [str(made) for made in write_report(report, Path(args.report))]
    result["wall_seconds"] = time.perf_counter() - started
    return result


def _show_metrics(args: argparse.Namespace, metrics: dict[str, float]) -> None:
    code = language(args)
    for key in METRIC_KEYS:
        value = metrics[key]
        text = f"{value:,.2f}" if isinstance(value, float) else f"{value:,}"
        sys.stdout.write(f"  {metric_name(key, code)}: {text}\n")


def show_backtest(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Print a backtest for a person."""
    code = language(args)
    sys.stdout.write(sentence("research.done", code, **result) + "\n")
    _show_metrics(args, result["metrics"])
    if result["errors"]:
        sys.stdout.write(sentence("research.errors", code, count=result["errors"]) + "\n")
    if result["past_levels"]:
        sys.stdout.write(sentence("research.past_levels", code, count=result["past_levels"]) + "\n")
    sys.stdout.write(sentence("research.saved", code, path=result["trades_path"], sha256=result["trades_sha256"]) + "\n")
    for path in result.get("report", ()):
        sys.stdout.write(f"  {path}\n")


# --- optimise -------------------------------------------------------------------------------------------


def _settled(args: argparse.Namespace, settings: Settings, data: DataDir, store: Studies) -> tuple[Job, dict[str, Any]]:
    """Return the job and the plan of a study, from the arguments or from the study that is resumed."""
    if args.resume is not None:
        passport = store.study(args.resume).passport
        return _job_of(passport), passport["plan"]
    for option in ("split", "test_weeks", "walk_forward"):
        value = getattr(args, option)
        if value is not None and not (option == "split" and value == "none"):
            raise RefusedError("backtest.later", option="--" + option.replace("_", "-"))
    if args.method in LATER_METHODS:
        raise RefusedError("backtest.later", option=f"--method {args.method}")
    if args.method not in METHODS:
        raise InputError("optimise.method", method=args.method, methods=", ".join(METHODS))
    if args.ranges is None:
        raise InputError("optimise.ranges_missing")
    objective(args.objective, np.zeros((1, len(METRIC_KEYS))), 1.0)
    plan = {
        "method": args.method,
        "objective": args.objective.upper(),
        "limits": Limits.parse(args.limits).text(),
        "population": settings.research.population if args.population is None else args.population,
        "generations": settings.research.generations if args.generations is None else args.generations,
        "trials": args.trials,
        "seed": settings.research.seed if args.seed is None else args.seed,
        "ranges": read_text(args.ranges),
        "form": args.ranges_form or ("grid" if args.method == "grid" else "list"),
        "metrics": list(METRIC_KEYS),
    }
    if plan["population"] < 2 or plan["generations"] < 1 or plan["trials"] < 0 or plan["seed"] < 0:
        raise InputError("optimise.plan", population=plan["population"], generations=plan["generations"], trials=plan["trials"])
    return _job(args, data), plan


def _job_of(passport: dict[str, Any]) -> Job:
    """Return the job that a passport describes."""
    fees = passport["fees"]
    return Job(
        market=market(passport["market"]),
        interval_s=passport["interval_s"],
        buy_text=passport["buy"],
        sell_text=passport["sell"],
        options=Options(
            betting=passport["betting"],
            entry_levels=passport["entry_levels"],
            exit_levels=passport["exit_levels"],
            latency=passport["latency"],
            fill=passport["fill"],
            fees=None if fees is None else (fees[0], fees[1]),
            start=passport["start"],
            end=passport["end"],
        ),
        from_time=passport["from"],
        to_time=passport["to"],
        symbols=None if passport["symbols"] is None else tuple(passport["symbols"]),
        variables={int(index): value for index, value in passport["vars"].items()},
        rows_since=tuple((name, expression) for name, expression in passport["rows_since"]),
        source=passport["source"],
        strategy=passport["strategy"],
    )


def _confirm(args: argparse.Namespace, plan: dict[str, Any], space: Space) -> None:
    """Say how many sets a grid is, and ask where it is many."""
    count = min(space.count, plan["trials"]) if plan["trials"] else space.count
    if plan["method"] != "grid" or count <= GRID_ASK or args.yes or args.resume is not None:
        return
    if not sys.stdin.isatty():
        raise RefusedError("optimise.too_many", count=count)
    sys.stderr.write(sentence("optimise.ask", language(args), count=count) + " ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes", "예", "네"):
        raise RefusedError("optimise.too_many", count=count)


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Turn the first Ctrl+C into a wish to stop; the second one is an ordinary interrupt."""
    wish = threading.Event()

    def ask(number: int, frame: Any) -> None:
        if wish.is_set():
            raise KeyboardInterrupt
        wish.set()

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield wish
    finally:
        signal.signal(signal.SIGINT, before)


def run_optimise(args: argparse.Namespace) -> dict[str, Any]:
    """Run or resume a study and return what command-line.md asks for."""
    started = time.perf_counter()
    data, reporter = DataDir(args.data_dir), Reporter(args)
    settings = load_settings(data.settings)
    store = Studies(data.library)
    job, plan = _settled(args, settings, data, store)
    executor = _executor(args, settings)
    try:
        reporter.note("load")
        loaded = load(job, data, executor)
        used = used_variables(loaded.program)
        # A range takes the place of the strategy's stored value; only a value given beside it is a contradiction.
        searched, given = parse_ranges(plan["ranges"], plan["form"]), parse_sets(args.sets)
        fixed = {index: value for index, value in job.variables.items() if index in given or index not in searched}
        space = space_of(plan["ranges"], plan["form"], fixed, loaded.program.n_vars, used, DEFAULT_WINDOW)
        _confirm(args, plan, space)
        passport = job.passport(loaded.rows, loaded.program) | {"plan": plan}
        if args.resume is None:
            study = store.new_study(plan["method"], passport, time.time_ns())
        else:
            study = args.resume
            before = store.study(study).passport
            for key in ("data", "program", "version"):
                if before[key] != passport[key]:
                    raise RefusedError("optimise.changed", study=study, what=key)
        search = Search(
            engine=loaded.engine,
            prepared=loaded.prepared,
            metrics=loaded.metrics,
            optimiser=make(plan["method"], space, _plan(plan)),
            space=space,
            objective=plan["objective"],
            limits=Limits.parse(plan["limits"]),
            store=store,
            study=study,
            batch=plan["population"] if plan["method"] == "ga" else 4_096,
        )
        search.recall(store.trials(study))
        reporter.note("run", study=study, rows=loaded.prepared.rows)
        with _stopping() as wish:
            outcome = search.run(wish.is_set, lambda p: _tell(reporter, p, study))
        reporter.close()
        store.set_state(study, outcome.state, outcome.result(), time.time_ns())
        return _answer(data, loaded, outcome, study, plan, started)
    finally:
        executor.close()


def _plan(plan: dict[str, Any]) -> Plan:
    return Plan(seed=plan["seed"], population=plan["population"], generations=plan["generations"], trials=plan["trials"])


def _tell(reporter: Reporter, progress: Progress, study: str) -> None:
    best = progress.best if np.isfinite(progress.best) else None
    reporter.tell(progress.done, progress.total, progress.rate, progress.left_s, best, study)


def _answer(data: DataDir, loaded: Loaded, outcome: Outcome, study: str, plan: dict[str, Any], started: float) -> dict[str, Any]:
    """Run the best set by itself, keep it as a run, and put the answer together."""
    seconds, count = outcome.engine_seconds, outcome.evaluations
    result: dict[str, Any] = {
        "study": study,
        "state": outcome.state,
        "method": plan["method"],
        "objective": plan["objective"],
        "seed": plan["seed"],
        "source": loaded.rows.source,
        "rows": loaded.prepared.rows,
        "evaluations": count,
        "resumed": outcome.resumed,
        "evaluations_per_second": count / outcome.search_seconds if outcome.search_seconds > 0 else 0.0,
        "row_evaluations_per_second": count * loaded.prepared.rows / seconds if seconds > 0 else 0.0,
        "engine_seconds": seconds,
        "compile_seconds": loaded.compile_seconds,
        "load_seconds": loaded.load_seconds,
        "best": None,
    }
    if outcome.best_number >= 0:
        values = outcome.best_vector
        found = replace(loaded, job=replace(loaded.job, variables=dict(enumerate(values.tolist()))))
        done = run_one(found, values)
        if done.metrics != named(outcome.best_metrics):
            raise InvariantError("optimise.disagrees", study=study, number=outcome.best_number)
        number, path = _keep(data, found, done, "optimise")
        result["best"] = {"vars": values.tolist(), "score": outcome.best_score, "metrics": done.metrics, "number": outcome.best_number}
        result |= {"run": number, "trades": len(done.trades), "trades_path": str(path), "trades_sha256": done.sha256}
    result["wall_seconds"] = time.perf_counter() - started
    return result


def show_optimise(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Print a study for a person."""
    code = language(args)
    sys.stdout.write(sentence(f"optimise.{result['state']}", code, **{**result, "rate": result["evaluations_per_second"]}) + "\n")
    if result["best"] is None:
        return
    values = "  ".join(f"[{index}] {value:g}" for index, value in enumerate(result["best"]["vars"]))
    sys.stdout.write(sentence("optimise.best", code, objective=result["objective"], score=result["best"]["score"], vars=values) + "\n")
    _show_metrics(args, {key: value for key, value in result["best"]["metrics"].items() if key not in KOREAN.values()})
    sys.stdout.write(sentence("research.saved", code, path=result["trades_path"], sha256=result["trades_sha256"]) + "\n")


def run_find(args: argparse.Namespace) -> dict[str, Any]:
    """The back-finder is not there yet; say so."""
    raise RefusedError("backtest.later", option="find")
