"""A job: what is to be run, said in words; and loading it into what the engine takes.

Backtest and optimiser load through here, so that a parameter set means the same in both.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from numpy.typing import NDArray

from backtester.engine import Engine, Options, Prepared, Result, Steps, module_text, needed_columns, prepare, steps_of
from backtester.executors import LocalExecutor
from backtester.far import stays_whole
from backtester.kernel import OUT_BLOCK, OUT_ENTRY
from backtester.metrics import Metrics, named
from backtester.portfolio import COLUMNS, Member, Portfolio, Shared, Strategy, run_shared
from backtester.trades import round_trips
from domain.errors import InputError
from domain.formulas import Formula
from domain.instruments import Market
from domain.intervals import is_daily, recorded_interval
from domain.order_settings import plain as plain_orders
from domain.reading import Reading
from domain.version import VERSION
from storage.bars import open_bars
from storage.columns import RowSet
from storage.ticks import ROW_KINDS, TickStore
from strategy import cache
from strategy.formula import for_strategies
from strategy.learned import BASE, is_learned
from strategy.limits import MAX_LITERAL, MAX_VARIABLE
from strategy.program import Program, Reader, build
from trading.fee_table import FeeTable, parse_fee_table
from trading.learned_rows import with_learned
from trading.trades import trades_sha256
from utility.build import RESEARCH, lock_digest
from utility.build import build as build_digest
from utility.memory import budget
from utility.paths import DataDir
from utility.shared_reads import shared
from utility.text_file import read_text

DEFAULT_WINDOW = 30.0
"""평균값계산틱수 when `self.vars[0]` is not given (strategy-language 1)."""
KRX_TIMES = {1: (90_000, 93_000), 60: (90_000, 151_900)}
"""Time of day of a stock run that names none (workstation 8.1)."""


@dataclass(frozen=True)
class Job:
    """A strategy, its rows and how they are run.

    Parameters
    ----------
    market : Market
    interval_s : int
        One of `domain.intervals.INTERVALS`.
    buy_text, sell_text : str
    from_time, to_time : int, optional
        Row times, both included; a date YYYYMMDD means its whole day.
    symbols : tuple of str, optional
        Bare codes; all of the source when None.
    variables : mapping of int to float
        `self.vars`.
    rows_since : tuple of (str, str)
        Conditions of 경과틱수.
    formulas : tuple of Formula
        The user's formulas that the texts name.
    reading : Reading
        Strict history, and what STOM gave for what is not there.
    source : str, optional
    portfolio : Portfolio, optional
        One account for all symbols, and for further strategies; None: every symbol by itself, without an account.
    """

    market: Market
    interval_s: int
    buy_text: str
    sell_text: str
    options: Options
    from_time: int | None = None
    to_time: int | None = None
    symbols: tuple[str, ...] | None = None
    variables: Mapping[int, float] = field(default_factory=dict)
    rows_since: tuple[tuple[str, str], ...] = ()
    formulas: tuple[Formula, ...] = ()
    reading: Reading = Reading()
    source: str | None = None
    strategy: str = ""
    portfolio: Portfolio | None = None

    def passport(self, rows: RowSet, program: Program) -> dict[str, Any]:
        """Return everything that decides the result, for the store and for `--resume`."""
        options = self.options
        return {
            "version": VERSION,
            "market": self.market.code,
            "interval_s": self.interval_s,
            "source": rows.source,
            "data": rows.digest,
            "program": program.digest,
            "strategy": self.strategy,
            "buy": self.buy_text,
            "sell": self.sell_text,
            "rows_since": [list(pair) for pair in self.rows_since],
            "formulas": [msgspec.to_builtins(one) for one in self.formulas],
            "reading": msgspec.to_builtins(self.reading),
            "from": self.from_time,
            "to": self.to_time,
            "symbols": list(self.symbols) if self.symbols is not None else None,
            "vars": {str(index): value for index, value in sorted(self.variables.items())},
            "betting": options.betting,
            "entry_levels": options.entry_levels,
            "exit_levels": options.exit_levels,
            "latency": options.latency,
            "delay_ms": options.delay_ms,
            "slippage": options.slippage,
            "slippage_model": options.slippage_model,
            "fill": options.fill,
            "level_share": options.level_share,
            "fees": fees_kept(options.fees),
            "start": options.start,
            "end": options.end,
            "futures": None if options.futures is None else options.futures.as_dict(),
            "halts": options.halts,
            "orders": None if options.orders is None else msgspec.to_builtins(options.orders),
            "portfolio": None if self.portfolio is None else self.portfolio.as_dict(),
        }


@dataclass
class Loaded:
    """A job that is ready to run."""

    job: Job
    program: Program
    rows: RowSet
    prepared: Prepared
    engine: Engine
    metrics: Metrics
    compile_seconds: float
    load_seconds: float
    from_cache: bool
    strategies: tuple[Strategy, ...] = ()  # of a portfolio run, the job's own first


@dataclass(frozen=True)
class Run:
    """One finished backtest; `raw` holds its trades as the engine gave them."""

    raw: NDArray[np.float64]
    trades: NDArray[np.void]
    metrics: dict[str, float]
    sha256: str
    errors: int
    engine_seconds: float
    past_levels: int
    shared: Shared | None = None


def program_of(job: Job, reader: Reader | None = None) -> Program:
    """Return the checked texts of a job with the formulas they name; a portfolio's job holds those of all its strategies.

    Raises
    ------
    StrategyErrors
        As `strategy.program.build`; `reader` is handed on to it.
    """
    texts = (job.buy_text, job.sell_text, *(text for _, text in job.rows_since))
    own = for_strategies(job.formulas, job.market, job.interval_s, texts)
    laid_out = shared(build)
    return laid_out(
        job.buy_text, job.sell_text, job.market, job.interval_s, job.rows_since, reader=reader, formulas=own, reading=job.reading
    )


def compiled_code(job: Job, data: DataDir) -> tuple[Program, Steps, ModuleType]:
    """Return a job's strategy, its steps and their compiled module, from the data directory's signed cache where it is there."""
    program = program_of(job)
    steps = steps_of(program)
    data.cache.mkdir(parents=True, exist_ok=True)
    return program, steps, cache.load("engine", module_text(steps, job.options.orders is not None), data.cache / "steps", data.mac_key())


def load(job: Job, data: DataDir, executor: LocalExecutor) -> Loaded:
    """Compile the strategy, map the rows, cut them to the job's times.

    Where the rows need more memory than `executor.memory_mb` says, a window of them is mapped at a time (far.py).

    Raises
    ------
    StrategyErrors
        The texts are refused.
    InputError, DataError
        No such rows, symbols or columns; rows without a book.
    """
    started = time.perf_counter()
    job = shared_job(job)
    program, steps, module = compiled_code(job, data)
    others = [] if job.portfolio is None else [(one, compiled_code(member_job(job, one), data)) for one in job.portfolio.others]
    compiled = time.perf_counter()
    columns = tuple(dict.fromkeys(key for one in (steps, *(code[1] for _, code in others)) for key in one.columns))
    keys = tuple(dict.fromkeys(needed_columns(columns, job.options, job.interval_s) + (COLUMNS if job.portfolio is not None else ())))
    # An account joins all symbols of a day: its rows are mapped whole.
    rows = job_rows(job, data, keys, budget(executor.memory_mb) if job.portfolio is None else 0)
    rows.refuse_unknown(tuple(rows.columns))
    prepared = prepare(rows, steps.columns, job.market, job.options)
    if prepared.window_rows and stays_whole(prepared):
        rows = job_rows(job, data, keys)
        prepared = prepare(rows, steps.columns, job.market, job.options)
    metrics = Metrics(prepared, executor)
    strategies: tuple[Strategy, ...] = ()
    if job.portfolio is not None:
        strategies = (Strategy(job.strategy, Engine(module, steps, executor), prepared, np.zeros(0)),) + tuple(
            Strategy(
                one.name,
                Engine(code[2], code[1], executor),
                prepare(rows, code[1].columns, job.market, job.options),
                vector(code[0], one.variables),
            )
            for one, code in others
        )
    return Loaded(
        job=job,
        program=program,
        rows=rows,
        prepared=prepared,
        engine=Engine(module, steps, executor),
        metrics=metrics,
        compile_seconds=compiled - started,
        load_seconds=time.perf_counter() - compiled,
        from_cache=bool(getattr(module, "from_cache", False)),
        strategies=strategies,
    )


def shared_job(job: Job) -> Job:
    """Return the job with the order settings that its loop needs: where none are given, those that change nothing.

    A portfolio, leverage, funding, halts and partial fills are known to the order-managed loop alone.

    Raises
    ------
    InputError
        ``portfolio.interval``: bars that are built have no order of arrival.
    """
    if job.portfolio is not None and job.interval_s not in ROW_KINDS:
        raise InputError("portfolio.interval")
    is_plain = job.portfolio is None and job.options.futures is None and not job.options.halts and job.options.fill != "partial"
    if is_plain or job.options.orders is not None:
        return job
    orders = plain_orders(job.market, job.options.entry_levels, job.options.exit_levels)
    return replace(job, options=replace(job.options, orders=orders))


def member_job(job: Job, one: Member) -> Job:
    """Return the job of a further strategy of a portfolio."""
    return replace(job, buy_text=one.buy, sell_text=one.sell, strategy=one.name, portfolio=None)


def job_rows(job: Job, data: DataDir, keys: Sequence[str], memory: int = 0) -> RowSet:
    """Return the rows of a job, mapped a window at a time past `memory` bytes (0: never); equal jobs give equal places of rows."""
    learned = [key for key in keys if is_learned(key)]
    rows = open_bars(
        TickStore(data.root),
        job.market,
        job.interval_s,
        source=job.source,
        codes=job.symbols,
        from_time=job.from_time,
        to_time=job.to_time,
        keys=tuple(dict.fromkeys([key for key in keys if key not in learned] + list(BASE if learned else ()))),
        end=job.options.end,
        memory=memory,
    )
    return with_learned(rows, job.market, learned) if learned else rows


def context(loaded: Loaded) -> bytes:
    """Return the digest of all that decides a set's figures but the set: data, program, code and libraries, settings.

    The names of strategy and source, the texts themselves and the values that the set replaces do not take part.
    """
    passport = loaded.job.passport(loaded.rows, loaded.program)
    decides = {key: value for key, value in passport.items() if key not in ("strategy", "source", "buy", "sell", "vars")}
    decides |= {"build": build_digest(RESEARCH), "lock": lock_digest()}
    return hashlib.blake2b(msgspec.json.encode(decides, order="sorted"), digest_size=32).digest()


def vector(program: Program, variables: Mapping[int, float]) -> NDArray[np.float64]:
    """Return `self.vars` of a job: position 0 is 평균값계산틱수, 30 when it is not given.

    Raises
    ------
    InputError
        ``backtest.var_missing`` when a text reads a variable that has no value.
    """
    length = max(program.n_vars, max(variables, default=0) + 1, 1)
    used = used_variables(program)
    missing = sorted(index for index in used if index not in variables and index != 0)
    if missing:
        raise InputError("backtest.var_missing", indices=", ".join(str(index) for index in missing))
    out = np.zeros(length, dtype=np.float64)
    out[0] = DEFAULT_WINDOW
    for index, value in variables.items():
        if index < 0 or not np.isfinite(value):
            raise InputError("backtest.var", index=index, value=value)
        out[index] = value
    return out


def used_variables(program: Program) -> set[int]:
    """Return the indices of `self.vars` that the texts read."""
    from strategy.nodes import Variable

    return {node.index for node in program.nodes if isinstance(node, Variable)}


def side_variables(program: Program, side: str) -> set[int]:
    """Return the indices of `self.vars` that the "buy" or the "sell" text reads."""
    from strategy.nodes import Variable

    tree = program.buy if side == "buy" else program.sell
    return {node.index for node in tree.nodes() if isinstance(node, Variable)}


def run_one(loaded: Loaded, values: NDArray[np.float64]) -> Run:
    """Run one parameter set to the end: trades in their order, metrics, hash. Of a portfolio it is that of the job's own strategy."""
    if loaded.strategies:
        return _run_portfolio(loaded, values)
    result: Result = loaded.engine.run(loaded.prepared, values[None, :])
    trades = round_trips(loaded.prepared, result.raw)
    return Run(
        raw=result.raw,
        trades=trades,
        metrics=named(loaded.metrics.of(result.raw, 1)[0]),
        sha256=trades_sha256(loaded.prepared.codes, trades),
        errors=result.errors,
        engine_seconds=result.seconds,
        past_levels=int(trades["past_levels"].sum()) if len(trades) else 0,
    )


