"""`stom.py runs | rerun | report | compare`: what was run, with its passport; the same run again from its number; tear-sheets."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backtester.job import Job
from backtester.record import Repeat, repeat
from backtester.sheet import compare
from backtester.sheet.load import Sheet, load_sheet
from backtester.sheet.page import write_html, write_pdf
from backtester.sheet.style import THEMES
from cli.job_args import add_workers, executor_of, job_of_passport
from cli.output import console, emit, language
from cli.parser import add_common
from cli.progress import Reporter, add_progress
from cli.values import whole
from domain.errors import DataError, InputError
from storage.ended_studies import ENDED, settle
from storage.studies import Run, Studies
from trading.texts import known_formulas
from utility.paths import DataDir
from utility.settings_file import load as load_settings
from utility.text import sentence

RUN_MAX = 10**9
TEXTS = ("buy", "sell")


def add_parsers(subparsers: Any) -> None:
    """Add the family's parsers."""
    runs = subparsers.add_parser("runs")
    runs.add_argument("number", nargs="?", type=whole(1, RUN_MAX), default=None)
    runs.add_argument("--limit", type=whole(1, 100_000), default=20)
    add_common(runs)
    runs.set_defaults(run=run_runs, show=show_runs)

    rerun = subparsers.add_parser("rerun")
    rerun.add_argument("number", type=whole(1, RUN_MAX))
    add_workers(rerun)
    add_progress(rerun)
    add_common(rerun)
    rerun.set_defaults(run=run_rerun, show=show_rerun)

    report = subparsers.add_parser("report")
    report.add_argument("number", type=whole(1, RUN_MAX))
    report.add_argument("--html", default=None, metavar="FILE")
    report.add_argument("--pdf", default=None, metavar="FILE")
    report.add_argument("--theme", choices=tuple(THEMES), default="print")
    add_common(report)
    report.set_defaults(run=run_report, show=show_report)

    several = subparsers.add_parser("compare")
    several.add_argument("numbers", nargs="+", type=whole(1, RUN_MAX), metavar="N")
    several.add_argument("--out", action="append", default=[], metavar="FILE")
    several.add_argument("--theme", choices=tuple(THEMES), default="print")
    add_common(several)
    several.set_defaults(run=run_compare, show=show_compare)


def _as_dict(run: Run) -> dict[str, Any]:
    return {
        "run": run.run,
        "kind": run.kind,
        "created": dt.datetime.fromtimestamp(run.created_ns / 1e9, dt.UTC).isoformat(timespec="seconds"),
        "strategy": run.passport.get("strategy", ""),
        "market": run.passport.get("market", ""),
        "interval_s": run.passport.get("interval_s", 0),
        "trades": run.trades,
        "trades_sha256": run.trades_sha256,
        "trades_path": run.trades_path,
        "metrics": run.metrics,
    }


def run_runs(args: argparse.Namespace) -> dict[str, Any]:
    """Return the newest runs, or one of them with its passport."""
    data = DataDir(args.data_dir)
    store = Studies(data.user_library)
    if args.number is None:
        return {"runs": [_as_dict(one) for one in store.runs(args.limit)], "unfinished": _unfinished(data, store)}
    run = store.run(args.number)
    return {"runs": [_as_dict(run)], "passport": run.passport}


def _unfinished(data: DataDir, store: Studies) -> list[dict[str, Any]]:
    """Return the studies that can be gone on with: stopped by a person, or ended from outside."""
    settle(store, data.run)
    found = store.in_state("stopped", ENDED)
    counts = store.trial_counts([one.study for one in found])
    return [{"study": one.study, "state": one.state, "trials": counts[one.study]} for one in found]


