"""Other histories that the same trades, or the same days, might have been; seeded, vectorised.

*Trades shuffled*: the profit stays, the road to it changes; shows which drawdowns are luck of the order. It
assumes that trades do not depend on each other. *Days resampled*: the stationary bootstrap draws stretches of days of
random length, so that what days have in common with their neighbours stays (Politis and Romano, "The Stationary Bootstrap",
Journal of the American Statistical Association 89, 1994).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtester.verdict.sharpe import sharpe_of

PART = 2_000_000
"""Numbers of a table that is handled at a time (16 MB)."""
WORK_MAX = 60_000_000
"""Numbers drawn in all; runs with very many trades get fewer shuffles, and the answer says how many."""
PATHS_LEAST = 100
FAN_POINTS = 60
"""Days at which the histories' quantiles are told."""
QUANTILES = (1, 5, 25, 50, 75, 95, 99)


def falls(steps: NDArray[np.float64], capital: float) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the largest fall as an amount and in % (workstation 9.1), and the lowest equity, of each row.

    Parameters
    ----------
    steps : ndarray of float64, shape (paths, steps)
        Profits in their order.
    """
    equity = np.cumsum(steps, axis=1)
    peak = np.maximum.accumulate(np.maximum(equity, 0.0), axis=1)
    fall = peak - equity
    worst = fall.argmax(axis=1)
    rows = np.arange(len(steps))
    return fall[rows, worst], fall[rows, worst] / (peak[rows, worst] + capital) * 100.0, np.minimum(equity.min(axis=1), 0.0)


def spread_of(values: NDArray[np.float64]) -> dict[str, float]:
    """Return mean, extremes and quantiles of simulated values."""
    points = np.percentile(values, QUANTILES).tolist()
    named = {f"p{q:02d}": point for q, point in zip(QUANTILES, points, strict=True)}
    return {"mean": float(values.mean()), "min": float(values.min()), "max": float(values.max()), **named}


def _affordable(paths: int, steps: int) -> int:
    return int(min(paths, max(WORK_MAX // max(steps, 1), PATHS_LEAST)))


def shuffle_trades(pnl: NDArray[np.float64], capital: float, paths: int, seed: int, ruin_pct: float) -> dict[str, Any] | None:
    """Return how deep the same trades fall in other orders; None without trades.

    Parameters
    ----------
    pnl : ndarray of float64, shape (trades,)
        In the order they were closed.
    capital : float
        필요자금.
    ruin_pct : float
        Share of the capital whose loss is ruin.
    """
    if not len(pnl):
        return None
    count = _affordable(paths, len(pnl))
    rng = np.random.default_rng(seed)
    amounts, percents, lows = np.empty(count), np.empty(count), np.empty(count)
    step = max(PART // len(pnl), 1)
    for low in range(0, count, step):
        rows = min(step, count - low)
        mixed = rng.permuted(np.broadcast_to(pnl, (rows, len(pnl))), axis=1)
        amounts[low : low + rows], percents[low : low + rows], lows[low : low + rows] = falls(mixed, capital)
    own = falls(pnl[None, :], capital)
    return {
        "paths": count,
        "drawdown_pct": spread_of(percents),
        "drawdown_amount": spread_of(amounts),
        "own_drawdown_pct": float(own[1][0]),
        "ruin": float((lows <= -capital * ruin_pct / 100.0).mean()),
        "ruin_pct": ruin_pct,
    }


def block_length(days: int) -> float:
    """Return the mean stretch of the bootstrap where none is set: the cube root of the days, at least 1."""
    return max(float(round(days ** (1.0 / 3.0))), 1.0)


def stationary_rows(days: int, paths: int, length: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the days each path goes through, int64 (paths, days): on to the next day, or with 1/length anywhere, in a circle."""
    jump = rng.random((paths, days)) < 1.0 / max(length, 1.0)
    where = rng.integers(0, days, size=(paths, days))
    jump[:, 0] = True
    # A path's day is the place of its last jump and the steps since.
    last = np.maximum.accumulate(np.where(jump, np.arange(days), 0), axis=1)
    start = np.take_along_axis(where, last, axis=1)
    out: NDArray[np.int64] = (start + np.arange(days) - last) % days
    return out


def bootstrap_days(
    daily: NDArray[np.float64], capital: float, paths: int, seed: int, ruin_pct: float, length: float = 0.0
) -> dict[str, Any] | None:
    """Return what the rule might have earned had its days come in another mixture; None for fewer than two days.

    Parameters
    ----------
    daily : ndarray of float64, shape (days,)
    length : float
        Mean stretch in days; 0 = `block_length`.
    """
    days = len(daily)
    if days < 2:
        return None
    count, length = _affordable(paths, days), length or block_length(days)
    rng = np.random.default_rng(seed)
    profit, ratio, percents, lows = np.empty(count), np.empty(count), np.empty(count), np.empty(count)
    told = np.unique(np.linspace(0, days - 1, min(days, FAN_POINTS)).astype(np.int64))
    roads = np.empty((count, len(told)))
    step = max(PART // days, 1)
    for low in range(0, count, step):
        rows = min(step, count - low)
        drawn = daily[stationary_rows(days, rows, length, rng)]
        profit[low : low + rows], ratio[low : low + rows] = drawn.sum(axis=1), sharpe_of(drawn)
        roads[low : low + rows] = np.cumsum(drawn, axis=1)[:, told]
        _, percents[low : low + rows], lows[low : low + rows] = falls(drawn, capital)
    return {
        "paths": count,
        "block_days": length,
        "profit": spread_of(profit),
        "profit_95": np.percentile(profit, (2.5, 97.5)).tolist(),
        "profit_probability": float((profit > 0.0).mean()),
        "sharpe_daily": spread_of(ratio),
        "drawdown_pct": spread_of(percents),
        "ruin": float((lows <= -capital * ruin_pct / 100.0).mean()),
        "ruin_pct": ruin_pct,
        "fan": _fan(roads, told, np.cumsum(daily)[told]),
    }


def _fan(roads: NDArray[np.float64], told: NDArray[np.int64], own: NDArray[np.float64]) -> dict[str, list[float]]:
    """Return how cumulative profit spreads over the days of the histories, beside what really was; both begin at 0."""
    points = np.percentile(roads, QUANTILES, axis=0)
    named = {f"p{q:02d}": [0.0, *row.tolist()] for q, row in zip(QUANTILES, points, strict=True)}
    return {"days": [0, *(told + 1).tolist()], **named, "own": [0.0, *own.tolist()]}
