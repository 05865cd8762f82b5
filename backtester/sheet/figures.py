"""The figures of a report as numbers: what is drawn, and what a test can hold.

Everything here is plain NumPy over the trades of one run, in the order of command-line.md (sell time, buy time,
code). Times are the market's clock; a trade belongs to the time of its sale, as in workstation 9.4. Amounts are
quote currency.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trading.trades import cumulative_pnl

AVERAGES = (20, 60, 120, 240, 480)
"""Trades of the moving averages under the equity (workstation 12)."""
SHUFFLES, SHUFFLES_DRAWN = 100, 30
"""Shuffled orders of trades that are judged, and those that are drawn."""
BUCKETS_MAX = 24
BUCKET_MINUTES = (1, 2, 5, 10, 15, 30, 60)
DAY_S = 86_400

Floats = NDArray[np.float64]
Times = NDArray[np.datetime64]


def moments(row_time: NDArray[np.int64], interval_s: int) -> Times:
    """Return row times (YYYYMMDDhhmmss, or …hhmm for minutes) as datetime64[s] of the market's clock."""
    full = np.asarray(row_time, dtype=np.int64) * (1 if interval_s == 1 else 100)
    months = (full // 10**10 - 1970) * 12 + full // 10**8 % 100 - 1
    days = months.astype("datetime64[M]").astype("datetime64[D]") + (full // 10**6 % 100 - 1)
    return days.astype("datetime64[s]") + (full // 10**4 % 100 * 3_600 + full // 100 % 100 * 60 + full % 100)


@dataclass(frozen=True)
class Trades:
    """The trades of a run as columns.

    Parameters
    ----------
    code, label : ndarray of str
    sign : ndarray of float64
        1 long, −1 short.
    entry, exit : ndarray of datetime64[s]
    held_s : ndarray of float64
    entry_amount, exit_amount, return_pct, pnl : ndarray of float64
    """

    code: NDArray[Any]
    label: NDArray[Any]
    sign: Floats
    entry: Times
    exit: Times
    held_s: Floats
    entry_amount: Floats
    exit_amount: Floats
    return_pct: Floats
    pnl: Floats

    def __len__(self) -> int:
        return len(self.pnl)

    @property
    def equity(self) -> Floats:
        """Cumulative profit after each trade, rounded as the metrics round it."""
        return cumulative_pnl(self.pnl)


def average(equity: Floats, window: int) -> Floats:
    """Return the mean of the last `window` values of the equity; NaN where there are fewer."""
    out = np.full(len(equity), np.nan)
    if len(equity) >= window:
        sums = np.concatenate(([0.0], np.cumsum(equity)))
        out[window - 1 :] = (sums[window:] - sums[:-window]) / window
    return out


def drawdown(equity: Floats) -> Floats:
    """Return the fall of the equity below its highest point so far (which is at least 0), never positive."""
    return equity - np.maximum.accumulate(np.maximum(equity, 0.0)) if len(equity) else equity


def holdings(trades: Trades) -> tuple[Times, Floats, NDArray[np.int64]]:
    """Return the moments at which holdings change, and amount and number of positions held from each of them on."""
    moment = np.concatenate((trades.entry, trades.exit))
    amount = np.concatenate((trades.entry_amount, -trades.entry_amount))
    count = np.concatenate((np.ones(len(trades), np.int64), -np.ones(len(trades), np.int64)))
    order = np.argsort(moment, kind="stable")
    changes, first = np.unique(moment[order], return_index=True)
    last = np.append(first[1:], len(moment)) - 1
    # What remains of sums of large amounts is dust, not a position.
    held = np.round(np.cumsum(amount[order])[last], 4) if len(moment) else np.zeros(0)
    counts = np.cumsum(count[order])[last] if len(moment) else np.zeros(0, np.int64)
    return changes, np.where(counts == 0, 0.0, held), counts


@dataclass(frozen=True)
class Exposure:
    """How much was in the market: shares of the trading time, amounts, and shares of the trades."""

    in_market: float
    mean_amount: float
    max_amount: float
    mean_positions: float
    max_positions: int
    long_share: float
    turnover: float


def exposure(trades: Trades, days: int, session_s: float) -> Exposure:
    """Return the exposure of a run of `days` trading days of `session_s` seconds each.

    Means are over the whole trading time; turnover is the sum of what was bought and sold.
    """
    total = max(days * session_s, 1.0)
    times, amounts, counts = holdings(trades)
    lengths = np.diff(times).astype(np.float64) if len(times) else np.zeros(0)
    return Exposure(
        in_market=min(float(lengths[counts[:-1] > 0].sum()) / total, 1.0),
        mean_amount=float((lengths * amounts[:-1]).sum()) / total,
        max_amount=float(amounts.max(initial=0.0)),
        mean_positions=float((lengths * counts[:-1]).sum()) / total,
        max_positions=int(counts.max(initial=0)),
        long_share=float((trades.sign > 0).mean()) if len(trades) else 0.0,
        turnover=float(trades.entry_amount.sum() + trades.exit_amount.sum()),
    )


@dataclass(frozen=True)
class Costs:
    """What trading took: profit before fees and taxes, fees and taxes, what was left."""

    gross: float
    costs: float
    net: float
    per_trade: float
    share_pct: float
    """Costs in % of the gross profit; NaN when there was none."""
    of_turnover_pct: float


def costs(trades: Trades) -> Costs:
    """Return what fees and taxes took of a run."""
    gross = float((trades.sign * (trades.exit_amount - trades.entry_amount)).sum())
    net = float(trades.pnl.sum())
    turnover = float(trades.entry_amount.sum() + trades.exit_amount.sum())
    paid = gross - net
    return Costs(
        gross=gross,
        costs=paid,
        net=net,
        per_trade=paid / len(trades) if len(trades) else 0.0,
        share_pct=paid / gross * 100.0 if gross > 0 else float("nan"),
        of_turnover_pct=paid / turnover * 100.0 if turnover > 0 else 0.0,
    )


@dataclass(frozen=True)
class Months:
    """Profit by month.

    Parameters
    ----------
    years : ndarray of int64, shape (n,)
    pnl, trades : ndarray, shape (n, 12)
        NaN and 0 for a month without trades.
    total : ndarray of float64, shape (n,)
    """

    years: NDArray[np.int64]
    pnl: Floats
    trades: NDArray[np.int64]
    total: Floats


def months(trades: Trades) -> Months:
    """Return profit and trades of every month between the first and the last sale's year."""
    month = trades.exit.astype("datetime64[M]").astype(np.int64)
    if not len(month):
        return Months(np.zeros(0, np.int64), np.zeros((0, 12)), np.zeros((0, 12), np.int64), np.zeros(0))
    first, last = int(month.min()) // 12, int(month.max()) // 12
    place = month - first * 12
    size = (last - first + 1) * 12
    sums = np.bincount(place, weights=trades.pnl, minlength=size).reshape(-1, 12)
    counts = np.bincount(place, minlength=size).reshape(-1, 12)
    return Months(np.arange(first, last + 1) + 1970, np.where(counts > 0, sums, np.nan), counts, sums.sum(axis=1))


@dataclass(frozen=True)
class Buckets:
    """Profit and trades by something.

    Parameters
    ----------
    names : tuple of str
    pnl : ndarray of float64
    trades : ndarray of int64
    wins : ndarray of int64
    """

    names: tuple[str, ...]
    pnl: Floats
    trades: NDArray[np.int64]
    wins: NDArray[np.int64]


def by_time(trades: Trades) -> Buckets:
    """Return profit by time of day of the sale, in at most 24 equal buckets that the traded hours fill."""
    seconds = (trades.exit - trades.exit.astype("datetime64[D]")).astype(np.int64)
    if not len(seconds):
        return Buckets((), np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))
    for minutes in BUCKET_MINUTES:
        size = minutes * 60
        first, last = int(seconds.min()) // size, int(seconds.max()) // size
        if last - first < BUCKETS_MAX:
            break
    names = tuple(f"{k * size // 3_600:02d}:{k * size // 60 % 60:02d}" for k in range(first, last + 1))
    return _buckets(trades, seconds // size - first, names)


def by_weekday(trades: Trades) -> Buckets:
    """Return profit by weekday of the sale: seven buckets, Monday first, named ``0`` … ``6``."""
    days = trades.exit.astype("datetime64[D]").astype(np.int64)
    return _buckets(trades, (days + 3) % 7, tuple("0123456"))  # day 0 was a Thursday


def by_text(trades: Trades, texts: NDArray[Any]) -> Buckets:
    """Return profit by symbol or by sell condition, best first."""
    values = texts.tolist()
    names = tuple(sorted(set(values)))
    number = {name: k for k, name in enumerate(names)}
    found = _buckets(trades, np.fromiter((number[value] for value in values), np.int64, len(values)), names)
    order = np.argsort(-found.pnl, kind="stable")
    return Buckets(tuple(found.names[k] for k in order), found.pnl[order], found.trades[order], found.wins[order])


def _buckets(trades: Trades, place: NDArray[np.int64], names: tuple[str, ...]) -> Buckets:
    size = len(names)
    return Buckets(
        names,
        np.bincount(place, weights=trades.pnl, minlength=size).astype(np.float64),
        np.bincount(place, minlength=size),
        np.bincount(place, weights=trades.pnl >= 0, minlength=size).astype(np.int64),
    )


@dataclass(frozen=True)
class Shuffled:
    """The same trades in other orders: does the drawdown hang on luck?

    Parameters
    ----------
    curves : ndarray of float64, shape (drawn, points)
        Cumulative profit of the first of them.
    places : ndarray of int64, shape (points,)
        Number of the trade that each point stands for.
    mdd_pct : ndarray of float64, shape (shuffles,)
        Largest drawdown of each in %, as MDD of workstation 9.1.
    """

    curves: Floats
    places: NDArray[np.int64]
    mdd_pct: Floats


def shuffled(pnl: Floats, capital: float, seed: int, points: int = 400) -> Shuffled:
    """Return equity curves of shuffled trades; the same seed gives the same curves."""
    rng = np.random.default_rng(seed)
    places = np.unique(np.linspace(0, len(pnl) - 1, min(points, len(pnl))).astype(np.int64)) if len(pnl) else np.zeros(0, np.int64)
    curves, falls = [], []
    for k in range(SHUFFLES if len(pnl) else 0):
        equity = np.cumsum(rng.permutation(pnl))
        peak = np.maximum.accumulate(np.maximum(equity, 0.0))
        worst = int(np.argmax(peak - equity))
        falls.append((peak[worst] - equity[worst]) / (peak[worst] + capital) * 100.0)
        if k < SHUFFLES_DRAWN:
            curves.append(equity[places])
    return Shuffled(np.array(curves).reshape(len(curves), len(places)), places, np.array(falls))


def telling(values: Floats, most: int) -> NDArray[np.int64]:
    """Return at most about `most` places, ascending: of equal groups of neighbours the lowest and the highest, and both ends.

    Curves and areas of a million corners cannot be drawn in time; through these places they look the same.
    """
    size = max(1, -(-2 * len(values) // most))
    if size <= 2:
        return np.arange(len(values))
    whole = len(values) // size * size
    groups, firsts, rest = values[:whole].reshape(-1, size), np.arange(0, whole, size), values[whole:]
    chosen = [[0], groups.argmin(axis=1) + firsts, groups.argmax(axis=1) + firsts, [len(values) - 1]]
    if len(rest):
        chosen.append([whole + int(rest.argmin()), whole + int(rest.argmax())])
    return np.unique(np.concatenate(chosen))


def grouped(values: Floats, most: int) -> tuple[Floats, int]:
    """Return sums of equal groups of neighbours, at most `most` of them, and the size of a group."""
    size = max(1, -(-len(values) // most))
    edges = np.arange(0, len(values), size)
    return (np.add.reduceat(values, edges) if len(values) else values), size


def equal_weight(prices: Sequence[Floats]) -> Floats:
    """Return the mean of prices over their first values, in % gained; NaN before a symbol's first price does not count."""
    if not prices:
        return np.zeros(0)
    gains = []
    for one in prices:
        known = np.flatnonzero(np.isfinite(one))
        if len(known):
            gains.append(np.where(np.isfinite(one), one, one[known[0]]) / one[known[0]])
    return (np.mean(gains, axis=0) - 1.0) * 100.0 if gains else np.zeros(0)