def show_runs(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Print a line a run, and the passport of one that was named."""
    code = language(args)
    if not result["runs"]:
        sys.stdout.write(sentence("runs.none", code) + "\n")
    for one in result["runs"]:
        fields = one | {"tg": one["metrics"].get("tg", 0.0), "mdd": one["metrics"].get("mdd", 0.0)}
        sys.stdout.write(sentence("runs.line", code, **fields) + "\n")
    for one in result.get("unfinished", ()):
        said = sentence(f"studies.{one['state']}", code, count=one["trials"])
        sys.stdout.write(f"{one['study']}: {said} " + sentence("studies.resume", code, study=one["study"]) + "\n")
    for key, value in result.get("passport", {}).items():
        if key not in TEXTS:
            sys.stdout.write(f"  {key}: {value}\n")
    for key in TEXTS:
        if key in result.get("passport", {}):
            lines = "\n".join(f"    {line}" for line in result["passport"][key].splitlines())
            sys.stdout.write(f"  {key}:\n{lines}\n")


def run_rerun(args: argparse.Namespace) -> dict[str, Any] | int:
    """Run a stored run again; exit status 4 when it does not give the same trades and figures."""
    started = time.perf_counter()
    data, reporter = DataDir(args.data_dir), Reporter(args)
    settings = load_settings(data.settings)
    run = Studies(data.user_library).run(args.number)
    executor = executor_of(args, settings)
    try:
        reporter.note("load", run=run.run)
        job = job_of_passport(run.passport)
        found = repeat(data, run, job, executor)
    except KeyError as error:  # a passport of a version whose keys were others
        raise DataError("runs.passport", run=run.run, key=str(error.args[0])) from error
    finally:
        executor.close()
    result = _answer(found) | {"formulas_changed": _formulas_changed(data, job), "wall_seconds": time.perf_counter() - started}
    if found.same:
        return result
    emit(args, result)
    return 4


def _formulas_changed(data: DataDir, job: Job) -> list[str]:
    """Return the names of the run's formulas that the library has otherwise now, or no more; a repeat uses the run's own."""
    if not job.formulas:
        return []
    now = {one.name: one for one in known_formulas(data.user_library, job.market, job.interval_s)}
    return sorted(one.name for one in job.formulas if one.name not in now or now[one.name].text != one.text)


def _answer(found: Repeat) -> dict[str, Any]:
    return {
        "run": found.run.run,
        "same": found.same,
        "trades_sha256": found.sha256,
        "expected_sha256": found.run.trades_sha256,
        "trades": found.trades,
        "expected_trades": found.run.trades,
        "changed": [{"what": what, "then": then, "now": now} for what, then, now in found.changed],
        "metrics_changed": found.metrics_changed,
    }


def show_rerun(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Say whether it is the same, and what is not what it was."""
    code = language(args)
    sys.stdout.write(sentence("runs.same" if result["same"] else "runs.differs", code, **result) + "\n")
    for one in result["changed"]:
        what = sentence(f"runs.what_{one['what']}", code)
        sys.stdout.write(
            "  " + sentence("runs.changed", code, **{**one, "what": what, "then": one["then"][:20], "now": one["now"][:20]}) + "\n"
        )
    if result["formulas_changed"]:
        sys.stdout.write("  " + sentence("runs.formulas_changed", code, names=", ".join(result["formulas_changed"])) + "\n")
    if result["metrics_changed"]:
        sys.stdout.write("  " + sentence("runs.metrics_changed", code, keys=", ".join(result["metrics_changed"])) + "\n")
    if not result["same"] and not result["changed"]:
        sys.stdout.write("  " + sentence("runs.unexplained", code) + "\n")


def run_report(args: argparse.Namespace) -> dict[str, Any]:
    """Write the tear-sheet of a stored run; into its own folder when no file is named."""
    data = DataDir(args.data_dir)
    sheet = load_sheet(data, args.number)
    paths = {"html": args.html, "pdf": args.pdf}
    if not any(paths.values()):
        paths["html"] = str(data.run_dir(args.number) / f"report_{language(args)}.html")
    written = {}
    for kind, path in paths.items():
        if path is not None:
            (write_pdf if kind == "pdf" else write_html)(sheet, Path(path), language(args), args.theme)
            written[kind] = str(Path(path).resolve())
    return {"run": args.number, "trades": len(sheet.trades), "written": written, "verdict": sheet.verdict and sheet.verdict["verdict"]}


def show_report(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Say which files were written."""
    for path in result["written"].values():
        sys.stdout.write(sentence("runs.written", language(args), path=path) + "\n")


def check_compared(args: argparse.Namespace) -> tuple[list[int], list[Path]]:
    """Return the runs to compare and the files to write.

    Raises
    ------
    InputError
        ``compare.twice``, ``compare.count``, ``compare.ending``.
    """
    numbers, paths = list(args.numbers), [Path(one) for one in args.out]
    twice = [one for one in numbers if numbers.count(one) > 1]
    if twice:
        raise InputError("compare.twice", run=twice[0])
    if not 2 <= len(numbers) <= compare.RUNS_MAX:
        raise InputError("compare.count", count=len(numbers), most=compare.RUNS_MAX)
    for path in paths:
        if path.suffix.lower() not in (".html", ".pdf", ".png"):
            raise InputError("compare.ending", path=str(path))
    return numbers, paths


def _alike(sheets: Sequence[Sheet]) -> list[list[int]]:
    """Return groups of runs whose trades are the same to the last byte, and that traded at all."""
    groups: dict[str, list[int]] = {}
    for one in sheets:
        if one.run.trades:
            groups.setdefault(one.run.trades_sha256, []).append(one.run.run)
    return [runs for runs in groups.values() if len(runs) > 1]


def run_compare(args: argparse.Namespace) -> dict[str, Any]:
    """Lay stored runs side by side: figures, what differs in their passports, equity curves; draw them when a file is named."""
    numbers, paths = check_compared(args)
    data = DataDir(args.data_dir)
    sheets = [load_sheet(data, number) for number in numbers]
    for path in paths:
        compare.write(sheets, path, language(args), args.theme)
    table = [[name, *values] for name, values in compare.table(sheets, language(args))]
    return compare.as_dict(sheets) | {"alike": _alike(sheets), "table": table, "written": [str(path.resolve()) for path in paths]}


def show_compare(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Print the table, a column a run, and the files."""
    from rich.table import Table

    shown = Table(box=None, pad_edge=False)
    shown.add_column("")
    for one in result["runs"]:
        shown.add_column(sentence("report.run_number", language(args), run=one["run"]), justify="right")
    for row in result["table"]:
        shown.add_row(*row)
    console().print(shown)
    for runs in result["alike"]:
        sys.stdout.write(sentence("compare.alike", language(args), runs=", ".join(map(str, runs))) + "\n")
    for path in result["written"]:
        sys.stdout.write(sentence("runs.written", language(args), path=path) + "\n")
