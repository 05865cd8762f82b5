"""`stom.py batch add | list | edit | remove | run | results`: research queued, repeated at set times, and what came of it."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from backtester.batch_runner import GRACE_S, Interrupted, Runner
from backtester.board import BOARD_KEYS, board, csv_text
from backtester.record import ticketed
from backtester.schedule import ZONE, Schedule, parse
from cli.batch_words import checked, expand, with_option, words_at
from cli.interrupt import answered
from cli.output import console, language
from cli.parser import add_common
from cli.progress import Reporter, add_progress
from cli.values import number
from cli.words import say
from domain.errors import InputError, InvariantError, StomError
from storage.batches import OFF, RUNNING, WAITING, Batches, BatchJob, Turn
from utility.lock import FileLock
from utility.paths import DataDir
from utility.shared_reads import sharing
from utility.text import sentence

BRINGS_ROWS = (("data", "import"), ("data", "download"), ("data", "make"))
GRACE_MAX_S = 31 * 86_400.0
KEPT = (
    *("run", "study", "state", "trades", "trades_sha256", "rows", "evaluations", "hits", "held", "path", "written", "same", "number"),
    *("verdict", "source", "wall_seconds", "downloaded", "requests"),
)
"""What is kept of a command's result, besides its metrics."""


def add_parsers(subparsers: Any) -> None:
    """Add the family's parsers."""
    batch = subparsers.add_parser("batch")
    actions = batch.add_subparsers(dest="action", metavar="ACTION", parser_class=type(batch), required=True)

    add = actions.add_parser("add")
    add.add_argument("--name", default=None)
    add.add_argument("--vary", action="append", default=[], metavar="OPTION=A|B")
    _when(add)
    add.add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND …")
    _finish(add, run_add, show_add)

    shown = actions.add_parser("list")
    _chosen(shown)
    _finish(shown, run_list, show_list)

    edit = actions.add_parser("edit")
    _chosen(edit)
    edit.add_argument("--change", action="append", default=[], metavar="OPTION=VALUE")
    edit.add_argument("--rename", default=None, metavar="NAME")
    _when(edit)
    edit.add_argument("--once", action="store_true")
    edit.add_argument("--off", action="store_true")
    edit.add_argument("--again", action="store_true")
    edit.add_argument("--first", action="store_true")
    _finish(edit, run_edit, show_count)

    gone = actions.add_parser("remove")
    _chosen(gone)
    _finish(gone, run_remove, show_count)

    run = actions.add_parser("run")
    _chosen(run)
    run.add_argument("--stay", action="store_true")
    run.add_argument("--grace", type=number(0.0, GRACE_MAX_S), default=float(GRACE_S), metavar="SECONDS")
    add_progress(run)
    _finish(run, run_batch, show_run)

    results = actions.add_parser("results")
    _chosen(results)
    results.add_argument("--by", choices=BOARD_KEYS, default="tg")
    results.add_argument("--csv", default=None, metavar="FILE")
    _finish(results, run_results, show_results)


def _when(parser: Any) -> None:
    parser.add_argument("--at", default=None, metavar="HH:MM")
    parser.add_argument("--on", default=None, metavar="DAYS")
    parser.add_argument("--zone", default=None)


def _chosen(parser: Any) -> None:
    parser.add_argument("jobs", nargs="*", metavar="JOB|NAME")


def _finish(parser: Any, run: Any, show: Any) -> None:
    add_common(parser)
    parser.set_defaults(run=run, show=show)


def _schedule(args: argparse.Namespace) -> Schedule | None:
    if args.at is None:
        if args.on is not None or args.zone is not None:
            raise InputError("batch.at_missing")
        return None
    return parse(args.at, "daily" if args.on is None else args.on, ZONE if args.zone is None else args.zone)


def _select(store: Batches, wanted: Sequence[str], *, everything: bool = False) -> list[BatchJob]:
    """Return the jobs that numbers, names and ``all`` mean; InputError ``batch.no_job`` for a word that means none."""
    jobs = store.all()
    if not wanted:
        if everything:
            return jobs
        raise InputError("batch.which")
    chosen: dict[int, BatchJob] = {}
    for word in wanted:
        found = [job for job in jobs if word == "all" or str(job.job) == word or (job.batch and job.batch == word)]
        if not found and word != "all":
            raise InputError("batch.no_job", job=word)
        chosen |= {job.job: job for job in found}
    return [chosen[key] for key in sorted(chosen)]


