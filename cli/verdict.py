"""`stom.py verdict STUDY|RUN`: how far a result may be believed, in one sentence with the figures behind it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from backtester.executors import LocalExecutor
from backtester.job import Job, Loaded, load
from backtester.verdict.lines import lines_of
from backtester.verdict.review import Subject, review
from backtester.verdict.subjects import of_run, of_study
from cli.interrupt import stopping
from cli.job_args import add_workers, executor_of, job_of_passport
from cli.output import language
from cli.parser import add_common
from cli.progress import Reporter, add_progress
from cli.words import say
from domain.errors import DataError, RefusedError
from domain.settings import Settings
from storage.studies import Judgement, Run, Studies
from utility.paths import DataDir
from utility.settings_file import load as load_settings
from utility.text import sentence


def add_parsers(subparsers: Any) -> None:
    """Add the `verdict` command."""
    parser = subparsers.add_parser("verdict")
    parser.add_argument("subject", metavar="STUDY|RUN")
    parser.add_argument("--map", type=_pair, default=None, metavar="I,J")
    add_workers(parser)
    add_progress(parser)
    add_common(parser)
    parser.set_defaults(run=run_verdict, show=show_verdict)


def _pair(text: str) -> tuple[int, int]:
    first, comma, second = text.partition(",")
    if not comma or not first.strip().isdigit() or not second.strip().isdigit():
        raise argparse.ArgumentTypeError(say("verdict.pair", value=text))
    return int(first), int(second)


def run_verdict(args: argparse.Namespace) -> dict[str, Any]:
    """Hear a study or a run, store what was found, and return it."""
    started = time.perf_counter()
    data, reporter = DataDir(args.data_dir), Reporter(args)
    settings = load_settings(data.settings)
    store = Studies(data.user_library)
    executor = executor_of(args, settings)
    try:
        reporter.note("load")
        loaded, subject = _subject(args, store, data, executor)
        reporter.note("run", subject=f"{subject.kind}:{subject.name}", rows=loaded.prepared.rows)
        with stopping() as wish:
            body = hear(store, loaded, executor, subject, settings, reporter, wish.is_set)
    except KeyError as error:  # a passport of a version whose keys were others
        raise DataError("verdict.passport", subject=args.subject, key=str(error.args[0])) from error
    finally:
        executor.close()
        reporter.close()
    return body | {"wall_seconds": time.perf_counter() - started}


def hear(
    store: Studies,
    loaded: Loaded,
    executor: LocalExecutor,
    subject: Subject,
    settings: Settings,
    reporter: Reporter,
    stop: Callable[[], bool],
) -> dict[str, Any]:
    """Let the court judge, store it, and return figures and verdict with the number it was stored under.

    Raises
    ------
    RefusedError
        ``verdict.stopped``: a person did not want to wait; nothing was stored.
    """
    began = time.perf_counter()

    def told(stage: str, done: int, total: int) -> None:
        if stop():
            raise RefusedError("verdict.stopped", subject=subject.name)
        rate = done / max(time.perf_counter() - began, 1e-9)
        reporter.tell(done, total, rate, (total - done) / rate if rate > 0 else 0.0, None, f"verdict {stage}")

    body = review(loaded, executor, subject, settings.verdict, settings.research.seed, told)
    found = Judgement(0, time.time_ns(), body["rule"], body["subject"], body["verdict"]["result"], body)
    return {"number": store.add_verdict(found), **body}


def _subject(args: argparse.Namespace, store: Studies, data: DataDir, executor: LocalExecutor) -> tuple[Loaded, Subject]:
    """Return what is to be judged, loaded: a number is a run, anything else a study."""
    if not args.subject.isdigit():
        return _of_study(args, store, data, executor, args.subject)
    run = store.run(int(args.subject))
    refuse_portfolio(run)
    loaded = load(_whole(job_of_passport(run.passport), run), data, executor)
    return loaded, of_run(store, loaded, run.run, args.map)


def refuse_portfolio(run: Run) -> None:
    """Raise RefusedError ``verdict.portfolio`` for a run of several strategies on one account."""
    if run.passport.get("portfolio") is not None:
        raise RefusedError("verdict.portfolio", run=run.run)


def _whole(job: Job, run: Run) -> Job:
    """Return a run's job with symbols and period as they were, also where they were left open."""
    if "codes" not in run.passport:
        return job
    return replace(
        job,
        symbols=job.symbols or tuple(run.passport["codes"]),
        from_time=job.from_time or run.passport["first_row"],
        to_time=job.to_time or run.passport["last_row"],
    )


def _of_study(args: argparse.Namespace, store: Studies, data: DataDir, executor: LocalExecutor, name: str) -> tuple[Loaded, Subject]:
    study = store.study(name)
    loaded = load(job_of_passport(study.passport), data, executor)
    for key, now in (("data", loaded.rows.digest), ("program", loaded.program.digest)):
        if study.passport[key] != now:
            raise RefusedError("optimise.changed", study=name, what=key)
    return loaded, of_study(store, loaded, study, pair=args.map)


# --- for a person ---------------------------------------------------------------------------------


def show_verdict(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Print the sentence, every reason, and the figures."""
    code = language(args)
    sys.stdout.write(result["verdict"]["sentence"][code] + "\n")
    for reason in result["verdict"]["reasons"]:
        mark = sentence("verdict.against" if reason["against"] else "verdict.missing", code)
        sys.stdout.write(f"  {mark}  {reason['sentence'][code]}\n")
    for key, value in lines_of(result):
        sys.stdout.write(f"  {sentence('verdict.figure.' + key, code):<28} {value}\n")
    sys.stdout.write(sentence("verdict.saved", code, number=result["number"], rule=result["rule"][:16]) + "\n")
