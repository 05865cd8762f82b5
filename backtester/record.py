"""A finished run on record: its passport, its trades, its figures; and running it once more from its number.

The passport holds everything that decides the result, so that a number is enough to repeat a run: the texts and
settings, the data's days by the hashes of their segments, the source's own digest, the digest of the locked
libraries, seed and variables. What was left open at the time (all symbols, the whole period) is written down as it was.
"""

from __future__ import annotations

import contextlib
import platform
import time
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from backtester import kernel
from backtester.executors import LocalExecutor
from backtester.job import Job, Loaded, load, run_one, vector
from backtester.job import Run as Finished
from backtester.metrics import METRIC_KEYS
from backtester.portfolio import curve_table
from backtester.trades import round_trips
from domain.intervals import day_unit, recorded_interval
from storage.columns import days_digest
from storage.studies import Run, Studies
from storage.ticks import TickStore
from trading.trades import write_trades
from utility.build import RESEARCH, build, lock_digest
from utility.paths import DataDir

_ticket: ContextVar[str] = ContextVar("ticket", default="")

CURVE = "equity.parquet"
"""Row time, cash, equity and open positions of a portfolio after each fill."""
COMPARED = ("data_days", "build", "lock", "program", "python", "machine")
"""Parts of a passport that can differ when a run is repeated; everything else is taken from it."""


def passport(data: DataDir, loaded: Loaded, seed: int | None = None, study: str = "") -> dict[str, Any]:
    """Return the whole passport of a run that is loaded.

    Parameters
    ----------
    data : DataDir
    loaded : Loaded
    seed : int, optional
        Of the study that chose the variables; None where nothing was drawn.
    study : str
        Its name.
    """
    blocks, times = loaded.prepared.blocks, loaded.prepared.row_time
    first = int(times[blocks[:, kernel.BLOCK_LO]].min())
    last = int(times[blocks[:, kernel.BLOCK_HI] - 1].max())
    return loaded.job.passport(loaded.rows, loaded.program) | {
        "first_row": first,
        "last_row": last,
        "codes": list(loaded.rows.codes),
        "rows": loaded.prepared.rows,
        "days": loaded.prepared.days,
        "data_days": _days(data, loaded.job, loaded.rows.source, first, last),
        "build": build(RESEARCH),
        "lock": lock_digest(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "seed": seed,
        "study": study,
    }


def _days(data: DataDir, job: Job, source: str, first: int, last: int) -> str:
    unit = day_unit(job.interval_s)
    return days_digest(TickStore(data.root), job.market.code, source, recorded_interval(job.interval_s), first // unit, last // unit)


def keep(data: DataDir, loaded: Loaded, done: Finished, kind: str, seed: int | None = None, study: str = "") -> tuple[int, Path]:
    """Give a run a number, write passport and trades into its folder, and put it on the list; return number and trades' path.

    Under a ticket (`ticketed`) a run that was stored under it before is found again instead: work that is done
    once more after a kill is on record once.
    """
    facts = passport(data, loaded, seed, study)
    store = Studies(data.user_library)
    if _ticket.get():
        facts["ticket"] = _ticket.get()
        for known in store.runs_of_ticket(facts["ticket"]):
            if (known.kind, known.trades_sha256, known.passport["vars"]) == (kind, done.sha256, facts["vars"]):
                return known.run, Path(known.trades_path)
    number = data.new_run()
    folder = data.run_dir(number)
    path = folder / "trades.parquet"
    write_trades(path, loaded.prepared.codes, done.trades, labels_of(loaded))
    _keep_strategies(folder, loaded, done)
    (folder / "passport.json").write_bytes(msgspec.json.format(msgspec.json.encode(facts), indent=1))
    store.add_run(
        Run(
            run=number,
            kind=kind,
            created_ns=time.time_ns(),
            passport=facts,
            metrics={key: done.metrics[key] for key in METRIC_KEYS},
            trades=len(done.trades),
            trades_sha256=done.sha256,
            trades_path=str(path),
        )
    )
    return number, path


def labels_of(loaded: Loaded) -> tuple[str, ...]:
    """Return the labels of the sell conditions; of several strategies each number's labels, with whose they are."""
    if len(loaded.strategies) < 2:
        return loaded.engine.steps.labels
    most = max(len(one.engine.steps.labels) for one in loaded.strategies)
    return tuple(
        " | ".join(f"{one.name}: {one.engine.steps.labels[k]}" for one in loaded.strategies if k < len(one.engine.steps.labels))
        for k in range(most)
    )


def strategy_trades(number: int) -> str:
    """Return the name of the file with the trades of a portfolio's strategy."""
    return f"trades_{number}.parquet"


def _keep_strategies(folder: Path, loaded: Loaded, done: Finished) -> None:
    """Write the trades of each strategy of a portfolio and the account's equity curve beside the run's trades."""
    if done.shared is None:
        return
    for k, (one, raw) in enumerate(zip(loaded.strategies, done.shared.raws, strict=True), start=1):
        write_trades(folder / strategy_trades(k), loaded.prepared.codes, round_trips(loaded.prepared, raw), one.engine.steps.labels)
    table = pa.table(curve_table(done.shared.curve, loaded.prepared.row_time))
    pq.write_table(table, folder / CURVE, compression="zstd")


@contextlib.contextmanager
def ticketed(ticket: str) -> Iterator[None]:
    """Store runs under a ticket: the name of the work that is to be on record once, however often it is begun."""
    token = _ticket.set(ticket)
    try:
        yield
    finally:
        _ticket.reset(token)


@dataclass(frozen=True)
class Repeat:
    """A stored run and the same run now.

    Parameters
    ----------
    run : Run
        As it was stored.
    sha256, trades, metrics
        What it gives now.
    changed : list of (str, str, str)
        Part of the passport that differs, what it was, what it is.
    metrics_changed : list of str
        Keys whose value is not the same to the bit.
    """

    run: Run
    sha256: str
    trades: int
    metrics: dict[str, float]
    changed: list[tuple[str, str, str]]
    metrics_changed: list[str]

    @property
    def same(self) -> bool:
        """Whether trades and figures are those of the stored run, to the bit."""
        return self.sha256 == self.run.trades_sha256 and not self.metrics_changed


def repeat(data: DataDir, run: Run, job: Job, executor: LocalExecutor) -> Repeat:
    """Run a stored run once more.

    Parameters
    ----------
    run : Run
        From `Studies.run`.
    job : Job
        The one that its passport describes; symbols and period that were left open become those that it had.

    Raises
    ------
    InputError, DataError
        The data is not there any more.
    """
    then = run.passport
    if "codes" in then:  # passports before build digests do not have it
        job = replace(
            job,
            symbols=job.symbols or tuple(then["codes"]),
            from_time=job.from_time or then["first_row"],
            to_time=job.to_time or then["last_row"],
        )
    loaded = load(job, data, executor)
    done = run_one(loaded, vector(loaded.program, job.variables))
    now = passport(data, loaded, then.get("seed"), then.get("study", ""))
    changed = [(key, str(then[key]), str(now[key])) for key in COMPARED if key in then and then[key] != now[key]]
    # JSON has no word for what is not a number: such a figure was stored as None.
    now_stored = msgspec.json.decode(msgspec.json.encode(done.metrics))
    metrics_changed = [key for key, value in run.metrics.items() if now_stored.get(key) != value]
    return Repeat(run, done.sha256, len(done.trades), done.metrics, changed, metrics_changed)
