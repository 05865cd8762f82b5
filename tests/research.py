"""Made rows, a strategy written by hand and a slow engine, for the tests of research.

`reference_trades` is written from strategy-language 4.4, 5.1, 10 and workstation 8.4, in plain Python on
lists and fractions, and shares no line with the engine.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from backtester.engine import Steps, module_text
from domain.instruments import Instrument
from strategy import cache

BLOCK = np.dtype([("symbol", "<i4"), ("day", "<i4"), ("lo", "<i8"), ("hi", "<i8")])


@dataclass
class MadeRows:
    """The same shape as `storage.columns.RowSet`."""

    market: str
    interval_s: int
    codes: tuple[str, ...]
    columns: dict[str, np.ndarray]
    row_time: np.ndarray
    blocks: np.ndarray
    qty_decimals: np.ndarray
    has_book: bool = True
    source: str = "made"
    digest: str = "0"
    instruments: tuple[Instrument, ...] = ()
    window_rows: int = 0


def made_rows(market: str, seed: int, symbols: int = 3, days: int = 2, rows: int = 240, interval_s: int = 1, thin: float = 1.0) -> MadeRows:
    """Return random rows; `thin` scales the book, small values make orders fail for want of depth."""
    rng = np.random.default_rng(seed)
    stock = market == "krx"
    price_step, decimals = (10.0, 0) if stock else ((1.0, 8) if market == "upbit" else (0.01, 5))
    parts: dict[str, list[np.ndarray]] = {}
    times, blocks, lo = [], [], 0
    codes = tuple(f"S{k:02d}" for k in rng.permutation(symbols))
    for symbol in range(symbols):
        for day in range(days):
            n = rows + int(rng.integers(-40, 40))
            seconds = np.sort(rng.choice(rows * 3, size=n, replace=False)) * interval_s + 9 * 3600
            clock = seconds // 3600 * 10_000 + seconds // 60 % 60 * 100 + seconds % 60
            stamp = 20240105 + day
            times.append(stamp * 1_000_000 + clock if interval_s == 1 else stamp * 10_000 + clock // 100)
            base = (50_000 if stock else 9_000 if market == "upbit" else 300) * price_step / (1 if not stock else 10)
            price = np.round(base / price_step * np.exp(np.cumsum(rng.normal(0, 0.003, n)))) * price_step
            price = np.round(np.maximum(price, price_step * 20), 8)
            strength = np.round(100 + np.cumsum(rng.normal(0, 6, n)) * 0.3 + rng.normal(0, 8, n), 2).clip(0, 500)
            value = np.round(rng.lognormal(12, 1, n), 0 if stock else 4)
            book: dict[str, np.ndarray] = {}
            unit = 5_000_000 / price.mean() * thin
            for level in range(1, 6):
                for side, sign in (("ask", 1), ("bid", -1)):
                    size = np.round(rng.lognormal(0, 1, n) * unit, decimals)
                    missing = rng.random(n) < 0.05
                    book[f"{side}{level}"] = np.where(missing, 0.0, np.round(price + sign * level * price_step, 8))
                    book[f"{side}_size{level}"] = np.where(missing, 0.0, size)
            one = {
                "last_price": price,
                "change_pct": np.round((price / price[0] - 1) * 100, 2),
                "trade_strength": strength,
                "value_1s" if interval_s == 1 else "value_1m": value,
                "buy_value_1s" if interval_s == 1 else "buy_value_1m": np.round(value * rng.random(n), 6 if stock else 4),
                "in_universe": (rng.random(n) < 0.9).astype(float),
                **book,
            }
            for key, column in one.items():
                parts.setdefault(key, []).append(column.astype(np.float64))
            blocks.append((symbol, stamp, lo, lo + n))
            lo += n
    columns = {key: np.concatenate(column) for key, column in parts.items()}
    return MadeRows(
        market,
        interval_s,
        codes,
        columns,
        np.concatenate(times).astype(np.int64),
        np.array(blocks, dtype=BLOCK),
        np.full(symbols, decimals),
    )


HAND = """
import numpy as np
from numba import njit

from strategy.borrow import borrow
from trading.numbers import round_to

USES_ORDER_QTY = False
USES_RETURNS = USES_HOLDING = True
HAS_MARKS = False


@njit(nogil=True, error_model="numpy", forceinline=True)
def mean(sums, i, n, lo):
    if n < 1 or i - lo + 1 < n:
        return 0.0
    total = sums[0, i + 1] - sums[0, i + 1 - n]
    return round_to(np.float64(total) / (100.0 * n), 3)


