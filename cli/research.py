"""`stom.py backtest | optimise | find`: research without a window."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from backtester.account_limits import TRADES_MAX, refusals
from backtester.executors import LocalExecutor
from backtester.job import (
    DEFAULT_WINDOW,
    Job,
    Loaded,
    load,
    parse_sets,
    run_one,
    used_variables,
    vector,
)
from backtester.job import Run as Finished
from backtester.metrics import KOREAN, METRIC_KEYS, OBJECTIVES, Limits, named, objective
from backtester.optimisers import METHODS, Plan, Space, make
from backtester.ranges import parse_ranges, space_of
from backtester.record import keep
from backtester.report import Report, metric_name, write_report
from backtester.study import Outcome, Progress, Search
from cli.advice import warn
from cli.interrupt import stopping
from cli.job_args import add_job, executor_of, job_of, job_of_passport
from cli.output import language, naming_file
from cli.parser import add_common
from cli.progress import Reporter
from cli.values import whole
from cli.words import say
from domain.errors import InputError, InvariantError, RefusedError
from domain.settings import Settings
from storage.columns import open_rows
from storage.studies import Studies
from storage.ticks import ROW_KINDS, TickStore
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
    backtest = subparsers.add_parser("backtest")
    add_job(backtest)
    backtest.add_argument("--report", default=None, metavar="DIR")
    backtest.set_defaults(run=run_backtest, show=show_backtest)

    optimise = subparsers.add_parser("optimise")
    add_job(optimise)
    optimise.add_argument("--method", default="ga")
    optimise.add_argument("--ranges", default=None, metavar="FILE")
    optimise.add_argument("--ranges-form", choices=("grid", "list"), default=None)
    optimise.add_argument("--objective", default="TG", help=say("help.optimise.--objective", objectives=", ".join(OBJECTIVES)))
    optimise.add_argument("--limits", default="")
    optimise.add_argument("--population", type=whole(2, 1_000_000), default=None)
    optimise.add_argument("--generations", type=whole(1, 1_000_000), default=None)
    optimise.add_argument("--trials", type=whole(0, 10**12), default=0)
    optimise.add_argument("--seed", type=whole(0, 2**32 - 1), default=None)
    optimise.add_argument("--resume", default=None, metavar="STUDY")
    optimise.add_argument("--yes", action="store_true")
    for name in ("--split", "--test-weeks", "--walk-forward"):
        optimise.add_argument(name, default=None, help=argparse.SUPPRESS)
    optimise.set_defaults(run=run_optimise, show=show_optimise)

    find = subparsers.add_parser("find")
    add_common(find)
    find.set_defaults(run=run_find)


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


# --- backtest -----------------------------------------------------------------------------------------


def run_backtest(args: argparse.Namespace) -> dict[str, Any]:
    """Run one backtest and return what command-line.md asks for."""
    started = time.perf_counter()
    data, reporter = DataDir(args.data_dir), Reporter(args)
    settings = load_settings(data.settings)
    executor = executor_of(args, settings)
    try:
        reporter.note("load")
        loaded = _load(job_of(args, data), data, executor)
        reporter.note("run", rows=loaded.prepared.rows)
        warn(args, loaded.program, parse_sets(args.sets))
        done = run_one(loaded, vector(loaded.program, loaded.job.variables))
    finally:
        executor.close()
    number, path = keep(data, loaded, done, "backtest")
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
        "quarantined": _quarantined(data, loaded.job, loaded.rows.source),
        # Entries that the account's limits would have refused; `live` counts refused intents. Nought is nought on both sides.
        "refusals": _refusals(data, settings, loaded, done),
        "refusals_of": "entries",
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


def _load(job: Job, data: DataDir, executor: LocalExecutor) -> Loaded:
    """Load a job; when all its rows are among what was put aside, say that."""
    try:
        return load(job, data, executor)
    except InputError as error:
        aside = _quarantined(data, job, str(error.fields.get("source", ""))) if error.code == "backtest.no_rows" else []
        if not aside:
            raise
        fields = {"market": job.market.code, "source": error.fields["source"], "kind": ROW_KINDS[job.interval_s]}
        raise InputError("store.no_data_quarantined", **fields, files=", ".join(aside)) from error


def _quarantined(data: DataDir, job: Job, source: str) -> list[str]:
    """Return the damaged segments of the rows' source that were put aside: their rows are missing in the run."""
    kind = ROW_KINDS[job.interval_s]
    first, last = ((text or 0) for text in (job.from_time, job.to_time))
    found = []
    for one in TickStore(data.root).quarantined(job.market.code, source):
        day = int(one["day"]) if one["day"].isdigit() else 0
        if one["kind"] == kind and (not first or day >= int(str(first)[:8])) and (not last or day <= int(str(last)[:8])):
            found.append(one["file"])
    return found


