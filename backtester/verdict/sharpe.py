"""What a Sharpe ratio proves: probabilistic and deflated Sharpe ratio, minimum track-record length.

Sources: Bailey and López de Prado, "The Sharpe Ratio Efficient Frontier", Journal of Risk 15(2), 2012 (PSR, MinTRL), and
"The Deflated Sharpe Ratio", Journal of Portfolio Management 40(5), 2014 (expected maximum, DSR). Sharpe ratios are
per observation, here per day, never annualised, unless a name says so; kurtosis is 3 for a normal distribution.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

EULER = 0.577215664901532860606512


def sharpe_of(daily: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return mean over standard deviation (n − 1) of each row; 0 where a row never moves.

    Parameters
    ----------
    daily : ndarray of float64, shape (sets, days)
    """
    days = daily.shape[-1]
    if days < 2:
        return np.zeros(daily.shape[:-1])
    mean = daily.mean(axis=-1)
    # A row that never moves may leave a dust of rounding in its deviation.
    deviation = np.where(np.ptp(daily, axis=-1) > 0.0, daily.std(axis=-1, ddof=1), 0.0)
    return np.asarray(np.divide(mean, deviation, out=np.zeros_like(mean), where=deviation > 0.0))


def moments(daily: NDArray[np.float64]) -> tuple[float, float]:
    """Return skewness and kurtosis (normal: 0 and 3) of one row, as population moments; (0, 3) where it never moves."""
    centred = daily - daily.mean() if len(daily) else daily
    variance = float(np.mean(centred**2)) if len(daily) else 0.0
    if not variance > 0.0 or not np.ptp(daily) > 0.0:
        return 0.0, 3.0
    return float(np.mean(centred**3)) / variance**1.5, float(np.mean(centred**4)) / variance**2


def _spread(sharpe: float, skew: float, kurtosis: float) -> float:
    """Return the variance of a Sharpe estimate times n − 1; a sample can make the formula negative, then it is taken as 0."""
    return max(1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe * sharpe, 0.0)


def probabilistic_sharpe(sharpe: float, benchmark: float, days: int, skew: float = 0.0, kurtosis: float = 3.0) -> float:
    """Return the probability that the true Sharpe ratio is above `benchmark` (2012, equation for PSR).

    Parameters
    ----------
    sharpe, benchmark : float
        Per observation.
    days : int
        Observations.
    skew, kurtosis : float
        Of the returns.
    """
    if days < 2:
        return 0.5
    gap, spread = (sharpe - benchmark) * math.sqrt(days - 1), _spread(sharpe, skew, kurtosis)
    if spread == 0.0:
        return 0.5 if gap == 0.0 else float(gap > 0.0)
    return float(ndtr(gap / math.sqrt(spread)))


def minimum_track_record(sharpe: float, benchmark: float, skew: float = 0.0, kurtosis: float = 3.0, confidence: float = 0.95) -> float:
    """Return how many observations prove a Sharpe ratio above `benchmark` (2012, MinTRL); infinite where it is not above."""
    if not sharpe > benchmark:
        return math.inf
    return 1.0 + _spread(sharpe, skew, kurtosis) * (float(ndtri(confidence)) / (sharpe - benchmark)) ** 2


def expected_maximum(variance: float, trials: float) -> float:
    """Return the largest Sharpe ratio to be expected of `trials` independent rules without any merit (2014, SR₀).

    Parameters
    ----------
    variance : float
        Of the Sharpe ratios across trials.
    trials : float
        Independent ones; one or fewer promises nothing.
    """
    if trials <= 1.0:
        return 0.0
    blend = (1.0 - EULER) * ndtri(1.0 - 1.0 / trials) + EULER * ndtri(1.0 - 1.0 / (trials * math.e))
    return math.sqrt(max(variance, 0.0)) * max(float(blend), 0.0)


def independent_trials(trials: int, correlation: float) -> float:
    """Return how many independent trials correlated ones amount to: ρ + (1 − ρ)·trials (2014, appendix A.3)."""
    share = min(max(correlation, 0.0), 1.0)
    return share + (1.0 - share) * trials


def mean_correlation(daily: NDArray[np.float64]) -> float:
    """Return the mean correlation between rows that move, without laying out the matrix; 0 for fewer than two."""
    moving = daily[np.ptp(daily, axis=1) > 0.0] if daily.size else daily
    if len(moving) < 2:
        return 0.0
    unit = moving - moving.mean(axis=1, keepdims=True)
    unit = unit / np.sqrt((unit * unit).sum(axis=1, keepdims=True))
    total = unit.sum(axis=0)  # the square of the sum holds every pair twice, and each row with itself
    return float((total @ total - len(unit)) / (len(unit) * (len(unit) - 1)))


def deflated_sharpe(sharpe: float, days: int, skew: float, kurtosis: float, variance: float, trials: float) -> float:
    """Return the probability that the true Sharpe ratio is above what the luckiest of `trials` would show (2014, DSR)."""
    return probabilistic_sharpe(sharpe, expected_maximum(variance, trials), days, skew, kurtosis)
