"""Slippage by a model: every ask of a row is made dearer and every bid cheaper by a fraction before the run.

The fractions come from trading/fills/slippage.py; here they are asked once for each row. What an order costs is taken from the
betting, so a split entry pays as if it came whole (docs/fill-models.md). Volatility and volume of a day are those of the days before
it in the run: nothing is read ahead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from backtester.slippage import LEVELS, TICKS_MAX, Book, with_moved_prices
from domain.errors import InputError
from domain.intervals import is_daily
from trading.fills.slippage import fixed, impact, spread, tier
from utility.amounts import is_number

BPS, SPREAD, IMPACT, TIERS = range(4)
KINDS = {"bps": BPS, "spread": SPREAD, "impact": IMPACT, "tiers": TIERS}
HISTORY_DAYS = 20
"""Days before, at most, of which volatility and volume are the mean."""
FEWEST_DAYS = 3
NO_HISTORY_SIGMA = 0.05
"""Volatility of a day with fewer days before it than FEWEST_DAYS; its volume is what was traded so far that day."""
LARGEST = 0.5
MOST = {"bps": LARGEST * 10_000.0, "spread": 10.0, "impact": 100.0}
"""What the number of a model stays below."""


@dataclass(frozen=True)
class Model:
    """A model and its numbers: bps (N,), spread (share,), impact (k,), tiers (value, fraction, value, fraction …)."""

    kind: int
    numbers: tuple[float, ...]

    @property
    def needs_value(self) -> bool:
        """Whether it reads 당일거래대금."""
        return self.kind in (IMPACT, TIERS)


def parse_slippage(text: str) -> tuple[int, str]:
    """Return (ticks, model text) of ``TICKS``, a model, or both joined by ``+``: ``1+bps:5``.

    Raises
    ------
    InputError
        ``backtest.slippage_text``: nothing that is known; ``backtest.slippage``, ``backtest.slippage_number``,
        ``backtest.slippage_tiers``: known, and out of range.
    """
    if is_number(text) and not text.strip().isdecimal():
        raise InputError("backtest.slippage", value=text, most=TICKS_MAX)
    ticks, model = 0, ""
    for part in text.split("+"):
        part = part.strip()
        if part.isdecimal() and not ticks:
            # A number of thousands of digits is not worth reading to be refused.
            ticks = int(part) if len(part) <= len(str(TICKS_MAX)) else TICKS_MAX + 1
        elif ":" in part and not model:
            model_of(part)
            model = part
        else:
            raise InputError("backtest.slippage_text", text=text)
    if ticks > TICKS_MAX:
        raise InputError("backtest.slippage", value=text, most=TICKS_MAX)
    return ticks, model


def model_of(text: str) -> Model:
    """Return the model that a text names: ``bps:5``, ``spread:0.5``, ``impact:1``, ``tiers:0=0.002,15e9=0.0012``.

    Raises
    ------
    InputError
        ``backtest.slippage_text``: no such model, or no numbers; ``backtest.slippage_number``, ``backtest.slippage_tiers``: out of range.
    """
    name, _, rest = text.partition(":")
    try:
        if name == "tiers":
            pairs = sorted((float(value), float(fraction)) for value, fraction in (pair.split("=") for pair in rest.split(",")))
        else:
            number, most = float(rest), MOST[name]
    except (ValueError, KeyError):
        raise InputError("backtest.slippage_text", text=text) from None
    # A NaN fails every comparison, so it is refused here, too.
    if name == "tiers":
        if not all(0.0 <= value < math.inf and 0.0 <= fraction < LARGEST for value, fraction in pairs):
            raise InputError("backtest.slippage_tiers", value=rest, most=LARGEST)
        return Model(TIERS, tuple(number for pair in pairs for number in pair))
    if not 0.0 <= number < most:
        raise InputError("backtest.slippage_number", model=name, value=rest, most=most)
    return Model(KINDS[name], (number,))


@njit(cache=True, nogil=True, error_model="numpy")
def fill_fractions(kind, number, table, lo, hi, asks, bids, so_far, sigma, day_value, order, unit, out):  # type: ignore[no-untyped-def]
    """Fill ``out[lo:hi]`` with the model's fraction of each row; `day_value` 0 = unknown, then what was traded so far counts."""
    for i in range(lo, hi):
        if kind == BPS:
            fraction = fixed(number)
        elif kind == SPREAD:
            fraction = spread(asks[i], bids[i], number)
        else:
            value = day_value if day_value > 0.0 else so_far[i] * unit
            fraction = impact(number, sigma, order, value) if kind == IMPACT else tier(table, value)
        out[i] = min(fraction, LARGEST)