def _run_portfolio(loaded: Loaded, values: NDArray[np.float64]) -> Run:
    """Run the strategies on one account; trades and figures are those of all of them together."""
    assert loaded.job.portfolio is not None
    strategies = (replace(loaded.strategies[0], vector=values), *loaded.strategies[1:])
    shared = run_shared(strategies, loaded.job.portfolio, loaded.rows, loaded.rows.instruments)
    raw = np.concatenate(shared.raws)
    raw = raw[np.lexsort((raw[:, OUT_ENTRY], raw[:, OUT_BLOCK]))]
    trades = round_trips(loaded.prepared, raw)
    return Run(
        raw=raw,
        trades=trades,
        metrics=named(loaded.metrics.of(raw, 1)[0]),
        sha256=trades_sha256(loaded.prepared.codes, trades),
        errors=shared.errors,
        engine_seconds=shared.seconds,
        past_levels=int(trades["past_levels"].sum()) if len(trades) else 0,
        shared=shared,
    )


# --- reading what people write -------------------------------------------------------------------


def parse_moment(text: str, market: Market, interval_s: int, last: bool) -> int:
    """Return a date or an ISO 8601 time with a zone as YYYYMMDD or as a row time of the market's clock.

    Raises
    ------
    InputError
        ``backtest.moment``: not a date, or a time without a zone.
    """
    try:
        if len(text) <= 10:
            return int(dt.date.fromisoformat(text).strftime("%Y%m%d"))
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise InputError("backtest.moment", value=text) from None
    if moment.tzinfo is None:
        raise InputError("backtest.moment", value=text)
    local = moment.astimezone(ZoneInfo(market.zone))
    if interval_s == 1:
        return int(local.strftime("%Y%m%d%H%M%S"))
    # A minute row stands for its whole minute: it begins inside the range.
    if not last and (local.second or local.microsecond):
        local += dt.timedelta(minutes=1)
    return int(local.strftime("%Y%m%d%H%M"))