@njit(nogil=True, error_model="numpy", forceinline=True)
def buy(inputs, sums, extremes, i, lo, variables, position, state):
    change = inputs[0][i]
    if change > variables[6]:
        return -1
    if not variables[1] <= change:
        return 0
    if not inputs[1][i] >= mean(sums, i, int(variables[0]), lo) + variables[2]:
        return 0
    return 1 if change >= 0 or variables[7] == 0.0 else 2


@njit(nogil=True, error_model="numpy", forceinline=True)
def sell(inputs, sums, extremes, i, lo, variables, position, state):
    k = 0
    if position[0] >= variables[3]:
        k = 1
    elif position[0] <= -variables[3]:
        position[16] = 1.0
        k = 2
    elif position[4] >= variables[4]:
        k = 3
    elif position[2] - position[0] > variables[5]:
        k = 4
    return k


@njit(nogil=True)
def make_sums(rows):
    return np.zeros((1, rows + 1), dtype=np.int64)


@njit(nogil=True)
def make_extremes(rows):
    return np.zeros((1, rows), dtype=np.float64)


@njit(nogil=True)
def make_scratch(rows):
    return np.zeros((1, 3), dtype=np.int64)


@njit(nogil=True)
def mark(inputs, sums, extremes, i, lo, variables, position, state):
    return 0


@njit(nogil=True)
def borrow_inputs(inputs):
    return (borrow(inputs[0]), borrow(inputs[1]))


@njit(nogil=True)
def slice_inputs(inputs, lo, hi):
    return (inputs[0][lo:hi], inputs[1][lo:hi])


@njit(nogil=True, error_model="numpy")
def fill_features(windows, inputs, sums, extremes, scratch, lo, i0, i1):
    total = sums[0, i0] if i0 > 0 else 0
    sums[0, i0] = total
    for i in range(i0, i1):
        total += np.int64(np.rint(inputs[1][i] * 100.0))
        sums[0, i + 1] = total
"""


HAND_TEXTS = {
    "buy": "if not (체결강도 >= 체결강도평균(self.vars[0]) + self.vars[1]):\n    매수 = False\n",
    "sell": "if 수익률 >= self.vars[2]:\n    매도 = True\nelif 보유시간 >= 60:\n    매도 = True\n",
}
"""A small strategy in the user's language, for tests of the command line."""


def hand_steps() -> Steps:
    """Return a strategy written by hand; vars: window, least change, distance, return, time, give-back, error above, shorts."""
    return Steps(
        text=HAND,
        columns=("change_pct", "trade_strength"),
        labels=("a", "b", "c", "d"),
        n_vars=8,
        n_features=1,
        windows=lambda vector: np.array([vector[0]], dtype=np.int64),
        day_state=lambda code, step: np.zeros(1),
    )


STEPS = Path(__file__).resolve().parents[1] / "_database" / "cache" / "test-steps"
"""Compiled strategies of the tests, kept between runs: a directory's name is the digest of all that went into it."""


def compiled(steps: Steps, managed: bool = False) -> ModuleType:
    """Compile a strategy with the cache of the product."""
    STEPS.mkdir(parents=True, exist_ok=True)
    return cache.load("test", module_text(steps, managed), STEPS, b"k" * 32)


def hand_module() -> ModuleType:
    """Return the hand-written strategy inside the loop."""
    return compiled(hand_steps())


# --- the slow engine --------------------------------------------------------------------------


def rounded(x: float, d: int) -> float:
    """round(x, d) = rint(x·10^d)/10^d; Python's round of a float to an integer is ties to even."""
    scale = float(10**d)
    return float(round(x * scale)) / scale


class Row:
    """What a rule sees of one row: columns, look-backs of the day and the position."""

    def __init__(self, columns: dict[str, list[float]], lo: int, i: int, position: dict[str, Any], variables: list[float]) -> None:
        self.columns, self.lo, self.i, self.position, self.v = columns, lo, i, position, variables

    def __getitem__(self, key: str) -> float:
        return self.columns[key][self.i]

    def ago(self, key: str, pre: int) -> float:
        """Lag: 0 without enough history."""
        return self.columns[key][self.i - pre] if pre <= self.i - self.lo else 0.0

    def window(self, key: str, n: float, pre: int = 0) -> list[float]:
        """The n rows ending pre rows ago; empty without enough history."""
        n = int(n)
        if pre == -1:
            if "entry_row" not in self.position:
                return []
            end = self.lo + self.position["entry_row"] + 1
        else:
            end = self.i + 1 - pre
        return self.columns[key][end - n : end] if n >= 1 and end - n >= self.lo else []

    def mean(self, key: str, n: float, d: int, pre: int = 0) -> float:
        """Exact decimal mean, rounded to d places; d = −1 truncates."""
        window = self.window(key, n, pre)
        if not window:
            return 0.0
        exact = sum(Fraction(repr(x)) for x in window) / len(window)
        return float(int(exact)) if d < 0 else rounded(float(exact), d)

    def highest(self, key: str, n: float, pre: int = 0) -> float:
        return max(self.window(key, n, pre), default=0.0)

    def lowest(self, key: str, n: float, pre: int = 0) -> float:
        return min(self.window(key, n, pre), default=0.0)


