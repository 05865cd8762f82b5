"""`stom.py optimise`: a study without a window; its options are those of the methods."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtester.condition_lines import Lines, parse_lines
from backtester.executors import LocalExecutor
from backtester.figures import OUT_OF_LIMITS
from backtester.job import DEFAULT_WINDOW, Job, Loaded, context, parse_sets, run_one, side_variables, used_variables
from backtester.metrics import KOREAN, METRIC_KEYS, OBJECTIVES, Limits, named, objective
from backtester.optimisers import METHODS, Entry, Optimiser, Space, entries, every_option, make, optimiser, read_options
from backtester.ranges import parse_ranges, space_of
from backtester.record import keep
from backtester.study import Outcome, Progress
from backtester.verdict.parts import Part, run_days
from backtester.verdict.splits import Division
from backtester.verdict.subjects import division_of, of_study, trials_of, windows_of
from backtester.verdict.walk import searched, walk
from cli.advice import warn
from cli.declared import belongs, offer
from cli.interrupt import stopping
from cli.job_args import add_job, executor_of, job_of, job_of_passport
from cli.output import language, naming_file
from cli.progress import Reporter
from cli.research import load_job, show_metrics
from cli.split_args import add_split, plan_of
from cli.values import number, whole
from cli.verdict import hear
from cli.words import chosen, say
from domain.errors import DataError, InputError, InvariantError, RefusedError
from domain.settings import Research, Settings
from storage.ended_studies import RUNNING, lock_path
from storage.studies import Studies
from strategy.program import Program
from utility.lock import FileLock
from utility.paths import DataDir
from utility.settings_file import load as load_settings
from utility.text import has, sentence
from utility.text_file import read_text

ASK_PAST = 100_000
"""Evaluations past which a study wants to be confirmed."""
FRONT_SHOWN = 20
"""Sets of a front that are printed for a person; `--json` and the store hold all."""


def add_parsers(subparsers: Any) -> None:
    """Add the family's parsers."""
    parser = subparsers.add_parser("optimise")
    add_job(parser)
    method = parser.add_argument("--method", default="ga", help=say("help.optimise.--method", methods=", ".join(METHODS)))
    offer(method, METHODS)
    parser.add_argument("--ranges", default=None, metavar="FILE")
    parser.add_argument("--ranges-form", choices=("grid", "list"), default=None)
    goal = parser.add_argument("--objective", default="TG", help=say("help.optimise.--objective", objectives=", ".join(OBJECTIVES)))
    offer(goal, OBJECTIVES, strict=False)
    parser.add_argument("--limits", default="")
    parser.add_argument("--resume", default=None, metavar="STUDY")
    parser.add_argument("--no-cache", action="store_true")
    parser.add_argument("--yes", action="store_true")
    parser.add_argument("--no-verdict", action="store_true")
    add_split(parser)
    for one in every_option().values():
        add_option(parser, one)
    parser.set_defaults(run=run_optimise, show=show_optimise)


def add_option(parser: argparse.ArgumentParser, one: Entry) -> None:
    """Add an option of the methods, with its bounds and its words; nothing given leaves the method's default."""
    usual = {method: other.default for method in METHODS for other in entries(optimiser(method).Options) if other.name == one.name}
    methods = list(usual)
    told = say(f"option.{one.name}.tip") if has(f"option.{one.name}.tip", chosen()) else one.name
    if len(methods) < len(METHODS):
        told += f" ({', '.join(methods)})"
    name, given = "--" + one.name.replace("_", "-"), {"default": None, "help": told.replace("%", "%%")}
    if one.kind is bool:
        made = parser.add_argument(name, action="store_true", **given)
    elif one.kind is str:
        made = parser.add_argument(name, choices=one.choices or None, **given)
    else:
        made = parser.add_argument(name, type=whole(int(one.low), int(one.high)) if one.kind is int else number(one.low, one.high), **given)
    belongs(made, "--method", usual)


