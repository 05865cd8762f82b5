"""Rows in, closed trades out: what stands around the compiled loop of kernel.py.

`prepare` fixes the rows of a run, `Engine.run` evaluates any number of parameter sets over them on threads, and the answer does
not depend on how many threads there are. A backtest is a run with one set; an optimiser's population is a run with many.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from backtester import bands, kernel
from backtester import managed as managed_loop
from backtester.books import is_moved, levels, moved_book
from backtester.buffers import ROOM, Buffers
from backtester.cut import any_book, cut, profit_params
from backtester.executors import LocalExecutor
from backtester.executors.base import Stop, never
from backtester.far import run_far
from backtester.fold import constants_of, fold
from backtester.halting import with_halts
from backtester.kept import keep, window_lengths
from backtester.managed_rows import Managed, arrange, manage, managed_columns, plain_column, plain_stamps
from backtester.options import Options
from backtester.pointer import addresses
from backtester.sharing import share
from backtester.slippage_models import model_of
from domain.errors import InputError
from domain.instruments import Instrument, Market
from domain.intervals import is_daily
from strategy.abreast import LANES, NO_ABREAST, abreast_places, abreast_text
from strategy.compiler import functions
from strategy.guards import NO_GUARDS, Guards, guards, make_plan
from strategy.plan import Plan
from strategy.program import Program
from strategy.reach import WHOLE, Reach, all_rows, reach_of
from strategy.series import ABREAST, ON

MARKER = "# === LOOP ===\n"
LEVELS = tuple(range(1, 6))
NO_ROWS = np.zeros(1, dtype=np.int64)


class Rows(Protocol):
    """What the engine needs of `storage.columns.RowSet`."""

    market: str
    interval_s: int
    source: str
    codes: tuple[str, ...]
    columns: dict[str, NDArray[np.float64]]
    row_time: NDArray[np.int64]
    blocks: NDArray[np.void]
    qty_decimals: NDArray[np.int64]
    has_book: bool
    digest: str
    instruments: tuple[Instrument, ...]
    window_rows: int


@dataclass(frozen=True)
class Prepared:
    """The rows of a run, cut to its time range; shared by all parameter sets."""

    market: Market
    interval_s: int
    codes: tuple[str, ...]
    inputs: tuple[NDArray[np.float64], ...]
    book: tuple[NDArray[np.float64], ...]  # asks, ask sizes, bids, bid sizes; five columns each
    last: NDArray[np.float64]
    universe: NDArray[np.float64]
    row_time: NDArray[np.int64]
    blocks: NDArray[np.int64]  # kernel.BLOCK_* fields
    symbols: NDArray[np.int64]  # symbol of each block
    price_steps: tuple[float, ...]  # of each symbol, 0 where the market's ladder decides
    params: NDArray[np.float64]
    options: Options
    vector: NDArray[np.float64]  # the options as the kernel takes them
    rows: int
    days: int
    block_days: NDArray[np.int64]  # number of each block's (first) day
    row_days: NDArray[np.int64]  # of daily bars: number of each row's day
    row_params: NDArray[np.int64]  # of daily bars: row of `params` of each row
    has_book: bool = True
    window_rows: int = 0  # rows mapped at a time (far.py), 0 where the columns are mapped whole
    managed: Managed | None = None  # what managed.py needs besides; None: kernel.py

    @property
    def holds_days(self) -> bool:
        """Whether a block is all of a symbol's daily bars; else it is one day."""
        return is_daily(self.interval_s)

    def exit_days(self, raw: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the number of the day on which each raw trade ended."""
        if self.holds_days:
            return self.row_days[raw[:, kernel.OUT_EXIT].astype(np.int64)]
        return self.block_days[raw[:, kernel.OUT_BLOCK].astype(np.int64)]

    def rank(self) -> NDArray[np.int64]:
        """Return the place of each block's code among the sorted code texts."""
        order = {code: place for place, code in enumerate(sorted(set(self.codes)))}
        return np.array([order[self.codes[s]] for s in self.symbols.tolist()], dtype=np.int64)


def prepare(rows: Rows, columns: Sequence[str], market: Market, options: Options) -> Prepared:
    """Return what `Engine.run` needs of `rows`.

    Parameters
    ----------
    rows : RowSet
        All columns named below must be in ``rows.columns``.
    columns : sequence of str
        The program's columns, in its order.
    market : Market
    options : Options

    Raises
    ------
    InputError
        ``backtest.no_book`` for rows that have no book at all unless ``fill="last"``; ``backtest.no_rows``.
    """
    is_days = is_daily(rows.interval_s)
    blocks, symbols, days = cut(rows, options)
    if not len(blocks):
        raise InputError("backtest.no_rows", market=rows.market, source=rows.source)
    has_book = rows.has_book or any_book(rows, blocks)
    if not has_book and options.fill != "last":
        raise InputError("backtest.no_book", source=rows.source)
    dates = np.asarray(rows.row_time) // 10_000 if is_days else days
    day_rows, block_days = np.unique(dates, return_inverse=True)
    row_days, row_params = NO_ROWS, NO_ROWS
    if is_days:  # a session of years has many days
        owners = np.zeros(len(dates), dtype=np.int64)
        for block, symbol in zip(blocks.tolist(), symbols.tolist(), strict=True):
            owners[block[kernel.BLOCK_LO] : block[kernel.BLOCK_HI]] = symbol
        params, row_params = profit_params(market, options.fees, dates, [rows.codes[symbol] for symbol in owners.tolist()])
        row_days, block_days = block_days, block_days[blocks[:, kernel.BLOCK_LO]]
        blocks[:, kernel.BLOCK_PARAMS] = row_params[blocks[:, kernel.BLOCK_LO]]
    else:
        params, blocks[:, kernel.BLOCK_PARAMS] = profit_params(
            market, options.fees, days, [rows.codes[symbol] for symbol in symbols.tolist()]
        )
    plain = (lambda column: column) if rows.window_rows else plain_column
    last = plain(rows.columns["last_price"])
    book = tuple(
        plain(rows.columns[f"{side}{level}"]) if has_book else last for side in ("ask", "ask_size", "bid", "bid_size") for level in LEVELS
    )
    gate = market.kind == "stock" and has_book
    steps = tuple(one.price_step for one in rows.instruments) or (0.0,) * len(rows.codes)
    if not rows.window_rows:  # else window by window
        each = np.arange(len(last))
        spans, whose, when = (np.stack([each, each + 1], axis=1), owners, dates) if is_days else (blocks, symbols, days)
        book = moved_book(book, last, rows, spans, whose, when, np.array(steps)[whose], market, options)
    at_last = options.fill == "last" and not is_moved(options)
    fixed = (
        options.betting,
        *levels(options),
        options.latency,
        at_last,
        rows.interval_s,
        gate,
        options.delay_ms,
        options.level_share,
        WHOLE,
    )
    vector = np.array(fixed, dtype=np.float64)
    prepared = Prepared(
        market=market,
        interval_s=rows.interval_s,
        codes=rows.codes,
        inputs=tuple(plain(rows.row_time if key == "row_time" else rows.columns[key]) for key in columns),
        book=book,
        last=last,
        universe=plain(rows.columns["in_universe"]),
        row_time=plain_stamps(rows.row_time),
        blocks=blocks,
        symbols=symbols,
        price_steps=steps,
        params=params,
        options=options,
        vector=vector,
        rows=int((blocks[:, kernel.BLOCK_HI] - blocks[:, kernel.BLOCK_LO]).sum()),
        days=len(day_rows),
        block_days=block_days,
        row_days=row_days,
        row_params=row_params,
        has_book=has_book,
        window_rows=rows.window_rows,
        managed=manage(options, rows, market, last, has_book, plain),
    )
    return prepared if rows.window_rows else with_halts(prepared)  # else window by window


def needed_columns(columns: Sequence[str], options: Options | None = None, interval_s: int = 1) -> tuple[str, ...]:
    """Return every column a run reads: the program's, and those of sizing, gating, filling and the slippage model."""
    names = [key for key in (*columns, "last_price", "in_universe") if key != "row_time"]
    if options is not None and options.slippage_model and model_of(options.slippage_model).needs_value:
        names.append("day_value")
    names += () if options is None else managed_columns(options, interval_s)
    return tuple(dict.fromkeys([*names, *(f"{side}{level}" for side in ("ask", "ask_size", "bid", "bid_size") for level in LEVELS)]))


# --- the generated module --------------------------------------------------------------------


@dataclass(frozen=True)
class Steps:
    """A strategy as the engine takes it.

    Parameters
    ----------
    text : str
        Functions and constants named by `strategy.compiler.functions`.
    columns : tuple of str
        Columns in the order of `inputs`.
    labels : tuple of str
        Label of sell condition k at k − 1.
    n_vars : int
        Length of `self.vars` that the texts read.
    n_features : int
        Features with a window, those kept included.
    windows : callable
        `self.vars` → window of each feature, int64.
    day_state : callable
        (code, price step) → state vector at the start of a day, at least one long.
    n_kept : int
        Rows of `extremes` that keep look-backs for the sets that share them (kept.py).
    guards : Guards
        Which rows need not be looked at; none of them by default.
    holds_days : bool
        A block is all of a symbol's daily bars, so that fees hang on the row.
    reach : callable
        `self.vars` → rows before a row whose running sums its step may read (strategy/reach.py).
    abreast, abreast_places : str, tuple of slice
        Function that fills series of several days at once, and where the windows say how those are set (strategy/abreast.py).
    """

    text: str
    columns: tuple[str, ...]
    labels: tuple[str, ...]
    n_vars: int
    n_features: int
    windows: Callable[[NDArray[np.float64]], NDArray[np.int64]]
    day_state: Callable[[str, float], NDArray[np.float64]]
    n_kept: int = 0
    guards: Guards = NO_GUARDS
    holds_days: bool = False
    reach: Reach = all_rows
    abreast: str = NO_ABREAST
    abreast_places: tuple[slice, ...] = ()


def steps_of(program: Program, planned: bool = True) -> Steps:
    """Return a checked strategy as the engine takes it; without a plan every row is looked at, to the same end."""
    plan = make_plan(program) if planned else Plan()
    often = [name for name, is_rare in (("buy", bool(plan.entry)), ("sell", plan.exits is not None)) if not is_rare]
    kept = keep(functions(program), max(program.n_extremes, 1), often)
    made = guards(program, plan, max(program.n_extremes, 1) + len(kept.lengths))
    return Steps(
        text=kept.text,
        columns=program.columns,
        labels=program.labels,
        n_vars=program.n_vars,
        n_features=program.n_windows + len(kept.lengths) + len(made.lengths),
        windows=lambda vector: np.concatenate(
            [program.windows(vector.tolist()), kept.windows(vector), window_lengths(made.lengths, vector)]
        ),
        day_state=lambda code, step: program.day_state(code, code, step),
        n_kept=len(kept.lengths),
        guards=made,
        holds_days=is_daily(program.interval_s),
        reach=reach_of(program),
        abreast=abreast_text(program),
        abreast_places=abreast_places(program),
    )


def module_text(steps: Steps, managed: bool = False) -> str:
    """Return the text of the module that holds the steps inside the loop, of order management if `managed`.

    `strategy.cache.load` hashes it together with every module that it imports from.
    """
    constants = (
        f"N_COLUMNS, N_FEATURES = {len(steps.columns)}, {steps.n_features}\n"
        f"N_VARIABLES, N_PRESETS = {max(steps.n_vars, 1)}, {len(steps.day_state('', 0.0))}\n"
        f"N_KEPT, HOLDS_DAYS = {steps.n_kept}, {steps.holds_days}\n"
    )
    # Only the loop is called from Python, so nothing else needs a door to it; nothing in it owns memory, so nothing is counted.
    text = steps.text.replace("@njit(", "@njit(_nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True, ")
    head = f"{text}\n\n{steps.guards.text}\n\n{steps.abreast}\n\n{constants}"
    loops = loop_text(bands.__file__) + loop_text() + (loop_text(managed_loop.__file__) if managed else "")
    return f"{head}\n\n{fold(loops, constants_of(head))}"


@cache
def loop_text(file: str = kernel.__file__) -> str:
    """Return the part of kernel.py, or of managed.py, that is joined to a strategy."""
    return Path(file).read_text("utf-8").split(MARKER, 1)[1]


# --- running -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    """What a run gave.

    Parameters
    ----------
    raw : ndarray of float64, shape (trades, kernel.OUT_FIELDS)
        In no particular order of symbols, sets in ascending order.
    errors : int
        Rows on which a code ended in an arithmetic error.
    seconds : float
        Wall time of the compiled loop, its trades sorted by set.
    """

    raw: NDArray[np.float64]
    errors: int
    seconds: float


class Engine:
    """Evaluates parameter sets of one strategy over prepared rows.

    Parameters
    ----------
    module : module
        Loaded from `module_text`.
    steps : Steps
    executor : LocalExecutor
    """

    def __init__(self, module: ModuleType, steps: Steps, executor: LocalExecutor) -> None:
        self.run_blocks: Callable[..., int] = module.run_blocks
        self.make_work: Callable[..., tuple[NDArray[Any], ...]] = module.make_work
        self.module = module  # has the loop of managed.py, too, where it was compiled with it
        self.steps = steps
        self.executor = executor
        self._buffers = Buffers(kernel.OUT_FIELDS)

    def run(self, prepared: Prepared, vectors: NDArray[np.float64], again: bool = False, stop: Stop = never) -> Result:
        """Evaluate every row of `vectors`.

        Parameters
        ----------
        prepared : Prepared
        vectors : ndarray of float64, shape (sets, n_vars)
            `self.vars` of each set.
        again : bool
            The trades may stand in memory that the next run writes over: for a search, which looks at them once.
        stop : callable
            Asked between two windows of rows (far.py); then `StoppedError`.

        The result is identical for any number of threads.
        """
        vectors = np.ascontiguousarray(vectors, dtype=np.float64)
        if prepared.window_rows:
            return run_far(self, prepared, vectors, stop)
        windows = np.stack([np.asarray(self.steps.windows(vector), dtype=np.int64).reshape(-1) for vector in vectors])
        warmups = np.array([warmup_rows(vector) for vector in vectors], dtype=np.int64)
        # Sets with equal windows stand together: a feature is built once for all of them.
        order = np.lexsort(windows.T[::-1]) if windows.shape[1] else np.arange(len(vectors))
        states = np.stack([self.steps.day_state(code, step) for code, step in zip(prepared.codes, prepared.price_steps, strict=True)])
        book = addresses(prepared.book, len(prepared.last))
        ordered = windows[order]
        changed = np.ones(len(vectors), dtype=np.int64)
        changed[1:] = np.any(ordered[1:] != ordered[:-1], axis=1)
        managed = prepared.managed
        options = prepared.vector.copy()
        if len(vectors) == 1:
            options[kernel.REACH] = self.steps.reach(vectors[0])
        lanes = None if managed is None else arrange(managed, prepared.blocks, prepared.row_time, prepared.interval_s)
        sizes = prepared.blocks[:, kernel.BLOCK_HI] - prepared.blocks[:, kernel.BLOCK_LO]
        rows = sizes if lanes is None else lanes.group_rows(sizes)
        tasks = self._tasks(rows, len(vectors))
        if lanes is None:
            set_abreast(windows, self.steps.abreast_places, rows)
        longest = int(sizes.max())
        shared = share(self.steps.guards, vectors, longest)
        shape: tuple[int, ...] = (longest, states.shape[1], shared.n_slots, *(() if lanes is None else (lanes.most,)))
        make_work = self.make_work if lanes is None else self.module.make_managed_work
        started = time.perf_counter()

        def call(task: tuple[int, int, int, int]) -> tuple[NDArray[np.float64], int]:
            first, past, s0, s1 = task
            chosen = order[s0:s1]
            work = self._buffers.work(make_work, shape)
            work[kernel.WORK_TAGS].fill(0)
            columns = (prepared.inputs, book, prepared.last, prepared.universe, prepared.row_time)
            sets = (
                prepared.params, prepared.row_params, states, vectors[chosen], windows[chosen], changed[s0:s1], warmups[chosen],
                chosen.astype(np.int64), shared.ids[chosen], shared.slots, options,
            )  # fmt: skip
            room = min(ROOM, int(rows[first:past].sum()) * (s1 - s0) // 8 + 1_000)  # a trade for eight rows is rare
            while True:
                out = self._buffers.out(room)
                counters = np.zeros(1, dtype=np.int64)
                if managed is None or lanes is None:
                    numbers = np.arange(first, past, dtype=np.int64)
                    count = self.run_blocks(*columns, prepared.blocks[first:past], numbers, *sets, work, out, counters)
                else:
                    rest = (managed.rules, managed.weights, managed.coefficient, managed.traded, managed.account, 0, 0, -1)
                    count = self.module.run_managed(
                        *columns, *managed.columns, lanes.groups[first:past], lanes.members, lanes.turns,
                        prepared.blocks, managed.facts, *sets, *rest, work, out, counters,
                    )  # fmt: skip
                if count <= len(out):
                    self._buffers.take_back(work, shape)
                    return out[:count], int(counters[kernel.ERRORS])
                room = count  # the loop counted on without keeping: now there is room for all

        answers = self.executor.map(call, tasks)
        raw = self._buffers.by_set([part for part, _ in answers], kernel.OUT_SET, len(vectors), again)
        return Result(raw, sum(errors for _, errors in answers), time.perf_counter() - started)

    def _tasks(self, sizes: NDArray[np.int64], sets: int) -> list[tuple[int, int, int, int]]:
        """Return (first block or group, past, first set, past): shards of symbol-days, and of sets where days are few."""
        count, workers = len(sizes), self.executor.workers
        rows = np.cumsum(sizes)
        # More than threads, so that an interrupt is noticed between two; but starting one must not cost more than it does.
        wanted = min(count, max(workers, 2) * 4, max(workers, int(rows[-1]) * sets // LEAST_ROWS))
        cuts = [0, *np.searchsorted(rows, rows[-1] * np.arange(1, wanted) / wanted).tolist(), count]
        shards = [(a, b) for a, b in zip(cuts[:-1], cuts[1:], strict=True) if b > a]
        pieces = 1 if len(shards) >= workers * 2 else min(sets, workers * 2)
        edges = [sets * k // pieces for k in range(pieces + 1)]
        return [(a, b, s0, s1) for a, b in shards for s0, s1 in zip(edges[:-1], edges[1:], strict=True) if s1 > s0]


def set_abreast(windows: NDArray[np.int64], places: Sequence[slice], rows: NDArray[np.int64]) -> None:
    """Mark in `windows` the series that are filled for several days at once: where all sets want the same, and days are of a kind."""
    groups = np.maximum.reduceat(rows, np.arange(0, len(rows), LANES)).sum() * LANES
    for place in places if groups <= ABREAST_WASTE * rows.sum() else ():
        if windows[0, place.start] == ON and np.all(windows[:, place] == windows[0, place]):
            windows[:, place.start] = ABREAST


ABREAST_WASTE = 2.0
"""Rows walked for a row of data up to which walking days side by side is worth it: the walk is about two and a half times as fast."""
LEAST_ROWS = 1_000_000
"""Rows times sets that are worth a task of their own: some milliseconds."""
ROWS_MAX = 2.0**40  # more than any day has


def warmup_rows(vector: NDArray[np.float64]) -> int:
    """Return 평균값계산틱수: `self.vars[0]`, 30 when it is not given (strategy-language 1)."""
    return max(int(min(vector[0], ROWS_MAX)), 1) if len(vector) else 30
