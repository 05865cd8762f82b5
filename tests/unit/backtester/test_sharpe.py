"""The published examples of the probabilistic and the deflated Sharpe ratio, to the places that were printed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from backtester.verdict.sharpe import (
    deflated_sharpe,
    expected_maximum,
    independent_trials,
    mean_correlation,
    minimum_track_record,
    moments,
    probabilistic_sharpe,
    sharpe_of,
)


def test_probabilistic_sharpe_of_the_paper() -> None:
    """Bailey and López de Prado 2012: two years of monthly returns, annual Sharpe ratio 1.59, skew −2.448, kurtosis 10.164."""
    assert probabilistic_sharpe(0.458, 0.0, 24) == pytest.approx(0.982, abs=5e-4)
    assert probabilistic_sharpe(0.458, 0.0, 24, -2.448, 10.164) == pytest.approx(0.913, abs=1e-3)


@pytest.mark.parametrize(
    ("a_year", "skew", "kurtosis", "years"), [(252, 0.0, 3.0, 2.73), (52, 0.0, 3.0, 2.83), (12, 0.0, 3.0, 3.24), (12, -0.72, 5.78, 4.99)]
)
def test_minimum_track_record_of_the_paper(a_year: int, skew: float, kurtosis: float, years: float) -> None:
    """Bailey and López de Prado 2012: annual Sharpe ratio 2 shown to be above 1 with 95 % confidence, by frequency and shape."""
    root = math.sqrt(a_year)
    assert minimum_track_record(2 / root, 1 / root, skew, kurtosis) / a_year == pytest.approx(years, abs=0.005)


DSR = {"sharpe": 2.5 / math.sqrt(250), "days": 1250, "variance": 0.5 / 250}
"""Bailey and López de Prado 2014, the numerical example: five years of days, annual Sharpe ratio 2.5, variance ½ across trials."""


def test_deflated_sharpe_of_the_paper() -> None:
    assert expected_maximum(0.5 / 250, 100) == pytest.approx(0.1132, abs=5e-5)
    assert deflated_sharpe(skew=-3.0, kurtosis=10.0, trials=100, **DSR) == pytest.approx(0.9004, abs=5e-5)
    assert deflated_sharpe(skew=-3.0, kurtosis=10.0, trials=46, **DSR) == pytest.approx(0.9505, abs=5e-5)
    assert deflated_sharpe(skew=0.0, kurtosis=3.0, trials=88, **DSR) == pytest.approx(0.9505, abs=5e-5)


def test_the_longest_lucky_streak_is_what_simulation_shows() -> None:
    rng = np.random.default_rng(5)
    largest = rng.normal(0.0, 0.3, size=(40_000, 50)).max(axis=1).mean()
    assert expected_maximum(0.09, 50) == pytest.approx(largest, rel=0.02)
    assert expected_maximum(0.09, 1) == 0.0


def test_a_record_of_the_minimum_length_is_just_enough() -> None:
    days = minimum_track_record(0.11, 0.02, -0.4, 5.0, 0.9)
    assert probabilistic_sharpe(0.11, 0.02, math.ceil(days), -0.4, 5.0) >= 0.9
    assert probabilistic_sharpe(0.11, 0.02, math.floor(days), -0.4, 5.0) < 0.9
    assert minimum_track_record(0.0, 0.0) == math.inf


def test_moments_and_ratio_are_those_of_scipy() -> None:
    daily = np.random.default_rng(1).gamma(2.0, 3.0, size=(3, 97)) - 5.0
    skew, kurtosis = moments(daily[0])
    assert skew == pytest.approx(stats.skew(daily[0]), abs=1e-12)
    assert kurtosis == pytest.approx(stats.kurtosis(daily[0], fisher=False), abs=1e-12)
    assert sharpe_of(daily) == pytest.approx(daily.mean(axis=1) / stats.tstd(daily, axis=1), abs=1e-12)


def test_what_never_moves_proves_nothing() -> None:
    flat = np.full((2, 9), 0.1)
    assert sharpe_of(flat).tolist() == [0.0, 0.0]
    assert moments(flat[0]) == (0.0, 3.0)
    assert probabilistic_sharpe(0.0, 0.0, 9) == 0.5
    assert sharpe_of(np.ones((2, 1))).tolist() == [0.0, 0.0]


def test_correlated_trials_count_as_fewer() -> None:
    rng = np.random.default_rng(3)
    common = rng.normal(size=400)
    daily = 0.9 * common + 0.3 * rng.normal(size=(30, 400))
    want = np.corrcoef(daily)
    assert mean_correlation(daily) == pytest.approx((want.sum() - 30) / (30 * 29), abs=1e-12)
    assert independent_trials(100, 0.0) == 100
    assert independent_trials(100, 1.0) == 1.0
    assert mean_correlation(daily[:1]) == 0.0
