"""What a queued command names is looked for before it is queued: it is refused with the sentence the command itself would give.

Nothing is computed and nothing is written. What may come to be while the job waits is not asked for: rows, where a job that
brings some waits, too; and a day or a symbol of the rows, which the next import may hold.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from backtester.finder import program_of as finder_program
from backtester.job import Job, member_job, program_of, vector
from cli.batch_words import parser_of, words_at
from cli.find import find_job
from cli.job_args import job_of
from cli.optimise import searched_space, settled_plan
from cli.output import place_of
from cli.runs import check_compared
from cli.verdict import refuse_portfolio
from domain.errors import StomError
from domain.intervals import INTERVALS, recorded_interval
from storage.studies import Studies
from storage.ticks import ROW_KINDS, TickStore
from trading.importers import files_under
from utility.paths import DataDir
from utility.settings_file import load as load_settings
from utility.shared_reads import shared

Look = Callable[[argparse.Namespace, DataDir, bool], None]


def look(words: list[str], data: DataDir, now_ns: int, rows_come: bool, told: set[str]) -> None:
    """Raise what a command would say of its files, texts, values and stored things, were it run now.

    Parameters
    ----------
    words : list of str
        Of a command that its parser takes; ``today`` in them is today's date.
    rows_come : bool
        A job that brings data waits: rows that are not there are no fault.
    told : set of str
        Warnings that were given; those of this command are added.
    """
    dated = words_at(words, now_ns)
    args = parser_of(dated[0]).parse_args(dated)
    args.data_dir, args.told = data.root, told
    ask = LOOKS.get(" ".join([dated[0], getattr(args, "action", None) or ""]).strip())
    try:
        if ask is not None:
            ask(args, data, rows_come)
    except StomError as error:
        place = error.fields.get("in_file") or place_of(args, error.fields)
        if place:  # the words of the batch do not hold it
            error.fields["in_file"] = place
        raise


@shared
def _source(root: Path, market: str, source: str | None, interval_s: int) -> str:
    return TickStore(root).choose_source(market, source, ROW_KINDS[recorded_interval(interval_s)])


def _has_rows(job: Job, data: DataDir, rows_come: bool) -> None:
    if not rows_come:
        _source(data.root, job.market.code, job.source, job.interval_s)


def _backtest(args: argparse.Namespace, data: DataDir, rows_come: bool) -> None:
    job = job_of(args, data)
    vector(program_of(job), job.variables)
    for one in () if job.portfolio is None else job.portfolio.others:
        vector(program_of(member_job(job, one)), one.variables)
    _has_rows(job, data, rows_come)


def _optimise(args: argparse.Namespace, data: DataDir, rows_come: bool) -> None:
    job, plan = settled_plan(args, load_settings(data.settings), data, Studies(data.user_library))
    searched_space(args, job, program_of(job), plan)
    _has_rows(job, data, rows_come)


def _find(args: argparse.Namespace, data: DataDir, rows_come: bool) -> None:
    job = find_job(args, data)
    vector(finder_program(job), job.variables)
    _has_rows(job, data, rows_come)


def _verdict(args: argparse.Namespace, data: DataDir, rows_come: bool) -> None:
    store = Studies(data.user_library)
    if args.subject.isdigit():
        refuse_portfolio(store.run(int(args.subject)))
    else:
        store.study(args.subject)


def _run(args: argparse.Namespace, data: DataDir, rows_come: bool) -> None:
    Studies(data.user_library).run(args.number)


def _compare(args: argparse.Namespace, data: DataDir, rows_come: bool) -> None:
    numbers, _ = check_compared(args)
    for number in numbers:
        Studies(data.user_library).run(number)


def _import(args: argparse.Namespace, data: DataDir, rows_come: bool) -> None:
    files_under([Path(source) for source in args.sources])


def _export(args: argparse.Namespace, data: DataDir, rows_come: bool) -> None:
    if not rows_come:
        _source(data.root, args.market, args.source, INTERVALS[args.interval])


LOOKS: dict[str, Look] = {
    "backtest": _backtest,
    "optimise": _optimise,
    "find": _find,
    "verdict": _verdict,
    "report": _run,
    "rerun": _run,
    "compare": _compare,
    "data import": _import,
    "data export": _export,
}
"""Of the commands that name something; the others of the queue make what they need."""
