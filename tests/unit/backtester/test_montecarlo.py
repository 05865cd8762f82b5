"""Shuffled trades and resampled days: same seed same answer, what must stay stays, and the slow way agrees."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from backtester.verdict import montecarlo
from backtester.verdict.daily import day_figures, drawdown_of, trade_figures
from backtester.verdict.montecarlo import block_length, bootstrap_days, falls, shuffle_trades, stationary_rows

PNL = np.random.default_rng(4).normal(20.0, 300.0, 250)


def slow_fall(steps: np.ndarray, capital: float) -> tuple[float, float]:
    equity = peak = amount = percent = 0.0
    for step in steps.tolist():
        equity += step
        peak = max(peak, equity)
        if peak - equity > amount:
            amount, percent = peak - equity, (peak - equity) / (peak + capital) * 100
    return amount, percent


def test_falls_are_those_of_a_walk() -> None:
    steps = np.random.default_rng(1).normal(0.0, 10.0, size=(20, 60))
    amount, percent, lowest = falls(steps, 500.0)
    for k, row in enumerate(steps):
        assert (amount[k], percent[k]) == pytest.approx(slow_fall(row, 500.0), abs=1e-9)
        assert lowest[k] == pytest.approx(min(0.0, np.cumsum(row).min()))


def test_shuffles_are_seeded_and_spread_around_the_own_order() -> None:
    got = shuffle_trades(PNL, 10_000.0, 400, 3, 30.0)
    assert got == shuffle_trades(PNL, 10_000.0, 400, 3, 30.0)
    assert got != shuffle_trades(PNL, 10_000.0, 400, 4, 30.0)
    assert got is not None
    assert got["own_drawdown_pct"] == pytest.approx(slow_fall(PNL, 10_000.0)[1])
    spread = got["drawdown_pct"]
    assert spread["min"] <= spread["p05"] <= spread["p50"] <= spread["p95"] <= spread["p99"] <= spread["max"]
    sorted_worst = slow_fall(np.sort(PNL), 10_000.0)[0]  # all losses first is the worst order of all
    assert got["drawdown_amount"]["max"] <= sorted_worst
    assert shuffle_trades(np.zeros(0), 1.0, 10, 1, 30.0) is None


def test_ruin_is_counted() -> None:
    gamble = np.tile([100.0, -99.0], 50)
    assert shuffle_trades(gamble, 1_000_000.0, 200, 1, 30.0)["ruin"] == 0.0  # type: ignore[index]
    assert 0.0 < shuffle_trades(gamble, 2_000.0, 200, 1, 30.0)["ruin"] < 1.0  # type: ignore[index]
    assert shuffle_trades(-np.ones(10), 10.0, 200, 1, 30.0)["ruin"] == 1.0  # type: ignore[index]


def test_very_many_trades_get_fewer_shuffles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(montecarlo, "WORK_MAX", 250 * 150)
    monkeypatch.setattr(montecarlo, "PART", 1000)
    assert shuffle_trades(PNL, 1e4, 1_000, 1, 30.0)["paths"] == 150  # type: ignore[index]


def test_stretches_have_the_length_that_was_asked_for() -> None:
    rows = stationary_rows(200, 300, 8.0, np.random.default_rng(1))
    assert rows.min() >= 0
    assert rows.max() < 200
    on = (np.diff(rows, axis=1) % 200) == 1
    assert 1.0 / (1.0 - on.mean()) == pytest.approx(8.0, rel=0.05)
    counts = np.bincount(rows.ravel(), minlength=200)
    assert counts.min() > 0.5 * counts.mean()  # every day is drawn alike
    assert block_length(1000) == 10.0
    assert (block_length(2), block_length(30)) == (1.0, 3.0)


def test_a_block_of_one_day_is_the_plain_bootstrap() -> None:
    daily = np.random.default_rng(9).normal(30.0, 200.0, 120)
    got = bootstrap_days(daily, 10_000.0, 4_000, 2, 30.0, length=1.0)
    assert got is not None
    assert got == bootstrap_days(daily, 10_000.0, 4_000, 2, 30.0, length=1.0)
    error = daily.std() * np.sqrt(120)
    assert got["profit"]["mean"] == pytest.approx(daily.sum(), abs=error * 0.05)
    low, high = got["profit_95"]
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.05)
    assert got["profit_probability"] == pytest.approx(stats.norm.cdf(daily.sum() / error), abs=0.03)
    assert bootstrap_days(daily[:1], 1.0, 10, 1, 30.0) is None


@pytest.mark.parametrize("year", [250, 365])
def test_figures_of_days_equal_pandas_and_scipy(year: int) -> None:
    """Independent formulas: pandas' rolling and statistics, scipy's moments."""
    daily = np.random.default_rng(year).normal(12.0, 90.0, 130)
    capital = 5_000.0
    got = day_figures(daily, capital, year)
    returns = pd.Series(daily) / capital
    equity = pd.concat([pd.Series([0.0]), pd.Series(daily).cumsum()], ignore_index=True)
    below = equity.cummax() - equity
    worst = below.idxmax()
    want = {
        "annual_return_pct": returns.mean() * year * 100,
        "annual_volatility_pct": returns.std() * np.sqrt(year) * 100,
        "sharpe": returns.mean() / returns.std() * np.sqrt(year),
        "sortino": returns.mean() / np.sqrt((returns.clip(upper=0.0) ** 2).mean()) * np.sqrt(year),
        "skew": stats.skew(returns),
        "kurtosis": stats.kurtosis(returns, fisher=False),
        "day_win_pct": (returns > 0).mean() * 100,
        "profit_factor": returns[returns > 0].sum() / returns[returns < 0].abs().sum(),
        "drawdown_days_amount": below.max(),
        "drawdown_days_pct": below[worst] / (equity[: worst + 1].max() + capital) * 100,
        "best_day_share": returns.max() / returns.sum(),
    }
    for key, value in want.items():
        assert got[key] == pytest.approx(value, rel=1e-9, abs=1e-9), key
    assert got["calmar"] == pytest.approx(want["annual_return_pct"] / want["drawdown_days_pct"], rel=1e-9)
    under = (below > 0).astype(int)
    assert got["drawdown_longest_days"] == under.groupby((under == 0).cumsum()).sum().max()


def test_a_run_of_nothing_has_no_made_up_figures() -> None:
    got = day_figures(np.zeros(5), 100.0, 365)
    assert (got["sharpe"], got["sortino"], got["calmar"], got["profit_factor"], got["best_day_share"]) == (0.0, None, None, None, None)
    assert drawdown_of(np.array([-5.0, 10.0]), 95.0) == (5.0, pytest.approx(5 / 95 * 100), 1)
    assert trade_figures(np.zeros(0), np.zeros(0))["trades"] == 0


def test_figures_of_trades() -> None:
    got = trade_figures(np.array([10.0, -5.0, 20.0, -5.0]), np.array([1.0, -0.5, 2.0, -0.5]))
    assert (got["expectancy"], got["payoff"], got["profit_factor"], got["average_loss"]) == (5.0, 3.0, 3.0, -5.0)
    assert (got["best_trade_pct"], got["worst_trade_pct"]) == (2.0, -0.5)