def parse_clock(text: str) -> int:
    """Return ``HHMMSS``, ``HH:MM`` or ``HH:MM:SS`` as hhmmss; InputError ``backtest.clock``."""
    digits = text.replace(":", "")
    if len(digits) == 4:
        digits += "00"
    try:
        dt.datetime.strptime(digits, "%H%M%S")
    except ValueError:
        raise InputError("backtest.clock", value=text) from None
    return int(digits)


def parse_fees(text: str) -> tuple[float, float] | FeeTable:
    """Return ``RATE[:TAX]`` as fractions, or the dated table of a file of that name.

    Raises
    ------
    InputError
        ``backtest.fees``: neither numbers nor a file; ``fees.line``, ``fees.empty``, ``file.unreadable``.
    """
    rate, _, tax = text.partition(":")
    try:
        return float(rate), float(tax or 0)
    except ValueError:
        if not Path(text).is_file():
            raise InputError("backtest.fees", value=text) from None
    try:
        return parse_fee_table(read_text(text))
    except InputError as error:
        raise InputError(error.code, **{"in_file": text, **error.fields}) from error


def fees_kept(fees: tuple[float, float] | FeeTable | None) -> Any:
    """Return fees as a passport keeps them: None, two fractions, or the lines of a table; `fees_of` reads them back."""
    return {"lines": fees.as_lists()} if isinstance(fees, FeeTable) else None if fees is None else list(fees)


