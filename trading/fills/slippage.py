"""Slippage models: by which fraction of its price an order is worse than the book says.

Every function returns a fraction ≥ 0 of the price, on top of the sweep; who buys pays it above, who sells below. A whole number of
price steps is the model of backtester/slippage.py. Sources: oms-and-risk 16.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True, error_model="numpy")
def fixed(bps: float) -> float:
    """The same for every order: `bps` hundredths of a percent."""
    return bps / 10_000.0


@njit(cache=True, nogil=True, error_model="numpy")
def spread(ask: float, bid: float, share: float) -> float:
    """`share` of the spread between the best quotes, as a fraction of the middle; 0 when a side is missing."""
    if not (ask > 0.0 and bid > 0.0 and ask > bid):
        return 0.0
    return (ask - bid) * share / ((ask + bid) / 2.0)


@njit(cache=True, nogil=True, error_model="numpy")
def impact(k: float, sigma: float, value: float, day_value: float) -> float:
    """k · sigma · sqrt(order / ADV): the square-root law.

    Parameters
    ----------
    k : float
        About 1 in the literature; the user's number.
    sigma : float
        Volatility of a day, as a fraction.
    value, day_value : float
        Amount of the order and of an average day, in the same currency; 0 of a day gives 0.
    """
    if not (value > 0.0 and day_value > 0.0 and sigma > 0.0):
        return 0.0
    return k * sigma * math.sqrt(value / day_value)


@njit(cache=True, nogil=True, error_model="numpy")
def tier(table: NDArray[np.float64], day_value: float) -> float:
    """The fraction of the band that an average day's traded value falls into.

    Parameters
    ----------
    table : ndarray of float64, shape (n, 2)
        Traded value from which a band begins, rising, and its fraction. Below the first band the first one holds.
    """
    chosen = table[0, 1]
    for k in range(len(table)):
        if day_value >= table[k, 0]:
            chosen = table[k, 1]
    return chosen  # type: ignore[no-any-return]


def warm() -> None:
    """Compile everything here with the types production uses."""
    fixed(5.0)
    spread(2.0, 1.0, 0.5)
    impact(1.0, 0.03, 1.0, 2.0)
    tier(np.zeros((1, 2)), 1.0)
