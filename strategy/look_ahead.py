"""A poisoned future: of a made day, the rows after i are replaced by others, and nothing up to i may change.

Features are filled over the whole day first, as a back-test does, so that one which reads ahead has the chance to; then
both codes and the conditions run on every row up to i, flat and holding, and decisions, the state between rows and what a
code wrote into its position are compared bit by bit. The compiled step and the interpreter are judged by the same days.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.records import POSITION_INDEX, POSITION_SIZE, row_schema
from strategy.features import PlainFeatures
from strategy.interpreter import Interpreter
from strategy.learned import is_learned
from strategy.program import Program

ROWS_LEAST, ROWS_MOST = 240, 1_200
CUTS = (0.2, 0.45, 0.7, 0.9)
"""Where the future begins, as shares of the day."""
BUDGET_S = 1.2
"""No new future is begun after that long; the rows that were judged are told."""
UNSAID = 10.0
"""Value of a variable that the texts use and nobody named."""
_START = {1: 20260105090000, 60: 202601050900}


@dataclass(frozen=True)
class Judged:
    """What a check found.

    Parameters
    ----------
    ok : bool
        Nothing up to any cut changed.
    how : {"interpreted", "written", "compiled"}
        By the interpreter, the text that the compiler writes, or that text compiled.
    rows : int
        Rows of the day.
    cuts : int
        Futures that were tried.
    signals : int
        Decisions to buy or sell on the day; without any the day says little about the texts.
    row, side : int, str
        Where the first difference is; −1 and "" for none.
    seconds : float
    """

    ok: bool
    how: str
    rows: int
    cuts: int
    signals: int
    row: int = -1
    side: str = ""
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        return asdict(self)


def judge(program: Program, variables: dict[int, float], module: ModuleType | None = None, seed: int = 1) -> Judged:
    """Judge a program by poisoned futures.

    Parameters
    ----------
    program : Program
        Built from the texts that were saved.
    variables : dict of int to float
        ``self.vars``; one that is missing counts as `UNSAID`.
    module : module, optional
        The compiled step; the interpreter is judged when None.
    """
    began = time.monotonic()
    vector = np.array([variables.get(k, UNSAID) for k in range(program.n_vars)], np.float64)
    rows = int(min(max(2 * program.lookback(vector.tolist()) + 60, ROWS_LEAST), ROWS_MOST))
    day = made_day(program, rows, seed)
    whole = _run(program, vector, day, rows, module)
    signals = sum(1 for line in whole for _, result, _ in line if result > 0)
    tried = 0
    for share in CUTS:
        if tried and time.monotonic() - began > BUDGET_S:
            break
        cut = int(rows * share)
        other = made_day(program, rows, seed + 7919)
        poisoned = {key: np.concatenate((day[key][: cut + 1], other[key][cut + 1 :] + (0.0 if key != "row_time" else 1.0))) for key in day}
        tried += 1
        for i, (was, now) in enumerate(zip(whole, _run(program, vector, poisoned, cut + 1, module), strict=False)):
            changed = [one[0] for one, two in zip(was, now, strict=True) if one != two]
            if changed:
                return Judged(False, _how(module), rows, tried, signals, i, changed[0], time.monotonic() - began)
    return Judged(True, _how(module), rows, tried, signals, seconds=time.monotonic() - began)


def _how(module: ModuleType | None) -> str:
    return "interpreted" if module is None else "compiled" if module.__name__ != "written" else "written"


def _run(
    program: Program, variables: NDArray[np.float64], day: dict[str, NDArray[np.float64]], until: int, module: ModuleType | None
) -> list[list[tuple[str, int, bytes]]]:
    """Return by row (code, result, bits of state and position) for the first `until` rows; features see the whole day."""
    inputs = tuple(day[key] for key in program.columns)
    rows = len(day["row_time"])
    windows = program.windows(variables.tolist())
    step: Any
    if module is None:
        step, plain = Interpreter(program), PlainFeatures(program, windows)
        plain.fill(inputs, 0, 0, rows)
        sums: Any = plain.sums
        extremes: Any = plain.extremes
    else:
        step, sums, extremes, scratch = module, module.make_sums(rows), module.make_extremes(rows), module.make_scratch(rows)
        module.fill_features(windows, inputs, sums, extremes, scratch, 0, 0, rows)
    state = program.day_state("X", "X", 1.0)
    flat = np.zeros(POSITION_SIZE)
    out = []
    for i in range(until):
        line = []
        for side, position in (("mark", flat.copy()), ("buy", flat.copy()), ("sell", _held(day["last_price"], i))):
            result = int(getattr(step, side)(inputs, sums, extremes, i, 0, variables, position, state))
            bits = np.where(np.isnan(state), np.nan, state).tobytes() + position.tobytes()
            line.append((side, result, bits))
        out.append(line)
    return out


def _held(price: NDArray[np.float64], i: int) -> NDArray[np.float64]:
    """Return a long position that was opened halfway to row `i`."""
    position = np.zeros(POSITION_SIZE)
    entry = i // 2
    change = (price[i] / price[entry] - 1.0) * 100.0
    path = (price[entry : i + 1] / price[entry] - 1.0) * 100.0
    for name, value in (
        ("return_pct", change),
        ("pnl", change * 1e4),
        ("max_return_pct", path.max()),
        ("min_return_pct", path.min()),
        ("holding_time", i - entry),
        ("holding_seconds", i - entry),
        ("entry_row", entry),
        ("entry_price", price[entry]),
        ("entry_cost", price[entry] * 100.0),
        ("position_qty", 100.0),
        ("entry_time", _START[1] + entry),
        ("scale_in_count", 1),
        ("position_side", 1),
        ("leverage", 1),
        ("order_qty", 100.0),
    ):
        position[POSITION_INDEX[name]] = value
    return position


def made_day(program: Program, rows: int, seed: int) -> dict[str, NDArray[np.float64]]:
    """Return a day of any values a row may have, by column key and ``row_time``; same seed, same day.

    It is livelier than a market: prices leap and flags flip, so that conditions come true that seldom do.
    """
    rng = np.random.default_rng(seed)
    kind, interval_s = program.market.kind, program.interval_s
    walk = 10_000.0 * np.exp(np.cumsum(rng.normal(0.0, 0.004, rows)))
    out: dict[str, NDArray[np.float64]] = {}
    for column in row_schema(kind, interval_s).columns:
        if column.unit == "price":
            values = walk * (1.0 + rng.normal(0.0, 0.001, rows))
        elif column.unit == "pct":
            values = rng.normal(2.0, 5.0, rows)
        elif column.unit == "strength":
            values = rng.uniform(20.0, 300.0, rows)
        elif column.unit == "flag":
            values = (rng.random(rows) < 0.8).astype(np.float64)
        elif column.unit == "time":
            values = np.full(rows, 20260105080000.0)
        else:
            values = np.exp(rng.normal(6.0, 1.5, rows))
        places = column.decimals(kind)
        out[column.key] = np.round(values, places)
    for key in program.columns:
        if is_learned(key):
            out[key] = rng.uniform(-100.0, 100.0, rows) if "_score" in key else rng.random(rows)
    out["last_price"] = np.round(walk, 0 if kind == "stock" else 8)
    for key, edge in (("day_high", np.maximum), ("day_low", np.minimum)):
        out[key] = edge.accumulate(out["last_price"])
    out["day_value"] = np.cumsum(out["day_value"])
    seconds = 9 * 3600 + np.arange(rows) * (1 if interval_s == 1 else 60)
    digits = seconds // 3600 * 10_000 + seconds // 60 % 60 * 100 + seconds % 60
    out["row_time"] = (20260105 * 1_000_000 + digits if interval_s == 1 else 20260105 * 10_000 + digits // 100).astype(np.float64)
    return out