def _refusals(data: DataDir, settings: Settings, loaded: Loaded, done: Finished) -> dict[str, int] | None:
    """Return the entries that the limits of the paper account would have refused, by limit; None when too many to tell."""
    rules, rows = loaded.job.market, loaded.rows
    depth = None
    if rows.has_book and len(done.trades):
        shown = open_rows(TickStore(data.root), rules.code, loaded.job.interval_s, rows.source, rows.codes, keys=("ask_total_size",))
        depth = shown.columns["ask_total_size"]
    count = settings.market(rules.code).strategy.max_positions
    return refusals(loaded.prepared, done.trades, rows.instruments, depth, settings.risk, count, rules.paper_cash)


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
    if result["refusals"] is None:
        sys.stdout.write(sentence("research.refusals_unknown", code, most=TRADES_MAX) + "\n")
    elif result["refusals"]:
        words = ", ".join(f"{rule} {count:,}" for rule, count in sorted(result["refusals"].items()))
        sys.stdout.write(sentence("research.refusals", code, refusals=words) + "\n")
    if result["quarantined"]:
        sys.stdout.write(sentence("research.quarantined", code, files=", ".join(result["quarantined"])) + "\n")
    sys.stdout.write(sentence("research.saved", code, path=result["trades_path"], sha256=result["trades_sha256"]) + "\n")
    for path in result.get("report", ()):
        sys.stdout.write(f"  {path}\n")


# --- optimise -------------------------------------------------------------------------------------------


def _settled(args: argparse.Namespace, settings: Settings, data: DataDir, store: Studies) -> tuple[Job, dict[str, Any]]:
    """Return the job and the plan of a study, from the arguments or from the study that is resumed."""
    if args.resume is not None:
        passport = store.study(args.resume).passport
        return job_of_passport(passport), passport["plan"]
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
    return job_of(args, data), plan


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


def run_optimise(args: argparse.Namespace) -> dict[str, Any]:
    """Run or resume a study and return what command-line.md asks for."""
    started = time.perf_counter()
    data, reporter = DataDir(args.data_dir), Reporter(args)
    settings = load_settings(data.settings)
    store = Studies(data.library)
    job, plan = _settled(args, settings, data, store)
    executor = executor_of(args, settings)
    try:
        reporter.note("load")
        loaded = _load(job, data, executor)
        used = used_variables(loaded.program)
        # A range takes the place of the strategy's stored value; only a value given beside it is a contradiction.
        given = parse_sets(args.sets)
        with naming_file(args.ranges):
            searched = parse_ranges(plan["ranges"], plan["form"])
        fixed = {index: value for index, value in job.variables.items() if index in given or index not in searched}
        with naming_file(args.ranges):
            space = space_of(plan["ranges"], plan["form"], fixed, loaded.program.n_vars, used, DEFAULT_WINDOW)
        warn(args, loaded.program, given, searched)
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
        with stopping() as wish:
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
        number, path = keep(data, found, done, "optimise", plan["seed"], study)
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
    if not result["trades"]:
        sys.stdout.write(sentence("optimise.no_trades", code) + "\n")
    sys.stdout.write(sentence("optimise.best", code, objective=result["objective"], score=result["best"]["score"], vars=values) + "\n")
    _show_metrics(args, {key: value for key, value in result["best"]["metrics"].items() if key not in KOREAN.values()})
    sys.stdout.write(sentence("research.saved", code, path=result["trades_path"], sha256=result["trades_sha256"]) + "\n")


def run_find(args: argparse.Namespace) -> dict[str, Any]:
    """The back-finder is not there yet; say so."""
    raise RefusedError("backtest.later", option="find")