@njit(cache=True, nogil=True, error_model="numpy")
def dearer(prices, fractions, sign, out):  # type: ignore[no-untyped-def]
    """Fill `out` with prices moved by the rows' fractions; a price of 0 stays."""
    for i in range(len(prices)):
        out[i] = prices[i] * (1.0 + sign * fractions[i])


def _last_rows(rows: Any) -> list[tuple[int, int, int]]:
    """Return (symbol, day, last row) of each symbol's days; every row of daily bars is one."""
    if is_daily(rows.interval_s):
        return [(symbol, int(rows.row_time[i]) // 10_000, i) for symbol, _, lo, hi in rows.blocks.tolist() for i in range(lo, hi)]
    return [(symbol, day, hi - 1) for symbol, day, _, hi in rows.blocks.tolist()]


def histories(rows: Any, value_unit: float) -> dict[tuple[int, int], tuple[float, float]]:
    """Return (sigma, mean traded value) of the days before each (symbol, day); (NO_HISTORY_SIGMA, 0) where they are too few."""
    days: dict[int, list[tuple[int, float, float]]] = {}
    for symbol, day, last in _last_rows(rows):
        value = float(rows.columns["day_value"][last]) * value_unit
        days.setdefault(symbol, []).append((day, float(rows.columns["last_price"][last]), value))
    out = {}
    for symbol, known in days.items():
        known.sort()
        for k, (day, _, _) in enumerate(known):
            past = known[max(k - HISTORY_DAYS, 0) : k]
            if len(past) < FEWEST_DAYS:
                out[symbol, day] = NO_HISTORY_SIGMA, 0.0
                continue
            closes = np.array([close for _, close, _ in past])
            returns = closes[1:] / closes[:-1] - 1.0
            out[symbol, day] = float(np.std(returns, ddof=1)), float(np.mean([value for _, _, value in past]))
    return out


def model_book(
    book: Book,
    rows: Any,
    blocks: NDArray[np.int64],
    symbols: NDArray[np.int64],
    days: NDArray[np.int64],
    model: Model,
    betting: float,
    value_unit: float,
    levels: int = LEVELS,
) -> Book:
    """Return the twenty columns of a book that the model made worse.

    Parameters
    ----------
    book : tuple of ndarray of float64
        Five asks, their sizes, five bids, their sizes.
    rows : RowSet
        With 당일거래대금 where the model needs it.
    blocks : ndarray of int64
        First row and row after the last of each symbol-day, then other fields.
    symbols, days : ndarray of int64
        Symbol and day YYYYMMDD of each block.
    betting, value_unit : float
        Amount of an order; currency units in one of 당일거래대금.
    """
    known = histories(rows, value_unit) if model.needs_value else {}
    count = len(book[0])
    so_far = np.ascontiguousarray(rows.columns["day_value"], dtype=np.float64) if model.needs_value else np.zeros(count)
    so_far = so_far[:]
    so_far.flags.writeable = False
    table = np.array(model.numbers).reshape(-1, 2) if model.kind == TIERS else np.zeros((1, 2))
    number = 0.0 if model.kind == TIERS else model.numbers[0]
    fractions = np.zeros(count)
    for (lo, hi), symbol, day in zip(blocks[:, :2].tolist(), symbols.tolist(), days.tolist(), strict=True):
        sigma, value = known.get((symbol, day), (0.0, 0.0))
        fill_fractions(model.kind, number, table, lo, hi, book[0], book[2 * LEVELS], so_far, sigma, value, betting, value_unit, fractions)
    return with_moved_prices(book, lambda prices, sign, out: dearer(prices, fractions, float(sign), out), levels)


def warm() -> None:
    """Compile everything here with the types production uses."""
    column = np.ones(1)
    column.flags.writeable = False
    fill_fractions(BPS, 5.0, np.zeros((1, 2)), 0, 1, column, column, column, 0.0, 0.0, 1.0, 1.0, np.zeros(1))
    dearer(column, np.zeros(1), 1.0, np.zeros(1))