# --- the queue -------------------------------------------------------------------------------------


def run_add(args: argparse.Namespace) -> dict[str, Any]:
    """Queue a command, or one for each combination of what is varied; every one is read before any is stored."""
    words = args.words[1:] if args.words[:1] == ["--"] else args.words
    many = [checked(one) for one in expand(words, args.vary)]
    schedule = _schedule(args)
    now, data = time.time_ns(), DataDir(args.data_dir)
    store = Batches(data.user_library)
    _look_at([(words, Path.cwd()) for words in many], data, store, now)
    due = 0 if schedule is None else schedule.after(now)
    text = "" if schedule is None else schedule.text()
    numbers = store.add(args.name or "", many, str(Path.cwd()), text, due, now)
    return {"jobs": numbers, "count": len(numbers), "name": args.name or "", "schedule": text}


def _look_at(many: Sequence[tuple[list[str], Path]], data: DataDir, store: Batches, now_ns: int) -> None:
    """Refuse commands (words, and the folder they run in) that name what is not there: batch_look.py."""
    from cli.batch_look import look  # with the compiled loops, which the lists of the queue do without

    coming = [one.words for one in store.all() if one.state in (WAITING, RUNNING)] + [words for words, _ in many]
    rows_come = any(tuple(words[:2]) in BRINGS_ROWS for words in coming)
    told: set[str] = set()
    with sharing():  # what many of them name is read and checked once
        for words, folder in many:
            with contextlib.chdir(folder if folder.is_dir() else os.curdir):
                look(words, data, now_ns, rows_come, told)