@dataclass
class Reference:
    """Options of the slow engine, in the words of the specification."""

    betting: float
    kind: str  # krx or coin
    qty_decimals: int
    entry_levels: int = 3
    exit_levels: int = 5
    latency: int = 0
    fill: str = "sweep"
    fee: float = 0.0005  # coins: fraction; krx: ppm
    tax: dict[int, int] | None = None  # krx: first day → ppm
    start: int = 0
    end: int = 235959
    delay_ms: int = 0
    level_share: float = 0.0

    def net(self, b: float, s: float, sign: int, day: int) -> tuple[float, float]:
        if self.kind == "krx":
            tax_ppm = max((first, ppm) for first, ppm in (self.tax or {}).items() if first <= day)[1]
            fees = sum(int(amount) * int(self.fee) // 10**7 * 10 for amount in (b, s))
            profit = float(int(s) - int(s) * tax_ppm // 10**6 - fees - int(b))
        else:
            gross = (s - b) if sign > 0 else (b - s)
            profit = rounded((gross - b * self.fee) - s * self.fee, 4)
        return profit, rounded(profit / b * 100, 2)

    @property
    def money(self) -> int:
        return 0 if self.kind == "krx" else 4


def _fill(columns: Any, options: Reference, i: int, side: str, levels: int, units: int) -> tuple[int, float]:
    if options.fill == "best":
        price = columns[f"{side}1"][i]
        return (units, price * (units / 1e8)) if price > 0 else (0, 0.0)
    return _take(columns, i, side, levels, units)


NEVER = 10**12


def _take(columns: dict[str, list[float]], i: int, side: str, levels: int, units: int) -> tuple[int, float]:
    left, amount = units, 0.0
    for level in range(1, levels + 1):
        price, size = columns[f"{side}{level}"][i], round(columns[f"{side}_size{level}"][i] * 1e8)
        if price == 0 or size == 0 or left == 0:
            continue
        part = min(size, left)
        amount += price * (part / 1e8)
        left -= part
    return units - left, amount


def due(options: Reference, times: list[int], interval_s: int, day: list[int], i: int) -> int:
    """Return the row on which an order of row `i` is priced; `day` holds the rows of its day. Past the day it is a row nobody meets."""
    place = i - day[0] + options.latency
    if not options.delay_ms or place >= len(day):
        return i + options.latency
    begin = _seconds(times[day[place]], interval_s)
    return next((k for k in day[place + 1 :] if 1000 * (_seconds(times[k], interval_s) - begin) >= options.delay_ms), NEVER)


def _seconds(row_time: int, interval_s: int) -> int:
    text = str(row_time) if interval_s == 1 else f"{row_time}00"
    return int(text[8:10]) * 3600 + int(text[10:12]) * 60 + int(text[12:14])


def reference_trades(  # noqa: C901 - one row after the other, as the specification tells it
    rows: MadeRows, options: Reference, variables: list[float], buy: Callable[[Row], int], sell: Callable[[Row], tuple[int, bool]]
) -> tuple[list[tuple[Any, ...]], int]:
    """Return the trades as tuples in ROUND_TRIP_DTYPE order (symbol as code), sorted, and the number of errors.

    `buy` gives 0, 1 (long) or 2 (short), `sell` the number of the condition and the forced flag; ArithmeticError = no signal.
    """
    columns = {key: column.tolist() for key, column in rows.columns.items()}
    times = rows.row_time.tolist()
    trades: list[tuple[Any, ...]] = []
    errors = 0
    for symbol, day, lo, hi in rows.blocks.tolist():
        code = rows.codes[symbol]
        day_rows = [i for i in range(lo, hi) if _clock(times[i], rows.interval_s) <= options.end]
        held: dict[str, Any] = {}
        order: tuple[Any, ...] | None = None  # (row of the fill, kind, quantity, rule, force, signal row)
        for i in day_rows:
            final = i == day_rows[-1]
            runs = _clock(times[i], rows.interval_s) >= options.start and i - lo + 1 >= int(variables[0])
            acted = False
            if order is not None:
                if i == order[0]:
                    acted = True
                    if order[1] == "buy":
                        held = _enter(columns, options, times, i, lo, order, rows.interval_s)
                    elif _leave(columns, options, times, i, held, order, trades, code, day, rows.interval_s, final):
                        held = {}
                    order = None
            elif not runs or (options.kind == "krx" and columns["ask_size5"][i] == 0 and columns["bid_size5"][i] == 0):
                pass
            elif held:
                mark = rounded(columns["last_price"][i] * (held["units"] / 1e8), options.money)
                pnl, pct = options.net(held["cost"], mark, held["sign"], day)
                held["pnl"], held["return_pct"] = pnl, pct
                held["max"], held["min"] = max(held.get("max", pct), pct), min(held.get("min", pct), pct)
                held["seconds"] = _seconds(times[i], rows.interval_s) - _seconds(held["time"], rows.interval_s)
                try:
                    rule, force = sell(Row(columns, lo, i, held, variables))
                except ArithmeticError:
                    errors, rule = errors + 1, 0
                if rule:
                    order = (due(options, times, rows.interval_s, day_rows, i), "sell", held["units"], rule, force, i)
            elif columns["in_universe"][i]:
                try:
                    side = buy(Row(columns, lo, i, {}, variables))
                except ArithmeticError:
                    errors, side = errors + 1, 0
                units = math.floor(options.betting / columns["last_price"][i] * 10.0**options.qty_decimals) * 10 ** (
                    8 - options.qty_decimals
                )
                if side and units:
                    order = (due(options, times, rows.interval_s, day_rows, i), "buy", units, 1 if side == 1 else -1, False, i)
            if order is not None and order[0] == i and not acted:
                if order[1] == "buy":
                    held = _enter(columns, options, times, i, lo, order, rows.interval_s)
                elif _leave(columns, options, times, i, held, order, trades, code, day, rows.interval_s, final):
                    held = {}
                order = None
            if final and held:
                _leave(columns, options, times, i, held, (i, "sell", held["units"], 0, True, i), trades, code, day, rows.interval_s, final)
    trades.sort(key=lambda t: (t[3], t[2], t[0]))
    return trades, errors


def _clock(row_time: int, interval_s: int) -> int:
    return row_time % 1_000_000 if interval_s == 1 else row_time % 10_000 * 100


def _enter(columns: Any, options: Reference, times: list[int], i: int, lo: int, order: tuple[Any, ...], interval_s: int) -> dict[str, Any]:
    units, sign = order[2], order[3]
    if options.fill == "last":
        amount = columns["last_price"][i] * (units / 1e8)
    else:
        filled, amount = _fill(columns, options, i, "ask" if sign > 0 else "bid", options.entry_levels, units)
        if filled < units:
            return {}
    return {
        "units": units, "sign": sign, "raw": amount, "cost": rounded(amount, options.money), "time": times[i], "entry_row": order[5] - lo,
    }  # fmt: skip


def _leave(
    columns: Any, options: Reference, times: list[int], i: int, held: dict[str, Any], order: tuple[Any, ...], trades: list[Any],
    code: str, day: int, interval_s: int, final: bool,
) -> bool:  # fmt: skip
    units, rule, force, past = held["units"], order[3], order[4], 0
    if options.fill == "last":
        amount = columns["last_price"][i] * (units / 1e8)
    else:
        filled, amount = _fill(columns, options, i, "bid" if held["sign"] > 0 else "ask", options.exit_levels, units)
        if filled < units:
            if not force:
                return False
            past = 1
            amount = amount * units / filled if filled else columns["last_price"][i] * (units / 1e8)
    out = rounded(amount, options.money)
    pnl, pct = options.net(held["cost"], out, held["sign"], day)
    places = 2 if options.kind == "krx" else 8
    qty = units / 1e8
    seconds = _seconds(times[i], interval_s) - _seconds(held["time"], interval_s)
    trades.append((
        code, held["sign"], held["time"], times[i], seconds // interval_s, qty,
        rounded(held["raw"] / qty, places), rounded(amount / qty, places), held["cost"], out, pct, pnl, rule, past,
    ))  # fmt: skip
    return True


def as_tuples(codes: tuple[str, ...], trades: np.ndarray) -> list[tuple[Any, ...]]:
    """Return ROUND_TRIP records with codes, to compare with `reference_trades`."""
    return [(codes[trade[0]], *trade[1:]) for trade in trades.tolist()]
