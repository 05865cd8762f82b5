"""Figures of a run's days (services 7.2): ratios are always of daily equity, annualised by the market's days a year.

A day's return is its profit over the run's 필요자금, which stays the same, so equity adds up instead of compounding, as the
back-test's own fixed stake does. A figure whose divisor is 0 is None: nothing is made up.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtester.verdict.sharpe import minimum_track_record, moments, probabilistic_sharpe, sharpe_of


def drawdown_of(daily: NDArray[np.float64], capital: float) -> tuple[float, float, int]:
    """Return largest fall of equity as an amount and in % of the peak with the capital, and the longest stay below a peak in days.

    The fall of the amount decides, as in workstation 9.1; equity starts at 0, so a first loss is a fall.
    """
    equity = np.concatenate([[0.0], np.cumsum(daily)])
    peak = np.maximum.accumulate(equity)
    fall = peak - equity
    worst = int(fall.argmax())
    below = np.flatnonzero(fall <= 0.0)
    longest = int(np.diff(np.concatenate([below, [len(equity)]])).max()) - 1
    return float(fall[worst]), float(fall[worst] / (peak[worst] + capital) * 100.0), longest


def day_figures(daily: NDArray[np.float64], capital: float, year_days: int) -> dict[str, Any]:
    """Return the figures of one run's days.

    Parameters
    ----------
    daily : ndarray of float64, shape (days,)
        Profit of each day; 0 on a day without a trade.
    capital : float
        필요자금, above 0.
    year_days : int
        Trading days a year.
    """
    days = len(daily)
    returns = daily / capital
    amount, percent, longest = drawdown_of(daily, capital)
    ratio = float(sharpe_of(returns[None, :])[0])
    skew, kurtosis = moments(returns)
    down = math.sqrt(float(np.mean(np.minimum(returns, 0.0) ** 2))) if days else 0.0
    annual = float(returns.mean()) * year_days if days else 0.0
    proof = minimum_track_record(ratio, 0.0, skew, kurtosis)
    gains, losses = float(daily[daily > 0].sum()), float(-daily[daily < 0].sum())
    return {
        "days": days,
        "annual_return_pct": annual * 100.0,
        "annual_volatility_pct": float(returns.std(ddof=1)) * math.sqrt(year_days) * 100.0 if days > 1 else None,
        "sharpe_daily": ratio,
        "sharpe": ratio * math.sqrt(year_days),
        "sortino": annual / (down * math.sqrt(year_days)) if down > 0.0 else None,
        "calmar": annual * 100.0 / percent if percent > 0.0 else None,
        "skew": skew,
        "kurtosis": kurtosis,
        "day_win_pct": float((daily > 0).mean()) * 100.0 if days else 0.0,
        "profit_factor": gains / losses if losses > 0.0 else None,
        "best_day": float(daily.max()) if days else 0.0,
        "worst_day": float(daily.min()) if days else 0.0,
        "best_day_share": float(daily.max() / daily.sum()) if days and daily.sum() > 0.0 else None,
        "drawdown_days_amount": amount,
        "drawdown_days_pct": percent,
        "drawdown_longest_days": longest,
        "psr": probabilistic_sharpe(ratio, 0.0, days, skew, kurtosis),
        "min_track_record_days": proof if math.isfinite(proof) else None,
    }


def trade_figures(pnl: NDArray[np.float64], returns: NDArray[np.float64]) -> dict[str, Any]:
    """Return figures of the trades themselves (services 7.2).

    Parameters
    ----------
    pnl, returns : ndarray of float64, shape (trades,)
        Profit, and 수익률 in %.
    """
    wins, losses = pnl[pnl >= 0], pnl[pnl < 0]
    lost = float(-losses.sum())
    return {
        "trades": len(pnl),
        "expectancy": float(pnl.mean()) if len(pnl) else 0.0,
        "average_win": float(wins.mean()) if len(wins) else 0.0,
        "average_loss": float(losses.mean()) if len(losses) else 0.0,
        "payoff": float(wins.mean() / -losses.mean()) if len(wins) and len(losses) else None,
        "profit_factor": float(wins.sum()) / lost if lost > 0.0 else None,
        "best_trade_pct": float(returns.max()) if len(returns) else 0.0,
        "worst_trade_pct": float(returns.min()) if len(returns) else 0.0,
    }