def show_add(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Say which numbers were given."""
    first, last = result["jobs"][0], result["jobs"][-1]
    sys.stdout.write(sentence("batch.added", language(args), count=result["count"], first=first, last=last) + "\n")


def run_list(args: argparse.Namespace) -> dict[str, Any]:
    """Return jobs with how they stand."""
    store = Batches(DataDir(args.data_dir).user_library)
    turns = {(one.job, one.turn): one for one in store.turns()}
    return {"jobs": [_as_dict(job, turns.get((job.job, job.turn))) for job in _select(store, args.jobs, everything=True)]}


def _as_dict(job: BatchJob, last: Turn | None) -> dict[str, Any]:
    return {
        "job": job.job,
        "name": job.batch,
        "words": job.words,
        "folder": job.folder,
        "schedule": job.schedule,
        "state": job.state,
        "due_ns": max(job.due_ns, 0) if job.state == WAITING else None,
        "turns": job.turn,
        "attempts": job.attempts,
        "progress": last.progress if last is not None and job.state == RUNNING else {},
        "last": None if last is None else {"turn": last.turn, "state": last.state, "study": last.study, "result": last.result},
    }


def show_list(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Print a line a job."""
    from rich.table import Table

    code = language(args)
    if not result["jobs"]:
        sys.stdout.write(sentence("batch.none", code) + "\n")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("job", "name", "state", "schedule", "progress", "words"):
        table.add_column(sentence(f"batch.col_{name}", code), overflow="fold")
    for one in result["jobs"]:
        told = one["progress"]
        share = f"{told['done'] / told['total'] * 100:.0f} %" if told.get("total") else "–"
        state = sentence(f"batch.state_{one['state']}", code)
        table.add_row(str(one["job"]), one["name"] or "–", state, one["schedule"] or "–", share, " ".join(one["words"]))
    console().print(table)


def run_edit(args: argparse.Namespace) -> dict[str, Any]:
    """Change many jobs at once: options of their words, name, time, off, or again at once."""
    store = Batches(DataDir(args.data_dir).user_library)
    jobs = _select(store, args.jobs)
    schedule = _schedule(args)
    values: dict[str, Any] = {}
    if args.change:
        changed = {}
        for job in jobs:
            words = list(job.words)
            for part in args.change:
                words = with_option(words, part)
            changed[job.job] = checked(words)
        folders = {job.job: Path(job.folder) for job in jobs}
        _look_at([(words, folders[one]) for one, words in changed.items()], DataDir(args.data_dir), store, time.time_ns())
        values["words"] = changed
    if args.rename is not None:
        values["batch"] = args.rename
    if schedule is not None:
        values |= {"schedule": schedule.text(), "due_ns": schedule.after(time.time_ns()), "state": WAITING}
    if args.once or args.again:
        values |= {"state": WAITING, "due_ns": 0, "attempts": 0} | ({"schedule": ""} if args.once else {})
    if args.off:
        values["state"] = OFF
    if not values and not args.first:
        raise InputError("batch.nothing_to_change")
    count = store.change([job.job for job in jobs], **values) if values else 0
    if args.first:
        timed = [job.job for job in store.all() if job.schedule and job.job in {one.job for one in jobs}]
        if timed:
            raise InputError("batch.first_timed", job=timed[0])
        count = max(store.to_front([job.job for job in jobs]), count)
    return {"changed": count, "running": len(jobs) - count}


def run_remove(args: argparse.Namespace) -> dict[str, Any]:
    """Take jobs out of the queue; what came of them stays in the results."""
    store = Batches(DataDir(args.data_dir).user_library)
    jobs = _select(store, args.jobs)
    count = store.remove([job.job for job in jobs])
    return {"changed": count, "running": len(jobs) - count}


def show_count(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Say how many jobs were touched."""
    code = language(args)
    sys.stdout.write(sentence("batch.changed", code, count=result["changed"]) + "\n")
    if result["running"]:
        sys.stdout.write(sentence("batch.not_while_running", code, count=result["running"]) + "\n")


# --- running ---------------------------------------------------------------------------------------


def run_batch(args: argparse.Namespace) -> dict[str, Any]:
    """Run the queue: what is due, or the jobs named; one runner a data directory."""
    data = DataDir(args.data_dir)
    store, reporter = Batches(data.user_library), Reporter(args)
    only = None if not args.jobs else [job.job for job in _select(store, args.jobs)]
    wish = threading.Event()
    started = time.perf_counter()
    with FileLock(data.run / "batch.lock", "batch.running"), _signals(wish) as busy:

        def execute(job: BatchJob, turn: Turn, watch: Any) -> dict[str, Any]:
            return _execute(args, job, turn, watch, busy)

        def told(what: str, fields: dict[str, Any]) -> None:
            _tell(args, reporter, what, fields)

        if only is not None:
            store.change(only, state=WAITING)
        tally = Runner(store, execute, wish, told, grace_s=args.grace).run(only, args.stay)
    return {
        "done": tally.done,
        "failed": tally.failed,
        "missed": tally.missed,
        "retried": tally.retried,
        "recovered": tally.recovered,
        "stopped": tally.stopped,
        "jobs": tally.jobs,
        "left": sum(job.state == WAITING for job in store.all()),
        "wall_seconds": time.perf_counter() - started,
    }


@contextlib.contextmanager
def _signals(wish: threading.Event) -> Iterator[threading.Event]:
    """Let Ctrl+C and SIGTERM end the runner; while a job is under way (the event given) they interrupt it, too.

    A search takes the signal for itself, stops between two batches and saves.
    """
    busy = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield busy
        return

    def ask(number: int, frame: Any) -> None:
        again = wish.is_set()
        wish.set()
        if busy.is_set() or again:
            raise KeyboardInterrupt

    with answered(ask):
        yield busy


def _execute(outer: argparse.Namespace, job: BatchJob, turn: Turn, watch: Any, busy: threading.Event) -> dict[str, Any]:
    """Run a job's command in this process and return its result; what it prints goes to standard error."""
    words = words_at(job.words, turn.due_ns or turn.began_ns)
    if turn.study:
        words = ["optimise", "--resume", turn.study]
    words += ["--data-dir", str(DataDir(outer.data_dir).root), "--lang", language(outer)]
    args = checked_args(words)
    args.quiet, args.watch = outer.quiet, watch
    if hasattr(args, "progress"):
        args.progress = outer.progress
    folder = job.folder if Path(job.folder).is_dir() else os.curdir
    try:
        busy.set()
        with open(os.devnull, encoding="utf-8") as nobody, contextlib.chdir(folder), ticketed(turn.ticket):
            before, sys.stdin = sys.stdin, nobody  # a question has nobody to answer it
            try:
                with contextlib.redirect_stdout(sys.stderr):
                    result = args.run(args)
            finally:
                sys.stdin = before
    except KeyboardInterrupt:
        raise Interrupted() from None
    finally:
        busy.clear()
    if isinstance(result, int):
        if result:
            raise _Unwell("batch.status", status=result)
        result = {}
    return _short(result or {})


class _Unwell(StomError):
    """A command that has said itself what is wrong."""


def checked_args(words: list[str]) -> argparse.Namespace:
    """Return the arguments of a command; an error of ours when they are not what they were when they were stored."""
    from cli.main import build_parser

    try:
        return build_parser(words[0]).parse_args(words)  # type: ignore[no-any-return]
    except SystemExit as left:
        raise InvariantError("batch.words", words=" ".join(words)) from left


def _short(result: dict[str, Any]) -> dict[str, Any]:
    out = {key: result[key] for key in KEPT if key in result}
    best = result.get("best") if isinstance(result.get("best"), dict) else {}
    metrics = result.get("metrics") or best.get("metrics") or {}
    out["metrics"] = {key: metrics[key] for key in BOARD_KEYS if key in metrics}
    if best:
        out["best"] = {"vars": best.get("vars"), "score": best.get("score")}
    return out


def _tell(args: argparse.Namespace, reporter: Reporter, what: str, fields: dict[str, Any]) -> None:
    reporter.close()
    reporter.note(f"batch_{what}", **{key: fields[key] for key in ("job", "turn") if key in fields})
    if args.quiet or args.progress == "json":
        return
    shown = {**fields, "words": " ".join(fields.get("words", ())), "reason": _reason(fields), "time": time.strftime("%H:%M:%S")}
    sys.stderr.write(say(f"batch.told_{what}", **shown) + "\n")
    sys.stderr.flush()


def _reason(fields: dict[str, Any]) -> str:
    return say(fields["code"], **fields.get("fields", {})) if "code" in fields else ""


def show_run(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Say what was done and what is left."""
    code = language(args)
    sys.stdout.write(sentence("batch.ran", code, **result) + "\n")
    if result["recovered"]:
        sys.stdout.write(sentence("batch.recovered", code, count=result["recovered"]) + "\n")
    if result["stopped"]:
        sys.stdout.write(sentence("batch.stopped", code, left=result["left"]) + "\n")


# --- results ---------------------------------------------------------------------------------------


def run_results(args: argparse.Namespace) -> dict[str, Any]:
    """Return what came of the jobs: best first, how figures spread over them, and what failed."""
    store = Batches(DataDir(args.data_dir).user_library)
    turns = [one for one in store.turns() if not args.jobs or str(one.job) in args.jobs or one.batch in args.jobs]
    found = board(turns, args.by)
    for one in found["failed"]:
        one["reason"] = _reason(one)
    if args.csv is not None:
        Path(args.csv).write_text(csv_text(found["rows"]), "utf-8-sig")  # with the mark, for spreadsheets
        found["csv"] = str(Path(args.csv).resolve())
    return found


def show_results(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Print the leaderboard, the spread, and the failures."""
    from rich.table import Table

    code = language(args)
    if not result["rows"] and not result["failed"]:
        sys.stdout.write(sentence("batch.no_results", code) + "\n")
        return
    shown = ("tc", "wr", "ap", "tg", "tp", "mdd")
    table = Table(box=None, pad_edge=False)
    for name in ("job", "turn", "run", *shown, "words"):
        heading = sentence(f"metric.{name}" if name in shown else f"batch.col_{name}", code)
        table.add_column(heading, justify="left" if name == "words" else "right", overflow="fold")
    for one in result["rows"]:
        figures = [f"{one['metrics'][key]:,.2f}" if key in one["metrics"] else "–" for key in shown]
        table.add_row(str(one["job"]), str(one["turn"]), str(one["run"] or "–"), *figures, " ".join(one["words"]))
    for place, spread in result["spread"].items():
        figures = [f"{spread[key]:,.2f}" if key in spread else "–" for key in shown]
        table.add_row(sentence(f"batch.spread_{place}", code), "", "", *figures, "")
    console().print(table)
    for one in result["failed"]:
        sys.stdout.write(sentence("batch.failed_line", code, **one) + "\n")
    if "csv" in result:
        sys.stdout.write(sentence("runs.written", code, path=result["csv"]) + "\n")
