"""The back-finder (strategy-language 9): rows on which a buy text says yes, and what followed them.

The text is an ordinary buy text, which sees what it would see in a back-test of a flat position and nothing after it, or one
that STOM wrote for its back-finder (strategy/finder_text.py), which may ask what follows. How far to look and how much the
price must rise are the finder's own numbers, unless the latter sets them. What a text keeps on ``self.`` is noted with each
hit, so any expression can be a column of the table.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from backtester import find_kernel as kernel
from backtester.engine import Prepared, prepare, warmup_rows
from backtester.executors import LocalExecutor
from backtester.find_ahead import fill_future
from backtester.job import Job, job_rows
from backtester.job import program_of as job_program
from backtester.sheet.figures import moments
from domain.errors import InputError
from domain.records import row_schema
from storage.columns import RowSet
from strategy import cache
from strategy.arithmetic import Arithmetic
from strategy.compiler import functions
from strategy.finder_text import AHEAD_NAME, DATA, RISE_NAME, is_finder, parse_finder
from strategy.program import Program
from utility.paths import DataDir

NO_SELL = "매도 = False\n"
AHEAD, AHEAD_MAX = 300, 86_400
ROOM = 100_000
QUANTILES = (5, 25, 50, 75, 95)
MOVES = ("best_pct", "worst_pct", "end_pct")
"""The way the text meant (down for a short): furthest for it, furthest against it, and after all the rows."""


@dataclass(frozen=True)
class Question:
    """What is looked for.

    Parameters
    ----------
    job : Job
        Buy text, rows, times and variables; of the rest nothing is used.
    ahead : int, optional
        탐색틱수: rows of the same day that must follow; None is what a back-finder text says itself, else 300.
    rise_pct : float, optional
        탐색등락율: the price must go further than this, in %, the way the text meant; None is what a back-finder text says
        itself, and asks for no rise where it says nothing.
    columns : tuple of str
        Recorded columns noted with each hit, by their stored names.
    """

    job: Job
    ahead: int | None = None
    rise_pct: float | None = None
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.ahead is not None and not 1 <= self.ahead <= AHEAD_MAX:
            raise InputError("find.ahead", value=self.ahead, most=AHEAD_MAX)


@dataclass(frozen=True)
class Meant:
    """What is asked of a back-finder text, its own numbers worked out.

    Parameters
    ----------
    ahead : int
    rise_pct : float, optional
    columns : tuple of str
        The text's own columns.
    """

    ahead: int
    rise_pct: float | None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """What was found.

    Parameters
    ----------
    table : pyarrow.Table
        One row a hit in the order row time, code: ``code``, ``row_time``, ``side``, ``last_price``, MOVES, ``rows_to_best``, then
        the recorded columns and the text's attributes.
    rows : int
        Rows replayed.
    seen, held, reached : int
        Rows whose future is whole; those of them on which the text said yes; those of these that rose enough.
    base_reached : int
        Of all rows seen, how many rose enough: what chance alone gives.
    base_end, base_best : float
        Mean of what followed all rows seen, in %.
    """

    table: pa.Table
    rows: int
    seen: int
    held: int
    reached: int
    base_reached: int
    base_end: float
    base_best: float
    errors: int
    engine_seconds: float
    source: str
    ahead: int
    rise_pct: float | None

    def summary(self, interval_s: int) -> dict[str, Any]:
        """Return what followed in figures: quantiles, shares against chance, by hour and by symbol."""
        count = self.table.num_rows
        moves = {name: self.table.column(name).to_numpy() for name in MOVES}
        out: dict[str, Any] = {
            "share": self.reached / self.held if self.held else None,
            "base_share": self.base_reached / self.seen if self.seen else None,
            "base": {"end_pct": self.base_end, "best_pct": self.base_best},
            "moves": {name: _spread(values) for name, values in moves.items()} if count else {},
            "rows_to_best": _spread(self.table.column("rows_to_best").to_numpy()) if count else {},
        }
        hours = moments(self.table.column("row_time").to_numpy(), interval_s).astype("datetime64[h]").astype(np.int64) % 24
        out["by_hour"] = _groups([f"{hour:02d}" for hour in hours.tolist()], moves)
        out["by_symbol"] = _groups(self.table.column("code").to_pylist(), moves)
        return out


def _spread(values: NDArray[np.float64]) -> dict[str, float]:
    found = {f"p{place}": float(value) for place, value in zip(QUANTILES, np.percentile(values, QUANTILES), strict=True)}
    return found | {"mean": float(values.mean())}


def _groups(names: Sequence[str], moves: dict[str, NDArray[np.float64]]) -> dict[str, dict[str, float]]:
    out = {}
    for name in sorted(set(names)):
        mask = np.array([one == name for one in names])
        out[name] = {"hits": int(mask.sum())} | {key: float(values[mask].mean()) for key, values in moves.items()}
    return out


def find(question: Question, data: DataDir, executor: LocalExecutor, vector: NDArray[np.float64], program: Program | None = None) -> Found:
    """Look for the rows of a question.

    Parameters
    ----------
    vector : ndarray of float64
        `self.vars`, from `backtester.job.vector`.
    program : Program, optional
        Of `program_of`, when the caller has it already.

    Raises
    ------
    StrategyErrors
        The text is refused.
    InputError, DataError
        No such rows, symbols or columns.
    """
    job = question.job
    program = program_of(job) if program is None else program
    schema = row_schema(job.market.kind, job.interval_s)
    for name in question.columns:
        if name not in schema.keys:
            raise InputError("find.column", column=name, names=", ".join(schema.keys))
    sizes = ("ask_size5", "bid_size5") if job.market.kind == "stock" else ()
    needed = [key for key in (*program.columns, "last_price", "in_universe", *sizes, *question.columns)]
    needed = [key for key in needed if key != "row_time" and not key.startswith("future:")]
    rows = job_rows(job, data, tuple(dict.fromkeys([*needed, *_book()])))
    meant = meaning(question, vector)
    columns = program.columns[: len(program.columns) - len(program.futures)]
    rows.refuse_unknown(columns)
    prepared = with_futures(prepare(rows, columns, job.market, job.options), program, vector)
    module = cache.load("find", module_text(program), data.cache / "steps", data.mac_key())
    started = time.perf_counter()
    raw, counters, totals = _run(module, program, prepared, rows, meant, executor, vector)
    seconds = time.perf_counter() - started
    seen = max(int(counters[kernel.SEEN]), 1)
    return Found(
        table=_table(raw, program, prepared, rows, question.columns, meant.columns),
        rows=prepared.rows,
        seen=int(counters[kernel.SEEN]),
        held=int(counters[kernel.HELD]),
        reached=int(counters[kernel.REACHED]),
        base_reached=int(counters[kernel.BASE_REACHED]),
        base_end=float(totals[kernel.SUM_END]) / seen,
        base_best=float(totals[kernel.SUM_BEST]) / seen,
        errors=int(counters[kernel.ERRORS]),
        engine_seconds=seconds,
        source=rows.source,
        ahead=meant.ahead,
        rise_pct=meant.rise_pct,
    )


def program_of(job: Job) -> Program:
    """Return the checked buy text of a job, or its back-finder text, with a sell text that never sells."""
    reader = (lambda *given: parse_finder(*given).tree) if is_finder(job.buy_text) else None
    return job_program(replace(job, sell_text=NO_SELL), reader)


def meaning(question: Question, vector: NDArray[np.float64]) -> Meant:
    """Return the finder's numbers: those that were asked for, else those of the text.

    Raises
    ------
    InputError
        ``find.twice`` when a number is given that the text sets; ``find.ahead``.
    """
    job = question.job
    if not is_finder(job.buy_text):
        return Meant(AHEAD if question.ahead is None else question.ahead, question.rise_pct)
    text = parse_finder(job.buy_text, job.market, job.interval_s, job.formulas)
    arithmetic = Arithmetic(vector.tolist())
    own = [None if one is None else float(arithmetic.value(one)) for one in (text.ahead, text.rise)]
    for name, said, given in ((AHEAD_NAME, own[0], question.ahead), (RISE_NAME, own[1], question.rise_pct)):
        if said is not None and given is not None:
            raise InputError("find.twice", name=name, value=said)
    ahead = question.ahead if own[0] is None else int(own[0])
    meant = Meant(AHEAD if ahead is None else ahead, question.rise_pct if own[1] is None else own[1], text.columns)
    if not 1 <= meant.ahead <= AHEAD_MAX:
        raise InputError("find.ahead", value=meant.ahead, most=AHEAD_MAX)
    return meant


def with_futures(prepared: Prepared, program: Program, vector: NDArray[np.float64]) -> Prepared:
    """Return the rows with what a back-finder text asks of those that follow, within each block."""
    arithmetic = Arithmetic(vector.tolist())
    made = []
    for one in program.futures:
        out = np.zeros(len(prepared.last))
        fill_future(prepared.last, prepared.blocks[:, :2].copy(), int(arithmetic.value(one.n)), one.operation == "max", out)
        out.flags.writeable = False
        made.append(out)
    return replace(prepared, inputs=(*prepared.inputs, *made))


def _book() -> tuple[str, ...]:
    return tuple(f"{side}{level}" for side in ("ask", "ask_size", "bid", "bid_size") for level in range(1, 6))


def module_text(program: Program) -> str:
    """Return the text of the module that holds the step inside the finder's loop."""
    constants = (
        f"N_COLUMNS, N_FEATURES = {len(program.columns)}, {len(program.extremes)}\n"
        f"N_VARIABLES, N_PRESETS = {max(program.n_vars, 1)}, {len(program.day_state('', '', 0.0))}\n"
    )
    text = functions(program).replace("@njit(", "@njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, ")
    loop = Path(kernel.__file__).read_text("utf-8").split("# === LOOP ===\n", 1)[1]
    return f"{text}\n\n{constants}\n\n{loop}"