def fees_of(kept: Any) -> tuple[float, float] | FeeTable | None:
    """Return the fees that `fees_kept` wrote."""
    return FeeTable.of_lists(kept["lines"]) if isinstance(kept, dict) else None if kept is None else (kept[0], kept[1])


def parse_sets(parts: Sequence[str]) -> dict[int, float]:
    """Return ``i=value`` parts as a mapping; InputError ``backtest.set``."""
    out: dict[int, float] = {}
    for part in parts:
        index, _, value = part.partition("=")
        try:
            number, result = int(index), float(value)
        except ValueError:
            raise InputError("backtest.set", part=part) from None
        if not (0 <= number <= MAX_VARIABLE and abs(result) <= MAX_LITERAL):
            raise InputError("backtest.set", part=part)
        out[number] = result
    return out


def parse_rows_since(text: str) -> tuple[tuple[str, str], ...]:
    """Return the lines ``name = expression`` of a rows-since file.

    Raises
    ------
    InputError
        ``backtest.rows_since`` with the line; ``backtest.rows_since_empty``: no line says anything.
    """
    out = []
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, equals, expression = line.partition("=")
        if not equals or not name.strip() or expression.startswith("="):
            raise InputError("backtest.rows_since", line=number, text=line)
        out.append((name.strip(), expression.strip()))
    if not out:
        raise InputError("backtest.rows_since_empty")
    return tuple(out)


def default_times(market: Market, interval_s: int) -> tuple[int, int]:
    """Return start and end of a run that names none: the whole day, on stocks those of workstation 8.1."""
    if market.kind != "stock" or is_daily(interval_s):
        return (0, 235_959)
    return KRX_TIMES[recorded_interval(interval_s)]