def _options(args: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """Return every option of the method: what was given, else what the settings say, else the method's default."""
    kind = optimiser(args.method).Options
    given = {name: value for name in every_option() if (value := getattr(args, name)) is not None}
    # The settings speak of populations of the usual size; a method with a default of its own keeps it.
    usual = Research()
    kept = {
        one.name: getattr(settings.research, one.name)
        for one in entries(kind)
        if one.name in ("population", "generations", "seed") and one.default == getattr(usual, one.name)
    }
    return asdict(read_options(args.method, kind, {**kept, **given}))


def settled_plan(args: argparse.Namespace, settings: Settings, data: DataDir, store: Studies) -> tuple[Job, dict[str, Any]]:
    """Return the job and the plan of a study, from the arguments or from the study that is resumed."""
    if args.resume is not None:
        passport = store.study(args.resume).passport
        if "options" not in passport["plan"]:
            raise RefusedError("optimise.changed", study=args.resume, what="plan")
        return job_of_passport(passport), passport["plan"]
    method = optimiser(args.method)
    searches_lines = method.form == "lines"
    if searches_lines and (args.ranges is not None or args.ranges_form is not None):
        raise InputError("conditions.ranges")
    if args.ranges is None and not searches_lines:
        raise InputError("optimise.ranges_missing")
    objective(args.objective, np.zeros((1, len(METRIC_KEYS))), 1.0)
    options = _options(args, settings)
    plan = {
        "method": args.method,
        "objective": args.objective.upper(),
        "limits": Limits.parse(args.limits).text(),
        "options": options,
        "seed": options["seed"],
        "ranges": "" if searches_lines else read_text(args.ranges),
        "form": args.ranges_form or method.form,
        "metrics": list(METRIC_KEYS),
        **plan_of(args, settings.verdict.embargo_days),
    }
    if not searches_lines:
        with naming_file(args.ranges):  # before the texts are compiled, which takes longer
            parse_ranges(plan["ranges"], plan["form"])
    job = job_of(args, data)
    if searches_lines:
        if options["only"] != "all":
            raise InputError("optimise.option", option="only", value=options["only"], allowed="all")
        lines = parse_lines(job.buy_text, job.sell_text, job.market, job.interval_s, job.formulas)
        for option, given, there in (("buy-lines", args.buy_lines, lines.buy), ("sell-lines", args.sell_lines, lines.sell)):
            if given is not None and given > len(there):  # the method's own default may be more: it means all of them
                raise InputError("conditions.fewer", option=option, given=given, count=len(there))
        plan["lines"] = asdict(lines)
        buy, sell = lines.texts()
        job = replace(job, buy_text=buy, sell_text=sell)
    return job, plan


def _lines(plan: Mapping[str, Any]) -> Lines | None:
    """Return the condition lines of a study that searches them."""
    kept = plan.get("lines")
    return None if kept is None else Lines(tuple(kept["buy"]), tuple(kept["sell"]), kept["side"])


def searched_space(args: argparse.Namespace, job: Job, program: Program, plan: Mapping[str, Any]) -> Space:
    """Return what is searched; warns of ranges and values that no text uses."""
    lines = _lines(plan)
    if lines is not None:
        unknown = sorted(set(job.variables) - {0})
        if unknown:
            raise InputError("conditions.set", index=unknown[0])
        return lines.space(job.variables.get(0, DEFAULT_WINDOW))
    # A range takes the place of the strategy's stored value; only a value given beside it is a contradiction.
    given = parse_sets(args.sets)
    with naming_file(args.ranges):
        ranges = parse_ranges(plan["ranges"], plan["form"])
        fixed = {index: value for index, value in job.variables.items() if index in given or index not in ranges}
        only = plan["options"]["only"]
        searched = None if only == "all" else side_variables(program, only)
        used = used_variables(program)
        space = space_of(plan["ranges"], plan["form"], fixed, program.n_vars, used, DEFAULT_WINDOW, searched)
    warn(args, program, given, ranges, fixed)
    return space


def _confirm(args: argparse.Namespace, asked: Optimiser, space: Space, trials: int) -> int:
    """Return how many evaluations a study means at most; ask where it is many."""
    count = min(asked.total, trials) if trials else asked.total
    if count <= ASK_PAST or args.yes or args.resume is not None:
        return count
    if not sys.stdin.isatty():
        raise RefusedError("optimise.too_many", count=count, sets=space.count)
    sys.stderr.write(sentence("optimise.ask", language(args), count=count, sets=space.count) + " ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes", "예", "네"):
        raise RefusedError("optimise.too_many", count=count, sets=space.count)
    return count


def run_optimise(args: argparse.Namespace) -> dict[str, Any]:
    """Run or resume a study and return what command-line.md asks for."""
    started = time.perf_counter()
    data, reporter = DataDir(args.data_dir), Reporter(args)
    settings = load_settings(data.settings)
    store = Studies(data.user_library)
    job, plan = settled_plan(args, settings, data, store)
    executor = executor_of(args, settings)
    held: FileLock | None = None
    try:
        reporter.note("load")
        loaded = load_job(job, data, executor)
        space = searched_space(args, job, loaded.program, plan)
        days = run_days(loaded.prepared).tolist()
        windows = windows_of(plan, days) if plan.get("walk_forward") else [division_of(plan, days)]
        count = _confirm(args, make(plan["method"], space, plan["options"]), space, plan["options"]["trials"]) * len(windows)
        passport = job.passport(loaded.rows, loaded.program) | {"plan": plan}
        if args.resume is None:
            study = store.new_study(plan["method"], passport, time.time_ns())
        else:
            study = args.resume
            before = store.study(study).passport
            for key in ("data", "program", "version"):
                if before[key] != passport[key]:
                    raise RefusedError("optimise.changed", study=study, what=key)
        held = FileLock(lock_path(data.run, study), "optimise.running").acquire()
        # From here on whoever ends us from outside leaves a study that says so (storage/ended_studies.py).
        store.set_state(study, RUNNING, store.study(study).result, time.time_ns())
        kept = b"" if args.no_cache else context(loaded)
        reporter.note("run", study=study, rows=loaded.prepared.rows, sets=_told(space.count), evaluations=_told(count))
        with stopping() as wish:
            if plan.get("walk_forward"):
                walked = walk(loaded, executor, windows, plan, space, store, study, kept, wish.is_set, lambda p: _tell(reporter, p, study))
                outcome, more, of = walked.total, walked.result(), windows[len(walked.windows) - 1]
            else:
                search = searched(loaded, executor, windows[0], plan, space, store, study, kept)
                outcome, more, of = search.run(wish.is_set, lambda p: _tell(reporter, p, study)), {}, windows[0]
        reporter.close()
        store.set_state(study, outcome.state, outcome.result() | more, time.time_ns())
        result = _answer(data, loaded, outcome, study, plan, space, of) | more
        if result["best"] is not None and outcome.state == "done" and not args.no_verdict:
            result |= _judged(store, loaded, executor, study, settings, reporter)
    finally:
        executor.close()
        if held is not None:
            with suppress(OSError):  # Windows keeps a file that is open
                held.path.unlink()
            held.release()
    result["wall_seconds"] = time.perf_counter() - started
    return result


def _told(count: int) -> int | float:
    """Return a number of sets as JSON can hold it: past 2^53 as a float."""
    return count if count < 2**53 else float(count)


def _tell(reporter: Reporter, progress: Progress, study: str) -> None:
    best = progress.best if np.isfinite(progress.best) else None
    reporter.tell(progress.done, _told(progress.total), progress.rate, progress.left_s, best, study)


def _judged(store: Studies, loaded: Loaded, executor: LocalExecutor, study: str, settings: Settings, reporter: Reporter) -> dict[str, Any]:
    """Return what the court says of a study that has ended; all its figures are with the verdict in the store."""
    began = time.perf_counter()
    subject = of_study(store, loaded, store.study(study))
    try:
        with stopping() as wish:
            body = hear(store, loaded, executor, subject, settings, reporter, wish.is_set)
    except RefusedError:
        return {}  # the study itself has ended and is stored: only its verdict is left out
    finally:
        reporter.close()
    return {
        "verdict": {"number": body["number"], **body["verdict"]},
        "overfitting": body["overfitting"],
        "out_of_sample": body["out_of_sample"],
        "verdict_seconds": time.perf_counter() - began,
    }


def _answer(
    data: DataDir, loaded: Loaded, outcome: Outcome, study: str, plan: dict[str, Any], space: Space, division: Division
) -> dict[str, Any]:
    """Run the best set by itself, keep it as a run, and put the answer together."""
    seconds, count = outcome.engine_seconds, outcome.evaluations
    computed = count - outcome.cached
    result: dict[str, Any] = {
        "study": study,
        "state": outcome.state,
        "method": plan["method"],
        "objective": plan["objective"],
        "seed": plan["seed"],
        "options": plan["options"],
        "source": loaded.rows.source,
        "rows": loaded.prepared.rows,
        "sets": _told(space.count),
        "evaluations": count,
        "cached": outcome.cached,
        "resumed": outcome.resumed,
        "evaluations_per_second": count / outcome.search_seconds if outcome.search_seconds > 0 else 0.0,
        "row_evaluations_per_second": computed * loaded.prepared.rows / seconds if seconds > 0 else 0.0,
        "engine_seconds": seconds,
        "search_seconds": outcome.search_seconds,
        "compile_seconds": loaded.compile_seconds,
        "load_seconds": loaded.load_seconds,
        "best": None,
    }
    if outcome.front is not None:
        result["front"] = outcome.front
    if outcome.best_number >= 0:
        values = outcome.best_vector
        found, single = _single(data, loaded, plan, values)
        done = run_one(found, single)
        inside = done.metrics
        if len(division.search) < loaded.prepared.days:  # the run on record is of all days, its figures here of those that were searched
            raw = found.engine.run(found.prepared, single[None, :]).raw
            inside = named(Part(found.prepared, division.search, found.engine.executor).metrics(raw, 1)[0])
        if inside != named(outcome.best_metrics):
            if outcome.cached or outcome.resumed:
                raise DataError("studies.trial_differs", study=study, number=outcome.best_number, path=str(data.user_library))
            raise InvariantError("optimise.disagrees", study=study, number=outcome.best_number)
        run, path = keep(data, found, done, "optimise", plan["seed"], study)
        result["best"] = {"vars": values.tolist(), "score": outcome.best_score, "metrics": inside, "number": outcome.best_number}
        result["best"]["within_limits"] = outcome.best_score != OUT_OF_LIMITS
        if found.job.buy_text != loaded.job.buy_text:
            result["best"] |= {"buy": found.job.buy_text, "sell": found.job.sell_text}
        result |= {"run": run, "trades": len(done.trades), "trades_path": str(path), "trades_sha256": done.sha256}
    lines = _lines(plan)
    if lines is not None:
        store = Studies(data.user_library)
        trials = trials_of(store, store.study(study))
        result["conditions"] = lines.report(trials.vectors, trials.scores)
    return result


def _single(data: DataDir, loaded: Loaded, plan: Mapping[str, Any], values: NDArray[np.float64]) -> tuple[Loaded, NDArray[np.float64]]:
    """Return the job of a set alone; of condition lines with the chosen ones as a text of their own."""
    lines = _lines(plan)
    if lines is None:
        return replace(loaded, job=replace(loaded.job, variables=dict(enumerate(values.tolist())))), values
    buy, sell = lines.plain(values)
    job = replace(loaded.job, buy_text=buy, sell_text=sell, variables={0: float(values[0])})
    return load_job(job, data, loaded.engine.executor), values[:1]


def show_optimise(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Print a study for a person."""
    code = language(args)
    sys.stdout.write(sentence(f"optimise.{result['state']}", code, **{**result, "rate": result["evaluations_per_second"]}) + "\n")
    if result["cached"]:
        sys.stdout.write(sentence("optimise.cached", code, count=result["cached"]) + "\n")
    if result["best"] is None:
        return
    if not result["trades"]:
        sys.stdout.write(sentence("optimise.no_trades", code) + "\n")
    fields = {"objective": result["objective"], "score": result["best"]["score"], "vars": _vars(result["best"]["vars"])}
    if not result["best"]["within_limits"]:
        sys.stdout.write(sentence("optimise.none_within_limits", code, **fields) + "\n")
    elif result["trades"]:
        sys.stdout.write(sentence("optimise.best", code, **fields) + "\n")
    show_metrics(args, {key: value for key, value in result["best"]["metrics"].items() if key not in KOREAN.values()})
    _show_front(code, result.get("front"))
    _show_conditions(code, result.get("conditions"))
    _show_walk(code, result.get("walk_forward"))
    beyond = result.get("out_of_sample")
    if beyond is not None:
        sys.stdout.write(sentence("optimise.out_of_sample", code, **beyond) + "\n")
    if "verdict" in result:
        sys.stdout.write(result["verdict"]["sentence"][code] + "\n")
    sys.stdout.write(sentence("research.saved", code, path=result["trades_path"], sha256=result["trades_sha256"]) + "\n")


def _show_front(code: str, front: list[dict[str, Any]] | None) -> None:
    if not front:
        return
    sys.stdout.write(sentence("optimise.front", code, count=len(front)) + "\n")
    for one in front[:FRONT_SHOWN]:
        goals = "  ".join(f"{name} {value:,.2f}" for name, value in one["goals"].items())
        sys.stdout.write(f"  {goals}   {_vars(one['vars'])}\n")
    if len(front) > FRONT_SHOWN:
        sys.stdout.write(sentence("optimise.front_more", code, count=len(front) - FRONT_SHOWN) + "\n")


def _show_walk(code: str, walked: dict[str, Any] | None) -> None:
    if not walked:
        return
    for one in walked["windows"]:
        periods = {"in_from": one["in"][0], "in_to": one["in"][1], "out_from": one["out"][0], "out_to": one["out"][1]}
        fields = {**periods, "inside": one["in_metrics"]["tg"], "outside": one["out_metrics"]["tg"], "vars": _vars(one["vars"])}
        sys.stdout.write("  " + sentence("optimise.window_kept" if one["kept"] else "optimise.window", code, **fields) + "\n")


def _show_conditions(code: str, found: dict[str, Any] | None) -> None:
    if found is None:
        return
    sys.stdout.write(sentence("conditions.kept", code, count=found["kept"]) + "\n")
    for one in found["top"]:
        sys.stdout.write(sentence("conditions.set_score", code, score=one["score"]) + "\n")
        for side in ("buy", "sell"):
            for line in one[side]:
                sys.stdout.write(f"    {sentence(f'strategy.side_{side}', code)}: {line}\n")
    if found["frequency"]:
        sys.stdout.write(sentence("conditions.frequency", code) + "\n")
    for one in found["frequency"]:
        side = sentence("strategy.side_" + one["side"], code)
        sys.stdout.write(f"    {one['share']:6.1%}  {side}: {one['line']}\n")


def _vars(values: list[float]) -> str:
    return "  ".join(f"[{index}] {value:g}" for index, value in enumerate(values))