def _run(
    module: Any,
    program: Program,
    prepared: Prepared,
    rows: RowSet,
    question: Meant,
    executor: LocalExecutor,
    vector: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    slots = np.array([program.attribute_slot(name) for name in program.attributes], dtype=np.int64)
    states = np.stack([program.day_state(code, code, step) for code, step in zip(prepared.codes, prepared.price_steps, strict=True)])
    windows = np.asarray(program.windows(vector.tolist()), dtype=np.int64).reshape(-1)
    rise = -np.inf if question.rise_pct is None else question.rise_pct
    numbers = np.array([question.ahead, rise, prepared.options.betting], dtype=np.float64)
    none = np.zeros(0)
    none.flags.writeable = False
    gate = prepared.market.kind == "stock" and rows.has_book
    closed = (prepared.book[9], prepared.book[19]) if gate else (none, none)
    edges = np.linspace(0, len(prepared.blocks), min(len(prepared.blocks), executor.workers * 4) + 1).astype(np.int64)

    def call(span: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
        blocks = prepared.blocks[span[0] : span[1]]
        work = module.make_work(int((blocks[:, 1] - blocks[:, 0]).max()), states.shape[1])
        room = ROOM
        while True:
            out = np.empty((room, kernel.HIT_FIELDS + len(slots)))
            counters, totals = np.zeros(5, dtype=np.int64), np.zeros(2)
            count = module.find_blocks(
                prepared.inputs, prepared.last, prepared.universe, closed, blocks, states, vector, windows,
                warmup_rows(vector), numbers, slots, work, out, counters, totals,
            )  # fmt: skip
            if count <= room:
                return out[:count], counters, totals
            room = count

    spans = [(int(a), int(b)) for a, b in zip(edges[:-1], edges[1:], strict=True) if b > a]
    parts = executor.map(call, spans)
    return np.concatenate([part[0] for part in parts]), sum(part[1] for part in parts), sum(part[2] for part in parts)


def _table(
    raw: NDArray[np.float64], program: Program, prepared: Prepared, rows: RowSet, columns: Sequence[str], own: Sequence[str] = ()
) -> pa.Table:
    place = raw[:, kernel.HIT_ROW].astype(np.int64)
    # Which block a row is in: blocks are spans of rows, in ascending order of their beginning.
    order = np.argsort(prepared.blocks[:, 0])
    block = order[np.searchsorted(prepared.blocks[order, 0], place, side="right") - 1]
    codes = np.array(prepared.codes)[prepared.symbols[block]] if len(place) else np.zeros(0, dtype=str)
    when = np.asarray(prepared.row_time)[place]
    sort = np.lexsort((codes, when))
    body: dict[str, Any] = {
        "code": pa.array(codes[sort].tolist(), pa.string()),
        "row_time": pa.array(when[sort], pa.int64()),
        "side": pa.array(["LONG" if side > 0 else "SHORT" for side in raw[sort, kernel.HIT_SIDE]], pa.string()),
        "last_price": pa.array(np.asarray(prepared.last)[place][sort]),
        "best_pct": pa.array(raw[sort, kernel.HIT_BEST]),
        "worst_pct": pa.array(raw[sort, kernel.HIT_WORST]),
        "end_pct": pa.array(raw[sort, kernel.HIT_END]),
        "rows_to_best": pa.array(raw[sort, kernel.HIT_AFTER].astype(np.int64)),
    }
    for name in columns:
        if name not in body:
            body[name] = pa.array(np.asarray(rows.columns[name])[place][sort])
    place_of = {name: kernel.HIT_FIELDS + k for k, name in enumerate(program.attributes)}
    for name in own:  # as the text names and orders them
        body[name if name not in body else f"{name} (tickdata)"] = pa.array(raw[sort, place_of[DATA + name]])
    for name, at in place_of.items():
        if not name.startswith(DATA) and "." not in name:  # a formula's own are none of the text's
            body[f"self.{name}"] = pa.array(raw[sort, at])
    return pa.table(body)


def write_hits(path: Path, table: pa.Table) -> None:
    """Write the hits as Parquet, complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    pq.write_table(table, part, compression="zstd")
    part.replace(path)
